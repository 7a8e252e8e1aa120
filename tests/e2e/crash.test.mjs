import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

/** RunPod repeats a webhook that met a dead server after 5 and 20 s; the first look is at 15 s. */
const RECOVERY_MS = 60_000;

const product = sharedProduct({ runpod: true, plan: { job: { queue_ms: 50, run_ms: 1500 } } });
const mock = new MockControls(product);

test("jobs_survive_kill_9_at_any_moment_and_run_once", async () => {
  const job = { queue_ms: 50, run_ms: 1500 };
  const ids = {};
  // Refused before, and due again while the server is dead.
  ids.put_off = await mock.refuse({ too_many: { retry_after: "1" } }, { prompt: "put off" });
  // At the provider, confirmed.
  ids.running = (await mock.submit(job, { prompt: "running" })).id;
  await eventually("the order is confirmed", async () => {
    const [attempt] = (await product.job(ids.running)).attempts;
    return attempt?.provider_id;
  });
  // At the provider, which has not answered yet.
  const slow = [{ on: "run", fault: { slow: { delay_ms: 20_000 } } }];
  ids.unanswered = (await mock.submit({ ...job, faults: slow }, { prompt: "unanswered" })).id;
  // Accepted, and no more than that.
  ids.accepted = await product.create({ prompt: "accepted" });
  await product.kill();

  await product.start();
  await Promise.all(Object.values(ids).map((id) => product.succeeded(id, { limitMs: RECOVERY_MS })));
  for (const id of Object.values(ids)) await mock.assertRanOnce(id);
});

test("a_server_killed_again_and_again_loses_and_repeats_nothing", async () => {
  const ids = [];
  for (const delayed of [true, false, true]) {
    ids.push(await product.create({ prompt: `round ${ids.length}` }));
    if (delayed) await mock.order(ids.at(-1));
    await product.kill();
    await product.start();
  }
  await Promise.all(ids.map((id) => product.succeeded(id, { limitMs: RECOVERY_MS })));
  for (const id of ids) await mock.assertRanOnce(id);
});

test("a_job_whose_watcher_is_lost_is_woken_by_the_sweep", async () => {
  const plan = { queue_ms: 50, run_ms: 100, webhook: { copies: 0 } };
  const { id } = await mock.submit(plan, { prompt: "forgotten" });
  await eventually("the order is confirmed", async () => {
    const [attempt] = (await product.job(id)).attempts;
    return attempt?.provider_id;
  });
  await product.stop();
  await rm(join(product.state, "v3/do"), { recursive: true });
  await makeDue(id);
  await product.start();

  await product.tick();
  const { found, woken } = await eventually("the sweep reports", () => product.events("sweep.done")[0]);
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
