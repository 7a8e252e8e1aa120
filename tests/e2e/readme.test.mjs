// What the README tells people to copy, copied.

import assert from "node:assert/strict";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { start } from "../../scripts/lib/process.mjs";
import { sharedProduct } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

const product = sharedProduct();

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
