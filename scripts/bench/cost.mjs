// Processor time and throughput of create, status and result, ours beside the baseline: two servers that
// take turns, so that whatever else the machine does meets both. A create includes the call of the job's
// watcher, and the alarm it sets does nothing on either side.

import { cp } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";

import { cpuMs, rested } from "./cpu.mjs";
import { load, send } from "./load.mjs";
import { SECRET, baselineModules, ourModules, source, startWorker } from "./workers.mjs";

/** Enough for V8 to have compiled both for good. */
const WARM_UP = 600;
const ROUNDS = 5;
/** Creates are fewer: each leaves a watcher with a file of its own. */
const COUNTS = { create: 500, status: 1200, result: 1200 };

/** Returns `[{route, side, cpu_us, per_s}]`; `seeded` is the state that `countJobs` left. */
export async function measure({ seeded, statements, job, link, sink, onRound = () => {} }) {
  const sides = { ours: `${seeded}-ours`, baseline: `${seeded}-baseline` };
  for (const state of Object.values(sides)) await cp(seeded, state, { recursive: true });
  const vars = { ENVIRONMENT: "local", TOKEN_SECRETS: SECRET, ...sink.vars };
  const ours = await startWorker({ modules: ourModules("idle.mjs"), vars, state: sides.ours });
  try {
    const known = baselineVars(vars, statements, link);
    const baseline = await startWorker({ modules: baselineModules(), vars: known, state: sides.baseline });
    try {
      const routes = requests(job, link);
      await sameWork(ours, baseline, routes);
      return await rounds({ ours, baseline }, routes, onRound);
    } finally {
      await baseline.stop();
    }
  } finally {
    await ours.stop();
  }
}

function baselineVars(vars, statements, link) {
  const template = source("src/workflow/templates/text-to-image/template.json");
  return {
    ...vars,
    SQL: statements,
    TEMPLATE: JSON.parse(template),
    TEMPLATE_HASH: "0".repeat(64),
    KID: new URLSearchParams(link.split("?")[1]).get("kid"),
  };
}

function requests(job, link) {
  const run = process.pid.toString(36) + Date.now().toString(36);
  let created = 0;
  const create = () => ({
    method: "POST",
    path: "/api/queue/create",
    headers: { "content-type": "application/json", "idempotency-key": `${run}-${created++}` },
    body: JSON.stringify({ prompt: `a red fox in the snow, number ${created}`, ratio: "16:9" }),
  });
  return { create, status: () => ({ path: `/api/queue/status/${job}` }), result: () => ({ path: link }) };
}

async function rounds(sides, routes, onRound) {
  const best = [];
  for (const [route, make] of Object.entries(routes)) {
    for (const [side, worker] of Object.entries(sides)) {
      await load(worker.url, WARM_UP, make);
      best.push({ route, side, cpu_us: Infinity, per_s: 0 });
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const [side, worker] of Object.entries(sides)) {
        const found = await oneRound(worker, COUNTS[route], make);
        onRound({ route, side, ...found });
        const row = best.find((known) => known.route === route && known.side === side);
        row.cpu_us = Math.min(row.cpu_us, found.cpu_us);
        row.per_s = Math.max(row.per_s, found.per_s);
      }
    }
  }
  return best;
}

async function oneRound({ url, pid }, count, make) {
  await rested(pid);
  const before = cpuMs(pid);
  const seconds = await load(url, count, make);
  await rested(pid);
  return { cpu_us: ((cpuMs(pid) - before) * 1000) / count, per_s: count / seconds };
}

/** The comparison holds only if both sides answer the same. */
async function sameWork(ours, baseline, routes) {
  for (const [route, make] of Object.entries(routes)) {
    const [a, b] = [await send(ours.url, make()), await send(baseline.url, make())];
    const same = isDeepStrictEqual(shown(a), shown(b));
    if (!same) throw new Error(`the baseline's ${route} differs:\n${JSON.stringify(shown(a))}\n${JSON.stringify(shown(b))}`);
  }
}

/** What must be equal: everything but ids, times and hashes, which each side makes for itself. */
function shown({ status, headers, body }) {
  const { date, etag, "x-request-id": id, ...rest } = headers;
  if (!/json/.test(headers["content-type"])) return { status, body, headers: rest };
  const own = /[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|\b\d{13,17}\b|number \d+/g;
  delete rest["content-length"];
  return { status, headers: rest, body: JSON.parse(body.replace(own, "0")) };
}
