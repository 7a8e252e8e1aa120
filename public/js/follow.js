// Follows one job to its end: by server-sent events, and where those do not come through, by asking.

import { call, token } from "./api.js";

export const ENDED = ["succeeded", "failed", "canceled", "expired"];

/** Streams that break this often in a row are given up for asking. */
const STREAMS_MAX = 3;
const PAUSE_MS = 1_500;
/** How long the server may hold a question. */
const WAIT_S = 10;
/** A comment comes every 15 s: a stream that is silent for longer leads nowhere. */
const SILENT_MS = 40_000;
/** Events do not tell how many wait in front: a job that waits is asked about this often. */
const POSITION_MS = 4_000;

/**
 * `on.job(job)` at every change, `on.progress(progress)` and `on.preview(blob)` while it runs,
 * `on.offline(isOffline)`. Returns a function that stops it.
 */
export function follow(id, on) {
  const stop = new AbortController();
  const { signal } = stop;
  addEventListener("offline", () => on.offline?.(true), { signal });
  const seen = { last: null, ended: false, waits: false };
  const asking = setInterval(() => position(id, on, seen, signal), POSITION_MS);
  signal.addEventListener("abort", () => clearInterval(asking));
  run(id, on, seen, signal)
    .catch((error) => signal.aborted || on.lost?.(error))
    .finally(() => stop.abort());
  return () => stop.abort();
}

/** What changes while a job waits and no event tells. */
async function position(id, on, seen, signal) {
  if (!seen.waits || document.hidden) return;
  const { job } = await call(`/api/queue/status/${id}`, { signal }).catch(() => ({}));
  if (job && seen.waits) told(job, on, seen);
}

function told(job, on, seen) {
  seen.ended = ENDED.includes(job.status);
  seen.waits = job.status === "queued";
  on.job(job);
}

async function run(id, on, seen, signal) {
  let broken = 0;
  while (!signal.aborted && !seen.ended) {
    try {
      const heard =
        broken < STREAMS_MAX ? await stream(id, on, seen, signal) : await ask(id, on, seen, signal);
      broken = heard ? 0 : broken + 1;
      on.offline?.(false);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status && error.status !== 429 && error.status < 500) throw error;
      if (error.code === "offline") on.offline?.(true);
      else broken += 1;
    }
    if (!seen.ended) await pause(PAUSE_MS, signal);
  }
}

/** Reads until the stream ends; whether it told anything. */
async function stream(id, on, seen, signal) {
  const headers = { accept: "text/event-stream", authorization: `Bearer ${await token()}` };
  if (seen.last) headers["last-event-id"] = seen.last;
  const line = new Line(signal);
  const response = await fetch(`/api/queue/events/${id}`, { headers, signal: line.signal }).catch(
    () => {
      throw Object.assign(new Error("offline"), { code: "offline" });
    },
  );
  if (response.status === 204) return (seen.ended = true);
  if (!response.ok || !response.body) {
    line.end();
    await ask(id, on, seen, signal);
    return false;
  }
  let heard = false;
  on.offline?.(false);
  for await (const event of events(response.body, () => line.lives())) {
    heard = true;
    if (event.id) seen.last = event.id;
    tell(event, on, seen);
  }
  line.end();
  return heard;
}

/** Cuts a stream that is silent, or was open when the network went and came back. */
class Line {
  #cut = new AbortController();
  #timer;

  constructor(signal) {
    this.signal = AbortSignal.any([signal, this.#cut.signal]);
    addEventListener("online", () => this.#cut.abort(), { signal: this.signal });
    this.lives();
  }

  lives() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#cut.abort(), SILENT_MS);
  }

  end() {
    clearTimeout(this.#timer);
    this.#cut.abort();
  }
}

function tell({ name, data }, on, seen) {
  if (name === "status") {
    told(JSON.parse(data), on, seen);
  } else if (name === "progress") {
    on.progress?.(JSON.parse(data));
  } else if (name === "preview") {
    const { content_type: type, data_base64: text } = JSON.parse(data);
    on.preview?.(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], { type }));
  }
}

/** The events of a stream, as its lines tell them. */
export async function* events(body, onSound) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: [] };
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    onSound();
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
        event = { name: "message", data: [] };
      } else if (line.startsWith("event:")) event.name = line.slice(6).trim();
      else if (line.startsWith("id:")) event.id = line.slice(3).trim();
      else if (line.startsWith("data:")) event.data.push(line.slice(5).trimStart());
    }
  }
}

async function ask(id, on, seen, signal) {
  const { job } = await call(`/api/queue/status/${id}?wait=${WAIT_S}`, { signal });
  told(job, on, seen);
  return false;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
    addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
