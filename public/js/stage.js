// Where one job is shown: waiting, at work, ready, or why not.

import { compare, zoom } from "./compare.js";
import { fill, h, icon } from "./dom.js";
import { box, failureBox } from "./error.js";
import { ENDED } from "./follow.js";
import { credits, duration, said, t } from "./text.js";

/**
 * `on.cancel(id)`, `on.retry(id)`. `show` takes `{ job, template, progress, preview, original, isOffline,
 * error }`: the preview as a marked canvas, the original's address, and what a press on a button ran into.
 */
export class Stage {
  #shown = null;

  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.voice = h("p", { class: "sr-only", "aria-live": "polite" });
    this.content = h("div", { class: "stage-content" });
    element.append(this.voice, this.content);
  }

  empty(submit, hasPicture) {
    this.#shown = null;
    fill(
      this.content,
      h(
        "div",
        { class: "stage-empty" },
        h("span", { class: "stage-art", "aria-hidden": "true" }, h("i"), h("i")),
        h("p", {}, h("strong", {}, t("result_here"))),
        h(
          "p",
          { class: "quiet" },
          t(hasPicture ? "result_here_help" : "result_here_plain", { submit }),
        ),
      ),
    );
  }

  /** The bar of a job at work moves without the rest being drawn again. */
  show(view) {
    const { job } = view;
    const key = [
      job.id,
      job.status,
      job.round,
      view.isOffline,
      view.original,
      view.error,
      document.documentElement.lang,
    ].join("|");
    if (this.#shown !== key) {
      this.#shown = key;
      this.#say(job);
      fill(this.content, ENDED.includes(job.status) ? this.#ended(view) : this.#working(view));
    }
    if (!ENDED.includes(job.status)) this.#move(view);
  }

  #say({ status }) {
    const text = t(status);
    if (this.voice.textContent !== text) this.voice.textContent = text;
  }

  #working(view) {
    const { job, template } = view;
    this.bar = h(
      "div",
      {
        class: "bar",
        role: "progressbar",
        "aria-label": said(template.title),
        "aria-valuemin": 0,
        "aria-valuemax": 100,
      },
      h("i"),
    );
    this.line = h("p", { class: "stage-line" });
    this.reason = h("p", { class: "quiet small", lang: "en" });
    this.picture = h("div", { class: "stage-picture" });
    this.pictured = null;
    const cancel = h(
      "button",
      {
        type: "button",
        disabled: job.status === "canceling",
        onclick: () => this.on.cancel(job.id),
      },
      icon("stop"),
      t("cancel"),
    );
    const { credits: paid } = job;
    const cost = { queued: "cancel_free", running: "cancel_paid" }[job.status];
    return [
      this.picture,
      h("div", { class: "stage-head" }, h("h2", {}, t(job.status)), this.line),
      this.bar,
      this.reason,
      view.isOffline && box(t("offline"), null, [], "warn"),
      view.error,
      h("div", { class: "actions" }, cancel),
      paid && cost && h("p", { class: "quiet small" }, t(cost, { n: credits(paid.price) })),
    ];
  }

  #move({ job, template, progress, preview, original }) {
    const told = progress ?? job.progress;
    const share = job.status === "running" ? (told?.value ?? 0) : 0;
    const isUnsure = job.status !== "running" || share === 0;
    this.reason.textContent = job.status === "queued" ? (job.wait_reason ?? "") : "";
    this.bar.classList.toggle("is-unsure", isUnsure);
    this.bar.firstChild.style.setProperty("--share", share);
    if (isUnsure) this.bar.removeAttribute("aria-valuenow");
    else this.bar.setAttribute("aria-valuenow", Math.round(share * 100));
    this.line.textContent = line(job, template, share);
    const shown = preview ?? original;
    if (!shown || this.pictured === shown) return;
    this.pictured = shown;
    fill(
      this.picture,
      preview ?? h("img", { src: original, alt: t("before"), class: "is-waiting" }),
      preview && h("p", { class: "tag tag-bottom" }, t("preview_help")),
    );
  }

  #ended(view) {
    const { job } = view;
    if (job.status === "succeeded") return succeeded(view);
    const retry = h(
      "button",
      { type: "button", class: "main", onclick: () => this.on.retry(job.id) },
      icon("retry"),
      t("retry"),
    );
    const why =
      job.status === "failed"
        ? failureBox(job.error)
        : box(t(`${job.status}_help`), null, [], "warn");
    const { credits: paid } = job;
    return [
      view.original &&
        h(
          "div",
          { class: "stage-picture" },
          h("img", { src: view.original, alt: t("before"), class: "is-waiting" }),
        ),
      h("div", { class: "stage-head" }, h("h2", {}, t(job.status))),
      why,
      paid &&
        h("p", { class: "given-back" }, icon("check"), t(outcome(paid), { n: credits(paid.price) })),
      view.error,
      h("div", { class: "actions" }, retry),
    ];
  }
}

/** What its end meant for the credits that it held. */
const outcome = ({ state }) => (state === "spent" ? "canceled_paid" : "given_back");

/** Where it waits, or how long it will take. */
function line(job, template, share) {
  if (job.status === "queued" && job.queue_position !== null) {
    return job.queue_position === 0 ? t("next_one") : t("in_front", { n: job.queue_position });
  }
  const usual = template.limits.usual_duration_ms;
  if (job.status !== "running")
    return job.status === "queued" ? t("usually", { time: duration(usual) }) : "";
  const spent = Date.now() - job.started_at_ms;
  const left = share > 0.15 ? (spent / share) * (1 - share) : usual - spent;
  const percent = `${Math.round(share * 100)} %`;
  const about = left > 1500 ? t("left", { time: duration(left) }) : t("soon");
  return share > 0 ? `${percent} · ${about}` : about;
}

function succeeded({ job, template, original, error }) {
  const [first, ...rest] = job.outputs;
  const label = labelOf(first, template);
  const isCompared = first.kind === "image" && original;
  return [
    isCompared
      ? compare({
          before: original,
          after: first.url,
          width: first.width,
          height: first.height,
          alt: label,
        })
      : large(first, label),
    h(
      "div",
      { class: "stage-head" },
      h("h2", {}, t("succeeded")),
      h(
        "p",
        { class: "stage-line" },
        [
          t("made_in", { time: duration(job.metrics.total_ms) }),
          job.credits && t("paid", { n: credits(job.credits.price) }),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
    error,
    h(
      "div",
      { class: "actions" },
      download(first, "main"),
      first.kind === "image" && zoomButton(first, label),
    ),
    rest.length > 0 &&
      h(
        "ul",
        { class: "products" },
        rest.map((output) => product(output, template)),
      ),
  ];
}

function large(output, label) {
  const ratio = output.width ? { "--ratio": `${output.width} / ${output.height}` } : {};
  if (output.kind === "video")
    return h("video", {
      src: output.url,
      controls: true,
      loop: true,
      playsinline: true,
      class: "large",
      "aria-label": label,
    });
  return h("img", {
    src: output.url,
    alt: label,
    class: "large",
    width: output.width,
    height: output.height,
    style: ratio,
  });
}

function product(output, template) {
  const label = labelOf(output, template);
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "product",
        "aria-label": `${t("zoom")}: ${label}`,
        onclick: () => zoom({ src: output.url, alt: label }),
      },
      h("img", {
        src: output.url,
        alt: "",
        loading: "lazy",
        width: output.width,
        height: output.height,
      }),
    ),
    h(
      "div",
      { class: "product-line" },
      h("span", {}, label.split(": ").pop()),
      download(output, "plain", label),
    ),
  );
}

function labelOf(output, template) {
  const known = template.outputs.find(({ label }) => label.en === output.label);
  return known ? said(known.label) : (output.label ?? output.name);
}

function download(output, look, label) {
  const properties = { class: `button ${look}`, href: output.url, download: output.name };
  if (label)
    return h("a", { ...properties, "aria-label": `${t("download")}: ${label}` }, icon("download"));
  return h("a", properties, icon("download"), t("download"));
}

function zoomButton(output, label) {
  return h(
    "button",
    { type: "button", onclick: () => zoom({ src: output.url, alt: label }) },
    icon("zoom"),
    t("zoom"),
  );
}
