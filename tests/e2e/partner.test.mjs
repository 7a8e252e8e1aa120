import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { OPERATOR_KEY, eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

const KEY = "comfyui-a-key-for-partner-nodes";
const operator = { authorization: `Bearer ${OPERATOR_KEY}` };

const product = sharedProduct({
  runpod: true,
  plan: { job: { queue_ms: 50, run_ms: 100 } },
  vars: { ADMIN_KEY: OPERATOR_KEY },
});
const mock = new MockControls(product);

/** Whether any file of the product's state, or any line it printed, holds `text`. */
async function holds(text) {
  const names = await readdir(product.state, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  const contents = files.map((entry) => readFile(join(entry.parentPath, entry.name)));
  const found = (await Promise.all(contents)).some((bytes) => bytes.includes(text));
  return found || product.log.some((line) => line.includes(text));
}

/** It waits in the durable object of its job, in SQLite on a disk that anybody may copy. */
test("a_key_for_partner_nodes_is_sealed_while_it_waits_and_outlives_a_crash", async () => {
  await product.call("POST", "/api/admin/pause", {}, operator);
  const workflow = {
    1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 0 } },
    9: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "partner" } },
  };
  const body = { workflow, extra_data: { api_key_comfy_org: KEY } };
  const created = await product.call("POST", "/api/v2/jobs", body);
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const { id } = created.body;
  await eventually("it waits at the gate", async () => (await product.job(id)).wait_reason);
  assert.ok(await holds(id), "what is looked through is the state");
  assert.equal(await holds(KEY), false);

  await product.kill();
  await product.start();
  await product.call("POST", "/api/admin/resume", {}, operator);
  const job = await product.succeeded(id, { limitMs: 90_000 });
  assert.equal((await mock.order(job.id)).partner_key, KEY);
  assert.equal(await holds(KEY), false);
});
