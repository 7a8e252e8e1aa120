import assert from "node:assert/strict";
import { test } from "node:test";

import { startProduct } from "./harness.mjs";

test("health_answers_and_survives_kill_9", async (t) => {
  const product = await startProduct(t);

  const before = await product.call("GET", "/api/health");
  assert.equal(before.status, 200);
  assert.equal(before.body.ok, true);
  assert.equal(before.body.mode, "simulated");

  await product.kill();
  await assert.rejects(product.call("GET", "/api/health"), "nothing of the killed server answers");

  await product.start();
  const after = await product.call("GET", "/api/health");
  assert.equal(after.body.ok, true);
});

test("the_page_is_served_and_cron_runs", async (t) => {
  const product = await startProduct(t);

  const page = await product.call("GET", "/");
  assert.equal(page.status, 200);
  assert.match(page.body, /<title>edge-queue/);

  await product.tick();
});
