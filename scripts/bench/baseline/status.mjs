// `GET /api/queue/status/{id}`.

import { answer } from "./worker.mjs";
import { view } from "./view.mjs";

export async function status({ request, env, id, parameter }) {
  const [{ results }] = await env.DB.batch([env.DB.prepare(env.SQL["jobs::full"]).bind(parameter)]);
  const row = results[0];
  if (row?.caller !== "anonymous") return answer(id, 404, { ok: false, error: "not_found" });
  const job = JSON.stringify({ job: await view(env, row) });
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(job));
  const etag = `"${new Uint8Array(hash).toHex().slice(0, 32)}"`;
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: { etag } });
  return answer(id, 200, `{"ok":true,"request_id":${JSON.stringify(id)},${job.slice(1)}`, { etag });
}
