// The official clients of the Comfy API, unmodified, against the product: only the base URL is set.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  Comfy,
  IdempotencyKeyReuse,
  InvalidWorkflow,
  MissingAsset,
  NotFound,
  WorkflowFormatUi,
} from "@comfyorg/sdk";

import { start } from "../../scripts/lib/process.mjs";
import { sharedProduct } from "./harness.mjs";
import { png } from "./pictures.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const graph = (image = "nothing.png") => ({
  10: { class_type: "LoadImage", inputs: { image } },
  9: { class_type: "SaveImage", inputs: { images: ["10", 0], filename_prefix: "fox" } },
});

/** A job that runs long: told to by a label, which this client cannot set, or by the mock's plan. */
const slow = { template: "text-to-image", inputs: { prompt: "x" }, metadata: { simulate: "slow" } };

/** Every test of one product, whose hooks belong to its group. */
function stories(name, options, { tells }, more = () => {}) {
  let product;
  async function photo() {
    const path = join(product.state, "photo.png");
    await writeFile(path, png(32, 24, tells ? 1 : 2));
    return path;
  }

  describe(name, () => {
    product = sharedProduct(options);
    more(product);

    test("the_python_client_runs_its_own_quick_start", async () => {
      const lines = [];
      const python = start(
        join(ROOT, ".tools/python/bin/python"),
        [join(ROOT, "tests/e2e/sdk/story.py"), await photo(), tells ? "simulated" : "mock"],
        { env: { COMFY_BASE_URL: product.url }, onLine: (line) => lines.push(line) },
      );
      assert.equal(await python.exit, 0, lines.join("\n"));
      assert.equal(lines.length, 7, lines.join("\n"));
    });

    test("the_typescript_client_runs_its_own_quick_start", async () => {
      process.env.COMFY_BASE_URL = product.url;
      const client = new Comfy();
      const wf = client.workflows.fromJson(graph());
      const asset = client.assets.fromFile(await photo());
      wf.setInput("10", "image", asset);
      const job = await client.run(wf);
      const [output] = job.getOutputs("9");
      assert.deepEqual([output.name, output.type], ["fox_00001_.png", "image"]);
      const saved = join(product.state, "out.png");
      await output.toFile(saved);
      assert.equal((await readFile(saved)).length, Number(output.sizeBytes));
      const { url } = await output.getDownloadUrl();
      const linked = await fetch(url);
      assert.equal((await linked.arrayBuffer()).byteLength, Number(output.sizeBytes));

      const streamed = await client.submit(wf);
      const events = [];
      for await (const event of streamed.events()) events.push(event);
      const kinds = events.map((event) => event.kind);
      assert.deepEqual(kinds.slice(-2), ["outputReady", "statusChange"]);
      assert.equal(events.at(-1).status, "succeeded");
      if (tells) {
        assert.ok(kinds.includes("progress") && kinds.includes("preview"), String(kinds));
      }
      assert.equal((await client.jobs.get(streamed.id)).status, "succeeded");
      const { workflow, format } = await streamed.getWorkflow();
      assert.deepEqual([workflow[9], format], [graph()[9], "api"]);

      const created = await product.call("POST", "/api/v2/jobs", slow);
      assert.equal(created.status, 201, JSON.stringify(created.body));
      const canceled = await client.jobs.get(created.body.id);
      await canceled.cancel();
      assert.equal((await canceled.wait(60_000)).status, "canceled");
    });

    test("the_typescript_client_tells_errors_apart", async () => {
      process.env.COMFY_BASE_URL = product.url;
      const client = new Comfy();
      const submit = (json, options) => client.submit(client.workflows.fromJson(json), options);
      await assert.rejects(submit({ nodes: [], links: [], last_node_id: 0 }), WorkflowFormatUi);
      const broken = graph();
      broken[9].inputs.images = ["4", 0];
      await assert.rejects(submit(broken), InvalidWorkflow);
      const info = { id: "9f8a1c0d-2b3e-4f56-8a7b-1c2d3e4f5a6b" };
      await assert.rejects(submit(graph({ __type: "core/ASSET", info })), MissingAsset);
      await assert.rejects(client.jobs.get("7f3d2c1b-9a8e-4d6f-b012-3c4d5e6f7a8b"), NotFound);

      const one = (prefix) => {
        const json = graph();
        delete json[10];
        json[9].inputs = { images: ["1", 0], filename_prefix: prefix };
        json[1] = { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 0 } };
        return json;
      };
      const key = { idempotencyKey: "typescript-1" };
      const first = await submit(one("a"), key);
      assert.equal((await submit(one("a"), key)).id, first.id, "the same job again");
      await assert.rejects(submit(one("b"), key), IdempotencyKeyReuse);
    });
  });
}

function conformance(product) {
  test("every_answer_is_as_openapi_json_says", async () => {
    const path = join(product.state, "conform.png");
    await writeFile(path, png(16, 16, 3));
    const lines = [];
    const python = start(
      join(ROOT, ".tools/python/bin/python"),
      [join(ROOT, "tests/e2e/sdk/conform.py"), path],
      { env: { COMFY_BASE_URL: product.url }, onLine: (line) => lines.push(line) },
    );
    assert.equal(await python.exit, 0, lines.join("\n"));
    const { answers, operations } = JSON.parse(lines.at(-1));
    assert.ok(answers > 60 && operations > 20, lines.at(-1));
  });
}

/** Long enough to be canceled. */
const RUN_MS = 2_500;
const mock = { runpod: true, plan: { job: { queue_ms: 50, run_ms: RUN_MS } } };
stories("simulated", {}, { tells: true }, conformance);
stories("mock of RunPod", mock, { tells: false });
