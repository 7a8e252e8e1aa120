// The smallest Worker by hand that does what ours does for create, status and result: the same
// statements, checks, signatures, answers, headers, log lines, and the same call of the job's watcher.
// What it leaves out: other templates, uploads, other routes, repeats of unknown outcomes.

import { create } from "./create.mjs";
import { status } from "./status.mjs";
import { result } from "./result.mjs";

const ROUTES = [
  ["POST", /^\/api\/queue\/create$/, "/api/queue/create", create],
  ["GET", /^\/api\/queue\/status\/([0-9a-f-]{36})$/, "/api/queue/status/{id}", status],
  ["GET", /^\/api\/result\/(.+)$/, "/api/result/{*key}", result],
];

export default {
  async fetch(request, env) {
    const began = Date.now();
    const url = new URL(request.url);
    const id = request.headers.get("x-request-id") ?? request.headers.get("cf-ray") ?? crypto.randomUUID();
    const [, pattern, route, handler] = ROUTES.find(([m, p]) => m === request.method && p.test(url.pathname)) ?? [];
    let response;
    if (!handler) response = answer(id, 404, { ok: false, error: "not_found" });
    else response = await handler({ request, env, url, id, parameter: pattern.exec(url.pathname)[1] });
    log("request.answered", {
      request_id: id,
      method: request.method,
      path: route,
      status: response.status,
      duration_ms: Date.now() - began,
    });
    response.headers.set("x-request-id", id);
    response.headers.set("x-content-type-options", "nosniff");
    if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
    return response;
  },
};

/** `body` is text or an object. */
export function answer(id, status, body, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify({ ok: true, request_id: id, ...body });
  return new Response(text, { status, headers: { "content-type": "application/json", ...headers } });
}

export function log(event, fields) {
  console.log(JSON.stringify({ event, level: "info", ...fields, ts: new Date().toISOString() }));
}

/** Nobody asks it here. */
export class EndpointGate {}

/** As ours: an alarm only ever moves to an earlier time. What it does is not part of the bench. */
export class Watcher {
  constructor(state) {
    this.storage = state.storage;
  }

  async fetch() {
    const at = Date.now() + 1;
    const set = await this.storage.getAlarm();
    if (set === null || set > at || set < Date.now()) await this.storage.setAlarm(at);
    return new Response();
  }

  alarm() {}
}
