import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedProduct } from "./harness.mjs";

const product = sharedProduct();

test("health_answers_and_survives_kill_9", async () => {
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

test("the_page_is_served_and_cron_runs", async () => {
  const page = await product.call("GET", "/");
  assert.equal(page.status, 200);
  assert.match(page.body, /<title>edge-queue/);

  await product.tick();
});

test("the_release_has_no_route_that_panics", async () => {
  const answer = await product.call("GET", "/api/debug/panic");
  assert.deepEqual([answer.status, answer.body.error], [404, "not_found"]);
});
