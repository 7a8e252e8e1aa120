import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { until } from "../../scripts/lib/process.mjs";
import { sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";
import { dataUri, png } from "./pictures.mjs";

const OPERATOR = { authorization: "Bearer operator-key-of-a-test" };
/** Longer than the first look after a submit, when a watcher would notice that nothing is known. */
const WATCH_MS = 18_000;

const QUICK = { queue_ms: 50, run_ms: 200 };

const product = sharedProduct({
  runpod: true,
  plan: { job: QUICK },
  vars: { ADMIN_KEY: "operator-key-of-a-test" },
});
const mock = new MockControls(product);
const submit = (plan) => mock.submit({ ...QUICK, ...plan }, { prompt: "a provider" });

/** A workflow of the caller's own with one picture and one output. */
const workflow = {
  1: { class_type: "LoadImage", inputs: { image: "me.png" } },
  2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "copy" } },
};

describe("runpod", { concurrency: 8 }, () => {
  test("an_order_answered_with_500_is_never_sent_again_and_leaves_redacted_evidence", async () => {
    const id = await mock.refuse({ problem: { status: 500 } }, { prompt: "once only" });
    const path = `/api/admin/jobs/${id}/evidence`;
    assert.equal((await product.call("GET", path)).status, 401);
    const { body } = await product.call("GET", path, undefined, OPERATOR);
    assert.equal(body.evidence.length, 1);
    const [{ url, response_status, request_headers, request_body }] = body.evidence;
    assert.equal(url, `${product.mock.url}/v2/mock/run`);
    assert.equal(response_status, 500);
    assert.equal(Object.fromEntries(request_headers).authorization, "[redacted]");
    assert.match(request_body, /"workflow":/);
    assert.match(request_body, /\/api\/webhooks\/runpod\/\[redacted\]/);
    assert.doesNotMatch(JSON.stringify(body), /mock-key|Bearer|webhooks\/runpod\/\w/);

    const sentAgain = await until(async () => (await mock.orders(id)).length > 0, WATCH_MS, 500);
    assert.equal(sentAgain, false, "nobody knows whether the first one runs");
    const job = await product.job(id);
    assert.deepEqual([job.status, job.phase], ["queued", "submitting"]);
  });

  test("photos_reach_the_provider_under_the_names_that_the_prompt_asks_for", async () => {
    const photo = (seed) => dataUri("image/png", png(64, 48, seed));
    const inputs = { prompt: "wear this", image: photo(1), image2: photo(2) };
    const edited = await mock.submit({}, { template: "qwen-image-edit", inputs });
    assert.equal(edited.order.images.length, 2);
    assert.equal(new Set(edited.order.images).size, 2);
    for (const name of edited.order.images) assert.match(name, /\.png$/);
    await product.succeeded(edited.id);

    const images = [{ name: "me.png", image: photo(3) }];
    const raw = await mock.submit({}, { workflow, images });
    assert.deepEqual(raw.order.images, ["me.png"]);
    const job = await product.succeeded(raw.id);
    assert.deepEqual([job.outputs[0].node_id, job.outputs[0].name], ["2", "copy_00001_.png"]);
  });

  test("an_order_whose_answer_is_lost_is_adopted_by_its_webhook_and_runs_once", async () => {
    const { id, order } = await submit({ faults: [{ on: "run", fault: "lost", taken: true }] });
    const job = await product.succeeded(id);
    assert.equal(job.attempts.length, 1);
    assert.equal(job.attempts[0].provider_id, order.id);
    await mock.assertRanOnce(id);
  });

  test("a_failed_job_says_why_and_in_which_node", async () => {
    const { id } = await submit({ outcome: "node_failed" });
    const { status, error, outputs } = await product.ended(id);
    assert.equal(status, "failed");
    assert.equal(error.code, "execution_failed");
    assert.match(error.message, /shapes cannot be multiplied/);
    assert.ok(error.node_id, JSON.stringify(error));
    assert.ok(error.class_type, JSON.stringify(error));
    assert.deepEqual(outputs, []);
  });

  test("files_behind_links_are_copied_before_the_job_succeeds", async () => {
    const { id, order } = await submit({ outcome: "s3_url" });
    const job = await product.succeeded(id);
    const look = await fetch(`${product.mock.url}/v2/mock/status/${order.id}`, {
      headers: { authorization: "mock-key" },
    });
    const link = (await look.json()).output.images[0].data;
    const original = Buffer.from(await (await fetch(link)).arrayBuffer());
    const copy = await product.fetch(job.result_url);
    assert.deepEqual(Buffer.from(await copy.arrayBuffer()), original);
    assert.equal(job.outputs[0].size_bytes, original.length);
  });

  test("an_order_larger_than_the_provider_takes_is_refused_by_the_name_of_its_input", async () => {
    const keys = [4, 5].map(async (seed) => {
      const options = { method: "POST", body: png(1160 + seed, 1160, seed) };
      return (await (await product.fetch("/api/inputs", options)).json()).input_key;
    });
    const [image, image2] = await Promise.all(keys);
    const body = { template: "qwen-image-edit", inputs: { prompt: "too much", image, image2 } };
    const answer = await product.call("POST", "/api/queue/create", body);
    assert.deepEqual([answer.status, answer.body.error], [413, "payload_too_large"]);
    assert.equal(answer.body.details[0].path, "/inputs/image2");
  });
});

// Alone: it closes the gate of the endpoint for every other job.
test("an_order_put_off_with_429_is_sent_again_and_runs_once", async () => {
  const id = await mock.refuse({ too_many: { retry_after: "1" } }, { prompt: "later" });
  await product.succeeded(id);
  await mock.assertRanOnce(id);
});
