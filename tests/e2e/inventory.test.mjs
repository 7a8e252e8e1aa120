import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { ROOT, opsBinary, stock } from "../../scripts/lib/server.mjs";
import { OPERATOR_KEY, sharedProduct } from "./harness.mjs";
import { png } from "./pictures.mjs";

const product = sharedProduct({ inventory: true });

const workflow = (image, model) => ({
  1: { class_type: "LoadImage", inputs: { image } },
  2: { class_type: "UNETLoader", inputs: { unet_name: model, weight_dtype: "default" } },
  3: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "mine" } },
  4: { class_type: "ModelSave", inputs: { model: ["2", 0], filename_prefix: "m" } },
});
const MODEL = "qwen_image_fp8_e4m3fn.safetensors";

test("a_workflow_is_refused_for_a_model_that_the_endpoint_has_not", async () => {
  const answer = await product.call("POST", "/api/queue/create", {
    workflow: workflow("example.png", "no-such-model.safetensors"),
  });
  assert.equal(answer.status, 422);
  assert.equal(answer.body.error, "workflow_invalid");
  assert.equal(answer.body.details[0].path, "/workflow/2/inputs/unet_name");
  assert.equal(answer.body.node_errors["2"].errors[0].type, "value_not_in_list");
});

test("a_workflow_with_its_own_image_is_checked_and_accepted", async () => {
  const image = png(8, 8).toString("base64");
  const images = [{ name: "mine.png", image }];
  const id = await product.create({ workflow: workflow("mine.png", MODEL), images });
  assert.equal((await product.job(id)).checked, "inventory");
});

test("the_same_inventory_again_changes_nothing", async () => {
  const answer = await stock(product.url, OPERATOR_KEY);
  assert.equal(answer.changed, false);
  assert.equal(answer.inventory.classes, 634);
});

test("ops_pulls_the_inventory_of_a_live_server", async (t) => {
  const core = await readFile(join(ROOT, "inventory/core.json"));
  const comfyui = createServer((request, response) => {
    response.statusCode = request.url === "/object_info" ? 200 : 404;
    response.end(core);
  });
  comfyui.listen(0, "127.0.0.1");
  await once(comfyui, "listening");
  t.after(() => comfyui.close());
  const from = `http://127.0.0.1:${comfyui.address().port}/`;
  const pullAs = async (key, ...more) => {
    const args = ["inventory", "pull", "--from", from, "--url", product.url, "--json", ...more];
    const env = { ...process.env, ADMIN_KEY: key };
    return JSON.parse((await promisify(execFile)(opsBinary(), args, { env })).stdout);
  };
  const pull = (...more) => pullAs(OPERATOR_KEY, ...more);
  const rehearsed = await pull("--endpoint", "another", "--dry-run");
  assert.equal(rehearsed.inventory, null);
  const path = "/api/admin/inventory?endpoint=another";
  const headers = { authorization: `Bearer ${OPERATOR_KEY}` };
  assert.equal((await product.call("GET", path, undefined, headers)).status, 404);
  const pulled = await pull("--endpoint", "another");
  assert.equal(pulled.inventory.hash, rehearsed.found.hash);
  const shown = await product.call("GET", path, undefined, headers);
  assert.deepEqual(shown.body.inventory, pulled.inventory);
  await assert.rejects(pullAs("another"), /401 Unauthorized: the key is not known here/);
});
