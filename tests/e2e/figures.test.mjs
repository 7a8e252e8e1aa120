import assert from "node:assert/strict";
import { test } from "node:test";

import { figures, percentile } from "../../public/js/figures.js";

const LIMITS = [200, 500, 1000];
const ROW = { hour: 100, template: "a", status: "succeeded", queue_bucket: 1, execution_bucket: 2, jobs: 3, queue_ms: 900, execution_ms: 2100, paid_ms: 3000 };
const answer = (rows, price = 0.001) => ({ rows, limits_ms: LIMITS, hour_now: 101, gpu_usd_per_second: price });

test("a_percentile_lies_within_its_bucket", () => {
  assert.equal(percentile([0, 10, 0, 0], LIMITS, 0.5), 350);
  assert.equal(percentile([4, 4, 2, 0], LIMITS, 0.95), 875);
  assert.equal(percentile([0, 0, 0, 1], LIMITS, 0.5), 1000);
  assert.equal(percentile([0, 0, 0, 0], LIMITS, 0.5), null);
});

test("a_cancelled_job_is_no_failure_and_an_unfinished_one_is_no_success", () => {
  const rows = ["succeeded", "failed", "canceled", "running"].map((status) => ({ ...ROW, status, jobs: 1 }));
  const found = figures(answer(rows), 24);
  assert.deepEqual([found.jobs, found.rate, found.open], [4, 0.5, 1]);
});

test("what_failed_jobs_took_is_paid_by_those_that_succeeded", () => {
  const rows = [ROW, { ...ROW, status: "failed" }];
  const found = figures(answer(rows), 24);
  assert.equal(found.cost, 0.006);
  assert.equal(found.costPerJob, 0.002);
  assert.equal(figures(answer(rows, null), 24).cost, null);
});

test("hours_without_jobs_have_a_place_too", () => {
  const hours = figures(answer([ROW]), 24).slots;
  assert.equal(hours.length, 24);
  assert.deepEqual(hours.map(({ jobs }) => jobs).slice(-2), [3, 0]);
  const days = figures(answer([ROW]), 168).slots;
  assert.ok(days.length === 7 || days.length === 8);
  assert.equal(days.reduce((sum, { jobs }) => sum + jobs, 0), 3);
});

// The oldest of 35 days were once missing from what all of it cost, without a word.
test("figures_tell_since_when_they_are_where_an_answer_held_no_more", () => {
  assert.equal(figures(answer([ROW]), 24).cutAt, null);
  const full = Array(20_000).fill(ROW);
  assert.equal(figures(answer(full), 24).cutAt, 100 * 3_600_000);
});
