// The edge in front of a Worker that dies: it is always there. A request that comes while there is no
// Worker waits for the next one, as at Cloudflare, where another isolate takes it; one that was under
// way in the Worker when that died is lost, and answered with a 502.

import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** How long a request waits for a Worker; the next one is there sooner. */
const WAIT_MS = 30_000;
const AGAIN_MS = 100;
/** Of these nothing has reached a Worker. */
const NOT_REACHED = ["ECONNREFUSED", "UND_ERR_SOCKET_NOT_OPEN"];

/** Opens a door to whatever `target` says at the time. */
export async function openDoor(target) {
  const server = createServer((asked, answer) => {
    pass(target, asked, answer).catch(() => answer.writeHead(502).end());
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

async function pass(target, asked, answer) {
  const pieces = [];
  for await (const piece of asked) pieces.push(piece);
  const headers = { ...asked.headers };
  for (const ours of ["host", "connection", "content-length"]) delete headers[ours];
  const body = pieces.length > 0 ? Buffer.concat(pieces) : undefined;
  const end = Date.now() + WAIT_MS;
  for (;;) {
    try {
      const url = new URL(asked.url, target());
      const answered = await fetch(url, { method: asked.method, headers, body, redirect: "manual" });
      const bytes = Buffer.from(await answered.arrayBuffer());
      answer.writeHead(answered.status).end(bytes);
      return;
    } catch (error) {
      const code = error.cause?.code;
      if (!NOT_REACHED.includes(code) || Date.now() > end) throw error;
      await pause(AGAIN_MS);
    }
  }
}
