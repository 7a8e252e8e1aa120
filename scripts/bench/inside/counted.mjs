// Runs inside workerd: the built Worker with counters around its bindings. What is counted is what the
// bindings were asked and what D1 itself answered in `meta`. Counts are kept per job: every statement of
// the store binds its job's id first, and a watcher is named by its job.
//
// `GET /bench/counts` shows the counters, with `?job=` those of one job, `GET /bench/hold?on=1` keeps the watchers' alarms from going
// on until `on=0`, so that a request can be counted without the job's own work.

import Worker, { EndpointGate as OurGate, Watcher as Ours } from "./index.js";

const HOLD_LOOK_MS = 5;

const jobs = {};
const totals = {};
let held = false;

function count(what, job, n = 1) {
  totals[what] = (totals[what] ?? 0) + n;
  if (job === undefined) return;
  jobs[job] ??= {};
  jobs[job][what] = (jobs[job][what] ?? 0) + n;
}

/** `target` with some members replaced; its own methods keep their `this`. */
function around(target, members) {
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name];
      const value = target[name];
      return typeof value === "function" && name !== "constructor" ? value.bind(target) : value;
    },
  });
}

function database(real) {
  const asked = new WeakMap();
  const name = (sql) => sql.split("\n")[0].replace(/^-- /, "");
  return {
    prepare(sql) {
      const prepared = real.prepare(sql);
      const bind = prepared.bind.bind(prepared);
      prepared.bind = (...values) => {
        const bound = bind(...values);
        asked.set(bound, { statement: name(sql), job: values[0] });
        return bound;
      };
      return prepared;
    },
    async batch(statements) {
      const results = await real.batch(statements);
      count("d1 batches", asked.get(statements[0])?.job);
      results.forEach(({ meta }, i) => {
        const { statement, job } = asked.get(statements[i]) ?? {};
        count("d1 statements", job);
        count("d1 rows written", job, meta.rows_written);
        count("d1 rows read", job, meta.rows_read);
        if (meta.rows_written > 0) count(`written by ${statement}`, job, meta.rows_written);
      });
      return results;
    },
  };
}

function bucket(real) {
  const counted = (method) => (...args) => {
    count(`r2 ${method}`);
    return real[method](...args);
  };
  return around(real, Object.fromEntries(["get", "head", "put", "delete", "list"].map((m) => [m, counted(m)])));
}

/** Calls of durable objects: a watcher is named by its job, a gate by its endpoint. */
function objects(real, what) {
  const stub = (name) => {
    const found = real.getByName(name);
    const fetch = (...args) => {
      count(`${what} calls`, what === "watcher" ? name : undefined);
      return found.fetch(...args);
    };
    return around(found, { fetch });
  };
  return around(real, { getByName: stub });
}

/** Storage operations of a watcher. A row is written by each put, each delete and each change of the alarm. */
function storage(real, job) {
  const counted = (method) => (...args) => {
    count(`storage ${method}`, job);
    return real[method](...args);
  };
  const methods = ["get", "put", "delete", "deleteAll", "getAlarm", "setAlarm", "deleteAlarm"];
  return around(real, Object.fromEntries(methods.map((method) => [method, counted(method)])));
}

let counting;

/** One environment for all: the Worker keeps what it built from the first that it saw. */
function counted(env) {
  counting ??= { ...env, DB: database(env.DB), BLOBS: bucket(env.BLOBS), WATCHERS: objects(env.WATCHERS, "watcher"), GATES: objects(env.GATES, "gate") };
  return counting;
}

export default {
  fetch(request, env, context) {
    const url = new URL(request.url);
    const job = url.searchParams.get("job");
    if (url.pathname === "/bench/counts") return Response.json(job ? (jobs[job] ?? {}) : { jobs, totals });
    if (url.pathname === "/bench/hold") {
      held = url.searchParams.get("on") === "1";
      return new Response();
    }
    return new Worker(context, counted(env)).fetch(request);
  },
};

export class EndpointGate {
  constructor(state, env) {
    this.ours = new OurGate(state, counted(env));
  }

  fetch(request) {
    return this.ours.fetch(request);
  }
}

export class Watcher {
  constructor(state, env) {
    this.job = state.id.name;
    const kept = storage(state.storage, this.job);
    this.ours = new Ours(around(state, { storage: kept }), counted(env));
  }

  fetch(request) {
    return this.timed(() => this.ours.fetch(request));
  }

  async alarm(...args) {
    while (held) await scheduler.wait(HOLD_LOOK_MS);
    count("alarms", this.job);
    return this.timed(() => this.ours.alarm(...args));
  }

  /** The time that the object is busy. The clock stands still while it computes and moves while it waits. */
  async timed(work) {
    const began = Date.now();
    try {
      return await work();
    } finally {
      count("object busy ms", this.job, Date.now() - began);
    }
  }
}
