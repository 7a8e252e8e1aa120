import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

import { opsBinary } from "../../scripts/lib/server.mjs";
import { sharedProduct } from "./harness.mjs";

const ADMIN_KEY = "operator-key-0123456789-0123456789";
const BODY = { prompt: "a red fox in the snow" };

const product = sharedProduct({
  vars: { ADMIN_KEY, ALLOWED_ORIGINS: "https://shop.example" },
});

/** `ops keys …`: what it printed, or how it failed. */
async function ops(...args) {
  const env = { ...process.env, ADMIN_KEY, EDGE_QUEUE_URL: product.url };
  const done = promisify(execFile)(opsBinary(), ["keys", ...args], { env });
  return done.then(
    ({ stdout }) => ({ code: 0, stdout, lines: stdout.trim().split("\n") }),
    ({ code, stderr }) => ({ code, stderr }),
  );
}

const bearer = (key) => ({ authorization: `Bearer ${key}` });

test("a_key_is_made_used_rotated_and_revoked_by_ops", async () => {
  const made = await ops("create", "--owner", "shop", "--name", "e2e", "--jobs-per-day", "2");
  assert.equal(made.code, 0, made.stderr);
  const key = made.lines.at(-1);
  assert.match(key, /^eqk_[0-9a-f]{68}$/);
  const id = key.slice(4, 16);

  const first = await product.call("POST", "/api/queue/create", BODY, bearer(key));
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal(first.headers.get("ratelimit-policy"), '"day";q=2;w=86400');
  assert.match(first.headers.get("ratelimit"), /^"day";r=1;t=\d+$/);
  const job = await product.succeeded(first.body.job_id, { headers: bearer(key) });
  const stranger = await product.call("GET", `/api/queue/status/${job.id}`);
  assert.equal(stranger.status, 404);

  const rotated = await ops("rotate", id, "--grace-hours", "1", "--json");
  const { secret } = JSON.parse(rotated.stdout);
  for (const shown of [key, secret]) {
    const status = await product.call("GET", `/api/queue/status/${job.id}`, undefined, bearer(shown));
    assert.equal(status.status, 200);
  }
  await product.call("POST", "/api/queue/create", BODY, bearer(secret));
  const spent = await product.call("POST", "/api/queue/create", BODY, bearer(secret));
  assert.deepEqual([spent.status, spent.body.error], [402, "budget_exhausted"]);

  assert.match((await ops("list")).stdout, new RegExp(`^${id}  shop  e2e  jobs:write,jobs:read`, "m"));
  assert.equal((await ops("revoke", id)).code, 0);
  const revoked = await product.call("POST", "/api/queue/create", BODY, bearer(secret));
  assert.equal(revoked.status, 401);
});

test("ops_tells_what_was_refused_and_ends_with_one", async () => {
  const wrong = await ops("create", "--owner", "operator", "--name", "x", "--scope", "everything");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /\/owner: .*\n.*\/scopes\/0: /);
  assert.equal((await ops("revoke", "000000000000")).code, 1);
  assert.equal((await ops("conjure")).code, 2);
});

test("many_creates_at_once_never_pass_a_budget_of_d1", async () => {
  const { stdout } = await ops("create", "--owner", "many", "--name", "x", "--jobs-per-day", "7", "--json");
  const headers = bearer(JSON.parse(stdout).secret);
  const all = Array.from({ length: 40 }, () => product.call("POST", "/api/queue/create", BODY, headers));
  const statuses = (await Promise.all(all)).map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 200).length, 7, `${statuses}`);
  assert.equal(statuses.filter((status) => status === 402).length, 33, `${statuses}`);
});

test("sessions_are_given_to_pages_and_damped_by_the_binding", async () => {
  const { status, body } = await product.call("POST", "/api/session");
  assert.equal(status, 200, JSON.stringify(body));
  const created = await product.call("POST", "/api/queue/create", BODY, bearer(body.token));
  assert.equal(created.status, 200, JSON.stringify(created.body));
  const raw = await product.call("POST", "/api/queue/create", { workflow: {} }, bearer(body.token));
  assert.equal(raw.status, 403);

  const more = Array.from({ length: 30 }, () => product.call("POST", "/api/session"));
  const answers = await Promise.all(more);
  const refused = answers.find((answer) => answer.status === 429);
  assert.ok(refused, "20 a minute");
  assert.equal(refused.headers.get("retry-after"), "60");
});

test("a_browser_of_a_configured_origin_may_call", async () => {
  const asks = { origin: "https://shop.example", "access-control-request-method": "POST" };
  const preflight = await product.call("OPTIONS", "/api/queue/create", undefined, asks);
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://shop.example");
  const other = await product.call("OPTIONS", "/api/queue/create", undefined, {
    ...asks,
    origin: "https://evil.example",
  });
  assert.equal(other.headers.get("access-control-allow-origin"), null);
});
