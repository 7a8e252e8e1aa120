import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

import { sharedProduct } from "./harness.mjs";
import { JPEG, dataUri, png } from "./pictures.mjs";

const OPERATOR = { authorization: "Bearer operator-key-of-a-test" };
const product = sharedProduct({ vars: { ADMIN_KEY: "operator-key-of-a-test" } });

const TEMPLATE = "qwen-image-edit";
const WISH = { prompt: "give him a red hat" };
const PHOTOS = [
  { type: "image/png", bytes: png(96, 64), width: 96, height: 64, file: "photo.png" },
  { type: "image/jpeg", bytes: JPEG, width: 64, height: 48, file: "photo.jpg" },
];

/** The ways to send a photo; each answers the id of the job it made. */
const WAYS = {
  "a data URI among the inputs": ({ type, bytes }) =>
    product.create({ template: TEMPLATE, inputs: { ...WISH, image: dataUri(type, bytes) } }),
  "a data URI beside the prompt": ({ type, bytes }) =>
    product.create({ template: TEMPLATE, ...WISH, image: dataUri(type, bytes) }),
  "images, as the stock worker takes them": ({ file, bytes }) => {
    const images = [{ name: file, image: bytes.toString("base64") }];
    return product.create({ template: TEMPLATE, inputs: WISH, images });
  },
  "an upload and its key": async (photo) => {
    const headers = { "content-type": photo.type };
    const options = { method: "POST", headers, body: photo.bytes };
    const stored = await (await product.fetch("/api/inputs", options)).json();
    assert.equal(stored.size_bytes, photo.bytes.length, JSON.stringify(stored));
    return product.create({ template: TEMPLATE, ...WISH, input_key: stored.input_key });
  },
  "a form": async (photo) => {
    const form = new FormData();
    form.set("template", TEMPLATE);
    form.set("prompt", WISH.prompt);
    form.set("image", new Blob([photo.bytes]), photo.file);
    const answer = await product.fetch("/api/queue/create", { method: "POST", body: form });
    return accepted(await answer.json());
  },
  "curl -F": async (photo) => {
    const path = join(product.state, photo.file);
    await writeFile(path, photo.bytes);
    const fields = [`template=${TEMPLATE}`, `prompt=${WISH.prompt}`, `image=@${path}`];
    const args = ["-sS", ...fields.flatMap((field) => ["-F", field])];
    const curl = promisify(execFile)("curl", [...args, `${product.url}/api/queue/create`]);
    return accepted(JSON.parse((await curl).stdout));
  },
};

function accepted(answer) {
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return answer.job_id;
}

test("a_prompt_becomes_a_picture_within_five_seconds_by_the_callback", async () => {
  const id = await product.create({ prompt: "test prompt" });
  const job = await product.succeeded(id);
  assert.ok(job.metrics.total_ms < 5000, `${job.metrics.total_ms} ms`);
  assert.equal(await product.heardBy(id), "webhook");
});

describe("a_photo_is_edited_however_it_is_sent", { concurrency: 16 }, () => {
  for (const [way, send] of Object.entries(WAYS)) {
    for (const photo of PHOTOS) {
      test(`${photo.type} as ${way}`, async () => {
        const job = await product.succeeded(await send(photo));
        assert.equal(job.template, TEMPLATE);
        // The simulated GPU paints in the size of the photo that reached it.
        const [{ width, height }] = job.outputs;
        assert.deepEqual({ width, height }, { width: photo.width, height: photo.height });
      });
    }
  }
});

test("a_result_is_served_as_a_file_in_whole_and_in_part", async () => {
  const job = await product.succeeded(await product.create({ prompt: "a file" }));
  const [output] = job.outputs;
  const path = `/api/result/${output.key}`;
  const tag = `"${output.key}"`;

  const first = await product.fetch(path);
  const bytes = Buffer.from(await first.arrayBuffer());
  assert.equal(first.headers.get("content-type"), "image/png");
  assert.equal(first.headers.get("x-content-type-options"), "nosniff");
  assert.match(first.headers.get("content-disposition"), /filename="text-to-image_00001_\.png"/);
  assert.equal(first.headers.get("etag"), tag);
  assert.equal(bytes.length, output.size_bytes);
  assert.deepEqual(Buffer.from(await (await product.fetch(path)).arrayBuffer()), bytes);

  const head = await product.fetch(path, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), String(bytes.length));
  assert.equal((await head.arrayBuffer()).byteLength, 0);

  const last = bytes.length - 1;
  for (const [range, from, to] of [["bytes=4-9", 4, 9], ["bytes=-7", last - 6, last]]) {
    const part = await product.fetch(path, { headers: { range } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes ${from}-${to}/${bytes.length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(from, to + 1));
  }
  const beyond = await product.fetch(path, { headers: { range: `bytes=${bytes.length}-` } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get("content-range"), `bytes */${bytes.length}`);

  const known = await product.fetch(path, { headers: { "if-none-match": tag } });
  assert.deepEqual([known.status, known.headers.get("etag")], [304, tag]);
  const unknown = await product.call("GET", path.replace(/\/0\.png$/, "/1.png"));
  assert.deepEqual([unknown.status, unknown.body.error], [404, "not_found"]);
});

test("a_link_opens_one_result_of_somebody_elses_job_and_nothing_else_does", async () => {
  const make = async (prompt) => {
    const id = await product.create({ prompt }, OPERATOR);
    return product.succeeded(id, { headers: OPERATOR });
  };
  const [mine, other] = await Promise.all([make("mine"), make("mine too")]);
  const status = async (path, headers) => (await product.fetch(path, { headers })).status;

  const [path, query] = mine.result_url.split("?");
  assert.equal(await status(mine.result_url), 200);
  assert.equal(await status(path, OPERATOR), 200);
  assert.equal(await status(path), 404, "no link and not the owner");
  const others = other.result_url.split("?")[1];
  assert.equal(await status(`${path}?${others}`), 404, "another result's link");
  const tampered = query.replace(/exp=(\d)/, (_, digit) => `exp=${9 - digit}`);
  assert.equal(await status(`${path}?${tampered}`), 404, "another expiry");
  assert.equal(await status(path, { authorization: "Bearer operator-key-of-a-tesT" }), 401);
});
