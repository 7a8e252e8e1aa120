// A ComfyUI asked through us, its websocket among it, on the real runtime.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { after, test } from "node:test";

import { sharedProduct } from "./harness.mjs";

const ADMIN_KEY = "operator-key-0123456789-0123456789";
const FRAME = JSON.stringify({ type: "status", data: { status: { exec_info: { queue_remaining: 0 } } } });
const MEGABYTES = 8;

/** What ComfyUI would answer, as far as it is asked here. */
const seen = [];
const comfy = createServer((asked, answer) => {
  const pieces = [];
  asked.on("data", (piece) => pieces.push(piece));
  asked.on("end", () => {
    const body = Buffer.concat(pieces);
    seen.push({ url: asked.url, headers: asked.headers, size: body.length });
    if (asked.url.startsWith("/view")) {
      answer.writeHead(200, { "content-type": "text/html", "set-cookie": "a=b" });
      for (let i = 0; i < MEGABYTES; i += 1) answer.write(Buffer.alloc(1 << 20, i));
      answer.end();
    } else if (asked.url === "/features") {
      answer.writeHead(302, { location: "http://elsewhere.example/" }).end();
    } else {
      answer.writeHead(200, { "content-type": "application/json" });
      answer.end(JSON.stringify({ queue_running: [], took: body.length }));
    }
  });
});
comfy.on("upgrade", (asked, socket) => {
  seen.push({ url: asked.url, headers: asked.headers });
  const salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(asked.headers["sec-websocket-key"] + salt).digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join("\r\n")}\r\n\r\n`);
  socket.write(Buffer.concat([Buffer.from([0x81, FRAME.length]), Buffer.from(FRAME)]));
  socket.on("error", () => {});
});
await new Promise((ready) => comfy.listen(0, "127.0.0.1", ready));
after(() => {
  comfy.close();
  comfy.closeAllConnections();
});

const PROXY_URL = `http://127.0.0.1:${comfy.address().port}`;
const product = sharedProduct({
  vars: { ADMIN_KEY, PROXY_URL, PROXY_AUTHORIZATION: "Basic dHVubmVsOnR1bm5lbA==" },
});
const operator = { authorization: `Bearer ${ADMIN_KEY}` };

test("the_operator_asks_a_comfyui_which_never_sees_the_operators_key", async () => {
  const queue = await product.call("GET", "/api/proxy/queue", undefined, operator);
  assert.deepEqual(queue.body, { queue_running: [], took: 0 });
  assert.match(queue.headers.get("content-security-policy"), /^sandbox/);
  const body = JSON.stringify({ prompt: { 1: { class_type: "X".repeat(3 << 20), inputs: {} } } });
  const posted = await product.call("POST", "/api/proxy/prompt", body, operator);
  assert.equal(posted.body.took, body.length);
  assert.ok(!JSON.stringify(seen).includes(ADMIN_KEY));
  assert.equal(seen.at(-1).headers.authorization, "Basic dHVubmVsOnR1bm5lbA==");
  const stranger = await product.call("GET", "/api/proxy/queue");
  assert.equal(stranger.status, 401);
  const disk = await product.call("GET", "/api/proxy/userdata/comfy.settings.json", undefined, operator);
  assert.equal(disk.status, 403);
});

test("a_large_file_streams_through_and_cannot_be_a_page_of_ours", async () => {
  const path = "/api/proxy/view?filename=a.html";
  const answer = await product.fetch(path, { headers: operator });
  assert.equal((await answer.arrayBuffer()).byteLength, MEGABYTES << 20);
  assert.equal(answer.headers.get("set-cookie"), null);
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  assert.match(answer.headers.get("content-security-policy"), /^sandbox/);
  const redirect = await product.fetch("/api/proxy/features", { headers: operator });
  assert.deepEqual([redirect.status, redirect.headers.get("location")], [302, null]);
});

test("its_websocket_passes_through", async () => {
  const headers = {
    ...operator,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
  };
  const asked = request(new URL("/api/proxy/ws?clientId=a", product.url), { headers });
  const told = new Promise((resolve, reject) => {
    asked.on("error", reject);
    asked.on("response", ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    asked.on("upgrade", (_, socket, head) => {
      let bytes = head;
      const read = (piece) => {
        bytes = Buffer.concat([bytes, piece]);
        if (bytes.length < FRAME.length + 2) return;
        socket.destroy();
        resolve(bytes.subarray(2).toString());
      };
      socket.on("data", read);
      read(Buffer.alloc(0));
    });
  });
  asked.end();
  assert.equal(await told, FRAME);
  assert.ok(seen.some(({ url }) => url === "/ws?clientId=a"));
});

test("a_comfyui_that_is_away_is_said_to_be_away", async () => {
  await product.stop();
  const gone = createServer();
  await new Promise((ready) => gone.listen(0, "127.0.0.1", ready));
  const { port } = gone.address();
  await new Promise((closed) => gone.close(closed));
  await product.start({ PROXY_URL: `http://127.0.0.1:${port}` });
  const answer = await product.fetch("/api/proxy/queue", { headers: operator });
  assert.equal(answer.status, 502);
  assert.equal((await answer.json()).error, "unavailable");
});
