import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedProduct } from "./harness.mjs";

const VALUES = { TOKEN_SECRETS: "far-too-short", RUNPOD_BASE_URL: "https://elsewhere.example/v2" };
const product = sharedProduct({
  vars: { ENVIRONMENT: "production", PUBLIC_URL: "" },
  refusing: true,
});

async function problems() {
  const health = await product.call("GET", "/api/health");
  assert.equal(health.status, 503);
  assert.equal(health.body.ok, false);
  return health.body.checks.configuration;
}

test("production_without_its_settings_serves_nothing_and_names_all_that_is_missing", async () => {
  const named = (await problems()).map(({ setting }) => setting);
  const expected = "ADMIN_KEY PROVIDER PUBLIC_URL RUNPOD_API_KEY RUNPOD_ENDPOINT_ID TOKEN_SECRETS";
  assert.deepEqual(named.sort(), expected.split(" "));

  const id = "01931d2e-7c00-7000-8000-000000000001";
  for (const [method, path] of [
    ["POST", "/api/queue/create"],
    ["GET", `/api/queue/status/${id}`],
    ["GET", `/api/queue/events/${id}`],
    ["GET", `/api/result/${id}/1/0123456789abcdef/0.png`],
    ["POST", "/api/inputs"],
    ["POST", "/api/webhooks/runpod/token"],
    ["GET", "/api/templates"],
    ["GET", `/api/admin/jobs/${id}/evidence`],
    ["GET", "/api/no/such/route"],
  ]) {
    const answer = await product.call(method, path, method === "POST" ? {} : undefined);
    assert.deepEqual([answer.status, answer.body.error], [503, "unavailable"], path);
  }
  // Cron has nothing to do, and does not fail either.
  await product.tick();
});

test("production_refuses_the_simulated_gpu_and_another_runpod_and_tells_no_value", async () => {
  await product.stop();
  await product.start({
    ...VALUES,
    PUBLIC_URL: "https://queue.example",
    PROVIDER: "simulated",
    RUNPOD_ENDPOINT_ID: "real-endpoint",
    RUNPOD_API_KEY: "rpa_a-real-key",
    ADMIN_KEY: "operator-key-0123456789-0123456789",
  });
  const found = await problems();
  const named = found.map(({ setting }) => setting);
  assert.deepEqual(named.sort(), ["PROVIDER", "RUNPOD_BASE_URL", "TOKEN_SECRETS"]);
  const text = JSON.stringify(found);
  for (const value of [...Object.values(VALUES), "rpa_a-real-key", "operator-key"]) {
    assert.ok(!text.includes(value), text);
  }
});
