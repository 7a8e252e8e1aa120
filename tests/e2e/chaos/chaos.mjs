// Chaos on real workerd: many jobs, a provider that misbehaves by a seeded plan, a Worker that is killed
// with SIGKILL again and again while its state stays, and a provider that is gone for a while.
//
// The provider's callbacks come through a door that is always there, as Cloudflare's edge is: a Worker that
// has died is not an address that has gone. With `door: false` they meet nobody, and most are lost.
//
// Nothing here judges: `chaos` answers what happened, in figures that each should be zero or all.

import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { Product } from "../harness.mjs";
import { MockControls } from "../mock.mjs";
import { openDoor } from "./door.mjs";

const TERMINAL = ["succeeded", "failed", "canceled", "expired"];
const CALLERS = 6;
/** A caller gives a create up after this long: by then the Worker has been up many times. */
const CREATE_LIMIT_MS = 120_000;
const TICK_MS = 2_000;
/** A callback that met a dead Worker is repeated for the last time 20 s after its first try. */
const LAST_NEWS_MS = 25_000;

/** The same numbers between 0 and 1 for the same seed (mulberry32). */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How one order goes. Webhooks are told, lost, doubled, late, early, cut, forged or about another. */
function orderPlan(roll) {
  const pick = (choices) => choices[Math.floor(roll() * choices.length)];
  const webhook = pick([
    {}, {}, {}, { copies: 0 }, { copies: 3 }, { delay_ms: 4_000 }, { early_ms: 200 },
    { cut_bytes: 100 }, { wrong_id: true }, { forged: true }, { forged: true, copies: 2 },
  ]);
  const looks = pick([
    [], [], [], [{ on: "status", times: 2, fault: { html: { status: 502 } } }],
    [{ on: "status", fault: "lost" }], [{ on: "status", fault: { cut: { bytes: 40 } } }],
    [{ on: "status", fault: { too_many: { retry_after: "1" } } }],
  ]);
  // An answer that is lost or late on its way back: the order is taken all the same.
  const submit = pick([
    [], [], [], [], [], [{ on: "run", fault: "lost", taken: true }],
    [{ on: "run", fault: { html: { status: 502 } }, taken: true }],
    [{ on: "run", fault: { slow: { delay_ms: 1_500 } } }],
    [{ on: "run", fault: { too_many: { retry_after: "1" } } }],
  ]);
  const isLost = submit.some((fault) => fault.taken);
  return {
    queue_ms: Math.floor(roll() * 400),
    run_ms: 200 + Math.floor(roll() * 1_800),
    status_missing_ms: roll() < 0.1 ? 2_000 : 0,
    late_progress_ms: roll() < 0.1 ? 1_000 : 0,
    outcome: pick(["base64", "base64", "base64", { multi: { count: 3 } }, "no_images"]),
    // Nothing but its webhook tells of an order whose answer was lost: that one is not dropped.
    webhook: isLost ? {} : webhook,
    faults: [...submit, ...looks],
  };
}

/** Runs it all and answers the figures. Every wait is for a condition, or is the chaos itself. */
export async function chaos({ jobs, seed, kills, outageMs, settleMs, door = true, say = () => {} }) {
  const roll = dice(seed);
  const plans = Array.from({ length: jobs }, () => orderPlan(roll));
  const edge = await openDoor(() => product.url);
  const vars = door ? { PUBLIC_URL: edge.url } : {};
  const plan = { next: plans, webhooks_reversed: true };
  const product = new Product({ runpod: true, plan, vars });
  const began = Date.now();
  await product.begin();
  const mock = new MockControls(product);
  const run = { isOver: false, killed: 0 };
  const ticking = tickWhile(product, run);
  try {
    const creating = createAll(product, jobs, seed);
    for (let i = 0; i < kills; i++) {
      await pause(500 + roll() * 4_000);
      await product.kill();
      run.killed += 1;
      await product.start();
      say(`killed ${run.killed} of ${kills} times`);
      if (i === Math.floor(kills / 2)) await outage(product, outageMs, say);
    }
    if (kills === 0) await outage(product, outageMs, say);
    const created = await creating;
    say(`${created.length} jobs created after ${Math.round((Date.now() - began) / 1000)} s`);
    await settled(product, created, settleMs, say);
    return { ...(await judged(product, mock, created, say)), kills: run.killed, seed, seconds: Math.round((Date.now() - began) / 1000) };
  } catch (error) {
    product.explain({ passed: false });
    throw error;
  } finally {
    run.isOver = true;
    await ticking;
    await product.end();
    edge.close();
  }
}

/** Cron never fires in `wrangler dev`. */
async function tickWhile(product, run) {
  while (!run.isOver) {
    await pause(TICK_MS);
    await product.tick().catch(() => {});
  }
}

/** The provider's process stands still: connections open, and nobody answers. */
async function outage(product, outageMs, say) {
  const group = -product.mock.handle.pid;
  process.kill(group, "SIGSTOP");
  say(`the provider is gone for ${outageMs / 1000} s`);
  await pause(outageMs);
  process.kill(group, "SIGCONT");
}

/** Every job is created with a key, by callers that repeat until they are answered. */
async function createAll(product, jobs, seed) {
  const created = [];
  let next = 0;
  const caller = async () => {
    while (next < jobs) {
      const n = next++;
      created.push(await create(product, { prompt: `chaos ${seed} ${n}` }, `chaos-${n}`));
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return created;
}

async function create(product, body, key) {
  const end = Date.now() + CREATE_LIMIT_MS;
  for (;;) {
    const headers = { "idempotency-key": key };
    const answer = await product.call("POST", "/api/queue/create", body, headers).catch(() => null);
    if (answer?.status === 200) {
      // The same key once more: the answer must name the same job.
      const again = await product.call("POST", "/api/queue/create", body, headers).catch(() => null);
      const repeat = again?.status === 200 ? again.body.job_id : answer.body.job_id;
      return { id: answer.body.job_id, isDoubled: repeat !== answer.body.job_id };
    }
    if (Date.now() > end) throw new Error(`${key} was never accepted: ${JSON.stringify(answer?.body)}`);
    await pause(200);
  }
}

const isUnknown = (job) => !TERMINAL.includes(job.status) && job.attempts.at(-1)?.provider_id === null;

/** Whether the provider took the newest attempt, whose number is in the token of its callback's address. */
const isTaken = (job, orders) => orders.some((order) => attemptOf(order) === job.attempts.at(-1).n);
const attemptOf = (order) => Buffer.from(order.webhook.split("/").pop(), "base64url").readUInt32BE(17);

/** Returns when every job has ended or waits for the news of a lost submit, or after `settleMs`. */
async function settled(product, created, settleMs, say) {
  const begun = Date.now();
  const end = begun + settleMs;
  let open = created;
  while (open.length > 0 && Date.now() < end) {
    await pause(1_000);
    const jobs = await Promise.all(open.map(({ id }) => product.job(id)));
    open = open.filter((_, i) => !TERMINAL.includes(jobs[i].status));
    say(`${open.length} jobs have not ended`);
    const unended = jobs.filter((job) => !TERMINAL.includes(job.status));
    if (unended.every(isUnknown) && Date.now() > begun + LAST_NEWS_MS) break;
  }
}

async function judged(product, mock, created, say) {
  const figures = { jobs: created.length, succeeded: 0, failed: 0, unknown: 0, unknown_and_taken: 0, lost: 0, stuck: 0, sent_twice: 0, paid_twice: 0, doubled: 0, false_successes: 0, other_bytes: 0 };
  const orders = await mock.allOrders();
  for (const { id, isDoubled } of created) {
    const answer = await product.call("GET", `/api/queue/status/${id}`);
    figures.doubled += isDoubled ? 1 : 0;
    if (answer.status !== 200) {
      figures.lost += 1;
      continue;
    }
    const { job } = answer.body;
    const own = orders.get(id) ?? [];
    // A callback's address names the job and the attempt.
    figures.sent_twice += new Set(own.map((order) => order.webhook)).size < own.length ? 1 : 0;
    figures.paid_twice += own.filter((order) => order.delivers.length > 0).length > 1 ? 1 : 0;
    if (!TERMINAL.includes(job.status)) {
      figures[isUnknown(job) ? "unknown" : "stuck"] += 1;
      figures.unknown_and_taken += isUnknown(job) && isTaken(job, own) ? 1 : 0;
      const { status, wait_reason, wait_until, attempts } = job;
      say(`not ended: ${JSON.stringify({ id, status, wait_reason, wait_until, attempts })}`);
    }
    if (job.status === "failed") figures.failed += 1;
    if (job.status === "succeeded") {
      figures.succeeded += 1;
      const verdict = await sameBytes(product, job, own);
      if (verdict) figures[verdict] += 1;
    }
  }
  figures.orders = [...orders.values()].flat().length;
  figures.failed_though_delivered = await delivered(product, created, orders);
  return figures;
}

/** Jobs that failed although the provider had delivered for them. */
async function delivered(product, created, orders) {
  let count = 0;
  for (const { id } of created) {
    const own = orders.get(id) ?? [];
    const job = await product.job(id).catch(() => null);
    if (job?.status === "failed" && own.some((order) => order.delivers.length > 0)) count += 1;
  }
  return count;
}

/** Nothing, or what is wrong with the results of a job that is said to have succeeded. */
async function sameBytes(product, job, orders) {
  const made = orders.find((order) => order.delivers.length > 0);
  if (!made) return "false_successes";
  const hashes = [];
  for (const output of job.outputs) {
    const response = await product.fetch(output.url);
    if (response.status !== 200) return "false_successes";
    const bytes = Buffer.from(await response.arrayBuffer());
    hashes.push(createHash("sha256").update(bytes).digest("hex"));
  }
  return JSON.stringify(hashes) === JSON.stringify(made.delivers) ? null : "other_bytes";
}

/** What must be zero, whatever happened. */
export const MUST_BE_ZERO = ["lost", "stuck", "sent_twice", "paid_twice", "doubled", "false_successes", "other_bytes", "failed_though_delivered"];
