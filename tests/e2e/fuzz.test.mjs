// Requests that nobody would write, made by schemathesis of both documents: the product answers each of
// them as the document says. The seed is fixed; FUZZ_EXAMPLES asks for more.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { start } from "../../scripts/lib/process.mjs";
import { OPERATOR_KEY, sharedProduct } from "./harness.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const product = sharedProduct({ inventory: true });

for (const [surface, document] of [
  ["contract", "the_contract_of_the_comfy_api"],
  ["ours", "openapi_json"],
]) {
  test(`every_answer_is_one_that_${document}_names`, async () => {
    const lines = [];
    const python = start(
      join(ROOT, ".tools/python/bin/python"),
      [join(ROOT, "tests/e2e/sdk/fuzz.py"), surface, OPERATOR_KEY, product.state],
      { env: { COMFY_BASE_URL: product.url }, onLine: (line) => lines.push(line) },
    );
    assert.equal(await python.exit, 0, lines.join("\n"));
  });
}
