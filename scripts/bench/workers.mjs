// A Worker on raw miniflare: no proxy of wrangler's before it, so what is measured is the Worker, the
// runtime and its simulators of D1, R2 and Durable Objects.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { Miniflare, convertV4MiniflareOptions } from "miniflare";

import { ROOT } from "../lib/server.mjs";
import { childrenNamed } from "./cpu.mjs";

const COMPATIBILITY_DATE = "2026-11-01";

/** Every call is counted, as it is in production, and none refused. */
const UNREACHED = { namespace_id: "1", simple: { limit: 1_000_000_000, period: 60 } };

/** The same in every bench: a copied state must be found again under its names. */
const BINDINGS = {
  d1Databases: { DB: "bench" },
  r2Buckets: { BLOBS: "bench" },
  durableObjects: {
    WATCHERS: { className: "Watcher", useSQLite: true },
    GATES: { className: "EndpointGate", useSQLite: true },
  },
  ratelimits: { RATE_KEYS: UNREACHED, RATE_SESSIONS: UNREACHED, RATE_ADDRESSES: UNREACHED, RATE_MINTS: UNREACHED },
};

/** Links of one Worker must open on the other. */
export const SECRET = "bench secret of thirty-two characters or more";

/** The Worker built into `build` behind `entry`, a module of scripts/bench/inside/. */
export function ourModules(entry, build = "build") {
  return [
    { type: "ESModule", path: "entry.mjs", contents: source(`scripts/bench/inside/${entry}`) },
    { type: "ESModule", path: "index.js", contents: source(`${build}/index.js`) },
    { type: "CompiledWasm", path: "index_bg.wasm", contents: readFileSync(join(ROOT, `${build}/index_bg.wasm`)) },
  ];
}

/** The JavaScript Worker that does the same. */
export function baselineModules() {
  const folder = "scripts/bench/baseline";
  const files = readdirSync(join(ROOT, folder)).sort((a, b) => (a === "worker.mjs" ? -1 : b === "worker.mjs" ? 1 : 0));
  return files.map((path) => ({ type: "ESModule", path, contents: source(`${folder}/${path}`) }));
}

/** Starts a Worker; `stop` ends it. Its log lines are read and thrown away, as a platform would. */
export async function startWorker({ modules, vars, state }) {
  const before = new Set(childrenNamed("workerd"));
  const worker = { name: "bench", compatibilityDate: COMPATIBILITY_DATE, modules, bindings: vars, ...BINDINGS };
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      logRequests: false,
      handleStructuredLogs: () => {},
      // Past miniflare's own entry Worker, which would be part of every figure.
      workers: [{ ...worker, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] }],
    }),
    resourcePersistencePath: state,
  });
  await miniflare.ready;
  const url = String(await miniflare.unsafeGetDirectURL("bench")).replace(/\/$/, "");
  const pid = childrenNamed("workerd").find((child) => !before.has(child));
  return { url, pid, miniflare, stop: () => miniflare.dispose() };
}

/** Brings the Worker's empty database up to date. */
export async function migrate({ miniflare }) {
  const database = await miniflare.getD1Database("DB");
  const files = readdirSync(join(ROOT, "migrations")).filter((name) => name.endsWith(".sql")).sort();
  for (const file of files) {
    const statements = source(`migrations/${file}`).replace(/--.*$/gm, "").split(";");
    const wanted = statements.map((sql) => sql.trim()).filter(Boolean);
    await database.batch(wanted.map((sql) => database.prepare(sql)));
  }
}

export function source(path) {
  return readFileSync(join(ROOT, path), "utf8");
}
