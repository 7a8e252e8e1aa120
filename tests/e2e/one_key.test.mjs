import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedProduct } from "./harness.mjs";

const product = sharedProduct();
const CALLERS = 200;

test("two_hundred_creates_at_once_with_one_key_make_one_job_and_one_answer", async () => {
  const body = JSON.stringify({ prompt: "a red fox in the snow" });
  const headers = { "content-type": "application/json", "idempotency-key": "one-key" };
  const create = () => product.fetch("/api/queue/create", { method: "POST", headers, body });
  const answers = await Promise.all(Array.from({ length: CALLERS }, create));
  const bodies = await Promise.all(answers.map((answer) => answer.json()));

  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  // The call's own id is the one thing that may differ.
  const same = bodies.map(({ request_id, ...body }) => JSON.stringify(body));
  assert.equal(new Set(same).size, 1, [...new Set(same)].slice(0, 2).join("\n"));
  assert.equal(new Set(bodies.map((body) => body.request_id)).size, CALLERS);
  const first = answers.filter((answer) => answer.headers.get("idempotent-replayed") === null);
  assert.equal(first.length, 1, "one of them made the job");

  const list = (await product.call("GET", "/api/queue/list")).body;
  assert.deepEqual(list.data.map((job) => job.id), [bodies[0].job_id]);
  await product.succeeded(bodies[0].job_id);
});
