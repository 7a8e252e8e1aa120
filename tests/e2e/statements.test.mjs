import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { getPlatformProxy } from "wrangler";

import { ROOT, layDatabase, opsBinary } from "../../scripts/lib/server.mjs";

/**
 * Reading every row there is; "SEARCH jobs USING …" and "SCAN json_each …" do not, nor does what reads the
 * index of the jobs that have not ended, which are bounded.
 */
const SCAN =
  /^SCAN (jobs|attempts|outputs|prompts|assets|api_keys|spending|credits|grants|endpoints|tombstones|deliveries|inventories|node_classes|hours|counted|i|c)\b(?!.* INDEX jobs_due$)/;

/** `{name, sql}` of every statement that the product runs. */
function statements() {
  return JSON.parse(execFileSync(opsBinary(), ["statements", "--json"], { encoding: "utf8" }));
}

/** A D1 with the product's schema, in a folder of its own. */
async function database(t) {
  const state = await mkdtemp(join(tmpdir(), "edge-queue-e2e-"));
  let proxy;
  t.after(async () => {
    await proxy?.dispose();
    await rm(state, { recursive: true, force: true });
  });
  await layDatabase(state);
  proxy = await getPlatformProxy({
    configPath: join(ROOT, "wrangler.toml"),
    persist: { path: join(state, "v3") },
    envFiles: [],
  });
  return proxy.env.DB;
}

/** SQLite's plan, with a null for every parameter. */
async function plan(database, sql) {
  const numbers = [...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number));
  const parameters = Array(Math.max(0, ...numbers)).fill(null);
  const explained = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...parameters);
  return (await explained.all()).results.map((row) => row.detail);
}

test("every_statement_runs_on_d1_and_finds_its_rows_by_an_index", async (t) => {
  const d1 = await database(t);
  const all = statements();
  assert.ok(all.length > 20, `${all.length} statements`);
  for (const { name, sql } of all) {
    const details = await plan(d1, sql).catch((error) => assert.fail(`${name}: ${error.message}`));
    const scans = details.filter((detail) => SCAN.test(detail));
    assert.deepEqual(scans, [], `${name}: ${details.join("; ")}`);
  }
});
