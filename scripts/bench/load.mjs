// A load of a fixed number of requests over a few kept connections. Loopback only.

import { Agent, request } from "node:http";

/** Enough to keep one workerd busy, which serves on one thread. */
const CONNECTIONS = 16;
/** No request on this machine takes so long unless something is broken. */
const REQUEST_LIMIT_MS = 20_000;

/**
 * Sends `count` requests, made by `make(i)` as `{method, path, headers, body}`; returns the seconds it
 * took. Fails at the first answer that is not 200.
 */
export async function load(url, count, make) {
  // Connections of an earlier round may have been closed by the server since.
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let next = 0;
  const began = performance.now();
  const connection = async () => {
    while (next < count) {
      const { status, body } = await send(url, make(next++), agent);
      if (status !== 200) throw new Error(`${url} answered ${status}: ${body.slice(0, 300)}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
    return (performance.now() - began) / 1000;
  } finally {
    agent.destroy();
  }
}

/** One request; the answer's body as text. */
export function send(url, { method = "GET", path, headers = {}, body = "" }, agent = new Agent()) {
  return new Promise((resolve, reject) => {
    const length = body === "" ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = request(new URL(path, url), { method, agent, headers: { ...headers, ...length } }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.setTimeout(REQUEST_LIMIT_MS, () => sent.destroy(new Error(`no answer from ${path}`)));
    sent.on("error", reject);
    sent.end(body);
  });
}
