// What every page has: the bar with the pages, the mode, the language and the colours.

import { fill, h, icon } from "./dom.js";
import { open } from "./api.js";
import { language, speak, t } from "./text.js";

const PAGES = [
  ["/services/qwen-image-edit", "menu_edit"],
  ["/services/pet-merch", "menu_merch"],
  ["/services/video", "menu_video"],
  ["/reference", "menu_reference"],
  ["/console", "menu_console"],
];

let health;

/** Draws the bar, and calls `draw` for the page itself: now, and when the language changes. */
export function page(draw) {
  const show = () => {
    bar(document.querySelector("#bar"));
    draw();
  };
  addEventListener("eq:language", show);
  show();
}

/** What the service says of itself; null where it does not answer. */
export function mode() {
  health ??= open("/api/health").catch(() => null);
  return health;
}

function bar(element) {
  const here = location.pathname.replace(/\.html$/, "");
  const links = PAGES.map(([path, name]) => {
    return h("a", { href: path, "aria-current": path === here ? "page" : null }, t(name));
  });
  const badge = h("span", { class: "badge", role: "status" }, ghost());
  fill(
    element,
    h("a", { class: "skip", href: "#main" }, t("skip")),
    h(
      "a",
      { class: "brand", href: "/", "aria-current": here === "/" ? "page" : null },
      mark(),
      "edge-queue",
    ),
    h("nav", { "aria-label": t("menu") }, links),
    h("div", { class: "bar-end" }, badge, languageButton(), themeButton()),
  );
  // With the frame that lays the page out anyway.
  requestAnimationFrame(() =>
    element
      .querySelector("nav [aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "center" }),
  );
  mode().then((found) => showMode(badge, found));
}

function mark() {
  return h("span", { class: "mark", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
}

function showMode(badge, found) {
  const name = found?.mode ?? "unwell";
  badge.className = `badge badge-${name}`;
  badge.title = t(`${name}_help`);
  fill(badge, h("span", {}, t(name)), ghost());
}

/** The longest that the badge may say: it is as wide before it says anything. */
function ghost() {
  return h("span", { class: "ghost", "aria-hidden": "true" }, t("simulated"));
}

function languageButton() {
  const other = language() === "th" ? "en" : "th";
  const name = t("other_language");
  return h(
    "button",
    { class: "plain", type: "button", lang: other, onclick: () => speak(other) },
    name,
  );
}

function themeButton() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const isDark = (root.dataset.theme ?? system) === "dark";
  const toggle = () => {
    const chosen = isDark ? "light" : "dark";
    root.dataset.theme = chosen;
    try {
      localStorage.setItem("eq.theme", chosen);
    } catch {
      // It holds for this page.
    }
    button.replaceWith(themeButton());
    document.querySelector("#bar .theme").focus();
  };
  const label = t(isDark ? "to_light" : "to_dark");
  const properties = {
    class: "plain theme",
    type: "button",
    "aria-label": label,
    title: label,
    onclick: toggle,
  };
  const button = h("button", properties, icon(isDark ? "sun" : "moon"));
  return button;
}
