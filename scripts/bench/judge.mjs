// Processor time in Wasm of what a create does with a template of 201 nodes and of judging it, by the build
// with debug routes: the same code, compiled the same way, which wasm-opt has not gone over. One request runs
// many rounds, because a clock inside workerd stands still.

import { deepStrictEqual } from "node:assert";

import { cpuMs, rested } from "./cpu.mjs";
import { SECRET, ourModules, startWorker } from "./workers.mjs";

/** Enough for V8 to have compiled it for good. */
const WARM_UP = 300;
const ROUNDS = 400;
/** The least of them: what else the machine does only adds. */
const TRIES = 5;
export const JUDGE_MS_MAX = 3;

/** Milliseconds for one compile and one verdict; throws unless native and Wasm made the same bytes. */
export async function judge({ state, judging: { case: question, prompt_hash } }) {
  const vars = { ENVIRONMENT: "local", TOKEN_SECRETS: SECRET };
  const modules = ourModules("idle.mjs", "build-debug-routes");
  const worker = await startWorker({ modules, vars, state });
  const ask = async (rounds) => {
    const body = JSON.stringify({ ...question, rounds });
    const answer = await fetch(`${worker.url}/api/debug/judge`, { method: "POST", body });
    deepStrictEqual(await answer.json(), { prompt_hash, faultless: true });
  };
  try {
    await ask(WARM_UP);
    const tries = [];
    for (let i = 0; i < TRIES; i++) {
      tries.push((await spent(worker, () => ask(ROUNDS + 1))) - (await spent(worker, () => ask(1))));
    }
    return Math.min(...tries) / ROUNDS;
  } finally {
    await worker.stop();
  }
}

async function spent({ pid }, work) {
  await rested(pid);
  const before = cpuMs(pid);
  await work();
  return cpuMs(pid) - before;
}
