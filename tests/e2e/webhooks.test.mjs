// What callers are told, as the official libraries of Standard Webhooks see it, on the real runtime.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Webhook } from "standardwebhooks";

import { opsBinary } from "../../scripts/lib/server.mjs";
import { eventually, sharedProduct } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ADMIN_KEY = "operator-key-0123456789-0123456789";
const product = sharedProduct({ vars: { ADMIN_KEY } });

/** A caller's server on this machine. `answers` are statuses for the next requests, one each. */
class Receiver {
  told = [];
  answers = [];

  async begin() {
    this.server = createServer((request, response) => {
      const pieces = [];
      request.on("data", (piece) => pieces.push(piece));
      request.on("end", () => {
        const { headers, method, url } = request;
        this.told.push({ headers, method, url, body: Buffer.concat(pieces).toString() });
        const answer = this.answers.shift() ?? { status: 204 };
        response.writeHead(answer.status, answer.headers).end();
      });
    });
    await new Promise((ready) => this.server.listen(0, "127.0.0.1", ready));
    this.url = `http://127.0.0.1:${this.server.address().port}/in?token=theirs`;
    return this;
  }

  of(id) {
    return this.told.filter(({ body }) => JSON.parse(body).data.job_id === id);
  }

  end() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

const receiver = await new Receiver().begin();
after(() => receiver.end());

/** What each library says of a webhook: its type, or "refused". */
function verified(secret, told) {
  const python = spawnSync(
    join(ROOT, ".tools/python/bin/python"),
    [join(ROOT, "tests/e2e/webhooks/verify.py")],
    { input: told.map(({ headers, body }) => `${JSON.stringify({ secret, headers, body })}\n`).join("") },
  );
  assert.equal(python.status, 0, python.stderr.toString());
  const javascript = told.map(({ headers, body }) => {
    try {
      return new Webhook(secret).verify(body, headers).type;
    } catch {
      return "refused";
    }
  });
  return { python: python.stdout.toString().trim().split("\n"), javascript };
}

async function job(more = {}, headers) {
  return product.create({ prompt: "a red fox", webhook_url: receiver.url, ...more }, headers);
}

const secret = async (headers) =>
  (await product.call("GET", "/api/webhooks/secret", undefined, headers)).body.secret;

const deliveries = async (id) =>
  (await product.call("GET", `/api/queue/deliveries/${id}`)).body.deliveries;

test("the_official_libraries_verify_what_is_told_and_refuse_what_was_changed_or_is_old", async () => {
  const id = await job({ labels: { record_id: "rec1" } });
  await product.succeeded(id);
  const last = () => receiver.of(id).find(({ body }) => body.includes("job.succeeded"));
  const told = await eventually("the end was told", last);
  const key = await secret();
  const all = receiver.of(id);
  const types = all.map(({ body }) => JSON.parse(body).type);
  assert.deepEqual(verified(key, all), { python: types, javascript: types });
  assert.equal(told.method, "POST");
  assert.equal(told.headers["content-type"], "application/json");

  const { data } = JSON.parse(told.body);
  assert.deepEqual([data.status, data.labels.record_id], ["succeeded", "rec1"]);
  const file = await fetch(data.result_url);
  assert.equal(file.status, 200, "the link opens the result");
  assert.equal((await file.arrayBuffer()).byteLength, data.outputs[0].size_bytes);

  assert.ok(await isPubliclySigned(told), "anybody can verify it");
  assert.ok(!(await isPubliclySigned({ ...told, body: `${told.body} ` })));

  const old = { ...told.headers, "webhook-timestamp": String(told.headers["webhook-timestamp"] - 301) };
  const forged = [
    { ...told, body: told.body.replace("succeeded", "canceled") },
    { ...told, headers: { ...told.headers, "webhook-id": `${told.headers["webhook-id"]}x` } },
    // A replay that is made to look new, and one that is what it is.
    { ...told, headers: old },
    signedThen(key, told, -301),
    { ...told, headers: { ...told.headers, "webhook-signature": "v1," } },
  ];
  const refused = forged.map(() => "refused");
  assert.deepEqual(verified(key, forged), { python: refused, javascript: refused });
  const other = new Webhook("whsec_c2VjcmV0IG9mIHNvbWVib2R5IGVsc2U=");
  assert.throws(() => other.verify(told.body, told.headers));
});

/** Whether a public key of the deployment made one of the signatures. */
async function isPubliclySigned({ headers, body }) {
  const { keys } = (await product.call("GET", "/api/webhooks/keys")).body;
  const x = Buffer.from(keys[0].replace("whpk_", ""), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const text = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
  return signatures.some((one) => verify(null, text, key, Buffer.from(one.slice(4), "base64")));
}

/** What we would have signed `seconds` from now: good, and too old. */
function signedThen(key, told, seconds) {
  const at = new Date(Date.now() + seconds * 1000);
  const id = told.headers["webhook-id"];
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1000)),
    "webhook-signature": new Webhook(key).sign(id, at, told.body),
  };
  return { ...told, headers };
}

test("two_secrets_are_good_while_one_is_changed", async () => {
  const admin = { authorization: `Bearer ${ADMIN_KEY}` };
  const asked = { owner: "shop", name: "e2e", scopes: ["jobs:write", "jobs:read"] };
  const made = await product.call("POST", "/api/admin/keys", asked, admin);
  const headers = { authorization: `Bearer ${made.body.secret}` };
  const before = await secret(headers);
  const rotated = await product.call("POST", "/api/webhooks/secret", undefined, headers);
  const id = await job({ webhook_events_filter: ["job.queued"] }, headers);
  const [told] = await eventually("it was told", () => receiver.of(id).length && receiver.of(id));
  for (const key of [before, rotated.body.secret]) {
    const both = { python: ["job.queued"], javascript: ["job.queued"] };
    assert.deepEqual(verified(key, [told]), both);
  }
});

test("what_nobody_took_is_sent_again_by_ops_under_the_same_id", async () => {
  receiver.answers.push({ status: 410 });
  const id = await job({ webhook_events_filter: ["job.queued"] });
  await eventually("it was missed", async () => (await deliveries(id))[0]?.state === "missed");
  const env = { ...process.env, ADMIN_KEY, EDGE_QUEUE_URL: product.url };
  const ops = (...args) => promisify(execFile)(opsBinary(), ["webhooks", ...args], { env });
  const listed = (await ops("list")).stdout;
  assert.match(listed, new RegExp(`evt_${id}_1_queued  job.queued  410`));
  assert.match((await ops("secret")).stdout, /^whsec_/);
  // Not by the operator, whom the receiver has told that it wants no more: by the caller.
  assert.equal((await ops("replay")).stdout, "0 sent again\n");
  const replayed = await product.call("POST", `/api/queue/replay/${id}`, {});
  assert.equal(replayed.body.replayed, 1);
  await eventually("it was delivered", async () => (await deliveries(id))[0].state === "delivered");
  const ids = receiver.of(id).map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual(ids, [`evt_${id}_1_queued`, `evt_${id}_1_queued`]);
});

test("a_redirect_is_not_followed_and_is_tried_again", async () => {
  const before = receiver.told.length;
  receiver.answers.push({ status: 302, headers: { location: `${receiver.url}&elsewhere` } });
  const id = await job({ webhook_events_filter: ["job.queued"] });
  const log = await eventually("the first try was noted", async () => (await deliveries(id))[0].log[0]);
  assert.equal(log.status, 302);
  assert.equal(receiver.told.length, before + 1);
});

test("a_worker_that_is_killed_between_a_try_and_its_end_tells_the_event_when_it_is_back", async () => {
  receiver.answers.push({ status: 500 });
  const id = await job({ webhook_events_filter: ["job.queued"] });
  await eventually("the first try arrived", () => receiver.of(id).length === 1);
  await product.kill();
  await product.start();
  // The alarm of the second try, 30 s after the first, was set before the first was made.
  await eventually("it was told again", () => receiver.of(id).length === 2, 60_000);
  await eventually("it was noted", async () => (await deliveries(id))[0].state === "delivered");
});

test("no_line_of_the_log_names_the_receiver_or_the_secret", async () => {
  const key = await secret();
  const words = ["theirs", new URL(receiver.url).host, key, key.slice("whsec_".length), "v1,"];
  for (const word of words) {
    const told = product.ownLines().filter((line) => line.includes(word));
    assert.deepEqual(told, [], word);
  }
  assert.ok(product.events("webhook.delivered").length > 3);
});
