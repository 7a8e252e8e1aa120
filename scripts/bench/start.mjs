// Runs the bench on a leash: its servers end with it, and it ends with this process.

import { fileURLToPath } from "node:url";

import { run } from "../lib/process.mjs";

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));

try {
  await run(process.execPath, [MAIN, ...process.argv.slice(2)], { onLine: (line) => console.log(line) });
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
