import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

/** RunPod repeats a webhook that met a dead server after 5 and 20 s; the first look is at 15 s. */
const RECOVERY_MS = 60_000;

const PLAN = { queue_ms: 50, run_ms: 1500 };

const product = sharedProduct({ runpod: true, plan: { job: PLAN } });
const mock = new MockControls(product);

/** The provider has answered, and its id is in the job's row. */
const confirmed = (id) =>
  eventually(`the order of ${id} is confirmed`, async () => {
    const [attempt] = (await product.job(id)).attempts;
    return attempt?.provider_id;
  });

test("jobs_survive_kill_9_at_any_moment_and_run_once", async () => {
  const ids = {};
  // Refused before, and due again while the server is dead.
  ids.putOff = await mock.refuse({ too_many: { retry_after: "1" } }, { prompt: "put off" });
  ids.running = (await mock.submit(PLAN, { prompt: "running" })).id;
  await confirmed(ids.running);
  // At the provider, which has not answered yet.
  const faults = [{ on: "run", fault: { slow: { delay_ms: 20_000 } } }];
  ids.unanswered = (await mock.submit({ ...PLAN, faults }, { prompt: "unanswered" })).id;
  ids.accepted = await product.create({ prompt: "accepted, and no more than that" });
  await product.kill();
  await product.start();

  ids.sent = (await mock.submit(PLAN, { prompt: "on its way" })).id;
  await product.kill();
  await product.start();

  const all = Object.values(ids);
  await Promise.all(all.map((id) => product.succeeded(id, { limitMs: RECOVERY_MS })));
  for (const id of all) await mock.assertRanOnce(id);
});

test("a_job_whose_watcher_is_lost_is_woken_by_the_sweep", async () => {
  const plan = { queue_ms: 50, run_ms: 100, webhook: { copies: 0 } };
  const { id } = await mock.submit(plan, { prompt: "forgotten" });
  await confirmed(id);
  await product.stop();
  await rm(join(product.state, "v3/do"), { recursive: true });
  await makeDue(id);
  await product.start();

  await product.tick();
  const report = () => product.events("sweep.done")[0];
  const { found, woken } = await eventually("the sweep reports", report);
  assert.deepEqual({ found, woken }, { found: 1, woken: 1 });
  await product.succeeded(id);
  await mock.assertRanOnce(id);
});

/** Moves the moment at which the sweep looks after the job into the past. The server is down. */
async function makeDue(id) {
  const folder = join(product.state, "v3/d1/miniflare-D1DatabaseObject");
  const files = await readdir(folder);
  const changed = files
    .filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file))
    .map((file) => {
      const database = new DatabaseSync(join(folder, file));
      const { changes } = database.prepare("UPDATE jobs SET due_at = 1 WHERE id = ?").run(id);
      database.close();
      return changes;
    });
  assert.deepEqual(changed, [1]);
}
