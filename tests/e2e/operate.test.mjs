import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { opsBinary } from "../../scripts/lib/server.mjs";
import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

const ADMIN_KEY = "operator-key-of-a-test";
const PLAN = { queue_ms: 50, run_ms: 100, webhook: { copies: 0 } };

const product = sharedProduct({ runpod: true, plan: { job: PLAN }, vars: { ADMIN_KEY } });
const mock = new MockControls(product);

/** `{status, answer}` of one of the operator's commands, which talks to the product over HTTP. */
function ops(...args) {
  const env = { ...process.env, ADMIN_KEY, EDGE_QUEUE_URL: product.url };
  return new Promise((resolve) => {
    execFile(opsBinary(), [...args, "--json"], { env }, (error, stdout, stderr) => {
      assert.ok(stdout, stderr);
      resolve({ status: error?.code ?? 0, answer: JSON.parse(stdout) });
    });
  });
}

/** The local database, while the server is down. */
async function change(sql, ...params) {
  const folder = join(product.state, "v3/d1/miniflare-D1DatabaseObject");
  const files = (await readdir(folder)).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
  for (const file of files) {
    const database = new DatabaseSync(join(folder, file));
    database.prepare(sql).run(...params);
    database.close();
  }
}

/** A job at the provider whose watcher has forgotten everything, long past its time. */
async function forgotten() {
  const { id } = await mock.submit(PLAN, { prompt: "forgotten" });
  const confirmed = async () => (await product.job(id)).attempts[0]?.provider_id;
  await eventually("the order is confirmed", confirmed);
  await product.stop();
  await rm(join(product.state, "v3/do"), { recursive: true });
  const yesterday = Date.now() - 86_400_000;
  await change("UPDATE jobs SET due_at = 1, created_at = ? WHERE id = ?", yesterday, id);
  await product.start();
  return id;
}

test("an_operator_sees_a_stuck_job_and_recovers_it", async () => {
  const id = await forgotten();
  const seen = await ops("recover");
  assert.equal(seen.status, 1, "something is left to be done");
  const [job] = seen.answer.jobs;
  assert.deepEqual([job.id, job.would, job.alarm_at], [id, "wake", null]);
  assert.match(job.because, /should have ended .* and has no alarm; attempt 1 is at the provider/);
  assert.equal((await product.job(id)).completed_at_ms, null, "looking changes nothing");

  const done = await ops("recover", "--apply");
  assert.deepEqual([done.status, done.answer.jobs[0].done], [0, true]);
  await product.succeeded(id);
  await mock.assertRanOnce(id);
  assert.deepEqual(await ops("recover"), { status: 0, answer: { jobs: [] } });
  const one = await ops("recover", id, "--apply");
  assert.deepEqual([one.status, one.answer.jobs[0].would], [0, "nothing"]);
});

test("an_operator_finds_what_does_not_fit_and_mends_it", async () => {
  const kept = await product.create({ prompt: "kept" });
  await product.succeeded(kept, { limitMs: 60_000 });
  const id = await forgotten();
  const codes = ({ answer }) => answer.findings.map((finding) => finding.code).sort();
  const seen = await ops("reconcile");
  assert.equal(seen.status, 1);
  assert.deepEqual(codes(seen), ["job_without_watcher", "overdue"]);
  assert.deepEqual(codes(await ops("reconcile")), codes(seen), "looking changes nothing");

  const mended = await ops("reconcile", "--apply");
  assert.equal(mended.status, 0, JSON.stringify(mended.answer));
  await product.succeeded(id);
  const { status, answer } = await ops("reconcile", "--apply");
  assert.deepEqual([status, answer.findings], [0, []]);
  assert.ok(answer.examined.objects >= 2 && answer.examined.jobs >= 2, JSON.stringify(answer));
});
