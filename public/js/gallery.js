// The jobs of this browser, newest first, as the server knows them: a reload changes nothing.

import { call } from "./api.js";
import { thumbnail } from "./compare.js";
import { fill, h, icon } from "./dom.js";
import { ENDED } from "./follow.js";
import { keepPicture, pictureNamed } from "./keep.js";
import { moment, t } from "./text.js";

const PAGE = 24;

export class Gallery {
  jobs = new Map();
  #tiles = new Map();
  #cursor = null;

  /** `onChoose(id)` when one is pressed; `templates` are the names whose jobs are shown. */
  constructor(element, { templates, onChoose, title }) {
    Object.assign(this, { element, templates, onChoose, title });
    this.list = h("ul", { class: "gallery" });
    this.heading = h("div", { class: "gallery-head" });
    this.more = h("button", { type: "button", onclick: () => this.load() });
    element.append(this.heading, this.list, this.more);
    this.draw();
  }

  draw() {
    fill(
      this.heading,
      h("h2", {}, t(this.title)),
      h("p", { class: "quiet small" }, t("gallery_help")),
    );
    this.more.textContent = t("gallery_more");
    this.#tiles.clear();
    fill(
      this.list,
      [...this.jobs.values()].map((job) => this.#tile(job)),
    );
    this.#showFrame();
  }

  /** The next page of jobs; the newest first. */
  async load() {
    const cursor = this.#cursor ? `&cursor=${this.#cursor}` : "";
    const { data, next_cursor: next } = await call(`/api/queue/list?limit=${PAGE}${cursor}`);
    this.#cursor = data.length > 0 ? next : null;
    for (const job of data)
      if (this.templates.includes(job.template)) this.#put(job, (tile) => this.list.append(tile));
    this.#showFrame();
    return [...this.jobs.values()];
  }

  /** A job as it stands now. */
  update(job) {
    this.#put(job, (tile) => this.list.prepend(tile));
    this.#showFrame();
  }

  choose(id) {
    for (const [known, tile] of this.#tiles)
      tile.firstChild.setAttribute("aria-pressed", String(known === id));
  }

  #put(job, add) {
    const known = this.jobs.get(job.id);
    const merged = {
      ...known,
      ...job,
      outputs: job.outputs.length > 0 ? job.outputs : (known?.outputs ?? []),
    };
    this.jobs.set(job.id, merged);
    const old = this.#tiles.get(job.id);
    if (old && known.status === job.status && known.outputs.length === merged.outputs.length)
      return;
    const pressed = old?.firstChild.getAttribute("aria-pressed");
    const tile = this.#tile(merged);
    if (pressed) tile.firstChild.setAttribute("aria-pressed", pressed);
    if (old) old.replaceWith(tile);
    else add(tile);
  }

  #tile(job) {
    const name = t("job_of", { status: t(job.status), time: moment(job.created_at_ms) });
    const button = h("button", {
      type: "button",
      class: `tile is-${job.status}`,
      "aria-label": name,
      "aria-pressed": "false",
      onclick: () => this.onChoose(job.id),
    });
    const tile = h("li", {}, button);
    this.#tiles.set(job.id, tile);
    if (job.status === "succeeded")
      picture(job).then(
        (src) => src && fill(button, typeof src === "string" ? h("img", { src, alt: "" }) : src),
      );
    else
      fill(
        button,
        ENDED.includes(job.status) ? icon("alert") : h("span", { class: "spinner" }),
        h("span", { class: "small" }, t(job.status)),
      );
    return tile;
  }

  #showFrame() {
    this.element.hidden = this.jobs.size === 0;
    this.more.hidden = !this.#cursor;
  }
}

/** A small picture of a result: kept here, or made of the result once. */
async function picture(job) {
  const name = `${job.id}/thumb`;
  let blob = await pictureNamed(name);
  if (!blob) {
    const outputs =
      job.outputs.length > 0
        ? job.outputs
        : (await call(`/api/queue/status/${job.id}`)).job.outputs;
    const [first] = outputs;
    if (first?.kind === "video")
      return h("video", { src: first.url, muted: true, preload: "metadata", tabindex: -1 });
    blob = await thumbnail(first.url).catch(() => null);
    if (!blob) return first.url;
    keepPicture(name, blob);
  }
  return URL.createObjectURL(blob);
}
