import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";
import { png } from "./pictures.mjs";

const QUICK = { queue_ms: 50, run_ms: 200 };
const product = sharedProduct({ runpod: true });
const mock = new MockControls(product);

const submit = (webhook, plan = QUICK) => mock.submit({ ...plan, webhook }, { prompt: "heard" });

async function post(url, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return (await fetch(url, { method: "POST", body: text })).status;
}

/** Everything a caller can see of a job that has ended, its version included. */
async function everything(id) {
  const events = await (await product.fetch(`/api/queue/events/${id}`)).text();
  assert.match(events, /^id: \d+\./m);
  return { job: await product.job(id), events };
}

describe("callbacks", { concurrency: 8 }, () => {
  test("polling_finishes_a_job_whose_webhook_never_comes", async () => {
    const { id } = await submit({ copies: 0 });
    await product.succeeded(id, { limitMs: 40_000 });
    assert.equal(await product.heardBy(id), "look");
    await mock.assertRanOnce(id);
  });

  test("a_webhook_finishes_the_job_without_a_look", async () => {
    const { id, order } = await submit({});
    const job = await product.succeeded(id);
    assert.equal(await product.heardBy(id), "webhook");
    assert.equal(job.attempts[0].provider_id, order.id);
  });

  test("a_webhook_that_breaks_off_is_not_believed_and_the_job_is_looked_up", async () => {
    const { id } = await submit({ cut_bytes: 60 });
    await product.succeeded(id);
    assert.equal(await product.heardBy(id), "look");
    assert.equal(product.events("callback.heard", id)[0].readable, false);
  });

  test("a_webhook_that_names_another_job_is_not_believed_and_the_job_is_looked_up", async () => {
    const { id } = await submit({ wrong_id: true });
    await product.succeeded(id);
    assert.equal(await product.heardBy(id), "look");
    assert.equal(product.events("callback.other_id", id).length, 1);
  });

  test("a_forged_webhook_is_refused_and_the_job_goes_on", async () => {
    const { id, order } = await submit({ forged: true }, { queue_ms: 50, run_ms: 2000 });
    const failed = { id: order.id, status: "FAILED", error: "forged" };
    const token = order.webhook.split("/").pop();
    // Byte by byte: key number, job, attempt, signature. The last is what a guess lacks.
    for (const at of [0, 16, 20, 21, 36]) {
      const bytes = Buffer.from(token, "base64url");
      bytes[at] ^= 1;
      const forged = order.webhook.replace(token, bytes.toString("base64url"));
      assert.equal(await post(forged, failed), 404, `byte ${at}`);
    }
    assert.equal(await post(order.webhook.replace("/runpod/", "/simulated/"), failed), 404);
    assert.notEqual((await product.job(id)).status, "failed");
    await product.succeeded(id);
    await mock.assertRanOnce(id);
  });

  test("nothing_that_comes_after_the_end_changes_a_job", async () => {
    const { id, order } = await submit({ copies: 3 });
    await product.succeeded(id);
    const copies = () => product.events("callback.heard", id).length;
    await eventually("three copies arrived", () => copies() === 3);
    const before = await everything(id);
    const data = png(32, 32).toString("base64");
    const images = [{ filename: "other.png", type: "base64", data }];
    const late = [
      { id: order.id, status: "COMPLETED", output: { images } },
      { id: order.id, status: "FAILED", error: "late" },
      { id: order.id, status: "CANCELLED" },
      { id: "another-id", status: "COMPLETED", output: { images } },
      { id: order.id, status: "IN_PROGRESS" },
      '{"id":"' + order.id,
      "",
    ];
    for (const body of late) {
      assert.equal(await post(order.webhook, body), 200, JSON.stringify(body));
    }
    assert.deepEqual(await everything(id), before);
    await mock.assertRanOnce(id);
  });
});
