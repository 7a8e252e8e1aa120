// Credits: what the next job costs, what is left, and how to get more.

import { call, post } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { box, errorBox } from "./error.js";
import { credits, moment, number, said, t } from "./text.js";

/** What a simulated purchase can bring. */
const PACKS = [10, 50, 200];

export class Purse {
  #books = null;
  #lines = new Set();

  /** `templates` are those whose titles name what was paid for; `onMore()` when there are more than before. */
  constructor({ templates, onMore }) {
    Object.assign(this, { templates, onMore });
  }

  /** How the person stands, anew. A page without it works: the server refuses what cannot be paid. */
  async load() {
    try {
      this.#books = await call("/api/credits");
    } catch {
      return;
    }
    for (const draw of this.#lines) draw();
  }

  /** What is left; null where nothing is paid with credits. */
  get left() {
    return this.#books?.credits?.left ?? null;
  }

  covers(template) {
    return this.left === null || this.left >= price(template);
  }

  /** What a job of this template costs, and what is left: for beside the button that makes one. */
  line(template) {
    const element = h("p", { class: "purse small" });
    const draw = () => {
      if (this.left === null) return fill(element);
      const tooFew = !this.covers(template);
      return fill(
        element,
        h("span", {}, credits(price(template))),
        h(
          "button",
          {
            type: "button",
            class: tooFew ? "link bad" : "link",
            "aria-haspopup": "dialog",
            onclick: () => this.open(),
          },
          t("left_over", { n: number(this.left) }),
        ),
      );
    };
    this.#lines.clear();
    this.#lines.add(draw);
    draw();
    return element;
  }

  /** The button that stands at "not enough credits". */
  button() {
    return h("button", { type: "button", onclick: () => this.open() }, t("get_credits"));
  }

  open() {
    const dialog = h("dialog", { class: "card purse-dialog", "aria-labelledby": "purse-title" });
    const content = h("div", { class: "purse-content" });
    const voice = h("p", { class: "sr-only", role: "status" });
    const close = h(
      "button",
      { type: "button", class: "plain", "aria-label": t("close"), onclick: () => dialog.close() },
      icon("stop"),
    );
    dialog.append(
      h("div", { class: "purse-head" }, h("h2", { id: "purse-title" }, t("credits")), close),
      content,
      voice,
    );
    const draw = (note) => fill(content, this.#content(buy, note));
    // A press is one purchase, however often its answer is lost.
    const buy = async (count) => {
      const id = crypto.randomUUID();
      try {
        await post("/api/credits/purchase", { credits: count, id });
        await this.load();
        voice.textContent = t("left_over", { n: number(this.left) });
        draw();
        this.onMore();
      } catch (error) {
        draw(errorBox(error));
      }
    };
    draw();
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    this.load().then(() => draw());
  }

  #content(buy, note) {
    const { credits: balance, entries, can_purchase: canPurchase } = this.#books;
    const pack = (count) =>
      h("button", { type: "button", onclick: () => buy(count) }, `+ ${number(count)}`);
    return [
      h(
        "p",
        { class: "purse-left" },
        h("strong", {}, number(balance.left)),
        ` ${t("left_word")}`,
        balance.reserved > 0 &&
          h("span", { class: "quiet small" }, t("held", { n: number(balance.reserved) })),
      ),
      canPurchase
        ? [
            box(t("purchase_simulated"), null, [], "warn"),
            h(
              "div",
              { class: "actions", role: "group", "aria-label": t("get_credits") },
              PACKS.map(pack),
            ),
          ]
        : h("p", { class: "quiet" }, t("purchase_elsewhere")),
      note,
      entries.length > 0 && [
        h("h3", {}, t("entries")),
        h(
          "ul",
          { class: "entries", tabindex: 0, "aria-label": t("entries") },
          entries.map((one) => this.#entry(one)),
        ),
      ],
    ];
  }

  #entry({ kind, credits: count, at_ms: at, what }) {
    const sign = { granted: "+", spent: "−", reserved: "−", given_back: "±" }[kind];
    const title = this.templates[what]?.title;
    const named = { "begun with": t("begun_with"), "simulated purchase": t("purchase") }[what];
    return h(
      "li",
      {},
      h(
        "span",
        {},
        named ?? (said(title) || what),
        h("span", { class: "quiet small" }, moment(at)),
      ),
      h(
        "span",
        { class: `entry is-${kind}` },
        kind === "given_back" ? t("given_back_short") : `${sign}${number(count)}`,
        kind === "reserved" && h("span", { class: "quiet small" }, t("reserved_short")),
      ),
    );
  }
}

/** As the server reckons it. */
export const price = (template) => template.limits.credits ?? 1;
