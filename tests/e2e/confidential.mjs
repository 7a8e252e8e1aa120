// What no log line may tell: every key, token, signature, prompt and body that a test sends or is
// given. Collected while the test runs, searched for when the product ends.

import assert from "node:assert/strict";

/** Settings that hold secrets. */
const SECRET_VARS = ["ADMIN_KEY", "RUNPOD_API_KEY", "TOKEN_SECRETS", "TURNSTILE_SECRET"];
/** Members whose texts are a caller's own, wherever they stand in a body that is sent. */
const PRIVATE = ["prompt", "inputs", "workflow", "labels", "metadata", "images", "webhook_url"];
/** Members of answers that open something. */
const OPENING = ["secret", "token"];
/** What looks like one of ours, also where no test saw it: API keys, sessions, callback tokens. */
const SHAPES = [
  /eqk_[0-9a-f]{20}/,
  /eqs_[\w-]{20}/,
  /whsec_/,
  /bearer \S/i,
  /[?&]sig=/,
  /\/api\/(webhooks\/\w+|progress)\/[\w-]{30}/,
  /(?<![\w-])[\w-]{50}(?![\w-])/,
];
/** A shorter text may be part of anything: a kind, a name of a field, a number. */
const LENGTH_MIN = 12;
/** Of a file in base64 the beginning is enough. */
const LENGTH_MAX = 200;

export class Confidential {
  words = new Set();

  note(text) {
    if (typeof text === "string" && text.length >= LENGTH_MIN) {
      this.words.add(text.slice(0, LENGTH_MAX));
    }
  }

  vars(vars) {
    for (const name of SECRET_VARS) {
      for (const secret of (vars[name] ?? "").split(",")) this.note(secret);
    }
  }

  /** A body that is sent: whole if it is no object, else what is the caller's own in it. */
  sent(body, headers = {}) {
    const shown = new Headers(headers).get("authorization");
    this.note(shown?.split(" ").pop());
    if (typeof body === "string") this.note(body);
    else if (body !== null && typeof body === "object") this.#members(body, PRIVATE);
  }

  /** An answer: what opens something. */
  answered(body) {
    this.#walk(body, (text, name) => {
      if (OPENING.includes(name)) this.note(text);
      const signature = /[?&]sig=([\w-]+)/.exec(text);
      if (signature) this.note(signature[1]);
    });
  }

  #members(body, names) {
    for (const name of names) {
      if (Object.hasOwn(body, name)) this.#walk(body[name], (text) => this.note(text));
    }
  }

  #walk(value, visit, name) {
    if (typeof value === "string") visit(value, name);
    else if (value !== null && typeof value === "object") {
      for (const [inner, one] of Object.entries(value)) this.#walk(one, visit, inner);
    }
  }

  assertUntold(lines) {
    const whole = lines.join("\n");
    const tells = (line, word) => line.includes(word) || line.includes(JSON.stringify(word).slice(1, -1));
    for (const word of this.words) {
      const told = tells(whole, word) ? lines.filter((line) => tells(line, word)) : [];
      assert.deepEqual(told, [], `a log line tells ${word}`);
    }
    for (const shape of SHAPES) {
      assert.deepEqual(lines.filter((line) => shape.test(line)), [], `a log line tells ${shape}`);
    }
  }
}
