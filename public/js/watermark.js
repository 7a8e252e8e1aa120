// A picture that is not paid yet: smaller, and with the mark in its own pixels, so that what is saved
// from the page carries it too.

import { h } from "./dom.js";

const SIDE_MAX = 640;
const TURN = -Math.PI / 7;

/** A canvas with the picture under `text`; null of what is no picture. */
export async function marked(blob, text) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return null;
  const scale = Math.min(1, SIDE_MAX / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) =>
    Math.max(1, Math.round(side * scale)),
  );
  const canvas = h("canvas", { width, height, role: "img", "aria-label": text });
  const draw = canvas.getContext("2d");
  draw.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  mark(draw, width, height, text);
  return canvas;
}

/** Rows of the text over the whole picture, turned, light with a dark edge: seen on every colour. */
function mark(draw, width, height, text) {
  const size = Math.max(9, Math.round(Math.max(width, height) / 17));
  draw.font = `700 ${size}px system-ui, sans-serif`;
  draw.textBaseline = "middle";
  draw.lineWidth = Math.max(1, size / 9);
  draw.strokeStyle = "#0009";
  draw.fillStyle = "#fffc";
  draw.translate(width / 2, height / 2);
  draw.rotate(TURN);
  const reach = Math.hypot(width, height) / 2;
  const step = draw.measureText(text).width + size * 1.6;
  let row = 0;
  for (let y = -reach; y <= reach; y += size * 2.6) {
    row += 1;
    for (let x = -reach - (row % 2) * (step / 2); x <= reach; x += step) {
      draw.strokeText(text, x, y);
      draw.fillText(text, x, y);
    }
  }
}
