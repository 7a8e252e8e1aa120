// `POST /api/queue/create` for the template text-to-image.

import { answer, log } from "./worker.mjs";
import { view } from "./view.mjs";

const SIZES = {
  "1:1": [1328, 1328],
  "16:9": [1664, 928],
  "9:16": [928, 1664],
  "4:3": [1472, 1104],
  "3:4": [1104, 1472],
  "3:2": [1584, 1056],
  "2:3": [1056, 1584],
};
const MODELS = { "qwen-image-lightning": { steps: 4, cfg: 1 }, "qwen-image": { steps: 20, cfg: 4 } };
const OUTPUTS = [{ node_id: "11", kind: "image", label: { en: "Picture", th: "ภาพ" }, prefix: "text-to-image" }];
const NAMES = new Set(["prompt", "negative_prompt", "ratio", "model", "steps", "cfg", "seed"]);
const START_BY_MS = 3_600_000;
const DUE_MARGIN_MS = 300_000;
const USUAL_MS = 15_000;
const EXECUTION_LIMIT_MS = 600_000;
const PROMPT_ROW_BYTES_MAX = 256 << 10;
const BODY_BYTES_MAX = 10 << 20;
const KEY = /^[\x21-\x7e]{1,255}$/;
const LABEL = /^[A-Za-z0-9_.-]{1,40}$/;

export async function create({ request, env, id }) {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) return refused(id, 415, []);
  if (Number(request.headers.get("content-length")) > BODY_BYTES_MAX) return refused(id, 413, []);
  let body;
  try {
    body = JSON.parse(await request.text());
  } catch {
    return refused(id, 400, []);
  }
  const { request_id: inBody, labels = {}, priority = 0, inputs: given = {}, template = "text-to-image", ...rest } = body;
  const key = request.headers.get("idempotency-key") ?? inBody ?? null;
  const asked = { ...given, ...rest };
  const { inputs, violations } = check(asked, { key, labels, priority });
  if (violations.length > 0) return refused(id, 422, violations);

  const prompt = JSON.stringify(sorted(compile(env.TEMPLATE, inputs)));
  const fingerprint = JSON.stringify(sorted({ work: { template, inputs: given, shorthands: rest }, labels, priority }));
  const [promptHash, fingerprintHash] = await Promise.all([sha256(prompt), sha256(fingerprint)]);
  if (prompt.length > PROMPT_ROW_BYTES_MAX) return refused(id, 413, []);
  const now = Date.now();
  const job = uuidV7(now);
  const caller = "anonymous";
  const db = env.DB;
  const results = await db.batch([
    db.prepare(env.SQL["jobs::create"]).bind(
      job, caller, key, fingerprintHash, template, "1.0.0", env.TEMPLATE_HASH, "comfyui", JSON.stringify(inputs), "[]",
      JSON.stringify(OUTPUTS), JSON.stringify(labels), promptHash, 0, priority, null, null, "runpod", "bench", now,
      EXECUTION_LIMIT_MS, USUAL_MS, START_BY_MS, now + USUAL_MS + DUE_MARGIN_MS, null, null, null, null, `${job}:1`, null, null,
    ),
    db.prepare(env.SQL["jobs::create (prompt)"]).bind(job, prompt),
    db.prepare(env.SQL["jobs::create (what stands)"]).bind(job, caller, key),
  ]);
  const row = results[2].results[0];
  const replayed = row.id !== job;
  if (replayed && row.fingerprint !== fingerprintHash) return refused(id, 409, []);
  log(replayed ? "job.replayed" : "job.created", { job_id: row.id, request_id: id, caller, template, provider: row.provider });
  await env.WATCHERS.getByName(row.id).fetch("https://watcher/wake");
  const accepted = { ...row, status: "queued", phase: "accepted", outputs: "[]", attempts: "[]" };
  const shown = { job_id: row.id, job: await view(env, accepted) };
  return answer(id, 200, shown, replayed ? { "idempotent-replayed": "true" } : {});
}

function check(asked, { key, labels, priority }) {
  const violations = [];
  const wrong = (path, code, message) => violations.push({ path, code, message });
  if (key !== null && !(typeof key === "string" && KEY.test(key))) wrong("/request_id", "bad_key", "1 to 255 characters");
  if (!(Number.isInteger(priority) && Math.abs(priority) <= 10)) wrong("/priority", "wrong_type", "-10 to 10");
  for (const [name, value] of Object.entries(labels)) {
    if (!LABEL.test(name) || typeof value !== "string" || value.length > 256) wrong(`/labels/${name}`, "bad_label", "a text");
  }
  for (const name of Object.keys(asked)) if (!NAMES.has(name)) wrong(`/${name}`, "unknown_input", "no such input");
  const { prompt, negative_prompt = "", ratio = "1:1", model = "qwen-image-lightning" } = asked;
  const text = (value, least) => typeof value === "string" && value.trim().length >= least && [...value].length <= 4000;
  if (!text(prompt, 1)) wrong("/inputs/prompt", "required", "1 to 4000 characters");
  if (!text(negative_prompt, 0)) wrong("/inputs/negative_prompt", "too_long", "at most 4000 characters");
  if (!(ratio in SIZES)) wrong("/inputs/ratio", "unknown_choice", Object.keys(SIZES).join(", "));
  if (!(model in MODELS)) wrong("/inputs/model", "unknown_choice", Object.keys(MODELS).join(", "));
  const { steps = MODELS[model]?.steps, cfg = MODELS[model]?.cfg, seed = randomSeed() } = asked;
  if (!(Number.isInteger(steps) && steps >= 1 && steps <= 50)) wrong("/inputs/steps", "out_of_range", "1 to 50");
  if (!(typeof cfg === "number" && cfg >= 1 && cfg <= 10)) wrong("/inputs/cfg", "out_of_range", "1 to 10");
  if (!(Number.isSafeInteger(seed) && seed >= 0)) wrong("/inputs/seed", "out_of_range", "a whole number");
  return { inputs: { cfg, model, negative_prompt, prompt, ratio, seed, steps }, violations };
}

function compile(template, inputs) {
  const prompt = structuredClone(template);
  const [width, height] = SIZES[inputs.ratio];
  Object.assign(prompt[8].inputs, { width, height });
  prompt[6].inputs.text = inputs.prompt;
  prompt[7].inputs.text = inputs.negative_prompt;
  Object.assign(prompt[9].inputs, { steps: inputs.steps, cfg: inputs.cfg, seed: inputs.seed });
  prompt[11].inputs.filename_prefix = "eq0";
  if (inputs.model === "qwen-image") {
    delete prompt[4];
    prompt[5].inputs.model = ["1", 0];
  }
  return prompt;
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

function randomSeed() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low;
}

function uuidV7(now) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint16(0, Math.floor(now / 2 ** 32));
  new DataView(bytes.buffer).setUint32(2, now % 2 ** 32);
  bytes[6] = 0x70 | (bytes[6] & 15);
  bytes[8] = 0x80 | (bytes[8] & 63);
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function sha256(text) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
}

function refused(id, status, violations) {
  return answer(id, status, { ok: false, error: "refused", violations });
}
