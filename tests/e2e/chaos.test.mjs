import assert from "node:assert/strict";
import { test } from "node:test";

import { MUST_BE_ZERO, chaos } from "./chaos/chaos.mjs";

/** A job whose gate died with the Worker asks again after a minute; then it has to run. */
const SETTLE_MS = 150_000;

test("no_job_is_lost_stuck_or_paid_twice_when_the_worker_is_killed_and_the_provider_lies", async () => {
  const figures = await chaos({ jobs: 24, kills: 2, outageMs: 3_000, settleMs: SETTLE_MS, seed: 7 });
  const broken = MUST_BE_ZERO.filter((name) => figures[name] !== 0);
  assert.deepEqual(broken, [], JSON.stringify(figures));
  assert.equal(figures.succeeded + figures.failed + figures.unknown, 24, JSON.stringify(figures));
});
