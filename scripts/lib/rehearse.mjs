// A deploy rehearsed with the settings of this repository, which are nobody's: what would stop it are
// placeholders, and nothing else.
//
//   rehearse.mjs staging|production

import { spawnSync } from "node:child_process";

import { ROOT, opsBinary } from "./server.mjs";

const STOP = /^a deploy would stop here/;
const NOBODYS = /is a placeholder|^ADMIN_KEY is not in the environment/;

const words = ["deploy", "--env", process.argv[2], "--dry-run", "--json"];
const { ADMIN_KEY, ...env } = process.env;
// What the build says comes as it is said.
const stdio = ["ignore", "pipe", "inherit"];
const { stdout, status } = spawnSync(opsBinary(), words, { cwd: ROOT, env, stdio, encoding: "utf8" });
const { steps } = JSON.parse(stdout || '{"steps": []}');
const stopped = steps.filter(({ lines }) => lines.some((line) => STOP.test(line)));
const faults = stopped.flatMap(({ lines }) => lines.filter((line) => !STOP.test(line)));
const others = faults.filter((line) => !NOBODYS.test(line));
if (status !== 1 || steps.length !== 8 || stopped.length !== 1 || others.length > 0) {
  console.error(stdout);
  console.error(`rehearsal: status ${status}, ${steps.length} steps; beside placeholders: ${others.join("; ")}`);
  process.exit(1);
}
