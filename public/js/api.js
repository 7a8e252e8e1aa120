// The public API, spoken as a browser: a session's token in `Authorization`, renewed in time.

import { keep, kept } from "./keep.js";

/** A token that ends this soon is renewed before it is used. */
const RENEW_MS = 120_000;

/** An answer that is not ok, or none at all (`code: "offline"`). */
export class ApiError extends Error {
  constructor(
    { error = "internal", message = "", details = [], retryable = false, request_id, checks },
    status,
    retryAfterS,
  ) {
    super(message || error);
    this.code = error;
    this.status = status;
    this.details = details;
    this.retryable = retryable;
    this.requestId = request_id;
    this.retryAfterS = retryAfterS;
    /** Settings that are missing or wrong: `[{ setting, problem }]`. */
    this.settings = checks?.configuration ?? [];
  }
}

/** Without a key: `{ body }`, or throws. */
export async function open(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError({ error: "offline", retryable: true });
  }
  const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
  const body = isJson ? await response.json() : {};
  if (response.ok) return body;
  throw new ApiError(body, response.status, Number(response.headers.get("retry-after")) || null);
}

/** Two tabs that open at once must not become two people: one of them asks. */
export async function token({ fresh = false } = {}) {
  const good = () => {
    const session = kept("session");
    return !fresh && session && session.expires_at_ms - Date.now() > RENEW_MS
      ? session.token
      : null;
  };
  const known = good();
  if (known) return known;
  const before = kept("session")?.token;
  const ask = async () => {
    const session = kept("session");
    if (session && session.token !== before) return session.token;
    const headers = session ? { authorization: `Bearer ${session.token}` } : {};
    const { token, expires_at_ms } = await mint(headers);
    keep("session", { token, expires_at_ms });
    return token;
  };
  return navigator.locks ? navigator.locks.request("eq.session", ask) : ask();
}

/** A deployment that wants its challenge passed says so. */
async function mint(headers) {
  try {
    return await open("/api/session", { method: "POST", headers });
  } catch (error) {
    if (!error.details.some(({ code }) => code === "challenge_wanted")) throw error;
    const { challenge } = await import("./challenge.js");
    const body = JSON.stringify({ turnstile_token: (await challenge()) ?? "" });
    return open("/api/session", { method: "POST", headers, body });
  }
}

/** With the session's token; one that is no longer good is renewed once. */
export async function call(path, options = {}) {
  try {
    return await open(path, await signed(options, {}));
  } catch (error) {
    if (error.status !== 401) throw error;
    return open(path, await signed(options, { fresh: true }));
  }
}

async function signed(options, how) {
  return {
    ...options,
    headers: { ...options.headers, authorization: `Bearer ${await token(how)}` },
  };
}

export function post(path, body, headers = {}) {
  const json = { "content-type": "application/json", ...headers };
  return call(path, { method: "POST", headers: json, body: body && JSON.stringify(body) });
}

/** Uploads a file; `onShare` is told how much of it has left, 0 to 1. */
export async function upload(file, onShare = () => {}) {
  const bearer = await token();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/inputs");
    request.setRequestHeader("authorization", `Bearer ${bearer}`);
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) =>
      event.lengthComputable && onShare(event.loaded / event.total);
    request.onerror = () => reject(new ApiError({ error: "offline", retryable: true }));
    request.onload = () => {
      if (request.status === 200) resolve(request.response);
      else
        reject(
          new ApiError(
            request.response ?? {},
            request.status,
            Number(request.getResponseHeader("retry-after")),
          ),
        );
    };
    request.send(file);
  });
}
