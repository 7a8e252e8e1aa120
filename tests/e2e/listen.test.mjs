import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, sharedProduct } from "./harness.mjs";

const product = sharedProduct();
const slow = { prompt: "takes a minute", labels: { simulate: "slow" } };

/** The events of a stream that has ended: `{id, event, data}`. */
function parsed(stream) {
  const blocks = stream.split("\n\n").filter((block) => block.startsWith("id:"));
  return blocks.map((block) => {
    const fields = block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2));
    const { id, event, data } = Object.fromEntries(fields);
    return { id, event, data: JSON.parse(data) };
  });
}

function stream(id, after) {
  const headers = after === undefined ? {} : { "last-event-id": after };
  return product.fetch(`/api/queue/events/${id}`, { headers });
}

/** The events of a stream, once it has ended. */
async function events(id, after) {
  const response = await stream(id, after);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  return parsed(await response.text());
}

/** The first event of a stream that is then left. */
async function firstEvent(id) {
  let text = "";
  for await (const chunk of (await stream(id)).body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (/^id:[^]*\n\n/m.test(text)) return parsed(text)[0];
  }
  throw new Error(`the stream ended with ${text}`);
}

test("a_stream_tells_each_change_once_and_ends_with_the_job", async () => {
  const id = await product.create({ prompt: "watched" });
  const first = await firstEvent(id);
  const seen = [first, ...(await events(id, first.id))];
  const told = seen.filter((event) => event.event === "status");
  const versions = told.map((event) => Number(event.id.split(".")[0]));
  assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b));
  const names = seen.map((event) => event.event);
  assert.deepEqual(names.slice(-2), ["output", "status"], "the end comes last");
  assert.ok(names.includes("progress") && names.includes("preview"), "the GPU tells how it goes");
  assert.equal(seen.at(-1).data.status, "succeeded");
  assert.equal(seen.at(-1).data.outputs.length, 1);

  assert.deepEqual(await events(id), seen.slice(-2), "the job as it stands");
  assert.equal((await stream(id, seen.at(-1).id)).status, 204, "nothing is told twice");
});

test("a_held_status_answers_at_the_next_change", async () => {
  const id = await product.create(slow);
  const atGpu = async () => (await product.job(id)).attempts[0]?.provider_id;
  await eventually("it is at the GPU", atGpu);
  const began = Date.now();
  const held = product.call("GET", `/api/queue/status/${id}?wait=30`);
  const streamed = events(id);
  const canceled = await product.call("POST", `/api/queue/cancel/${id}`);
  assert.match(canceled.body.job.status, /^cancel/);
  assert.match((await held).body.job.status, /^cancel/);
  assert.ok(Date.now() - began < 15_000, "well before it had to");
  assert.equal((await streamed).at(-1).data.status, "canceled");
  assert.equal((await product.ended(id)).status, "canceled");
});
