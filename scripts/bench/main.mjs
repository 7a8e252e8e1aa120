// `make bench` without the native benches: sizes, rows per job, round trips and processor time per request.
// Expects the statements of the store and the case to be judged as JSON in the files named by its arguments.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { measure } from "./cost.mjs";
import { JUDGE_MS_MAX, judge } from "./judge.mjs";
import { showPages } from "./pages.mjs";
import { begin, say, table } from "./report.mjs";
import { countJobs } from "./rows.mjs";
import { startSink } from "./sink.mjs";
import { GZIP_BYTES_MAX, sizes } from "./size.mjs";

const D1_ROWS_MAX = 12;
/** One more for every look at the provider. */
const OBJECT_ROWS_MAX = 5;

/** In memory where there is a place for it: what a disk does is not the Worker's doing. */
const FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

async function main() {
  if (!existsSync("/proc/self/schedstat")) throw new Error("make bench needs Linux: it reads processor time from /proc");
  const [statements, judging] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
  const folder = mkdtempSync(join(FOLDER, "edge-queue-bench-"));
  const sink = await startSink();
  try {
    begin();
    showSizes();
    const counted = await countJobs(join(folder, "seeded"), sink);
    showRows(counted);
    showRequests(counted.requests);
    showWhole(counted.whole);
    const found = await measure({ seeded: join(folder, "seeded"), statements, sink, ...counted });
    showCost(found);
    showJudging(await judge({ state: join(folder, "judging"), judging }));
    await showPages();
  } finally {
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function showSizes() {
  table("1. Size of the upload, bytes", ["build", "wasm", "gzip -9", "glue", "gzip -9", "gzip in all"], sizes());
  say(`at most ${GZIP_BYTES_MAX.toLocaleString("en-US")} in all`);
}

function showRows({ arrived, lost }) {
  const written = (job) => Object.entries(job).filter(([what]) => what.startsWith("written by "));
  const statements = [...new Set([...written(arrived), ...written(lost)].map(([what]) => what))];
  const rows = statements.map((what) => [what, arrived[what] ?? 0, lost[what] ?? 0]);
  const both = (what, count) => [what, count(arrived), count(lost)];
  table("2. Rows of one job with a key, create to success", ["", "callback arrives", "callback lost"], [
    ...rows,
    both(`D1 rows written (meta.rows_written), at most ${D1_ROWS_MAX}`, (job) => job["d1 rows written"]),
    both("alarms set", (job) => job["storage setAlarm"]),
    both("values put", (job) => job["storage put"]),
    both("alarms and values deleted", deleted),
    both(`object rows, at most ${OBJECT_ROWS_MAX} and one per look`, objectRows),
    both("alarms that ran", (job) => job.alarms),
    both("watcher calls", (job) => job["watcher calls"]),
  ]);
  say("object rows are derived: one for each call that sets, puts or deletes, as Cloudflare bills them");
}

/** `deleteAll` finds one value: the note of the attempt that was sent. */
function deleted(job) {
  return ["delete", "deleteAlarm", "deleteAll"].reduce((sum, method) => sum + (job[`storage ${method}`] ?? 0), 0);
}

function objectRows(job) {
  return job["storage setAlarm"] + job["storage put"] + deleted(job);
}

function showRequests(requests) {
  const r2 = (counts) => Object.entries(counts).filter(([what]) => what.startsWith("r2 ")).map(([what, n]) => `${n} ${what.slice(3)}`);
  const rows = Object.entries(requests).map(([request, counts]) => [
    request,
    counts["d1 batches"] ?? 0,
    counts["d1 statements"] ?? 0,
    counts["d1 rows read"] ?? 0,
    counts["d1 rows written"] ?? 0,
    counts["watcher calls"] ?? 0,
    r2(counts).join(", "),
  ]);
  table("3. Round trips of one request", ["request", "D1 batches", "statements", "rows read", "rows written", "watcher calls", "R2"], rows);
}

function showWhole({ cpu_ms, object_busy_ms }) {
  say(`one whole job (create, callback, status, result, its watcher): ${cpu_ms} ms of workerd's processor time with its`);
  say(`simulators and this bench's questions, and ${object_busy_ms} ms in which its object is busy, beside a provider that answers at once`);
}

function showCost(found) {
  const of = (route, side) => found.find((row) => row.route === route && row.side === side);
  const rows = [...new Set(found.map((row) => row.route))].map((route) => {
    const [ours, baseline] = [of(route, "ours"), of(route, "baseline")];
    const ratio = (ours.cpu_us / baseline.cpu_us).toFixed(2);
    return [route, ours.cpu_us, baseline.cpu_us, ratio, ours.per_s, baseline.per_s, (ours.per_s / baseline.per_s).toFixed(2)];
  });
  table(
    "4. Processor time of workerd per request (least of the rounds) and requests per second (most), beside a Worker in JavaScript that gives the same answers",
    ["request", "ours us", "JavaScript us", "ratio", "ours /s", "JavaScript /s", "ratio"],
    rows,
  );
  say("the simulators of D1, R2 and Durable Objects are in every figure; a create wakes its watcher, whose alarm does nothing on both sides");
}

function showJudging(ms) {
  say(`\n5. A template of 201 nodes checked, compiled and validated in Wasm: ${ms.toFixed(2)} ms, at most ${JUDGE_MS_MAX}`);
  say("the prompt has the same hash as natively");
}

await main();
