import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { opsBinary } from "../../scripts/lib/server.mjs";
import { sharedProduct } from "./harness.mjs";
import { dataUri, png } from "./pictures.mjs";

const product = sharedProduct();
const SEED = 20_261_121;

/** What `ops compile` says of the same inputs; a file is named by its path. */
function compiled(template, inputs) {
  const given = Object.entries(inputs).flatMap(([name, value]) => ["--input", `${name}=${value}`]);
  const args = ["compile", template, ...given, "--seed", String(SEED), "--json"];
  return JSON.parse(execFileSync(opsBinary(), args, { encoding: "utf8" }));
}

const CASES = {
  "text-to-image": { prompt: "จิ้งจอกสีแดง in the snow", ratio: "16:9", cfg: 1.3 },
  "wan-text-to-video": { prompt: "a boat on the Chao Phraya" },
  "flux-portrait": { image: "photo", style: "metal" },
  "qwen-image-edit": { image: "photo", hair: "bob", background: "thai_temple", prompt: "smile" },
};

for (const [template, inputs] of Object.entries(CASES)) {
  test(`native_and_wasm_make_the_same_prompt_of_${template}`, async () => {
    const photo = png(96, 64);
    const path = join(product.state, "photo.png");
    await writeFile(path, photo);
    const with_photo = (image) => (inputs.image ? { ...inputs, image } : inputs);
    const here = compiled(template, with_photo(`@${path}`));
    const asked = { ...with_photo(dataUri("image/png", photo)), seed: SEED };
    const job = await product.job(await product.create({ template, inputs: asked }));
    assert.equal(here.seed, SEED);
    assert.equal(job.template_hash, here.template_hash);
    assert.equal(job.prompt_hash, here.prompt_hash);
    assert.deepEqual(job.inputs, here.inputs);
  });
}
