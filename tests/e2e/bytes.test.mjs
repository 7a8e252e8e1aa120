import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { sharedProduct } from "./harness.mjs";
import { MockControls } from "./mock.mjs";

const UPLOAD_BYTES = 95_000_000;
const PART_BYTES = 5 << 20;
/** In base64 forty megabytes, twice what RunPod delivers. */
const BASE64_BYTES = 30_000_000;
const LINK_BYTES = 60_000_000;

/** The callback says whose end it is and breaks off: the watcher looks for the rest at once. */
const QUICK = { queue_ms: 50, run_ms: 100, webhook: { cut_bytes: 120 } };

const product = sharedProduct({ runpod: true, plan: { job: QUICK } });
const mock = new MockControls(product);

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A film as far as its first bytes tell, no two parts of which are equal. */
function film(sizeBytes) {
  const bytes = Buffer.alloc(sizeBytes, ".");
  bytes.write("\0\0\0\x18ftypisom\0\0\x02\0isomiso2", 0, "latin1");
  for (let at = 4096; at < sizeBytes - 8; at += 4096) bytes.writeUInt32LE(at, at);
  return bytes;
}

/** What the worker made for an order, as the mock serves it. */
async function original(order) {
  const response = await fetch(`${product.mock.url}/_mock/files/${order.id}/0/any.mp4`);
  return Buffer.from(await response.arrayBuffer());
}

async function assertDelivered(outcome, sizeBytes, plan = {}) {
  const { id, order } = await mock.submit({ ...QUICK, outcome, ...plan }, { prompt: "a film" });
  const job = await product.succeeded(id, { limitMs: 60_000 });
  assert.equal(job.outputs[0].size_bytes, sizeBytes);
  const answer = await product.fetch(job.result_url);
  assert.equal(answer.headers.get("content-length"), String(sizeBytes));
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.ok(bytes.equals(await original(order)), "other bytes than the worker made");
}

/** The hashes of everything that the object store holds. */
async function storedHashes() {
  const names = await readdir(product.state, { recursive: true });
  const blobs = names.filter((name) => /\br2\b.*\bblobs\/[^/]+$/.test(name));
  const hashes = blobs.map(async (name) => sha256(await readFile(join(product.state, name))));
  return new Set(await Promise.all(hashes));
}

test("an_upload_of_95_megabytes_is_stored_part_by_part_with_equal_bytes", async () => {
  const bytes = film(UPLOAD_BYTES);
  const plain = await product.fetch("/api/inputs", { method: "POST", body: bytes });
  const stored = await plain.json();
  assert.equal(plain.status, 200, JSON.stringify(stored));
  assert.deepEqual([stored.size_bytes, stored.kind], [UPLOAD_BYTES, "video"]);
  const hashes = await storedHashes();
  for (let at = 0; at < UPLOAD_BYTES; at += PART_BYTES) {
    const part = bytes.subarray(at, Math.min(at + PART_BYTES, UPLOAD_BYTES));
    assert.ok(hashes.has(sha256(part)), `the part at ${at} is not stored`);
  }
});

test("an_asset_of_95_megabytes_comes_as_a_form_that_says_its_hash_at_the_end", async () => {
  const bytes = film(UPLOAD_BYTES);
  const plain = await product.fetch("/api/inputs", { method: "POST", body: bytes });
  const { hash } = await plain.json();
  const post = (file) => {
    const form = new FormData();
    form.append("file", new Blob([file]), "film.mp4");
    form.append("content_type", "video/mp4");
    form.append("file_path", "film.mp4");
    form.append("expected_hash", `blake3:${hash}`);
    return product.fetch("/api/v2/assets", { method: "POST", body: form });
  };
  const same = await post(bytes);
  const asset = await same.json();
  assert.equal(same.status, 200, JSON.stringify(asset));
  assert.deepEqual([asset.hash, asset.size_bytes], [`blake3:${hash}`, UPLOAD_BYTES]);
  bytes[UPLOAD_BYTES - 1] ^= 1;
  const other = await post(bytes);
  assert.deepEqual([other.status, (await other.json()).error.code], [409, "hash_mismatch"]);
  const larger = await post(Buffer.alloc((95 << 20) + (65 << 10)));
  assert.deepEqual([larger.status, (await larger.json()).error.code], [413, "payload_too_large"]);
});

test("a_form_and_a_body_with_the_same_file_are_one_upload", async () => {
  const bytes = film(2 * PART_BYTES + 7);
  const form = new FormData();
  form.append("file", new Blob([bytes]), "film.mp4");
  const keys = [];
  for (const body of [form, bytes]) {
    const answer = await product.fetch("/api/inputs", { method: "POST", body });
    keys.push((await answer.json()).input_key);
  }
  assert.match(keys[0], /^[0-9a-f]{64}$/);
  assert.equal(keys[0], keys[1]);
});

test("an_upload_beyond_the_limit_is_refused", async () => {
  const body = Buffer.alloc((95 << 20) + 1);
  const answer = await product.fetch("/api/inputs", { method: "POST", body });
  assert.equal(answer.status, 413);
});

test("a_result_of_40_megabytes_in_base64_is_decoded_and_stored", async () => {
  const outcome = { sized: { size_bytes: BASE64_BYTES, link: false } };
  await assertDelivered(outcome, BASE64_BYTES);
});

test("a_file_of_60_megabytes_behind_a_link_is_copied", async () => {
  const outcome = { sized: { size_bytes: LINK_BYTES, link: true } };
  await assertDelivered(outcome, LINK_BYTES);
});

test("a_callback_of_8_megabytes_names_the_job_whose_submit_was_lost", async () => {
  const outcome = { sized: { size_bytes: 6_000_000, link: false } };
  const faults = [{ on: "run", fault: "lost", taken: true }];
  await assertDelivered(outcome, 6_000_000, { faults, webhook: {} });
});

test("a_redirect_to_a_private_address_is_refused", async () => {
  const target = encodeURIComponent("https://169.254.169.254/latest/meta-data/");
  const data = `${product.mock.url}/_mock/files/redirect/${target}`;
  const outcome = { given: { images: [{ filename: "a.png", type: "s3_url", data }] } };
  const { id } = await mock.submit({ ...QUICK, outcome }, { prompt: "inside" });
  const { error, attempts } = await product.ended(id);
  assert.equal(error.cause, "output_forbidden");
  assert.match(error.message, /not public/);
  assert.equal(attempts.length, 1, "another run would be paid for and end the same");
});
