// Of the build itself, not of our code: that a panic unwinds. It needs a second build, which
// `make test-panic` makes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, sharedProduct } from "../harness.mjs";

const product = sharedProduct({ main: "build-debug-routes/index.js" });

test("a_panic_fails_its_own_request_and_no_other", async () => {
  const id = await product.create({ prompt: "held" });
  await eventually("the job has begun", async () => (await product.job(id)).attempts.length > 0);
  const held = product.call("GET", `/api/queue/status/${id}?wait=20`);
  const stream = await product.fetch(`/api/queue/events/${id}`);
  const events = stream.text();

  for (let times = 0; times < 3; times += 1) {
    assert.equal((await product.fetch("/api/debug/panic")).status, 500);
  }
  assert.equal((await product.call("GET", "/api/health")).status, 200);
  assert.equal((await held).status, 200);
  assert.match(await events, /"status":"succeeded"/);
  await product.succeeded(await product.create({ prompt: "afterwards" }));
});
