// A connection to a job's events, cut at random while jobs run, on real workerd. The end of a test is
// counted in cuts and jobs, never in time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedProduct } from "./harness.mjs";

const CUTS = 200;
/** Jobs that run side by side; each is listened to until its end. */
const LISTENERS = 20;
/** Events read before a cut; at 0 the stream is left as soon as it is open. */
const READ_MAX = 3;

const product = sharedProduct();

/** The same numbers in every run. */
function dice(seed) {
  let state = BigInt(seed);
  return (sides) => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 33n) % sides;
  };
}

/** Reads up to `most` events after the one seen last, and cuts. `null`: all has been told. */
async function some(id, last, most) {
  const headers = last === undefined ? {} : { "last-event-id": last };
  const cut = new AbortController();
  const answer = await product.fetch(`/api/v2/jobs/${id}/events`, { headers, signal: cut.signal });
  if (answer.status === 204) return null;
  assert.equal(answer.status, 200);
  const seen = [];
  try {
    let text = "";
    const pieces = answer.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    while (seen.length < most) {
      const { value, done } = await pieces.next();
      if (done) break;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      seen.push(...blocks.map(parsed).filter(Boolean));
    }
  } finally {
    cut.abort();
  }
  return seen.slice(0, most);
}

function parsed(block) {
  const found = /^id: (.+)\nevent: (.+)\ndata: (.+)$/s.exec(block);
  return found && { id: found[1], event: found[2], data: JSON.parse(found[3]) };
}

const place = ({ id }) => id.split(".").map(Number);

function isBefore(a, b) {
  const [one, other] = [place(a), place(b)];
  const differs = [0, 1, 2].find((i) => (one[i] ?? 0) !== (other[i] ?? 0));
  return differs !== undefined && (one[differs] ?? 0) < (other[differs] ?? 0);
}

/** Everything once and in order, ending with the outputs and the success. */
function assertWhole(seen) {
  const shown = JSON.stringify(seen.map(({ id, event }) => [id, event]));
  for (let i = 1; i < seen.length; i++) assert.ok(isBefore(seen[i - 1], seen[i]), shown);
  assert.deepEqual(seen.slice(-2).map(({ event }) => event), ["output", "status"], shown);
  assert.equal(seen.filter(({ event }) => event === "output").length, 1, shown);
  assert.equal(seen.at(-1).data.status, "succeeded", shown);
  const shares = seen.filter(({ event }) => event === "progress").map(({ data }) => data.value);
  assert.deepEqual(shares, [...shares].sort((a, b) => a - b), shown);
}

test("a_client_cut_off_two_hundred_times_sees_every_event_once_and_in_order", async () => {
  let cuts = 0;
  let runs = 0;
  async function listener(seed) {
    const roll = dice(seed);
    while (cuts < CUTS) {
      const id = await product.create({ prompt: `cut ${runs++}` });
      const seen = [];
      for (;;) {
        const more = await some(id, seen.at(-1)?.id, roll(READ_MAX + 1));
        if (more === null) break;
        seen.push(...more);
        cuts++;
      }
      assertWhole(seen);
    }
  }
  await Promise.all(Array.from({ length: LISTENERS }, (_, i) => listener(i + 1)));
  assert.ok(cuts >= CUTS, `${cuts} cuts in ${runs} jobs`);
});
