// The overview: is it healthy, and what does it cost.

import { chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { box, errorBox } from "./error.js";
import { figures } from "./figures.js";
import { ask } from "./operator.js";
import { duration, language, moment, number, t } from "./text.js";

/** What the operator promised. */
const GOALS = { rate: 0.95, average_ms: 300_000, cost_usd: 2 };
const RANGES = [24, 168, 840];

/** `state` is what was found last; `again` looks anew. */
export function overview(panel, state, again) {
  if (!state.metrics) {
    fill(panel, state.error ? errorBox(state.error) : h("p", { class: "quiet" }, t("loading")));
    return;
  }
  const found = figures(state.metrics, state.hours);
  fill(
    panel,
    state.error && errorBox(state.error),
    range(state, again),
    h("div", { class: "verdict", role: "status" }, verdict(state, again), missed(state, again)),
    h("ul", { class: "stats" }, stats(found, state.hours)),
    found.cutAt !== null && box(t("cut", { time: moment(found.cutAt) }), null, [], "warn"),
    found.jobs === 0 && box(t("nothing_yet"), null, [], "warn"),
    h("div", { class: "figures" }, found.jobs > 0 && charts(found), endpointCard(state, again)),
    found.jobs > 0 && templateTable(found.templates),
  );
}

function range(state, again) {
  const one = (hours) => {
    const choose = () => {
      state.hours = hours;
      again();
    };
    const radio = h("input", {
      type: "radio",
      name: "range",
      checked: hours === state.hours,
      onchange: choose,
    });
    return h("label", { class: "chip" }, radio, h("span", {}, t(`hours_${hours}`)));
  };
  return h(
    "fieldset",
    { class: "range" },
    h("legend", { class: "sr-only" }, t("range")),
    h("div", { class: "chips" }, RANGES.map(one)),
  );
}

const time = (text) => ({ time: moment(Date.parse(text)) });

/** Whether it is healthy: what is not, or that all is. */
function verdict(state, again) {
  const { endpoint: found, health } = state;
  // Null: somebody else is asking for them at this moment.
  if (!found?.health || !health) return null;
  const { endpoint, health: workers } = found;
  const { paused_at: paused, no_worker_since: deserted, gate } = endpoint;
  const isUnwell = (name) => health.checks?.[name] !== "ok";
  const wrong = [
    ...["configuration", "database", "object_store"]
      .filter(isUnwell)
      .map((name) => box(`${t(name)}: ${t("not_well")}`)),
    !workers.reachable && box(t("endpoint_away")),
    deserted && box(t("no_workers", time(deserted))),
    paused && box(t("paused", time(paused)), null, [submission("resume", state, again)], "warn"),
    gate?.closed_until && box(t("closed", time(gate.closed_until)), null, [], "warn"),
  ].filter(Boolean);
  return wrong.length > 0 ? wrong : box(t("all_well"), null, [], "good");
}

/** What callers were not told, and a way to tell them. */
function missed(state, again) {
  const count = state.missed?.deliveries.length ?? 0;
  if (count === 0) return null;
  const replay = async () => {
    try {
      await ask("/api/admin/deliveries/replay", "POST");
    } catch (error) {
      state.error = error;
    }
    again();
  };
  const n = number(count) + (state.missed.has_more ? "+" : "");
  const button = h("button", { type: "button", onclick: replay }, t("replay_all"));
  return box(t("missed_webhooks", { n }), null, [button]);
}

const percent = (value) =>
  number(value, { style: "percent", maximumFractionDigits: value > 0.99 && value < 1 ? 2 : 1 });
/** Cents, and parts of them where there are but few. */
const usd = (value) => `$${value.toFixed(value > 0 && value < 0.1 ? 4 : 2)}`;
const known = (value, show) => (value === null ? "–" : show(value));

function stats(found, hours) {
  const { jobs: count, open: unfinished, rate, queue, execution, average } = found;
  const { cost, costPerJob, gpu_s: gpu } = found;
  const stat = (name, value, note, isGood) =>
    h(
      "li",
      { class: `card stat ${isGood === false ? "is-bad" : ""} ${isGood ? "is-good" : ""}` },
      h("p", { class: "small quiet" }, t(name)),
      h("p", { class: "value" }, value),
      h("p", { class: "small quiet" }, note),
    );
  const within = (value, goal, isAbove) =>
    value === null ? undefined : isAbove ? value > goal : value < goal;
  return [
    stat("jobs", number(count), t("open_now", { n: number(unfinished) })),
    stat(
      "success",
      known(rate, percent),
      t("goal_above", { n: percent(GOALS.rate) }),
      within(rate, GOALS.rate, true),
    ),
    stat(
      "average",
      known(average, duration),
      t("goal_below", { n: duration(GOALS.average_ms) }),
      within(average, GOALS.average_ms),
    ),
    stat(
      "queue_time",
      known(queue.p50, duration),
      queue.p95 === null ? "" : t("p95_of", { n: duration(queue.p95) }),
    ),
    stat(
      "execution_time",
      known(execution.p50, duration),
      execution.p95 === null ? "" : t("p95_of", { n: duration(execution.p95) }),
    ),
    ...(cost === null
      ? [stat("gpu_time", duration(gpu * 1000), t("no_price"))]
      : [
          stat("cost", usd(cost), t("a_day", { n: usd((cost * 24) / hours) })),
          stat(
            "cost_job",
            known(costPerJob, usd),
            t("goal_below", { n: usd(GOALS.cost_usd) }),
            within(costPerJob, GOALS.cost_usd),
          ),
        ]),
  ];
}

function charts({ slots, templates }) {
  const labels = slots.map(label);
  const of = (value) => slots.map(value);
  const line = (name, look, values) => ({ name: t(name), look, values });
  const times = (title, taken) =>
    chart({
      title: t(title),
      kind: "lines",
      labels,
      show: duration,
      series: [
        line(
          "median",
          "accent",
          of((s) => taken(s).p50),
        ),
        line(
          "p95",
          "warn",
          of((s) => taken(s).p95),
        ),
      ],
    });
  const all = [
    chart({
      title: t("throughput"),
      kind: "bars",
      labels,
      show: (n) => number(n, { maximumFractionDigits: 1 }),
      series: [
        line(
          "st_succeeded",
          "good",
          of((s) => s.succeeded),
        ),
        line(
          "st_failed",
          "bad",
          of((s) => s.failed),
        ),
        line(
          "st_canceled",
          "dim",
          of((s) => s.canceled),
        ),
        line(
          "st_open",
          "warn",
          of((s) => s.open),
        ),
      ],
    }),
    chart({
      title: t("success"),
      kind: "lines",
      labels,
      show: percent,
      least: leastRate(slots),
      most: 1,
      target: GOALS.rate,
      series: [
        line(
          "success",
          "good",
          of((s) => s.rate),
        ),
      ],
    }),
    times("queue_time", (s) => s.queue),
    times("execution_time", (s) => s.execution),
  ];
  if (templates[0].cost !== null)
    all.push(
      chart({
        title: t("cost"),
        kind: "bars",
        labels,
        show: usd,
        series: [
          line(
            "cost",
            "accent",
            of((s) => s.cost),
          ),
        ],
      }),
    );
  return all;
}

/** High rates are told apart only where low ones are left out. */
function leastRate(slots) {
  return slots.every(({ rate }) => rate === null || rate >= 0.8) ? 0.8 : 0;
}

function label({ at, isDay }) {
  const how = isDay ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  return new Date(at).toLocaleString(language() === "th" ? "th-TH" : "en-GB", how);
}

function templateTable(templates) {
  const heads = [
    "template",
    "jobs",
    "success",
    "queue_time",
    "execution_time",
    "gpu_time",
    "cost_job",
    "cost",
  ];
  const row = (one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, one.name),
      [
        number(one.jobs),
        known(one.rate, percent),
        known(one.queue.p50, duration),
        known(one.execution.p50, duration),
        duration(one.gpu_s * 1000),
        known(one.costPerJob, usd),
        known(one.cost, usd),
      ].map((text) => h("td", {}, text)),
    );
  return h(
    "section",
    { class: "card wide" },
    h("h2", { id: "by-template" }, t("by_template")),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "by-template" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((name) => h("th", { scope: "col" }, t(name))),
          ),
        ),
        h("tbody", {}, templates.map(row)),
      ),
    ),
  );
}

function endpointCard(state, again) {
  const { endpoint: found, health } = state;
  if (!found?.health) return null;
  const { endpoint, health: workers } = found;
  const { gate } = endpoint;
  const fact = (name, value, look = "") =>
    h("div", {}, h("dt", {}, t(name)), h("dd", { class: look }, value));
  const counts = [
    "workers_running",
    "workers_idle",
    "workers_starting",
    "workers_throttled",
    "workers_unhealthy",
  ].map((name) =>
    fact(
      name,
      number(workers[name] ?? 0),
      ["workers_throttled", "workers_unhealthy"].includes(name) && workers[name] > 0 ? "bad" : "",
    ),
  );
  const checks = ["configuration", "database", "object_store"].map((name) => {
    const isWell = health?.checks?.[name] === "ok";
    return fact(name, t(isWell ? "well" : "not_well"), isWell ? "good" : "bad");
  });
  return h(
    "section",
    { class: "card endpoint" },
    h("h2", {}, `${t("endpoint")} `, h("code", {}, endpoint.name)),
    h(
      "dl",
      { class: "facts" },
      fact(
        "connection",
        t(workers.reachable ? "reachable" : "unreachable"),
        workers.reachable ? "good" : "bad",
      ),
      counts,
      gate && fact("at_endpoint", number(gate.jobs_at_endpoint)),
      gate && fact("waiting_here", number(gate.jobs_waiting)),
      checks,
    ),
    !endpoint.paused_at && submission("pause", state, again),
  );
}

/** The button that stops giving jobs to the endpoint, or the one that goes on with it. */
function submission(verb, state, again) {
  const press = async () => {
    if (verb === "pause" && !confirm(t("pause_sure"))) return;
    try {
      await ask(`/api/admin/${verb}`, "POST");
    } catch (error) {
      state.error = error;
    }
    again();
  };
  return h("button", { type: "button", onclick: press }, t(verb));
}
