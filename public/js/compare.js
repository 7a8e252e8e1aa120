// Two pictures over each other with a line to drag, and one picture large.

import { h, icon } from "./dom.js";
import { t } from "./text.js";

/** `after` over `before`; the line moves by pointer and by arrow keys. */
export function compare({ before, after, width, height, alt }) {
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 50,
    class: "compare-range",
    "aria-label": t("compare"),
  });
  const frame = h(
    "div",
    { class: "compare", style: { "--ratio": `${width} / ${height}`, "--cut": "50%" } },
    h("img", { src: before, alt: t("before"), class: "compare-before" }),
    h("img", { src: after, alt, class: "compare-after", width, height }),
    h("span", { class: "compare-line", "aria-hidden": "true" }, h("b", {}, icon("compare"))),
    h("span", { class: "tag tag-left", "aria-hidden": "true" }, t("before")),
    h("span", { class: "tag tag-right", "aria-hidden": "true" }, t("after")),
    slider,
  );
  slider.addEventListener("input", () => frame.style.setProperty("--cut", `${slider.value}%`));
  return frame;
}

const ZOOM_STEP = 1.5;
const ZOOM_MAX = 8;

/** Shows a picture over the whole window, to be enlarged and moved. */
export function zoom({ src, alt }) {
  let scale = 1;
  const image = h("img", { src, alt });
  const pane = h("div", { class: "zoom-pane", tabindex: 0, role: "img", "aria-label": alt }, image);
  // What was in the middle, or under the pointer, comes to the middle.
  const show = (to, [x, y] = middle(pane)) => {
    scale = Math.min(Math.max(to, 1), ZOOM_MAX);
    pane.style.setProperty("--scale", scale);
    smaller.disabled = scale === 1;
    larger.disabled = scale === ZOOM_MAX;
    pane.scrollTo(
      x * pane.scrollWidth - pane.clientWidth / 2,
      y * pane.scrollHeight - pane.clientHeight / 2,
    );
  };
  const smaller = h(
    "button",
    { type: "button", onclick: () => show(scale / ZOOM_STEP) },
    t("zoom_out"),
  );
  const larger = h(
    "button",
    { type: "button", onclick: () => show(scale * ZOOM_STEP) },
    t("zoom_in"),
  );
  const dialog = h("dialog", { class: "zoom", "aria-label": t("zoom") }, pane);
  const close = h(
    "button",
    { type: "button", class: "main", onclick: () => dialog.close() },
    t("close"),
  );
  dialog.append(h("div", { class: "zoom-bar" }, smaller, larger, close));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") show(scale * ZOOM_STEP);
    if (event.key === "-") show(scale / ZOOM_STEP);
  });
  image.addEventListener("click", ({ offsetX, offsetY }) =>
    show(scale === 1 ? 2 : 1, [offsetX / image.clientWidth, offsetY / image.clientHeight]),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  show(1);
  pane.focus();
  return dialog;
}

/** Which part of its content a scrolled pane has in its middle: shares of its width and height. */
function middle(pane) {
  return [
    (pane.scrollLeft + pane.clientWidth / 2) / pane.scrollWidth,
    (pane.scrollTop + pane.clientHeight / 2) / pane.scrollHeight,
  ];
}

/** A small picture of a large one, for galleries. */
export async function thumbnail(src, side = 320) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const scale = Math.min(1, side / Math.min(image.naturalWidth, image.naturalHeight));
  const canvas = h("canvas", {
    width: Math.round(image.naturalWidth * scale),
    height: Math.round(image.naturalHeight * scale),
  });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.8));
}
