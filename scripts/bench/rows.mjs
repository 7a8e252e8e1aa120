// What a job costs: two real jobs through the built Worker, one whose callback arrives and one whose
// callback is lost, with counters around its bindings (inside/counted.mjs). Returns what was counted.

import { until } from "../lib/process.mjs";
import { cpuMs, rested } from "./cpu.mjs";
import { send } from "./load.mjs";
import { done } from "./sink.mjs";
import { SECRET, migrate, ourModules, startWorker } from "./workers.mjs";

/** The first look at a job comes after its usual time, 15 s for this template. */
const LOOK_LIMIT_MS = 60_000;
const STEP_LIMIT_MS = 20_000;
/** Jobs from create to result of which the processor time is the mean. */
const WHOLE_JOBS = 60;

const BODY = { prompt: "a red fox in the snow" };

/**
 * Leaves a database with a job that succeeded in `state` and returns
 * `{arrived, lost, requests, job, link}`: the counts of both jobs and of single requests, the job's id
 * and the link of its result.
 */
export async function countJobs(state, sink) {
  const vars = { ENVIRONMENT: "local", TOKEN_SECRETS: SECRET, ...sink.vars };
  const worker = await startWorker({ modules: ourModules("counted.mjs"), vars, state });
  try {
    await migrate(worker);
    const bench = new Bench(worker, sink);
    // The lost one first: it waits for its look while the other is served.
    const lost = await bench.submit("bench-lost");
    const requests = {};
    const arrived = await bench.submit("bench-arrived", requests);
    requests["status, not ended"] = await bench.counted(() => bench.get(`/api/queue/status/${arrived.job}`));
    requests["webhook, first"] = await bench.counted(() => bench.callback(arrived));
    const { job } = JSON.parse((await bench.get(`/api/queue/status/${arrived.job}`)).body);
    requests["status, succeeded"] = await bench.counted(() => bench.get(`/api/queue/status/${arrived.job}`));
    requests["result, signed link"] = await bench.counted(() => bench.get(job.result_url));
    requests["webhook, repeated"] = await bench.counted(() => bench.callback(arrived));
    sink.finish(lost.order.id);
    await bench.ended(lost.job, LOOK_LIMIT_MS);
    const whole = await bench.wholeJobs(worker.pid);
    const { jobs } = await bench.counts();
    return { arrived: jobs[arrived.job], lost: jobs[lost.job], whole, requests, job: arrived.job, link: job.result_url };
  } finally {
    await worker.stop();
  }
}

class Bench {
  constructor(worker, sink) {
    this.url = worker.url;
    this.sink = sink;
  }

  /** Creates a job and waits until the sink has it and the row says so. */
  async submit(key, requests = {}) {
    const before = this.sink.orders.length;
    let created;
    requests.create = await this.counted(async () => (created = await this.create(key)));
    const job = JSON.parse(created.body).job_id;
    await this.until("the order", () => this.sink.orders.length > before);
    await this.until("the provider's id", async () => (await this.countsOf(job))["written by jobs::note_provider_id"]);
    return { job, order: this.sink.orders.at(-1) };
  }

  /** The mean processor time of workerd and the mean busy time of the object, of one job each. */
  async wholeJobs(pid) {
    const one = async (key) => {
      const started = await this.submit(key);
      await this.callback(started);
      const { job } = JSON.parse((await this.get(`/api/queue/status/${started.job}`)).body);
      await this.get(job.result_url);
      await this.until("the watcher's end", async () => (await this.countsOf(job.id))["storage deleteAll"]);
      return job.id;
    };
    for (let i = 0; i < WHOLE_JOBS; i++) await one(`bench-warm-${i}`);
    await rested(pid);
    const before = cpuMs(pid);
    const done = [];
    for (let i = 0; i < WHOLE_JOBS; i++) done.push(await one(`bench-whole-${i}`));
    const cpu_ms = (cpuMs(pid) - before) / WHOLE_JOBS;
    const { jobs } = await this.counts();
    const busy = done.reduce((sum, job) => sum + (jobs[job]["object busy ms"] ?? 0), 0);
    return { cpu_ms: cpu_ms.toFixed(1), object_busy_ms: (busy / WHOLE_JOBS).toFixed(1) };
  }

  create(key) {
    const headers = { "content-type": "application/json", "idempotency-key": key };
    return this.ok({ method: "POST", path: "/api/queue/create", headers, body: JSON.stringify(BODY) });
  }

  get(path) {
    return this.ok({ path });
  }

  callback({ order }) {
    const headers = { "content-type": "application/json" };
    const path = new URL(order.webhook).pathname;
    return this.ok({ method: "POST", path, headers, body: JSON.stringify(done(order.id)) });
  }

  async ended(job, limitMs) {
    const status = async () => JSON.parse((await this.get(`/api/queue/status/${job}`)).body).job.status;
    await this.until("the job's end", async () => (await status()) === "succeeded", limitMs);
    // The watcher forgets the job after the row says that it has ended.
    await this.until("the watcher's end", async () => (await this.countsOf(job))["storage deleteAll"]);
  }

  /** What one request asked of the bindings, with the watchers' alarms held back. */
  async counted(act) {
    await this.get("/bench/hold?on=1");
    const before = (await this.counts()).totals;
    await act();
    const { totals } = await this.counts();
    await this.get("/bench/hold?on=0");
    const changed = Object.entries(totals).map(([what, n]) => [what, n - (before[what] ?? 0)]);
    return Object.fromEntries(changed.filter(([, n]) => n > 0));
  }

  async counts() {
    return JSON.parse((await this.get("/bench/counts")).body);
  }

  async countsOf(job) {
    return JSON.parse((await this.get(`/bench/counts?job=${job}`)).body);
  }

  async ok(asked) {
    const answer = await send(this.url, asked);
    if (answer.status !== 200) throw new Error(`${asked.path} answered ${answer.status}: ${answer.body}`);
    return answer;
  }

  async until(what, condition, limitMs = STEP_LIMIT_MS) {
    if (!(await until(condition, limitMs))) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
  }
}
