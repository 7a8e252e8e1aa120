// The product as a black box: started as `make dev` starts it, on a free port, with an empty state.
//
//   const product = await startProduct(t);                    // simulated GPU
//   const product = await startProduct(t, { runpod: true });  // against `ops mock-runpod`
//
// Everything ends and every file goes with the test `t`; its log is printed when the test fails.
// Tests wait for conditions (`eventually`), never for time.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, until } from "../../scripts/lib/process.mjs";
import { build, migrate, mockRunpod, serve, tick } from "../../scripts/lib/server.mjs";

let built;

/**
 * @param t the test's context, or anything with `after(fn)`
 * @param options.runpod start `ops mock-runpod` and use it, with `options.mockArgs`
 * @param options.vars set on the Worker, over everything else
 */
export async function startProduct(t, { runpod = false, mockArgs = [], vars = {} } = {}) {
  const product = new Product(await mkdtemp(join(tmpdir(), "edge-queue-e2e-")), vars);
  t.after(() => product.end(t));
  built ??= build();
  await built;
  await migrate(product.state, { onLine: product.note });
  if (runpod) product.mock = await mockRunpod({ args: mockArgs, onLine: product.note });
  product.port = await freePort();
  await product.start();
  return product;
}

class Product {
  /** Every line that the servers printed. */
  log = [];
  mock = null;
  server = null;
  port = 0;

  constructor(state, vars) {
    this.state = state;
    this.vars = vars;
    this.note = (line) => this.log.push(line);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts, also again after `kill` or `stop`: same port and state; `vars` replace earlier ones. */
  async start(vars = {}) {
    this.vars = { ...this.vars, ...vars };
    this.server = await serve({
      port: this.port,
      state: this.state,
      vars: { ...this.mock?.vars, ...this.vars },
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

  /** `{status, headers, body}`; the body parsed when it is JSON, else text. */
  async call(method, path, body, headers = {}) {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      redirect: "manual",
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    const parsed = isJson ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: parsed };
  }

  async end(t) {
    await this.stop();
    await this.mock?.stop();
    await rm(this.state, { recursive: true, force: true });
    if (t.passed === false) console.error(this.log.slice(-60).join("\n"));
  }
}

/** Asks until `condition` returns something true, and returns it; else fails saying `what`. */
export async function eventually(what, condition, limitMs = 20_000) {
  const answer = await until(condition, limitMs);
  if (!answer) throw new Error(`not within ${limitMs} ms: ${what}`);
  return answer;
}
