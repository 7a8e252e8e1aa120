// Two kinds of charts in SVG, each with its figures as a table for who cannot see it.

import { h, svg } from "./dom.js";
import { t } from "./text.js";

/** On a telephone a drawing of a desk's width would have letters that nobody reads. */
const WIDTH = innerWidth < 600 ? 350 : 640;
const HEIGHT = 190;
const LEFT = 48;
const BOTTOM = 22;
const TOP = 10;

/**
 * `series`: `[{ name, look, values }]`, null where nothing is known; `labels` one for each value; `show`
 * makes a value readable, `least` and `most` are the ends of the scale; `target` a line to be above or below; `kind`: bars stand on each other, or lines.
 */
export function chart({ title, kind, labels, series, show, target, most, least = 0 }) {
  const top = most ?? nice(Math.max(target ?? 0, ...heights(kind, series)));
  const y = (value) =>
    HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * (value - least)) / (top - least);
  const step = (WIDTH - LEFT) / labels.length;
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" },
    ...grid(least, top, y, show),
    ...(kind === "bars" ? bars(series, labels, step, y, show) : lines(series, step, y)),
    ...(target === undefined
      ? []
      : [svg("path", { d: `M${LEFT} ${y(target)}H${WIDTH}`, class: "target" })]),
    ...axis(labels, step),
    ...(kind === "bars" ? [] : hovers(series, labels, step, show)),
  );
  return h(
    "figure",
    { class: "card figure" },
    h("figcaption", {}, h("h2", {}, title), legend(series, target, show)),
    drawing,
    table(title, labels, series, show),
  );
}

function heights(kind, series) {
  if (kind !== "bars") return series.flatMap(({ values }) => values.map((value) => value ?? 0));
  return series[0].values.map((_, i) =>
    series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0),
  );
}

/** The next round number. */
function nice(value) {
  if (value <= 0) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 8, 10].map((n) => n * ten).find((n) => n >= value);
}

function grid(least, top, y, show) {
  return [0, 0.5, 1].flatMap((share) => {
    const value = least + (top - least) * share;
    const text = svg("text", { x: LEFT - 8, y: y(value) + 4, class: "tick tick-left" });
    text.textContent = show(value);
    return [svg("path", { d: `M${LEFT} ${y(value)}H${WIDTH}`, class: "grid" }), text];
  });
}

function axis(labels, step) {
  const every = Math.ceil((labels.length * 80) / (WIDTH - LEFT));
  return labels.flatMap((label, i) => {
    if (i % every !== 0) return [];
    const text = svg("text", { x: LEFT + step * (i + 0.5), y: HEIGHT - 5, class: "tick" });
    text.textContent = label;
    return [text];
  });
}

function tip(label, series, i, show) {
  const title = svg("title");
  const lines = series.map(
    ({ name, values }) => `${name}: ${values[i] == null ? "–" : show(values[i])}`,
  );
  title.textContent = [label, ...lines].join("\n");
  return title;
}

function bars(series, labels, step, y, show) {
  return labels.map((label, i) => {
    let below = 0;
    const parts = series.map(({ look, values }) => {
      const from = below;
      below += values[i] ?? 0;
      const height = y(from) - y(below);
      return svg("rect", {
        x: LEFT + step * i + step * 0.14,
        y: y(below),
        width: step * 0.72,
        height,
        class: look,
        rx: Math.min(2, height / 2),
      });
    });
    return column(parts, step, i, tip(label, series, i, show));
  });
}

function lines(series, step, y) {
  return series.flatMap(({ look, values }) => {
    const points = values.map((value, i) => value != null && [LEFT + step * (i + 0.5), y(value)]);
    const path = points
      .map(
        (point, i) =>
          point && `${points[i - 1] ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`,
      )
      .filter(Boolean);
    const dots = points
      .filter(Boolean)
      .map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5, class: `dot ${look}` }));
    return [svg("path", { d: path.join(""), class: `line ${look}` }), ...dots];
  });
}

function hovers(series, labels, step, show) {
  return labels.map((label, i) => column([], step, i, tip(label, series, i, show)));
}

/** The whole height of one value, which says its figures to a pointer. */
function column(parts, step, i, said) {
  const place = { x: LEFT + step * i, y: TOP, width: step, height: HEIGHT - BOTTOM - TOP };
  return svg("g", {}, ...parts, svg("rect", { ...place, class: "hover" }), said);
}

function legend(series, target, show) {
  const names = series.map(({ name, look }) =>
    h("span", { class: "key" }, h("i", { class: look }), name),
  );
  const line =
    target !== undefined &&
    h("span", { class: "key" }, h("i", { class: "target" }), `${t("target")} ${show(target)}`);
  return h("p", { class: "legend small" }, names, line);
}

function table(title, labels, series, show) {
  const body = () =>
    labels.map((label, i) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, label),
        series.map(({ values }) => h("td", {}, values[i] == null ? "–" : show(values[i]))),
      ),
    );
  const details = h(
    "details",
    { class: "as-table" },
    h("summary", { class: "small" }, t("as_table")),
  );
  details.addEventListener("toggle", () => {
    if (!details.open || details.childNodes.length > 1) return;
    const heads = h(
      "tr",
      {},
      h("td", {}),
      series.map(({ name }) => h("th", { scope: "col" }, name)),
    );
    const content = h(
      "table",
      {},
      h("caption", { class: "sr-only" }, title),
      h("thead", {}, heads),
      h("tbody", {}, body()),
    );
    details.append(
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, content),
    );
  });
  return details;
}
