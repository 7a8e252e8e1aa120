// The product as a black box: started as `make dev` starts it, on a free port, with an empty state.
//
//   const product = await startProduct(t);                 // simulated GPU, for one test
//   const product = sharedProduct({ runpod: true });       // against `ops mock-runpod`, for a file
//
// Everything ends and every file goes with the test or the file; what the servers printed is shown
// when a test fails, and searched at the end for every secret and text that went in or out. Tests wait
// for conditions (`eventually`), never for time.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { stripVTControlCharacters } from "node:util";

import { freePort, until } from "../../scripts/lib/process.mjs";
import { build, layDatabase, mockRunpod, serve, stock, tick } from "../../scripts/lib/server.mjs";
import { Confidential } from "./confidential.mjs";

/** Lines shown of a failure: one long test prints a few hundred. */
const LINES_SHOWN = 400;
/** The operator of every product that has an inventory. */
export const OPERATOR_KEY = "the operator's key of black-box tests";
const TERMINAL = ["succeeded", "failed", "canceled", "expired"];

let built;

/**
 * @param t the test's context, or anything with `after(fn)`
 * @param options.runpod start `ops mock-runpod` and use it
 * @param options.plan how the mock behaves; `options.mockArgs` are added to its command line
 * @param options.vars set on the Worker, over everything else
 * @param options.inventory give the simulated endpoint its inventory, as `make dev` does
 * @param options.main another build than the release
 * @param options.refusing expect a configuration that serves nothing
 */
export async function startProduct(t, options = {}) {
  const product = new Product(options);
  t.after(async () => {
    product.explain(t);
    await product.end();
  });
  await product.begin();
  return product;
}

/** One product for all tests of a file. Called at the file's top, used inside its tests. */
export function sharedProduct(options = {}) {
  const product = new Product(options);
  before(() => product.begin());
  afterEach((t) => product.explain(t));
  after(() => product.end());
  return product;
}

export class Product {
  /** Every line that the servers printed. */
  log = [];
  /** What none of them may hold. */
  confidential = new Confidential();
  mock = null;
  server = null;
  port = 0;
  #shown = 0;

  constructor({ runpod = false, inventory = false, plan = {}, mockArgs = [], vars = {}, ...served }) {
    this.runpod = runpod;
    this.inventory = inventory;
    this.mockArgs = ["--plan", JSON.stringify(plan), ...mockArgs];
    this.vars = inventory ? { ADMIN_KEY: OPERATOR_KEY, ...vars } : vars;
    this.served = served;
    this.note = (line) => this.log.push(line);
  }

  async begin() {
    try {
      this.state = await mkdtemp(join(tmpdir(), "edge-queue-e2e-"));
      built ??= build();
      await built;
      await layDatabase(this.state, { onLine: this.note });
      if (this.runpod) {
        this.mock = await mockRunpod({ args: this.mockArgs, onLine: this.note });
      }
      this.port = await freePort();
      await this.start();
      if (this.inventory) await stock(this.url, OPERATOR_KEY);
    } catch (error) {
      this.explain({ passed: false });
      throw error;
    }
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts, also again after `kill` or `stop`: same port and state, `vars` over earlier ones. */
  async start(vars = {}) {
    this.vars = { ...this.vars, ...vars };
    this.confidential.vars({ ...this.mock?.vars, ...this.vars });
    this.server = await serve({
      port: this.port,
      state: this.state,
      vars: { ...this.mock?.vars, ...this.vars },
      ...this.served,
      isolated: true,
      onLine: this.note,
    });
  }

  /** Asks the server to end, as Ctrl-C does. */
  async stop() {
    await this.server?.stop();
    this.server = null;
  }

  /** `kill -9` of every process of the server; the mock of RunPod lives on. */
  async kill() {
    await this.server?.kill();
    this.server = null;
  }

  /** Runs the cron handler once. */
  async tick() {
    await tick(this.url);
  }

  fetch(path, options = {}) {
    return fetch(new URL(path, this.url), { redirect: "manual", ...options });
  }

  /** `{status, headers, body}`; the body parsed when it is JSON, else text. */
  async call(method, path, body, headers = {}) {
    const response = await this.fetch(path, {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    const parsed = isJson ? JSON.parse(text) : text;
    this.confidential.sent(body, headers);
    this.confidential.answered(parsed);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  /** Creates a job that must be accepted, and answers its id. */
  async create(body, headers) {
    const answer = await this.call("POST", "/api/queue/create", body, headers);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.job_id;
  }

  async job(id, headers) {
    const answer = await this.call("GET", `/api/queue/status/${id}`, undefined, headers);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.job;
  }

  /** The job once it has ended, however it did. */
  async ended(id, { headers, limitMs } = {}) {
    const job = async () => {
      const job = await this.job(id, headers);
      return TERMINAL.includes(job.status) && job;
    };
    return eventually(`job ${id} ends`, job, limitMs);
  }

  /** The job once it has succeeded; fails as soon as it has ended otherwise. */
  async succeeded(id, options) {
    const job = await this.ended(id, options);
    assert.equal(job.status, "succeeded", JSON.stringify(job.error));
    return job;
  }

  /** What the Worker logged, without wrangler's own lines and its frames around warnings. */
  ownLines() {
    const plain = this.log.map((line) => stripVTControlCharacters(line).trim());
    const ready = plain.findIndex((line) => line.startsWith("[wrangler:info] Ready"));
    return plain
      .slice(ready + 1)
      .filter((line) => line !== "" && !line.startsWith("[wrangler:"))
      .map((line) => line.replace(/^[✘▲] \[(ERROR|WARNING)\] /, ""));
  }

  /** The lines of one event, parsed; with `id` those about one job. */
  events(event, id) {
    const lines = this.ownLines().filter((line) => line.includes(`"event":"${event}"`));
    const parsed = lines.map((line) => JSON.parse(line));
    return id === undefined ? parsed : parsed.filter((line) => line.job_id === id);
  }

  /** How we learned that a job had ended. */
  async heardBy(id) {
    const said = () => this.events("job.finished", id)[0];
    return (await eventually("the log says how the job ended", said)).heard_by;
  }

  /** Shows what the servers printed since the last failure, if this one failed. */
  explain(t) {
    if (t.passed !== false) return;
    console.error(this.log.slice(Math.max(this.#shown, this.log.length - LINES_SHOWN)).join("\n"));
    this.#shown = this.log.length;
  }

  async end() {
    await this.stop();
    await this.mock?.stop();
    await rm(this.state, { recursive: true, force: true });
    this.confidential.assertUntold(this.ownLines());
  }
}

/** Asks until `condition` returns something true, and returns it; else fails saying `what`. */
export async function eventually(what, condition, limitMs = 20_000) {
  const answer = await until(condition, limitMs, 100);
  if (!answer) throw new Error(`not within ${limitMs} ms: ${what}`);
  return answer;
}
