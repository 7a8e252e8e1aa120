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
/** Hours are counted every five minutes, and those of 35 days are many rows. */
const METRICS_EVERY_MS = 60_000;

const main = document.querySelector("#main");
/** `#jobs` is the list, `#job=<id>` one of it, anything else the overview. */
const isOfJobs = () => location.hash.startsWith("#job");
const state = {
  hours: 24,
  metrics: null,
  /** Of which hours they are, and since when. */
  metricsOf: null,
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
  if (!key()) return;
  show();
  // The link that led here may be gone: the keyboard goes on from the top.
  if (document.activeElement === document.body) document.querySelector("#panel").focus();
  tick();
});
document.addEventListener("visibilitychange", () => document.hidden || tick());
if (key()) tick();

function draw() {
  if (!key()) {
    signIn();
    return;
  }
  const link = (name) => h("a", { href: `#${name}` }, t(`tab_${name}`));
  const leave = () => {
    remember(null);
    clearTimeout(timer);
    draw();
  };
  fill(
    main,
    h(
      "div",
      { class: "console-head" },
      h("h1", {}, t("console")),
      h("button", { type: "button", class: "plain", onclick: leave }, t("sign_out")),
    ),
    h("nav", { class: "tabs", "aria-label": t("console") }, link("overview"), link("jobs")),
    h("div", { id: "panel", tabindex: -1 }),
  );
  show();
}

/** What the address asks for. */
function show() {
  const here = isOfJobs() ? "#jobs" : "#overview";
  for (const link of main.querySelectorAll(".tabs a"))
    link.setAttribute("aria-current", link.hash === here ? "page" : "false");
  const panel = document.querySelector("#panel");
  if (isOfJobs()) jobs.draw(panel);
  else overview(panel, state, tick);
}

function signIn(error) {
  const input = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const submit = async (event) => {
    event.preventDefault();
    remember(input.value.trim());
    try {
      state.metrics = await metrics();
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
    if (isOfJobs()) await jobs.refresh();
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
  if (!isOfJobs()) renew();
  timer = setTimeout(tick, EVERY_MS);
}

/** The overview, if anything in it has changed. */
function renew() {
  const seen = JSON.stringify([
    state.metricsOf,
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
  const [counted, endpoint, health, missed] = await Promise.all([
    metrics(),
    ask("/api/gpu/health").catch(() => null),
    quietly("/api/health"),
    ask("/api/admin/deliveries").catch(() => null),
  ]);
  Object.assign(state, { metrics: counted, endpoint, health, missed });
}

async function metrics() {
  const { hours, metricsOf: known } = state;
  if (known?.hours === hours && Date.now() - known.at < METRICS_EVERY_MS) return state.metrics;
  const found = await ask(`/api/admin/metrics?hours=${hours}`);
  state.metricsOf = { hours, at: Date.now() };
  return found;
}
