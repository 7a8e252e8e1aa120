// Runs a command and kills its whole process group, this process included, when whoever started it
// goes away, be it by kill -9: standard input is a pipe that nobody writes to, and it ends with its
// other end. Must be started as the leader of its own process group.

import { spawn } from "node:child_process";

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });

process.stdin.resume();
process.stdin.on("end", () => process.kill(0, "SIGKILL"));
process.stdin.on("error", () => process.kill(0, "SIGKILL"));

// Signals reach the whole group at once: wait for the child, which ends by itself.
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => {});

child.on("error", (error) => {
  console.error(`${command}: ${error.message}`);
  process.exit(127);
});
child.on("exit", (code, signal) => {
  process.exitCode = signal ? 1 : code;
  process.exit();
});
