// Child processes that never outlive us: each runs under a leash in its own process group.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const LEASH = fileURLToPath(new URL("leash.mjs", import.meta.url));
/** How long a process group may take to end by itself before it is killed. */
const GRACE_MS = 2000;
/** How many of the last lines of a process are kept, to be told when it fails. */
const LAST_LINES = 40;

/**
 * Starts `command` in its own process group. `onLine` gets every line it prints, `last` of what is
 * returned holds the last ones.
 * The group is killed when this process goes away, however that happens.
 */
export function start(command, args, { env = {}, onLine = () => {}, cwd } = {}) {
  const child = spawn(process.execPath, [LEASH, command, ...args], {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  const name = command.split("/").pop();
  const handle = { name, pid: child.pid, ended: false, status: null, last: [] };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      handle.last.push(line);
      if (handle.last.length > LAST_LINES) handle.last.shift();
      onLine(line);
    });
  }
  handle.exit = once(child, "exit").then(([code, signal]) => {
    handle.ended = true;
    handle.status = signal ?? code;
    return handle.status;
  });
  return handle;
}

/** Ends the whole process group and returns when nothing of it is left. */
export async function stop(handle) {
  signalGroup(handle, "SIGTERM");
  const gone = await until(() => !alive(handle), GRACE_MS, 20);
  if (!gone) await kill(handle);
}

/** `kill -9` of the whole process group. */
export async function kill(handle) {
  signalGroup(handle, "SIGKILL");
  await until(() => !alive(handle), GRACE_MS, 10);
}

function signalGroup(handle, signal) {
  try {
    process.kill(-handle.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function alive(handle) {
  try {
    process.kill(-handle.pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs a command to its end. Throws an error with its last lines when it fails. */
export async function run(command, args, options = {}) {
  const { onStart = () => {} } = options;
  const handle = start(command, args, options);
  onStart(handle);
  const status = await handle.exit;
  if (status !== 0) {
    const what = [handle.name, ...args.slice(0, 3)].join(" ");
    throw new Error(`${what} failed (${status}):\n${handle.last.join("\n")}`);
  }
}

/** Asks until `condition` returns something true, or gives up and returns what it returned last. */
export async function until(condition, limitMs, everyMs = 50) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await condition();
    if (answer || Date.now() >= end) return answer;
    await pause(everyMs);
  }
}

/** Whether nobody listens on this port of the loopback interface. */
export async function isFree(port) {
  return (await listenOnce(port)) !== null;
}

/** A port that nobody listens on. */
export async function freePort() {
  return listenOnce(0);
}

async function listenOnce(port) {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return null;
  }
  const { port: got } = server.address();
  server.close();
  await once(server, "close");
  return got;
}
