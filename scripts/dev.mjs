// `make dev`: the whole product on this machine, until it is told to stop.
// `make dev-runpod` (--runpod): the same against a RunPod that is not there.

import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseEnv } from "node:util";

import { isFree, stop } from "./lib/process.mjs";
import { ROOT, build, buildOps, migrate, mockRunpod, serve, stock, tick } from "./lib/server.mjs";

const PORT_DEFAULT = 8787;
/** In production cron fires every minute; here nobody wants to wait that long. */
const TICK_MS = 60_000;
/** make does not always pass signals on: look whether it is still there. */
const PARENT_MS = 500;

const running = new Set();
let stopping = false;

async function main() {
  const port = wantedPort();
  const runpod = process.argv.includes("--runpod");
  if (!(await isFree(port))) {
    const verb = runpod ? "dev-runpod" : "dev";
    const other = `PORT=${port + 1} make ${verb}`;
    throw new Error(`port ${port} is taken. Stop what listens there, or choose another: ${other}`);
  }
  // Two servers must not share one state.
  const state = join(ROOT, ".run", port === PORT_DEFAULT ? "state" : `state-${port}`);
  const log = join(ROOT, ".run", `dev-${port}.log`);
  mkdirSync(state, { recursive: true });
  writeFileSync(log, "");

  const onStart = (handle) => {
    running.add(handle);
    // What it may have left behind ends with it.
    handle.exit.then(() => stop(handle)).then(() => running.delete(handle));
  };
  const onLine = (line) => {
    appendFileSync(log, `${line}\n`);
    process.stderr.write(`${line}\n`);
  };
  const quiet = (line) => appendFileSync(log, `${line}\n`);

  await build({ onStart, onLine });
  await migrate(state, { onStart, onLine: quiet });
  const operator = operatorOf(state);
  let vars = { ...operator.vars };
  if (runpod) {
    await buildOps({ onStart, onLine });
    const mock = await mockRunpod({ onStart, onLine });
    mock.handle.exit.then((status) => fail(`ops mock-runpod ended by itself (${status})`));
    vars = { ...vars, ...mock.vars };
  }
  const server = await serve({ port, state, vars, onLine, onStart });
  server.handle.exit.then((status) => fail(`wrangler dev ended by itself (${status}): ${log}`));
  // Not a real endpoint's, should .dev.vars name one: `ops inventory pull` brings that.
  await stock(server.url, operator.key, runpod ? "mock" : "simulated");
  greet(server.url, operator);
  setInterval(() => tick(server.url).catch((error) => onLine(`cron: ${error.message}`)), TICK_MS);
}

/**
 * The operator's key: as the environment or .dev.vars has it, else one of our own making that lasts as
 * long as the state.
 */
function operatorOf(state) {
  if (process.env.ADMIN_KEY) {
    return { key: process.env.ADMIN_KEY, where: "$ADMIN_KEY", vars: { ADMIN_KEY: process.env.ADMIN_KEY } };
  }
  const settings = join(ROOT, ".dev.vars");
  const set = existsSync(settings) ? parseEnv(readFileSync(settings, "utf8")).ADMIN_KEY : undefined;
  if (set) return { key: set, where: ".dev.vars", vars: {} };
  const file = join(state, "operator-key");
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  const key = readFileSync(file, "utf8").trim();
  return { key, where: relative(ROOT, file), vars: { ADMIN_KEY: key }, isOurs: true };
}

function greet(url, { key, where, isOurs }) {
  const body = '{"prompt":"a red fox in the snow"}';
  const create = `${url}/api/queue/create -H 'content-type: application/json' -d '${body}'`;
  console.log(`ready ${url}`);
  console.log(`open ${url} in a browser, or send a job:`);
  console.log(`curl -s -X POST ${create}`);
  console.log("to try keys (README.md, Try a key), in another shell:");
  const shown = isOurs ? key : `...   # the one of ${where}`;
  console.log(`export EDGE_QUEUE_URL=${url} ADMIN_KEY=${shown}`);
}

function wantedPort() {
  const port = Number(process.env.PORT || PORT_DEFAULT);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`PORT must be a port number, not '${process.env.PORT}'`);
}

async function stopAll(status) {
  if (stopping) return;
  stopping = true;
  await Promise.all([...running].map(stop));
  process.exit(status);
}

function fail(message) {
  if (stopping) return;
  console.error(`error: ${message}`);
  stopAll(1);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stopAll(0));
if (process.env.MAKELEVEL) {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stopAll(0), PARENT_MS);
}
main().catch((error) => fail(error.message));
