// `GET /api/result/{key}` by a signed link.

import { answer } from "./worker.mjs";
import { opens } from "./link.mjs";

const KEY = /^[0-9a-f-]{36}\/\d{1,10}\/[0-9a-f]{16}\/\d{1,10}\.[a-z0-9]{1,8}$/;

export async function result({ env, url, id, parameter: key }) {
  if (!KEY.test(key) || !(await opens(env, key, url.searchParams))) return answer(id, 404, { ok: false });
  const object = await env.BLOBS.get(key);
  if (object === null) return answer(id, 404, { ok: false, error: "not_found" });
  return new Response(object.body, {
    headers: {
      etag: `"${object.customMetadata.blake3}"`,
      "cache-control": "private, max-age=3600, immutable",
      "accept-ranges": "bytes",
      "content-type": object.httpMetadata.contentType,
      "content-length": String(object.size),
      "content-disposition": `inline; filename="${object.customMetadata.name.replace(/[^A-Za-z0-9._-]/g, "_")}"`,
    },
  });
}
