// Elements without a framework, and without HTML made of text.

/**
 * `h("p", { class: "note", onclick: f }, "text", child)`. A property that is null or false is left
 * out; children that are null or false are skipped.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  set(element, properties);
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  return element;
}

/** Puts other children in, and keeps the element. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat(Infinity).filter((child) => child != null && child !== false),
  );
  return element;
}

/** Draws an element's content anew; what was unfolded stays so, and so does the focus. */
export function redraw(element, draw) {
  const folds = () => [...element.querySelectorAll("details")];
  const stops = () => [
    ...element.querySelectorAll("a, button, input, select, summary, [tabindex]"),
  ];
  const opened = folds().map(({ open }) => open);
  const focused = stops().indexOf(document.activeElement);
  draw();
  folds().forEach((fold, i) => (fold.open = opened[i] ?? fold.open));
  if (focused >= 0) stops()[focused]?.focus({ preventScroll: true });
}

/** Icons are drawn with strokes in the colour of the text. */
const ICONS = {
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  download: "M12 4v12m0 0 5-5m-5 5-5-5M4 19h16",
  retry: "M4 12a8 8 0 0 1 14-5.3L20 9m0-5v5h-5M20 12a8 8 0 0 1-14 5.3L4 15m0 5v-5h5",
  stop: "M6 6l12 12M18 6 6 18",
  zoom: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14Zm5 12 4 4M8 11h6M11 8v6",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8Zm0-6v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M5 19l1.4-1.4M17.600 6.400 19 5",
  moon: "M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500Z",
  check: "M5 12.500 10 17.500 19 7",
  alert:
    "M12 8v5m0 3.500v.5M10.300 4 2.500 18a2 2 0 0 0 1.700 3h15.600a2 2 0 0 0 1.700-3L13.700 4a2 2 0 0 0-3.400 0Z",
  arrow: "M5 12h14m0 0-6-6m6 6-6 6",
  compare: "M12 3v18M8 8l-4 4 4 4m8-8 4 4-4 4",
};

export function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, path);
}
