// What the README and the pages about the API and the operator's work tell people to copy, copied.

import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { start } from "../../scripts/lib/process.mjs";
import { opsBinary } from "../../scripts/lib/server.mjs";
import { OPERATOR_KEY, sharedProduct } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

const product = sharedProduct({ inventory: true });

/** The commands of the first shell block after `words`, for the product of this test. */
async function block(words) {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, commands] = /```sh\n(.*?)```/s.exec(readme.slice(readme.indexOf(words)));
  assert.ok(readme.includes(words) && commands.includes("http://127.0.0.1:8787"), words);
  return commands.replaceAll("http://127.0.0.1:8787", product.url);
}

/** Runs commands in a folder of their own, and answers the picture that they left. */
async function picture(name, commands) {
  const folder = join(product.state, name);
  await mkdir(folder);
  await symlink(join(ROOT, ".tools/python"), join(folder, "sdk"));
  const lines = [];
  const shell = start("bash", ["-euc", commands], { cwd: folder, onLine: (line) => lines.push(line) });
  assert.equal(await shell.exit, 0, lines.join("\n"));
  const bytes = await readFile(join(folder, name));
  assert.ok(bytes.subarray(0, 8).equals(SIGNATURE), lines.join("\n"));
}

test("one_job_with_curl_leaves_its_picture", async () => {
  await picture("fox.png", await block("one job, from its creation to its picture"));
});

test("a_comfy_program_runs_here_as_the_readme_says", async () => {
  const commands = await block("Point your Comfy program here");
  const [installing, ...rest] = commands.split("\n");
  assert.match(installing, /^python3 -m venv sdk && sdk\/bin\/pip install -q comfy-sdk$/);
  // The same client from the same index, as `make setup` installed it.
  await picture("hi.png", rest.join("\n"));
});

/** What a reader has: the binary as `cargo ops`, and a `curl` that takes no refusal for an answer. */
const SHELL = `
set -euo pipefail
curl() { command curl --fail-with-body "$@"; }
ops() {
  case $1 in
    # 1: it looked, and something is there to be seen.
    stats|recover|reconcile) "$OPS" "$@" || [ $? -eq 1 ] ;;
    *) "$OPS" "$@" ;;
  esac
}
cargo() { shift; ops "$@"; }
`;

/** Pages whose shell blocks are run; scripts/src/documented.rs reads this line. */
const PAGES = ["README.md", "docs/API.md", "docs/DISASTER_RECOVERY.md", "docs/OPERATIONS.md", "docs/WEBHOOKS.md"];

/** Blocks of README.md that the tests above run, and the one whose targets are in the Makefile. */
const APART = [/-o fox\.png/, /pip install -q comfy-sdk/, /^(make .*\n)+$/];

/** What a reader puts in by hand: it is in the environment here. */
const BY_HAND = /^\s*(export )?\w+=\.\.\..*$|^\s*export EDGE_QUEUE_URL=.*$/gm;

/** Blocks about a job that has yet to end. */
const UNFINISHED = /\/(cancel|recover)\b/;

/** The shell blocks of a page without the lines that say what they need. */
async function blocks(page) {
  const text = await readFile(join(ROOT, page), "utf8");
  const all = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands);
  const found = all.filter((commands) => page !== "README.md" || !APART.some((one) => one.test(commands)));
  const lines = (commands) => commands.replaceAll("\\\n", " ").split("\n");
  const runnable = (line) => line.trim() !== "" && !/# (account|needs )/.test(line);
  const local = (line) =>
    line
      .replaceAll("http://127.0.0.1:8787", product.url)
      // Nobody listens there: its deliveries are tried again later, and no test goes outside.
      .replaceAll("https://hooks.example.com", "http://127.0.0.1:9")
      // As the page says.
      .replace(/^(.*\S) *# answers \d{3}$/, "! { $1; }");
  return found.map((commands) => lines(commands).filter(runnable).map(local).join("\n"));
}

async function succeeds(commands, env, cwd) {
  const lines = [];
  const onLine = (line) => lines.push(line);
  const shell = start("bash", ["-c", SHELL + commands], { cwd, env, onLine });
  assert.equal(await shell.exit, 0, `${commands}\n${lines.join("\n")}`);
}

test("every_block_of_the_pages_is_answered_as_it_stands", async () => {
  const folder = join(product.state, "pages");
  await mkdir(folder);
  await copyFile(join(ROOT, "public/products/mug.png"), join(folder, "photo.png"));
  const done = await product.succeeded(await product.create({ prompt: "for the pages" }));
  const operator = { authorization: `Bearer ${OPERATOR_KEY}` };
  const all = (await Promise.all(PAGES.map(blocks))).flat();
  assert.ok(all.length > 40, String(all.length));
  const keyOf = async (owner) => {
    const asked = { owner, name: "for the pages", scopes: ["jobs:read"] };
    return (await product.call("POST", "/api/admin/keys", asked, operator)).body.key.id;
  };
  for (const commands of all) {
    const isUnfinished = UNFINISHED.test(commands);
    const body = { prompt: "for the pages", labels: { simulate: "slow" } };
    const id = isUnfinished ? await product.create(body) : done.id;
    const env = {
      OPS: opsBinary(),
      EDGE_QUEUE_URL: product.url,
      ADMIN_KEY: OPERATOR_KEY,
      id,
      job: done.id,
      key: commands.includes('"$key"') ? await keyOf("somebody") : "",
      url: done.result_url,
    };
    await succeeds(commands.replaceAll(BY_HAND, ""), env, folder);
    if (commands.includes("/pause")) {
      assert.equal((await product.call("POST", "/api/admin/resume", {}, operator)).status, 200);
    }
  }
});
