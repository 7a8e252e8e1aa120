// What is cheaper to say in JavaScript: each of these does with one call across the border of Wasm
// what would take dozens. Lists travel as JSON text. Nothing is decided here.

import { waitUntil } from "cloudflare:workers";

/** `[method, url, [[name, value], ...]]` of a request. */
export function described(request) {
  return JSON.stringify([request.method, request.url, [...request.headers]]);
}

/** `body` is a stream, nothing, or bytes that lie in Wasm's memory and are copied at once. */
export function response(status, headers, body) {
  const own = body instanceof Uint8Array ? body.slice() : body;
  return new Response(own, { status, headers: JSON.parse(headers) });
}

/** What is handed on of another server's headers: nothing that sets a cookie or leads elsewhere. */
const HANDED_ON = ["content-type", "content-range", "etag", "last-modified"];

/** Sends `request` to `url`, and answers with what comes back: its stream, or its websocket. */
export async function forward(request, url, headers, own) {
  const { method, body } = request;
  const asked = { method, body, headers: JSON.parse(headers), redirect: "manual" };
  const answer = await fetch(url, asked);
  const { status, webSocket } = answer;
  if (webSocket) return new Response(null, { status, webSocket });
  const theirs = HANDED_ON.map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value);
  return new Response(answer.body, { status, headers: [...theirs, ...JSON.parse(own)] });
}

/** A request to another server; throws what is wrong with it, before anything leaves. */
export function outgoing(method, url, headers, body) {
  return new Request(url, { method, headers: JSON.parse(headers), body, redirect: "manual" });
}

export function send(request, timeoutMs) {
  return fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
}

/** `{name: value, ...}` of an answer. */
export function heads(response) {
  return JSON.stringify(Object.fromEntries(response.headers));
}

/** Whether a rate limiting binding lets one more call of this key through. */
export async function limit(binding, key) {
  return (await binding.limit({ key })).success;
}

/** Sends an e-mail through a binding `send_email`. */
export function mail(binding, from, to, subject, text) {
  return binding.send({ from, to, subject, text });
}

/** Calls the object of this name: a GET, or with a body a POST. */
export function call(namespace, name, path, headers, body) {
  const method = body === undefined ? "GET" : "POST";
  const options = { method, headers: JSON.parse(headers), body };
  // The host is not looked up: the stub decides who answers.
  return namespace.getByName(name).fetch(`https://object${path}`, options);
}

/** AES-GCM under a nonce of its own, which stands before what it sealed; in base64. */
export async function seal(key, text) {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = await aes(key.slice());
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, cipher, new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...iv, ...new Uint8Array(sealed)));
}

/** Fails where another key sealed it. */
export async function unseal(key, sealed) {
  const cipher = await aes(key.slice());
  const bytes = Uint8Array.from(atob(sealed), (char) => char.charCodeAt(0));
  const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, NONCE_BYTES) };
  return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, cipher, bytes.subarray(NONCE_BYTES)));
}

/** An Ed25519 key of its 32 bytes, in the only form that WebCrypto takes: PKCS #8. */
function ed25519(seed) {
  const head = Uint8Array.fromHex("302e020100300506032b657004220420");
  const key = new Uint8Array([...head, ...seed]);
  return crypto.subtle.importKey("pkcs8", key, "Ed25519", true, ["sign"]);
}

export async function sign(seed, text) {
  return crypto.subtle.sign("Ed25519", await ed25519(seed.slice()), new TextEncoder().encode(text));
}

export async function publicKey(seed) {
  const { x } = await crypto.subtle.exportKey("jwk", await ed25519(seed.slice()));
  return Uint8Array.fromBase64(x, { alphabet: "base64url" });
}

/** Lets a request's work go on after its answer, for the half minute that the platform gives. */
export function goOn(work) {
  waitUntil(work);
}

/** As AES-GCM wants them. */
const NONCE_BYTES = 12;

function aes(key) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** A D1 database that remembers its statements. */
export class Database {
  constructor(binding) {
    this.binding = binding;
    this.prepared = new Map();
  }

  prepare(number, sql) {
    this.prepared.set(number, this.binding.prepare(sql));
  }

  /** Takes `[[number, values], ...]`, gives `[[rows, changes, rows written], ...]`. */
  async batch(text) {
    const bound = JSON.parse(text).map(([number, values]) => this.prepared.get(number).bind(...values));
    const results = await this.binding.batch(bound);
    return JSON.stringify(results.map(({ results, meta }) => [results ?? [], meta.changes ?? 0, meta.rows_written ?? 0]));
  }
}
