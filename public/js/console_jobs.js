// Every job, newest first; and one job: what happened to it, and what can be done.

import { open } from "./api.js";
import { delivery, output, timeline } from "./console_job.js";
import { fill, h, redraw } from "./dom.js";
import { box, errorBox } from "./error.js";
import { ENDED } from "./follow.js";
import { ask } from "./operator.js";
import { credits, duration, moment, t } from "./text.js";

const STATUSES = ["queued", "running", "canceling", ...ENDED];
const PAGE = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export class Jobs {
  filter = { status: "", template: "", who: "" };
  page = null;
  cursor = null;
  error = null;
  templates = [];
  /** What is known of the one job that is shown. */
  found = null;
  /** What stands there as text: nothing is drawn again that has not changed. */
  #seen = null;

  draw(panel) {
    this.#seen = null;
    this.said = null;
    this.rows = h("div", { class: "jobs" });
    const back = () => h("a", { href: "#jobs", class: "button plain one-back" }, t("back"));
    fill(panel, jobInAddress() ? back() : this.#filters(), this.rows);
    this.#fill();
  }

  /** What is shown, anew. */
  async refresh() {
    const id = jobInAddress();
    if (id) {
      await this.#lookAt(id);
      return;
    }
    const { status, template, who } = this.filter;
    const query = new URLSearchParams({ limit: PAGE });
    if (status) query.set("status", status);
    if (template) query.set("template", template);
    if (who) query.set("caller", who);
    if (this.cursor) query.set("cursor", this.cursor);
    try {
      this.page = await ask(`/api/admin/jobs?${query}`);
      this.error = null;
    } catch (error) {
      this.error = error;
      if (error.status === 401) throw error;
    }
    if (this.templates.length === 0) {
      const { templates } = await open("/api/templates").catch(() => ({ templates: [] }));
      this.templates = templates.map(({ name }) => name);
      this.#fillTemplates();
    }
    this.#fill();
  }

  #filters() {
    const choice = (name) => {
      const select = h("select", {
        "aria-label": t(name),
        onchange: () => this.#narrow({ [name]: select.value }),
      });
      return select;
    };
    this.statuses = choice("status");
    this.kinds = choice("template");
    fill(
      this.statuses,
      options(STATUSES, this.filter.status, "any_status", (name) => t(`st_${name}`)),
    );
    this.#fillTemplates();
    const search = h("input", {
      type: "search",
      placeholder: t("search_jobs"),
      "aria-label": t("search_jobs"),
    });
    search.value = this.filter.who;
    const find = (event) => {
      event.preventDefault();
      const text = search.value.trim();
      if (UUID.test(text)) location.hash = `#job=${text.toLowerCase()}`;
      else this.#narrow({ who: text });
    };
    const parts = [search, this.statuses, this.kinds];
    return h("form", { class: "filters", role: "search", onsubmit: find }, parts);
  }

  #fillTemplates() {
    const all = [...this.templates, "raw"];
    if (this.kinds)
      fill(
        this.kinds,
        options(all, this.filter.template, "any_template", (name) => name),
      );
  }

  #narrow(change) {
    Object.assign(this.filter, change);
    this.cursor = null;
    this.refresh();
  }

  /** The job or the list, if anything in it has changed: whoever has scrolled finds it as it was. */
  #fill() {
    const id = jobInAddress();
    const found = this.found?.id === id ? this.found : null;
    const seen = JSON.stringify(id ? found : [this.page, this.error?.code]);
    if (!this.rows || this.#seen === seen) return;
    this.#seen = seen;
    redraw(this.rows, () => fill(this.rows, id ? this.#one(found) : this.#list()));
  }

  #one(found) {
    if (!found) return h("p", { class: "quiet" }, t("loading"));
    return found.error ? errorBox(found.error) : this.#detail(found);
  }

  #list() {
    if (this.error) return errorBox(this.error);
    if (!this.page) return h("p", { class: "quiet" }, t("loading"));
    const isEmpty = this.page.data.length === 0;
    const none = h("p", { class: "quiet" }, t("no_jobs"));
    return [isEmpty ? none : this.#table(), this.#pages()];
  }

  #table() {
    const heads = ["status", "job", "created", "template", "took", "caller"].map((name) =>
      h("th", { scope: "col" }, t(name)),
    );
    const row = ({ caller, job }) =>
      h(
        "tr",
        {},
        h("td", {}, status(job)),
        h(
          "td",
          {},
          h(
            "a",
            { href: `#job=${job.id}`, class: "mono", title: job.id },
            `${job.id.slice(0, 8)}…${job.id.slice(-6)}`,
          ),
        ),
        h("td", {}, moment(job.created_at_ms)),
        h("td", {}, job.template),
        h("td", {}, job.metrics.total_ms === null ? "" : duration(job.metrics.total_ms)),
        h("td", { class: "cut" }, caller),
      );
    return h(
      "div",
      { class: "card scroll", tabindex: 0, role: "region", "aria-label": t("jobs") },
      h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, this.page.data.map(row))),
    );
  }

  #pages() {
    const go = (cursor) => () => {
      this.cursor = cursor;
      this.refresh();
    };
    const { next_cursor: next } = this.page;
    return h(
      "div",
      { class: "actions" },
      this.cursor && h("button", { type: "button", onclick: go(null) }, t("newest")),
      next && h("button", { type: "button", onclick: go(next) }, t("older")),
    );
  }

  async #lookAt(id) {
    try {
      const [{ job }, { evidence }, { deliveries }] = await Promise.all([
        ask(`/api/admin/jobs/${id}`),
        ask(`/api/admin/jobs/${id}/evidence`),
        ask(`/api/admin/jobs/${id}/deliveries`),
      ]);
      this.found = { id, job, evidence, deliveries };
    } catch (error) {
      this.found = { id, error };
    }
    this.#fill();
  }

  #detail({ job, evidence, deliveries }) {
    const act = (verb, path, body) => async () => {
      try {
        const answer = await ask(path, "POST", body);
        if (verb === "replay")
          this.said = box(t("replayed", { n: answer.replayed }), null, [], "good");
        if (verb === "recover")
          this.said = box(
            answer.woken ? t("recovered") : t("not_recovered", { because: answer.job.because }),
            null,
            [],
            answer.woken ? "good" : "warn",
          );
      } catch (error) {
        this.said = errorBox(error);
      }
      this.#seen = null;
      this.#lookAt(job.id);
    };
    const button = (verb, path, look, body) =>
      h("button", { type: "button", class: look, onclick: act(verb, path, body) }, t(verb));
    const replay = (event) =>
      button("replay", `/api/admin/jobs/${job.id}/replay`, "plain", { event });
    const isOver = ENDED.includes(job.status);
    const { estimate_usd: estimate, actual_usd: actual } = job.cost;
    const usd = (value) => `$${value.toFixed(4)}`;
    const cost = [
      actual !== null && usd(actual),
      estimate !== null && t("estimate", { n: usd(estimate) }),
    ]
      .filter(Boolean)
      .join(" · ");
    return [
      h("div", { class: "one-head" }, h("h2", { class: "mono" }, job.id), status(job)),
      h(
        "p",
        { class: "quiet" },
        [
          job.template,
          moment(job.created_at_ms),
          t("round", { n: job.round }),
          cost,
          job.credits && `${credits(job.credits.price)} ${t(`credits_${job.credits.state}`)}`,
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      this.said,
      job.error && box(`${job.error.code} · ${job.error.cause}`, job.error.message),
      job.wait_reason && box(job.wait_reason, null, [], "warn"),
      h(
        "div",
        { class: "actions" },
        isOver &&
          job.status !== "succeeded" &&
          button("retry", `/api/admin/jobs/${job.id}/retry`, "main"),
        !isOver && button("cancel", `/api/admin/jobs/${job.id}/cancel`),
        button("recover", `/api/admin/jobs/${job.id}/recover`),
      ),
      h("h3", {}, t("timeline")),
      h("ol", { class: "timeline" }, timeline(job, evidence, deliveries)),
      deliveries.length > 0 && [
        h("h3", {}, t("webhooks")),
        h(
          "ul",
          { class: "card deliveries" },
          deliveries.map((one) => delivery(one, replay)),
        ),
      ],
      job.outputs.length > 0 && [
        h("h3", {}, t("outputs")),
        h("ul", { class: "outputs" }, job.outputs.map(output)),
      ],
      h("h3", {}, t("inputs")),
      h(
        "pre",
        { class: "json", tabindex: 0, "aria-label": t("inputs") },
        JSON.stringify(job.inputs ?? {}, null, 2),
      ),
      evidence.length > 0 && [
        h("h3", {}, t("evidence")),
        evidence.map((one) =>
          h(
            "details",
            { class: "card evidence" },
            h(
              "summary",
              { class: "mono" },
              `${one.method ?? ""} ${one.url ?? ""}`.trim() || t("evidence"),
            ),
            h("pre", { class: "json", tabindex: 0 }, JSON.stringify(one, null, 2)),
          ),
        ),
      ],
    ];
  }
}

function options(values, chosen, any, show) {
  const one = (value) => h("option", { value, selected: value === chosen }, show(value));
  return [h("option", { value: "" }, t(any)), values.map(one)];
}

function jobInAddress() {
  return location.hash.match(/^#job=([0-9a-f-]{36})$/)?.[1] ?? null;
}

const status = (job) => h("span", { class: `status is-${job.status}` }, t(`st_${job.status}`));
