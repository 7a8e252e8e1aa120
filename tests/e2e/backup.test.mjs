import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { ROOT, opsBinary, serve } from "../../scripts/lib/server.mjs";
import { OPERATOR_KEY, eventually, sharedProduct } from "./harness.mjs";

/** Beside the jobs that really ran. */
const JOBS = 2000;
const D1 = "v3/d1/miniflare-D1DatabaseObject";

const product = sharedProduct({ inventory: true });

/** `{status, stdout, stderr}` of one of the operator's commands, with the milliseconds it took. */
function ops(...args) {
  const env = { ...process.env, ADMIN_KEY: OPERATOR_KEY, EDGE_QUEUE_URL: product.url };
  const began = performance.now();
  return new Promise((resolve) => {
    execFile(opsBinary(), args, { env, cwd: ROOT, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      const tookMs = Math.round(performance.now() - began);
      resolve({ status: error?.code ?? 0, stdout, stderr, tookMs });
    });
  });
}

async function inDatabase(state, work) {
  const files = (await readdir(join(state, D1))).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file));
  for (const file of files) {
    const database = new DatabaseSync(join(state, D1, file));
    work(database);
    database.close();
  }
}

const WAITING = "01900000-0000-7000-8000-00000000ffff";

/** A job that was accepted and not yet submitted when the backup was made. */
function leaveOneWaiting(database, id) {
  const columns = database.prepare("SELECT name FROM pragma_table_info('jobs')").all().map((row) => row.name);
  const now = Date.now();
  const changed = {
    id: `'${WAITING}'`, status: "'queued'", phase: "'accepted'", request_key: "NULL", created_at: now,
    opened_at: now, due_at: 1, attempt: 0, attempt_nonce: "NULL", attempt_begun_at: "NULL",
    attempt_ended_at: "NULL", provider_id: "NULL", settle_nonce: "NULL", completed_at: "NULL",
    started_at: "NULL", execution_ms: "NULL", delay_ms: "NULL",
  };
  const chosen = columns.map((name) => changed[name] ?? `"${name}"`);
  database.exec(
    `INSERT INTO jobs (${columns.map((name) => `"${name}"`)}) SELECT ${chosen} FROM jobs WHERE id = '${id}'`,
  );
  database.exec(`INSERT INTO prompts SELECT '${WAITING}', body FROM prompts WHERE job_id = '${id}'`);
}

/** Thousands of jobs that ended, each like one that really did; some with texts that are hard to quote. */
function multiply(database, id) {
  const hard = ["it's", "a\\nb", "two\nlines\r\n", "'; DROP TABLE jobs; --", "ไทย 🦊", "x".repeat(250_000)];
  const columns = (table) =>
    database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all().map((row) => row.name);
  const copy = (table, key, changed) => {
    const chosen = columns(table).map((name) => changed[name] ?? `"${name}"`);
    return database.prepare(
      `INSERT INTO ${table} (${columns(table).map((name) => `"${name}"`)})
       SELECT ${chosen} FROM ${table} WHERE ${key} = '${id}'`,
    );
  };
  const job = copy("jobs", "id", { id: "?", labels_json: "json_object('note', ?)", request_key: "NULL" });
  const prompt = copy("prompts", "job_id", { job_id: "?" });
  const output = copy("outputs", "job_id", { job_id: "?" });
  const attempt = copy("attempts", "job_id", { job_id: "?" });
  database.exec("BEGIN");
  for (let i = 0; i < JOBS; i += 1) {
    const next = `01900000-0000-7000-8000-${String(i).padStart(12, "0")}`;
    job.run(next, i < 60 ? hard[i % hard.length] : `note ${i}`);
    for (const statement of [prompt, output, attempt]) statement.run(next);
  }
  database.exec("UPDATE outputs SET key = replace(key, '/1/', '/9/') WHERE job_id LIKE '%000000000007'");
  database.exec("COMMIT");
}

test("a_backup_of_thousands_of_jobs_is_restored_and_serves_the_same_jobs", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "edge-queue-backup-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const id = await product.create({ prompt: "kept" });
  const job = await product.succeeded(id);
  const picture = await (await product.fetch(job.result_url)).bytes();
  // From here on it is gone: what is left of it is a state, and then a backup.
  await product.stop();
  await inDatabase(product.state, (database) => {
    multiply(database, id);
    leaveOneWaiting(database, id);
  });

  const into = join(folder, "backup");
  const local = ["--env", "local", "--state", product.state];
  const made = await ops("backup", ...local, "--into", into, "--json");
  assert.equal(made.status, 0, made.stderr);
  const manifest = JSON.parse(made.stdout);
  assert.deepEqual(manifest, JSON.parse(await readFile(join(into, "manifest.json"), "utf8")));
  assert.equal(manifest.tables.jobs.rows, JOBS + 2);
  assert.deepEqual([manifest.unconfirmed, manifest.unfinished_jobs], [[], 1]);

  // Each command of wrangler takes seconds: what does not wait for the other goes beside it.
  const state = join(folder, "fresh");
  const [restored, over] = await Promise.all([
    ops("restore", into, "--env", "local", "--state", state, "--apply", "--json"),
    ops("restore", into, ...local, "--apply"),
  ]);

  await t.test("it_is_never_restored_over_what_is_there", () => {
    assert.deepEqual([over.status, over.stdout], [1, ""]);
    assert.match(over.stderr, /not empty/);
  });

  await t.test("it_serves_the_same_job_and_the_same_bytes_from_a_fresh_database", async () => {
    assert.equal(restored.status, 0, restored.stderr);
    assert.deepEqual(JSON.parse(restored.stdout).paused, ["simulated"]);
    t.diagnostic(`${JOBS + 2} jobs: backup ${made.tookMs} ms, restore ${restored.tookMs} ms`);
    await cp(join(product.state, "v3/r2"), join(state, "v3/r2"), { recursive: true });
    // At the address of the one that is gone.
    const vars = { ADMIN_KEY: OPERATOR_KEY };
    const server = await serve({ port: product.port, state, vars, isolated: true });
    t.after(() => server.stop());
    const served = await product.job(id);
    const { urls, result_url: link, outputs, ...rest } = served;
    const { urls: u, result_url: l, outputs: o, ...expected } = job;
    assert.deepEqual(rest, expected);
    assert.deepEqual(await (await product.fetch(link)).bytes(), picture);
  });

  await t.test("what_had_not_ended_is_not_bought_again_before_the_operator_resumes", async () => {
    const woken = await ops("recover", WAITING, "--apply", "--json");
    assert.equal(woken.status, 0, woken.stderr + woken.stdout);
    const waits = "submission is paused by the operator";
    await eventually("it waits", async () => (await product.job(WAITING)).wait_reason === waits);
    const smoke = await ops("smoke", "--base-url", product.url);
    assert.equal(smoke.status, 1);
    assert.match(smoke.stdout, /^LATE +status .*submission is paused by the operator/m);
    assert.doesNotMatch(smoke.stdout, /FAILED/);
    const { status, attempts } = await product.job(WAITING);
    assert.deepEqual([status, attempts], ["queued", []]);

    const operator = { authorization: `Bearer ${OPERATOR_KEY}` };
    assert.equal((await product.call("POST", "/api/admin/resume", {}, operator)).status, 200);
    await product.succeeded(WAITING);
  });

  await t.test("it_is_verified_and_the_one_result_that_is_gone_is_told", async () => {
    const seen = await ops("backup", "verify", into, "--json");
    assert.equal(seen.status, 1, seen.stderr + seen.stdout);
    const { jobs, files_looked_for: files, findings } = JSON.parse(seen.stdout);
    // The copies share the one result that there really is.
    assert.deepEqual([jobs, files], [JOBS + 2, 2]);
    assert.deepEqual(findings.map(({ about, says }) => [about, says]), [["result", "it is not in R2"]]);
  });

  await t.test("a_changed_byte_is_no_backup", async () => {
    const file = join(into, "database.sql");
    await writeFile(file, (await readFile(file, "utf8")).replace("kept", "lost"));
    const seen = await ops("backup", "verify", into, "--without-files");
    assert.equal(seen.status, 1);
    assert.match(seen.stderr, /not the file that the manifest describes/);
  });
});
