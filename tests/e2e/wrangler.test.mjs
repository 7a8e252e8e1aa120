// What `ops deploy` reads of the real `wrangler`, which runs here as it is against an API of Cloudflare's
// that this file answers. Nothing serves at the origin, so that every deploy is taken back, or cannot be.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { ROOT, opsBinary } from "../../scripts/lib/server.mjs";

const BEFORE = "11111111-1111-4111-8111-111111111111";
const UPLOADED = "22222222-2222-4222-8222-222222222222";
const WORKER = "export class Watcher {}\nexport class EndpointGate {}\nexport default { fetch() {} };\n";

/** What the account is, and what it was asked to change. */
const account = { tag: "v2", running: BEFORE, changes: [] };
let folder, server, api;

/** Every question that a deploy's commands ask, by method and the end of the path. */
const ANSWERS = [
  ["GET", /\/workers\/services\//, () => ({ default_environment: { environment: "x", script: { migration_tag: account.tag, tags: [] } } })],
  ["GET", /\/secrets$/, () => ["TOKEN_SECRETS", "RUNPOD_API_KEY", "ADMIN_KEY"].map((name) => ({ name, type: "secret_text" }))],
  ["GET", /\/deployments$/, () => ({ deployments: [{ created_on: "2026-11-01T00:00:00Z", versions: [{ version_id: account.running, percentage: 100 }] }] })],
  ["GET", /\/versions\/[0-9a-f-]+$/, () => ({
    id: account.running,
    metadata: { created_on: "2026-11-01T00:00:00Z" },
    resources: { bindings: [{ type: "d1", name: "DB" }], script: {}, script_runtime: { migration_tag: account.tag } },
  })],
  ["GET", /\/settings$/, () => ({ bindings: [{ type: "d1", name: "DB" }] })],
  ["POST", /\/versions$/, () => ({ id: UPLOADED, resources: { script: { etag: "x" } }, startup_time_ms: 1 })],
  ["PUT", /\/workers\/scripts\/[^/]+$/, () => {
    account.running = UPLOADED;
    return { deployment_id: UPLOADED.replaceAll("-", ""), startup_time_ms: 1 };
  }],
  ["POST", /\/deployments$/, ({ versions }) => {
    account.running = versions[0].version_id;
    return { id: "a-deployment" };
  }],
  ["POST", /\/assets-upload-session$/, () => ({ jwt: "a.b.c", buckets: [] })],
  ["GET", /\/workers\/subdomain$/, () => ({ subdomain: "acme" })],
  ["GET", /\/workers\/workers\/[^/]+$/, () => ({ subdomain: { enabled: true, previews_enabled: false } })],
  ["POST", /\/d1\/database\/[^/]+\/query$/, () => [{ results: account.migrated.map((name, id) => ({ id, name })), success: true, meta: {} }]],
];

before(async () => {
  server = createServer(async (request, response) => {
    const text = (await request.toArray()).join("");
    const path = new URL(request.url, "http://here").pathname;
    const known = ANSWERS.find(([method, end]) => method === request.method && end.test(path));
    if (request.method !== "GET") account.changes.push(`${request.method} ${path.split("/accounts/acme")[1]}`);
    const isJson = request.headers["content-type"]?.startsWith("application/json");
    const result = known ? known[2](isJson ? JSON.parse(text) : {}) : {};
    const body = { success: true, errors: [], messages: [], result };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  api = `http://127.0.0.1:${server.address().port}/client/v4`;
  folder = await mkdtemp(join(tmpdir(), "edge-queue-account-"));
  for (const name of ["build", "public"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "build/index.js"), WORKER);
  await writeFile(join(folder, "public/index.html"), "");
  account.migrated = (await readdir(join(ROOT, "migrations"))).filter((name) => name.endsWith(".sql"));
  for (const name of ["migrations", "tests"]) await symlink(join(ROOT, name), join(folder, name));
  const config = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  const filledIn = config
    .replace('command = "scripts/build.sh"', 'command = "true"')
    .replaceAll("00000000-0000-0000-0000-00000000000", "11111111-2222-4333-8444-55555555555")
    .replaceAll("https://replace-me.invalid", "http://127.0.0.1:9")
    .replaceAll("replace-me", "mock");
  await writeFile(join(folder, "wrangler.toml"), filledIn);
});

after(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

/** `{status, answer}` of a deploy of the account as `over` has it. */
function deploy(over) {
  Object.assign(account, { running: BEFORE, changes: [] }, over);
  const env = {
    ...process.env,
    ADMIN_KEY: "the operator's key of nobody there",
    CLOUDFLARE_API_BASE_URL: api,
    CLOUDFLARE_API_TOKEN: "nobody's",
    CLOUDFLARE_ACCOUNT_ID: "acme",
    WRANGLER_LOG_PATH: join(folder, "logs"),
  };
  const words = ["deploy", "--env", "production", "--settle", "0", "--json"];
  return new Promise((resolve) => {
    execFile(opsBinary(), words, { cwd: folder, env, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      assert.ok(stdout, stderr);
      resolve({ status: error?.code ?? 0, answer: JSON.parse(stdout) });
    });
  });
}

test("a_deploy_by_the_real_wrangler_goes_back_to_what_ran", async () => {
  const { status, answer } = await deploy({ tag: "v2" });
  const told = JSON.stringify(answer, null, 1);
  assert.equal(status, 1, told);
  assert.match(answer.error, new RegExp(`the smoke run after the deploy failed; it is back at ${BEFORE}`));
  assert.match(told, new RegExp(`once the version ${UPLOADED} answers`));
  const deployments = account.changes.filter((change) => change.endsWith("/deployments"));
  assert.equal(deployments.length, 2, account.changes.join("\n"));
  assert.equal(account.running, BEFORE);
});

test("across_a_migration_of_durable_objects_it_knows_that_there_is_no_way_back", async () => {
  const { status, answer } = await deploy({ tag: "v1" });
  const told = JSON.stringify(answer, null, 1);
  assert.equal(status, 1, told);
  assert.match(told, /NO WAY BACK: the upload applies the migration v2 of Durable Objects/);
  assert.match(answer.error, /The version that failed is LIVE/);
  assert.equal(account.running, UPLOADED);
});
