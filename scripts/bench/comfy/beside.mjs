// The official Python client against our Worker and against comfy-api-proxy, the self-hosted reference of
// the same API, one after the other on this machine: the same script, the same client, GPUs that take the
// same time. Both servers run as their users start them: ours by `wrangler dev`, theirs by its command.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, start, stop, until } from "../../lib/process.mjs";
import { migrate, ROOT, serve } from "../../lib/server.mjs";
import { say, table } from "../report.mjs";

const HERE = join(ROOT, "scripts/bench/comfy");
const PYTHON = join(ROOT, "target/bench/reference/bin");
const ADMIN_KEY = "the operator's key of this bench";
const READY_LIMIT_MS = 30_000;
/** Rounds alternate, and the best of each figure counts: what else the machine does only takes away. */
const ROUNDS = 2;

async function main() {
  const folder = await mkdtemp(join(tmpdir(), "edge-queue-bench-"));
  const before = loadavg()[0];
  const ours = [];
  const theirs = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await ourRound(join(folder, String(round))));
      theirs.push(await theirRound());
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  show(best(ours), best(theirs));
  say(`load of ${cpus().length} cores: ${before.toFixed(1)} before, ${loadavg()[0].toFixed(1)} at the end`);
}

async function ourRound(state) {
  await mkdir(state, { recursive: true });
  await migrate(state);
  const server = await serve({ port: await freePort(), state, vars: { ADMIN_KEY }, isolated: true });
  try {
    return await client({ COMFY_BASE_URL: server.url, COMFY_API_KEY: await key(server.url) }, "ours");
  } finally {
    await server.stop();
  }
}

/** A key of its own is damped less than a caller without one. */
async function key(url) {
  const response = await fetch(`${url}/api/admin/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ owner: "bench", name: "bench", scopes: ["jobs:write", "jobs:read", "workflows:raw"] }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`no key: ${JSON.stringify(answer)}`);
  return answer.secret;
}

async function theirRound() {
  const [gpu, port] = [await freePort(), await freePort()];
  const base = `http://127.0.0.1:${port}`;
  const servers = [
    start(join(PYTHON, "python"), [join(HERE, "fake_comfyui.py"), String(gpu)]),
    start(join(PYTHON, "comfy-api-proxy"), ["--comfyui", `http://127.0.0.1:${gpu}`, "--port", String(port)]),
  ];
  try {
    const answers = (url) => fetch(url).then((response) => response.ok, () => false);
    const ready = async () => (await answers(`${base}/api/v2/health`)) && (await answers(`http://127.0.0.1:${gpu}/queue`));
    if (!(await until(ready, READY_LIMIT_MS, 100))) {
      throw new Error(`comfy-api-proxy did not start:\n${servers.flatMap(({ last }) => last).join("\n")}`);
    }
    return await client({ COMFY_BASE_URL: base }, `http://127.0.0.1:${gpu}`);
  } finally {
    await Promise.all(servers.map(stop));
  }
}

async function client(env, gpu) {
  const lines = [];
  const script = start(join(PYTHON, "python"), [join(HERE, "clients.py"), gpu], { env, onLine: (line) => lines.push(line) });
  if ((await script.exit) !== 0) throw new Error(`the client failed:\n${lines.join("\n")}`);
  return JSON.parse(lines.at(-1));
}

const median = (sorted) => sorted[Math.floor(sorted.length / 2)];

function best(rounds) {
  const least = (name) => Math.min(...rounds.map((round) => median(round[name])));
  const most = (name) => Math.max(...rounds.map((round) => round[name]));
  return {
    submits_per_s: most("submits_per_s"),
    polls_per_s: most("polls_per_s"),
    wait_ms: least("wait_ms"),
    stream_ms: least("stream_ms"),
  };
}

function show(ours, theirs) {
  const row = (what, name) => [what, ours[name], theirs[name], (ours[name] / theirs[name]).toFixed(2)];
  table("7. The official Python client: our Worker beside comfy-api-proxy 0.1.6", ["", "ours", "comfy-api-proxy", "ours / theirs"], [
    row("submits a second, eight at a time", "submits_per_s"),
    row("status polls a second, eight at a time", "polls_per_s"),
    row("from the GPU's end to the return of wait(), ms, median", "wait_ms"),
    row("from the GPU's end to the end of events(), ms, median", "stream_ms"),
  ]);
  say("ours writes a durable row for each submit and stores every output before it says that a job has succeeded;");
  say("comfy-api-proxy keeps its jobs in memory and leaves the outputs where ComfyUI wrote them");
}

await main();
