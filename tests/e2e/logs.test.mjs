import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

const SECRETS = {
  ADMIN_KEY: "operator-key-0123456789-0123456789",
  RUNPOD_API_KEY: "rpa_0123456789ABCDEF0123456789",
  TOKEN_SECRETS: "first-secret-0123456789-0123456789,second-secret-012345678901234567",
};
const PROMPT = "a violet lighthouse nobody else asked for";
const STRANGER = "Bearer a-strangers-key-0123456789";

const product = sharedProduct({
  runpod: true,
  mockArgs: ["--key", SECRETS.RUNPOD_API_KEY],
  plan: { job: { queue_ms: 50, run_ms: 100 } },
  vars: { ...SECRETS, SESSION_JOBS_PER_DAY: "5" },
});
const mock = new MockControls(product);

/** Keys that are made, used, rotated and revoked; sessions; and a key where none may stand. */
async function keysAndSessions(operator, body) {
  const admin = async (path, asked) => {
    const answer = await product.call("POST", `/api/admin/keys${path}`, asked, operator);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  const made = await admin("", { owner: "shop", name: "logs", scopes: ["jobs:write"], jobs_per_day: 1 });
  const rotated = await admin(`/${made.key.id}/rotate`, {});
  const session = (await product.call("POST", "/api/session")).body.token;
  assert.match(session, /^eqs_/);
  for (const shown of [made.secret, rotated.secret, session, `${made.secret}0`]) {
    const headers = { authorization: `Bearer ${shown}` };
    await product.call("POST", "/api/queue/create", body, headers);
    await product.call("POST", "/api/session", undefined, headers);
  }
  await product.call("GET", `/api/queue/list?key=${made.secret}`);
  await admin(`/${made.key.id}/revoke`);
  return [made, rotated].flatMap(({ secret }) => [secret, secret.slice(16, 64)]).concat(session);
}

/** One of everything that is logged: jobs that end well and badly, refusals, broken callbacks. */
async function live() {
  const body = { prompt: PROMPT };
  const operator = { authorization: `Bearer ${SECRETS.ADMIN_KEY}` };
  const orders = [];
  const cut = { webhook: { cut_bytes: 9 } };
  for (const plan of [{}, { outcome: "node_failed" }, { outcome: "exception" }, cut]) {
    orders.push(await mock.submit({ queue_ms: 50, run_ms: 100, ...plan }, body));
  }
  const ended = await Promise.all(orders.map(({ id }) => product.ended(id)));
  const refused = await mock.refuse({ html: { status: 502 } }, body);
  await product.call("GET", "/api/queue/list", undefined, { authorization: STRANGER });
  await product.call("POST", "/api/queue/create", { ...body, steps: 9999 }, operator);
  await product.call("POST", "/api/queue/create", `{"prompt":"${PROMPT}"`, operator);
  await product.call("GET", `/api/admin/jobs/${refused}/evidence`, undefined, operator);
  await product.call("POST", `${new URL(orders[0].order.webhook).pathname}x`, {});
  await product.fetch(ended[0].result_url);
  await product.tick();
  await eventually("the last line", () => product.events("sweep.done").length > 0);
  const secrets = await keysAndSessions(operator, body);
  const tokens = orders.map(({ order }) => order.webhook.split("/").pop());
  return [...secrets, ...tokens, new URL(ended[0].result_url, product.url).searchParams.get("sig")];
}

test("every_line_is_json_and_none_tells_a_secret_or_a_prompt", async () => {
  const tokens = await live();
  const lines = product.ownLines();
  const events = new Set(lines.map((line) => JSON.parse(line).event));
  for (const event of ["job.created", "job.submitted", "job.finished", "submit.failed"]) {
    assert.ok(events.has(event), `${event} is among ${[...events]}`);
  }
  for (const line of lines) {
    const { level, ts } = JSON.parse(line);
    assert.match(level, /^(debug|info|warn|error)$/, line);
    assert.match(ts, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, line);
  }
  const secrets = [...Object.values(SECRETS).flatMap((list) => list.split(",")), ...tokens];
  for (const secret of [...secrets, PROMPT, "violet", STRANGER, STRANGER.split(" ")[1], "Bearer"]) {
    const told = lines.filter((line) => line.includes(secret));
    assert.deepEqual(told, [], secret);
  }
});
