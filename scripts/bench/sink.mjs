// RunPod as far as a bench needs it: takes every order at once and finishes a job when it is told to.

import { createServer } from "node:http";
import { once } from "node:events";
import { deflateSync, crc32 } from "node:zlib";

/** Small, so that the Worker is measured and not the simulator of R2. */
const SIDE_PX = 64;

/** What the stock ComfyUI worker answers for one picture. */
const OUTPUT = { images: [{ filename: "eq0_00001_.png", type: "base64", data: png().toString("base64") }] };

export async function startSink() {
  const orders = [];
  const finished = new Set();
  const server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request);
    const id = request.url.split("/").at(-1);
    if (request.method === "POST" && id === "run") {
      const order = { id: `bench-${orders.length}-u1`, webhook: JSON.parse(Buffer.concat(chunks)).webhook };
      orders.push(order);
      return answer(response, { id: order.id, status: "IN_QUEUE" });
    }
    answer(response, finished.has(id) ? done(id) : { id, status: "IN_QUEUE" });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${server.address().port}/v2`;
  return {
    orders,
    /** From now on a look at the job finds it done. */
    finish: (id) => finished.add(id),
    vars: { PROVIDER: "runpod", RUNPOD_ENDPOINT_ID: "bench", RUNPOD_API_KEY: "bench-key", RUNPOD_BASE_URL: base },
    stop: () => server.close(),
  };
}

/** The body of the callback of a job that is done, and of a look at it. */
export function done(id) {
  return { id, status: "COMPLETED", delayTime: 120, executionTime: 2500, output: OUTPUT };
}

function answer(response, body) {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

/** A picture of noise: it must not compress to nothing. */
function png() {
  const rows = Buffer.alloc((SIDE_PX * 3 + 1) * SIDE_PX);
  for (let i = 0; i < rows.length; i++) rows[i] = i % (SIDE_PX * 3 + 1) === 0 ? 0 : (i * 2654435761) >>> 24;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE_PX, 0);
  header.writeUInt32BE(SIDE_PX, 4);
  // Eight bits a channel, three channels.
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
