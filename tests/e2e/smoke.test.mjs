import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

import { freePort } from "../../scripts/lib/process.mjs";
import { ROOT, opsBinary } from "../../scripts/lib/server.mjs";
import { sharedProduct, startProduct } from "./harness.mjs";

const CHECKS = 10;

const product = sharedProduct();

/** `{status, outcomes, says}` of a smoke run, by check. */
function smoke(url, ...args) {
  const { ADMIN_KEY, ...env } = process.env;
  return new Promise((resolve) => {
    const words = ["smoke", "--base-url", url, "--json", ...args];
    execFile(opsBinary(), words, { env }, (error, stdout, stderr) => {
      assert.ok(stdout, stderr);
      const { checks } = JSON.parse(stdout);
      const pairs = (field) => Object.fromEntries(checks.map((check) => [check.name, check[field]]));
      resolve({ status: error?.code ?? 0, outcomes: pairs("outcome"), says: pairs("says"), stdout });
    });
  });
}

test("a_sound_deployment_passes_every_check_within_a_minute", async () => {
  const began = performance.now();
  const { status, outcomes, stdout } = await smoke(product.url);
  assert.equal(status, 0, stdout);
  assert.equal(Object.keys(outcomes).length, CHECKS);
  const { webhook, ...others } = outcomes;
  assert.deepEqual([...new Set(Object.values(others))], ["passed"], stdout);
  assert.ok(["passed", "absent"].includes(webhook), stdout);
  assert.ok(performance.now() - began < 60_000);
});

test("pictures_of_every_template_are_recorded_and_look_the_same_when_they_are_made_again", async () => {
  const golden = (...args) =>
    new Promise((resolve) => {
      const { ADMIN_KEY, ...env } = process.env;
      const words = ["golden", ...args, "--base-url", product.url, "--json"];
      execFile(opsBinary(), words, { env, cwd: ROOT }, (error, stdout, stderr) => {
        assert.ok(stdout, stderr);
        resolve({ status: error?.code ?? 0, told: JSON.parse(stdout) });
      });
    });
  const pictures = join(product.state, "golden");
  const recorded = await golden("record", "--pictures", pictures);
  assert.deepEqual([recorded.status, recorded.told.errors], [0, []], JSON.stringify(recorded.told));
  assert.ok(recorded.told.pictures >= 6, JSON.stringify(recorded.told));
  const { status, told } = await golden("run", "--pictures", pictures);
  assert.equal(status, 0, JSON.stringify(told));
  assert.equal(told.pictures.length, recorded.told.pictures);
});

test("a_deployment_that_is_not_there_is_told_at_once", async () => {
  const { status, says } = await smoke(`http://127.0.0.1:${await freePort()}`);
  assert.equal(status, 1);
  assert.match(says.health, /no answer from/);
});

test("a_deployment_whose_callbacks_do_not_arrive_is_told_by_that", async (t) => {
  const plan = { job: { queue_ms: 50, run_ms: 100, webhook: { copies: 0 } } };
  const deaf = await startProduct(t, { runpod: true, plan });
  const { status, outcomes, says } = await smoke(deaf.url);
  assert.equal(status, 1);
  assert.equal(outcomes.result, "passed", JSON.stringify(says));
  assert.match(says.callback, /the end came by look: no callback arrived/);
});

test("a_deployment_that_lacks_a_setting_is_told_by_its_name", async (t) => {
  const vars = { ENVIRONMENT: "production" };
  const bare = await startProduct(t, { vars, refusing: true });
  const { status, says } = await smoke(bare.url);
  assert.equal(status, 1);
  assert.match(says.health, /ADMIN_KEY/);
});
