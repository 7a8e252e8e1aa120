// The product on this machine: built, migrated, served by `wrangler dev`. `make dev` and the
// black-box tests use the same functions.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { freePort, kill, run, start, stop, until } from "./process.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const WRANGLER = join(ROOT, "node_modules/.bin/wrangler");
const DATABASE = "edge-queue-local";
/** workerd starts in seconds; a loaded machine may need many. */
const READY_LIMIT_MS = 90_000;

// PATH and the settings of wrangler, which every server inherits, come from there.
if (!process.env.EDGE_QUEUE_TARGET) throw new Error("source scripts/env.sh first");

/** Builds the Worker if its sources have changed. */
export async function build(options) {
  await run("bash", [join(ROOT, "scripts/build.sh")], { cwd: ROOT, ...options });
}

/** Brings the local database in `state` up to date. */
export async function migrate(state, options) {
  const args = ["d1", "migrations", "apply", DATABASE, "--local", "--persist-to", state];
  await run(WRANGLER, args, { cwd: ROOT, env: await environment(state), ...options });
}

/**
 * Lays an empty, migrated database into `state`. wrangler takes seconds of processor time to migrate,
 * so its result is kept until the migrations or the tools change, and copied.
 */
export async function layDatabase(state, options) {
  const kept = join(ROOT, "target/migrated", await migrationsHash());
  if (!existsSync(kept)) {
    const made = await mkdtemp(join(tmpdir(), "edge-queue-migrated-"));
    await migrate(made, options);
    await mkdir(dirname(kept), { recursive: true });
    const beside = `${kept}-${process.pid}`;
    await cp(join(made, "v3"), beside, { recursive: true });
    await rm(made, { recursive: true });
    // Of two that are made at once the first stays.
    await rename(beside, kept).catch(() => rm(beside, { recursive: true }));
  }
  await cp(kept, join(state, "v3"), { recursive: true });
}

async function migrationsHash() {
  const hash = createHash("sha256");
  const folder = join(ROOT, "migrations");
  const files = (await readdir(folder)).sort().map((name) => join(folder, name));
  for (const file of [join(ROOT, "package-lock.json"), join(ROOT, "wrangler.toml"), ...files]) {
    hash.update(file).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

/**
 * Starts the product and returns when it answers.
 *
 * `state` is the folder of everything that lasts; `vars` are set on the Worker; with `isolated`
 * neither `.dev.vars` nor `.env` is read and nothing is rebuilt; `main` is another build; with
 * `refusing` settings are expected to be missing. Fails with the last lines of its log.
 */
export async function serve(options) {
  const { port, state, isolated = false, main, refusing = false } = options;
  const { onLine = () => {}, onStart = () => {} } = options;
  const url = `http://127.0.0.1:${port}`;
  const vars = { PUBLIC_URL: url, ...options.vars };
  const handle = start(WRANGLER, await wranglerArgs({ port, state, isolated, main, vars }), {
    cwd: ROOT,
    env: { ...(await environment(state)), ...(isolated ? { EDGE_QUEUE_BUILT: "1" } : {}) },
    onLine,
  });
  onStart(handle);
  let found = null;
  const answered = async () => handle.ended || (found = await health(url)).isReady || found.problems;
  await until(answered, READY_LIMIT_MS, 100);
  if (handle.ended || !(found.isReady || (refusing && found.problems))) {
    const why = handle.ended ? `wrangler ended (${handle.status})` : (found.problems ?? "it does not answer");
    await stop(handle);
    throw new Error(`the server did not start: ${why}\n${found?.problems ? "" : handle.last.join("\n")}`);
  }
  return { url, port, handle, stop: () => stop(handle), kill: () => kill(handle) };
}

async function wranglerArgs({ port, state, vars, isolated, main }) {
  const args = ["dev", ...(main ? [main] : [])];
  args.push("--local", "--ip", "127.0.0.1", "--port", String(port));
  args.push("--inspector-ip", "127.0.0.1", "--inspector-port", String(await freePort()));
  args.push("--test-scheduled", "--show-interactive-dev-session=false", "--persist-to", state);
  if (isolated) args.push("--env-file", await emptyFile(state));
  for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
  return args;
}

/** Servers that run side by side share no registry and no log folder. */
async function environment(state) {
  await mkdir(state, { recursive: true });
  return {
    WRANGLER_REGISTRY_PATH: join(state, "registry"),
    WRANGLER_LOG_PATH: join(state, "logs"),
  };
}

async function emptyFile(state) {
  const path = join(state, "empty.env");
  await writeFile(path, "");
  return path;
}

/** Whether it serves, or the settings that keep it from serving. */
async function health(url) {
  try {
    const response = await fetch(`${url}/api/health`, { signal: AbortSignal.timeout(5000) });
    const { checks } = await response.json();
    const wrong = Array.isArray(checks?.configuration) ? checks.configuration : null;
    const problems = wrong?.map(({ setting, problem }) => `${setting} ${problem}`).join("; ");
    return { isReady: response.status === 200, problems };
  } catch {
    return { isReady: false };
  }
}

/**
 * Gives an endpoint the node classes of ComfyUI itself and the model files of our templates, by the
 * route that every operator uses. Does nothing when it has them already.
 */
export async function stock(url, key, endpoint = "simulated") {
  const body = await readFile(join(ROOT, "inventory/core.json"));
  const response = await fetch(`${url}/api/admin/inventory?endpoint=${endpoint}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body,
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`the inventory was refused: ${answer.message}`);
  return answer;
}

/** Runs the Worker's cron handler: in `wrangler dev` nothing else does. */
export async function tick(url) {
  const signal = AbortSignal.timeout(30_000);
  const response = await fetch(`${url}/__scheduled?cron=*/5+*+*+*+*`, { signal });
  if (!response.ok) throw new Error(`the cron handler answered ${response.status}`);
}

/** Starts `ops mock-runpod`, returns when it listens; `vars` point the Worker at it. */
export async function mockRunpod(options = {}) {
  const { port, args = [], onLine = () => {}, onStart = () => {} } = options;
  const at = port ?? (await freePort());
  const url = `http://127.0.0.1:${at}`;
  let ready = false;
  const handle = start(opsBinary(), ["mock-runpod", "--port", String(at), ...args], {
    cwd: ROOT,
    onLine(line) {
      ready ||= line.trim() === `ready ${url}`;
      onLine(line);
    },
  });
  onStart(handle);
  if (!(await until(() => ready || handle.ended, 20_000, 20)) || handle.ended) {
    await stop(handle);
    const why = handle.status ?? "no answer";
    throw new Error(`ops mock-runpod did not start (${why}):\n${handle.last.join("\n")}`);
  }
  const vars = {
    PROVIDER: "runpod",
    RUNPOD_ENDPOINT_ID: "mock",
    RUNPOD_API_KEY: "mock-key",
    RUNPOD_BASE_URL: `${url}/v2`,
  };
  return { url, port: at, handle, vars, stop: () => stop(handle), kill: () => kill(handle) };
}

/** Builds the operator's command line. */
export async function buildOps(options) {
  await run("cargo", ["build", "--quiet", "-p", "ops"], { cwd: ROOT, ...options });
}

export function opsBinary() {
  return join(process.env.EDGE_QUEUE_TARGET, "debug/ops");
}
