// Runs a module of the bench on a leash: its servers end with it, and it ends with this process.
//
//   node scripts/bench/start.mjs main.mjs ARGUMENTS…

import { fileURLToPath } from "node:url";

import { run } from "../lib/process.mjs";

const [module, ...args] = process.argv.slice(2);
const MAIN = fileURLToPath(new URL(module, import.meta.url));

try {
  await run(process.execPath, [MAIN, ...args], { onLine: (line) => console.log(line) });
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
