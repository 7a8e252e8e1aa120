// The operator's console: is it healthy, what does it cost, what happened to this job.

import { open } from "./api.js";
import "./console_text.js";
import { Jobs } from "./console_jobs.js";
import { overview } from "./console_overview.js";
import { fill, h, redraw } from "./dom.js";
import { box, errorBox } from "./error.js";
import { ask, key, remember } from "./operator.js";
import { page } from "./page.js";
import { t } from "./text.js";

const EVERY_MS = 10_000;

const main = document.querySelector("#main");
const state = {
  hours: 24,
  tab: location.hash.startsWith("#job") ? "jobs" : "overview",
  metrics: null,
  health: null,
  endpoint: null,
  /** Webhooks that nobody took: the first page of them. */
  missed: null,
  error: null,
};
const jobs = new Jobs();
let timer = null;
/** What the overview showed last. */
let shown = null;

page(draw);
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#job")) state.tab = "jobs";
  draw();
});
document.addEventListener("visibilitychange", () => document.hidden || tick());
if (key()) tick();

function draw() {
  if (!key()) {
    signIn();
    return;
  }
  const tab = (name) => {
    const choose = () => {
      state.tab = name;
      if (location.hash) history.replaceState(null, "", location.pathname);
      draw();
      tick();
    };
    return h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-selected": String(state.tab === name),
        "aria-controls": "panel",
        onclick: choose,
      },
      t(`tab_${name}`),
    );
  };
  const leave = () => {
    remember(null);
    clearTimeout(timer);
    draw();
  };
  const panel = h("div", { id: "panel", role: "tabpanel", "aria-labelledby": `tab-${state.tab}` });
  fill(
    main,
    h(
      "div",
      { class: "console-head" },
      h("h1", {}, t("console")),
      h("button", { type: "button", class: "plain", onclick: leave }, t("sign_out")),
    ),
    h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": t("console") },
      tab("overview"),
      tab("jobs"),
    ),
    panel,
  );
  if (state.tab === "jobs") jobs.draw(panel);
  else overview(panel, state, tick);
}

function signIn(error) {
  const input = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const submit = async (event) => {
    event.preventDefault();
    remember(input.value.trim());
    try {
      state.metrics = await ask(`/api/admin/metrics?hours=${state.hours}`);
      draw();
      tick();
    } catch (failure) {
      remember(null);
      signIn(failure);
    }
  };
  const isWrong = error && [401, 403].includes(error.status);
  fill(
    main,
    h("h1", {}, t("console")),
    h(
      "form",
      { class: "card sign-in", onsubmit: submit },
      h("label", { for: "key" }, t("key_label")),
      input,
      h("p", { class: "quiet small" }, t("key_why")),
      h("div", { role: "alert" }, error && (isWrong ? box(t("key_wrong")) : errorBox(error))),
      h("button", { class: "main" }, t("sign_in")),
    ),
  );
  if (error) input.focus();
}

/** Everything anew, and again in a while: as long as somebody looks. */
async function tick() {
  clearTimeout(timer);
  if (!key() || document.hidden) return;
  try {
    if (state.tab === "jobs") await jobs.refresh();
    else await look();
    state.error = null;
  } catch (error) {
    state.error = error;
    if (error.status === 401) {
      remember(null);
      signIn(error);
      return;
    }
  }
  if (state.tab === "overview") renew();
  timer = setTimeout(tick, EVERY_MS);
}

/** The overview, if anything in it has changed. */
function renew() {
  const seen = JSON.stringify([
    state.hours,
    state.metrics,
    state.endpoint,
    state.missed?.deliveries.length,
    state.health?.checks,
    state.error?.code,
  ]);
  const panel = document.querySelector("#panel");
  if (!panel || seen === shown) return;
  shown = seen;
  redraw(panel, () => overview(panel, state, tick));
}

async function look() {
  const quietly = (path) => open(path).catch((error) => ({ checks: {}, error }));
  const [metrics, endpoint, health, missed] = await Promise.all([
    ask(`/api/admin/metrics?hours=${state.hours}`),
    ask("/api/gpu/health").catch(() => null),
    quietly("/api/health"),
    ask("/api/admin/deliveries").catch(() => null),
  ]);
  Object.assign(state, { metrics, endpoint, health, missed });
}
