import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { ROOT, opsBinary } from "../../scripts/lib/server.mjs";
import { eventually, sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

const ADMIN_KEY = "operator-key-of-a-test";
const PLAN = { queue_ms: 50, run_ms: 100, webhook: { copies: 0 } };

const vars = { ADMIN_KEY, GPU_USD_PER_SECOND: "0.00031", SESSION_JOBS_PER_DAY: "10" };
const product = sharedProduct({ runpod: true, plan: { job: PLAN }, vars });
const mock = new MockControls(product);

/** `{status, answer}` of one of the operator's commands, which talks to the product over HTTP. */
function ops(...args) {
  return opsIn({}, ...args);
}

function opsIn({ cwd, env: more }, ...args) {
  const env = { ...process.env, ADMIN_KEY, EDGE_QUEUE_URL: product.url, ...more };
  return new Promise((resolve) => {
    execFile(opsBinary(), [...args, "--json"], { cwd, env }, (error, stdout, stderr) => {
      assert.ok(stdout, stderr);
      resolve({ status: error?.code ?? 0, answer: JSON.parse(stdout), stdout });
    });
  });
}

/**
 * The product's folder as one has it who deploys, with a `wrangler` that writes down how it is called:
 * the Worker that is "uploaded" is the one that runs here already.
 */
async function account(change = (config) => config, uploaded) {
  const folder = join(product.state, `account-${process.hrtime.bigint()}`);
  await mkdir(folder);
  const config = change(await readFile(join(ROOT, "wrangler.toml"), "utf8"));
  await writeFile(join(folder, "wrangler.toml"), config);
  for (const name of ["migrations", "tests"]) await symlink(join(ROOT, name), join(folder, name));
  await copyFile(join(ROOT, "scripts/tests/wrangler.sh"), join(folder, "wrangler"));
  await chmod(join(folder, "wrangler"), 0o755);
  const names = ["TOKEN_SECRETS", "RUNPOD_API_KEY", "ADMIN_KEY"].map((name) => ({ name }));
  await writeFile(join(folder, "secrets"), JSON.stringify(names));
  await writeFile(join(folder, "uploaded"), uploaded ?? (await product.call("GET", "/api/health")).body.version_id);
  const calls = async () => (await readFile(join(folder, "calls"), "utf8")).trim().split("\n");
  return { cwd: folder, env: { PATH: `${folder}:/usr/bin:/bin` }, calls, config: () => readFile(join(folder, "wrangler.toml"), "utf8") };
}

const filledIn = (config) =>
  config
    .replaceAll("00000000-0000-0000-0000-00000000000", "11111111-2222-4333-8444-55555555555")
    .replaceAll("https://replace-me.invalid", product.url)
    .replaceAll("replace-me", "mock");

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
async function forgotten(vars) {
  const { id } = await mock.submit(PLAN, { prompt: "forgotten" });
  const confirmed = async () => (await product.job(id)).attempts[0]?.provider_id;
  await eventually("the order is confirmed", confirmed);
  await product.stop();
  await rm(join(product.state, "v3/do"), { recursive: true });
  const yesterday = Date.now() - 86_400_000;
  await change("UPDATE jobs SET due_at = 1, created_at = ? WHERE id = ?", yesterday, id);
  await product.start(vars);
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
  const { status, answer } = await ops("recover");
  assert.deepEqual([status, answer], [0, { jobs: [] }]);
  const one = await ops("recover", id, "--apply");
  assert.deepEqual([one.status, one.answer.jobs[0].would], [0, "nothing"]);
});

test("an_operator_finds_what_does_not_fit_and_mends_it_with_a_leaked_secret_replaced", async () => {
  const kept = await product.create({ prompt: "kept" });
  await product.succeeded(kept, { limitMs: 60_000 });
  const session = async () => (await product.call("POST", "/api/session", {})).body.token;
  const list = async (token) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await product.call("GET", "/api/queue/list", undefined, headers)).status;
  };
  const before = await session();
  assert.equal(await list(before), 200);
  const id = await forgotten({ TOKEN_SECRETS: "put-alone-after-the-old-one-had-leaked" });
  assert.equal(await list(before), 401, "what the old one signed opens nothing");
  assert.equal(await list(await session()), 200);
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

const HEALTHY = { ...PLAN, webhook: { copies: 1 } };

test("a_deploy_whose_smoke_run_passes_is_done_and_nothing_goes_back", async () => {
  await mock.plan({ job: HEALTHY });
  const there = await account(filledIn);
  const { status, answer } = await opsIn(there, "deploy", "--env", "production");
  assert.equal(status, 0, JSON.stringify(answer, null, 1));
  const lines = answer.steps.at(-1).lines;
  assert.deepEqual([lines.at(-1), answer.proof], ["deployed", "complete"]);
  assert.ok(lines.some((line) => /^ok +callback /.test(line)), lines.join("\n"));
  const calls = await there.calls();
  assert.deepEqual(calls, [
    "secret list --format json --env production",
    "deploy --dry-run --outdir .run/deploy --env production",
    "deployments status --json --env production",
    "versions view before-1 --json --env production",
    "d1 migrations list DB --remote --env production",
    "d1 migrations apply DB --remote --env production",
    "deploy --env production",
  ]);
});

// Whatever was well was judged, and the version before passed in the place of the one uploaded.
test("a_smoke_run_judges_no_other_version_than_the_one_that_was_uploaded", async () => {
  const there = await account(filledIn, "another-1");
  const { status, answer } = await opsIn(there, "deploy", "--env", "production", "--settle", "1");
  assert.equal(status, 1, JSON.stringify(answer, null, 1));
  const { version_id: running } = (await product.call("GET", "/api/health")).body;
  const { lines } = answer.steps.at(-1);
  assert.ok(lines.some((line) => line.includes(`is answered by the version ${running}`)), lines.join("\n"));
  assert.ok(!lines.some((line) => /^ok /.test(line)), lines.join("\n"));
  assert.match((await there.calls()).at(-1), /^rollback before-1 --yes --env production/);
});

test("a_setup_ends_with_a_key_shown_once_and_a_job_that_came_back", async () => {
  await mock.plan({ job: HEALTHY });
  const there = await account();
  there.env = {
    ...there.env,
    PUBLIC_URL: product.url,
    RUNPOD_ENDPOINT_ID: "mock",
    RUNPOD_API_KEY: "mock-key",
    RUNPOD_BASE_URL: product.mock.vars.RUNPOD_BASE_URL,
  };
  const { status, answer, stdout } = await opsIn(there, "setup", "--env", "production");
  assert.equal(status, 0, stdout);
  for (const secret of [ADMIN_KEY, "mock-key"]) assert.ok(!stdout.includes(secret));
  const step = (begin) => answer.steps.find(({ step }) => step.startsWith(begin)).lines;
  const key = step("8. ").at(-1);
  product.confidential.sent({}, { authorization: `Bearer ${key}` });
  const headers = { authorization: `Bearer ${key}` };
  const id = await product.create({ prompt: "by the first caller" }, headers);
  await product.succeeded(id, { headers });
  const checks = step("9. ").map((line) => line.split(/ +/).slice(0, 2).join(" "));
  const expected = ["ok endpoint", "ok workers", "absent inventory", "ok job", "ok callback"];
  assert.deepEqual(checks, expected, stdout);
  assert.match(await there.config(), /database_id = "11111111-2222-4333-8444-555555555555"/);

  const again = await opsIn(there, "setup", "--env", "production");
  assert.equal(again.status, 0, again.stdout);
  const repeated = again.answer.steps.find(({ step }) => step.startsWith("8. ")).lines.at(-1);
  assert.match(repeated, /there is one, [0-9a-f]+; `ops keys rotate [0-9a-f]+` shows another secret/);
});

const RUNPOD = () => ({
  RUNPOD_ENDPOINT_ID: "mock",
  RUNPOD_API_KEY: "mock-key",
  RUNPOD_BASE_URL: product.mock.vars.RUNPOD_BASE_URL,
});

test("a_gpu_that_is_late_is_told_and_takes_no_good_worker_back", async () => {
  await mock.plan({ job: { queue_ms: 600_000 } });
  const there = await account(filledIn);
  there.env = { ...there.env, ...RUNPOD() };
  const { status, answer } = await opsIn(there, "deploy", "--env", "production", "--within", "25");
  assert.equal(status, 3, JSON.stringify(answer, null, 1));
  assert.deepEqual([answer.ok, answer.proof], [true, "without_gpu"]);
  const { lines } = answer.steps.at(-1);
  const late = lines.find((line) => line.startsWith("LATE"));
  assert.match(late, /^LATE +status .* is queued: .*; at RunPod \S+ is IN_QUEUE$/);
  assert.match(lines.at(-1), /^deployed, and it stays: the GPU alone did not come back/);
  const calls = await there.calls();
  assert.ok(!calls.some((call) => call.startsWith("rollback")), calls.join("\n"));
  await mock.plan({ job: HEALTHY });
});

test("a_job_that_fails_takes_the_worker_back", async () => {
  await mock.plan({ job: { ...HEALTHY, outcome: "validation_failed" } });
  const there = await account(filledIn);
  const { status, answer } = await opsIn(there, "deploy", "--env", "production");
  assert.equal(status, 1, JSON.stringify(answer, null, 1));
  assert.match((await there.calls()).at(-1), /^rollback before-1 --yes --env production/);
  await mock.plan({ job: HEALTHY });
});

test("an_endpoint_is_compared_with_what_our_templates_need_by_what_the_deployment_knows", async () => {
  const put = async (text) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const answer = await product.fetch("/api/admin/inventory", { method: "PUT", headers, body: text });
    assert.equal(answer.status, 200, JSON.stringify(answer));
  };
  const check = async () => {
    const words = ["runpod", "check", "--url", product.url, "--without-job"];
    const { status, answer } = await opsIn({ env: RUNPOD() }, ...words);
    const { outcome, says } = answer.checks.find(({ name }) => name === "inventory");
    return { status, outcome, says };
  };
  const core = await readFile(join(ROOT, "inventory/core.json"), "utf8");
  const before = (await ops("stats")).answer.jobs;
  await put(core.replaceAll("clip_vision_h.safetensors", "other.safetensors").replace('"UNETLoader":', '"Other":'));
  const poor = await check();
  assert.deepEqual([poor.status, poor.outcome], [1, "failed"], poor.says);
  assert.match(poor.says, /text-to-image: the node class UNETLoader is missing/);
  await put(core.replaceAll("clip_vision_h.safetensors", "other.safetensors"));
  const file = "the file models/clip_vision/clip_vision_h.safetensors is missing";
  assert.equal((await check()).says, `by the deployment's inventory, wan-image-to-video: ${file}`);
  await put(core);
  const { status, outcome, says } = await check();
  assert.deepEqual([status, outcome], [0, "passed"], says);
  assert.equal((await ops("stats")).answer.jobs, before, "none of them became a job");
});

test("load_and_figures_are_told_in_numbers_that_fit_together", async () => {
  await mock.plan({ job: HEALTHY });
  const { status, answer } = await ops("load", "--base-url", product.url, "--jobs", "12", "--concurrency", "4");
  assert.equal(status, 0, JSON.stringify(answer));
  assert.deepEqual([answer.succeeded, answer.failed, answer.failures], [12, 0, []]);
  for (const kind of ["create", "status", "result", "job"]) {
    const { count, p50_ms: p50, p99_ms: p99, max_ms: max, histogram } = answer.latencies[kind];
    assert.equal(count, 12, kind);
    assert.ok(0 < p50 && p50 <= p99 && p99 <= max, JSON.stringify(answer.latencies[kind]));
    assert.equal(histogram.reduce((sum, bar) => sum + bar.jobs, 0), 12);
  }

  await product.tick();
  const stats = await ops("stats", "--hours", "48");
  const [rate, time, cost] = stats.answer.figures;
  assert.deepEqual([rate.name, time.name, cost.name], ["success_rate", "average_time", "cost_per_job"]);
  assert.ok(stats.answer.succeeded >= 12, JSON.stringify(stats.answer));
  assert.ok(rate.value > 0 && time.value > 0 && cost.value > 0, JSON.stringify(stats.answer));
  assert.equal(stats.status, [rate, time, cost].every(({ met }) => met) ? 0 : 1);
});
