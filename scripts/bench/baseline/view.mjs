// A job as callers see it, member for member as ours.

import { linkQuery } from "./link.mjs";

const KEPT_MS = 30 * 24 * 3_600_000;
const LINK_MS = 24 * 3_600_000;
const WINDOW_MS = 3_600_000;

/** How far a job is that has succeeded. */
const WHOLE = {
  value: 1,
  nodes_done: 0,
  nodes_total: 0,
  current_node: null,
  current_node_class: null,
  step: null,
  steps: null,
  message: null,
};

export async function view(env, row) {
  const open = row.completed_at === null;
  const expiresAt = row.created_at + KEPT_MS;
  const rows = JSON.parse(row.outputs);
  const outputs = await Promise.all(rows.map(async ({ i, ...output }) => ({ ...output, url: await url(env, output.key, expiresAt) })));
  const first = outputs[0];
  return {
    id: row.id,
    status: row.status,
    phase: open ? row.phase : null,
    round: row.round,
    template: row.template,
    template_version: row.template_version,
    template_hash: row.template_hash,
    prompt_hash: row.prompt_hash,
    checked: "contract",
    inputs: JSON.parse(row.inputs_json),
    labels: JSON.parse(row.labels_json),
    created_at: iso(row.created_at),
    created_at_ms: row.created_at,
    started_at: iso(row.started_at),
    started_at_ms: row.started_at,
    completed_at: iso(row.completed_at),
    completed_at_ms: row.completed_at,
    expires_at: iso(expiresAt),
    expires_at_ms: expiresAt,
    start_by: iso(row.opened_at + row.start_by_ms),
    deadline: row.deadline_ms === null ? null : iso(row.opened_at + row.deadline_ms),
    queue_position: null,
    wait_reason: row.wait_reason,
    wait_since: row.wait_reason === null ? null : iso(Math.max(row.attempt_ended_at ?? 0, row.opened_at)),
    wait_until: row.wait_reason === null ? null : iso(row.retry_at),
    progress: row.status === "succeeded" ? { ...WHOLE } : null,
    outputs,
    result_key: first?.key ?? null,
    result_url: first?.url ?? null,
    error: JSON.parse(row.error_json),
    attempts: JSON.parse(row.attempts).map(attempt),
    metrics: {
      queue_ms: row.started_at === null ? null : Math.max(0, row.started_at - row.opened_at),
      execution_ms: row.execution_ms,
      total_ms: row.completed_at === null ? null : row.completed_at - row.opened_at,
    },
    credits: null,
    cost: { estimate_usd: null, actual_usd: null },
    urls: {
      self: `/api/queue/status/${row.id}`,
      events: `/api/queue/events/${row.id}`,
      cancel: `/api/queue/cancel/${row.id}`,
      retry: `/api/queue/retry/${row.id}`,
      result: first?.url ?? null,
    },
  };
}

function attempt(row) {
  return {
    n: row.n,
    provider: row.provider,
    provider_id: row.provider_id,
    status: row.outcome,
    submitted_at: iso(row.begun_at),
    ended_at: iso(row.ended_at),
    heard_by: row.heard_by,
    delay_ms: row.delay_ms,
    execution_ms: row.execution_ms,
    error: JSON.parse(row.error_json),
  };
}

async function url(env, key, expiresAt) {
  const ends = Date.now() + LINK_MS;
  const query = await linkQuery(env, key, Math.min(ends - (ends % WINDOW_MS) + WINDOW_MS, expiresAt));
  return `/api/result/${key}?${query}`;
}

function iso(ms) {
  return ms === null ? null : new Date(ms).toISOString();
}
