// The page composes the English instruction by itself while one chooses: it must be what is compiled.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { composed } from "../../public/js/contract.js";
import { ROOT } from "../../scripts/lib/server.mjs";

const json = async (...path) => JSON.parse(await readFile(join(ROOT, ...path), "utf8"));

test("what_the_page_shows_is_what_the_compiler_makes", async () => {
  let compared = 0;
  for (const name of await readdir(join(ROOT, "tests/golden"))) {
    const template = await json("src/workflow/templates", name, "contract.json");
    if (!template.compose) continue;
    for (const story of await readdir(join(ROOT, "tests/golden", name))) {
      const compiled = await json("tests/golden", name, story, "prompt.json").catch(() => null);
      if (!compiled) continue;
      const inputs = await json("tests/golden", name, story, "inputs.json");
      const { said, baseline } = composed(template, { ...inputs.inputs, ...inputs.shorthands });
      const shown = [...said, ...baseline].join(" ");
      assert.equal(shown, compiled.composed[template.compose[0].name], `${name}/${story}`);
      compared += 1;
    }
  }
  assert.ok(compared >= 4, `${compared} cases`);
});
