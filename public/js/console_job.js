// What happened to one job: its story, what its caller was told, and what it made.

import { h, icon } from "./dom.js";
import { duration, moment, t } from "./text.js";

/** What is known to have happened, in its order. */
export function timeline(job, evidence, deliveries) {
  const at = (iso) => (iso ? Date.parse(iso) : null);
  const told = job.attempts.flatMap((attempt) => [
    {
      at: at(attempt.submitted_at),
      text: t("ev_begun", { n: attempt.n }),
      more: attempt.provider_id ?? "",
    },
    attempt.ended_at && {
      at: at(attempt.ended_at),
      text: t("ev_ended", { n: attempt.n, status: t(`st_${attempt.status}`) }),
      more: ending(attempt),
      isBad: Boolean(attempt.error),
    },
  ]);
  const calls = evidence.map((one) => ({
    at: one.at,
    text: `${one.method ?? ""} ${one.url ?? ""}`,
    more: one.response_status ?? one.error,
    isBad: true,
  }));
  const tries = deliveries.flatMap(({ type, log }) =>
    log.map((one) => ({
      at: at(one.at),
      text: t(one.why ? "ev_not_told" : "ev_told", { type }),
      more: [one.status, one.why, duration(one.duration_ms)].filter(Boolean).join(" · "),
      isBad: Boolean(one.why),
    })),
  );
  const events = [
    { at: job.created_at_ms, text: t("ev_created"), more: t("checked", { what: job.checked }) },
    ...told,
    ...calls,
    ...tries,
    job.started_at_ms && { at: job.started_at_ms, text: t("ev_started"), more: "" },
    job.completed_at_ms && {
      at: job.completed_at_ms,
      text: t("ev_completed", { status: t(`st_${job.status}`) }),
      more: "",
      isBad: job.status === "failed",
    },
  ].filter((event) => event && event.at);
  events.sort((a, b) => a.at - b.at);
  return events.map((event) => {
    const since = `+${duration(event.at - job.created_at_ms)}`;
    return h(
      "li",
      { class: event.isBad ? "is-bad" : "" },
      h(
        "time",
        {
          class: "quiet mono",
          datetime: new Date(event.at).toISOString(),
          title: new Date(event.at).toISOString(),
        },
        since,
      ),
      h(
        "div",
        {},
        h("strong", {}, event.text),
        event.more && h("span", { class: "small quiet" }, String(event.more)),
      ),
    );
  });
}

/** One event that the caller was told of, or was not. */
export function delivery({ id, type, state, tries, log, next_try_at: next }, replay) {
  const last = log.at(-1);
  const facts = [
    t("tries", { n: tries }),
    last && (last.status ?? last.why),
    next && t("next_try", { time: moment(Date.parse(next)) }),
  ];
  return h(
    "li",
    {},
    h(
      "span",
      {},
      h("strong", {}, type),
      h("span", { class: "small quiet" }, facts.filter(Boolean).join(" · ")),
    ),
    h("span", { class: `status is-${STATE_LOOKS[state]}` }, t(`dl_${state}`)),
    replay(id),
  );
}

const STATE_LOOKS = { pending: "running", delivered: "succeeded", missed: "failed" };

function ending(attempt) {
  const times =
    attempt.execution_ms !== null &&
    t("ev_waited", {
      queue: duration(attempt.delay_ms ?? 0),
      time: duration(attempt.execution_ms),
    });
  const heard = attempt.heard_by && t(`heard_${attempt.heard_by}`);
  return [times, heard, attempt.error?.message].filter(Boolean).join(" · ");
}

export function output({ url, name, kind, label, size_bytes: size }) {
  const shown =
    kind === "image"
      ? h("img", { src: url, alt: label ?? name, loading: "lazy" })
      : icon("download");
  return h(
    "li",
    {},
    h(
      "a",
      { href: url, download: name },
      shown,
      h("span", { class: "small" }, `${name} · ${Math.round(size / 1000)} kB`),
    ),
  );
}
