// What came of it: one job on the stage, those before it in the gallery, each followed to its end.

import { call, post } from "./api.js";
import { errorBox } from "./error.js";
import { ENDED, follow } from "./follow.js";
import { Gallery } from "./gallery.js";
import { pictureNamed } from "./keep.js";
import { Stage } from "./stage.js";
import { said, t } from "./text.js";
import { marked } from "./watermark.js";

export class Results {
  #following = new Set();
  #chosen = null;
  /** What is seen of the job on the stage beside its row: previews, its original, an error. */
  #beside = {};

  /**
   * `templates` of the page by their `names`; `submitText()` is what the button says; `onPaid()` when
   * credits may have changed; `help(error)` are buttons that help against it.
   */
  constructor(place, { templates, names, submitText, title, onPaid, help }) {
    Object.assign(this, { place, templates, submitText, onPaid, help });
    this.stage = new Stage(place.stage, {
      cancel: (id) => this.#act(id, "cancel"),
      retry: (id) => this.#act(id, "retry"),
    });
    this.gallery = new Gallery(place.gallery, {
      templates: names,
      onChoose: (id) => this.#choose(id).then(() => this.#toStage()),
      title,
    });
  }

  /** In the page's language; `current` is the template whose form is shown. */
  draw(current) {
    this.current = current;
    this.gallery.draw();
    this.gallery.choose(this.#chosen);
    this.#show();
  }

  /** Those that were made before, and the one that is still at work. */
  async begin() {
    const jobs = await this.gallery.load();
    const live = jobs.filter((job) => !ENDED.includes(job.status));
    live.forEach((job) => this.#watch(job.id));
    if (!this.#chosen && live.length > 0) this.#choose(live[0].id);
  }

  /** A job that was made just now. */
  async made(job) {
    this.gallery.update(job);
    this.#watch(job.id);
    await this.#choose(job.id);
    this.#toStage();
  }

  /** On a telephone it stands below the form and above the gallery. */
  #toStage() {
    const block = innerWidth < 960 ? "start" : "nearest";
    this.place.stage.scrollIntoView({ block, behavior: "smooth" });
  }

  #watch(id) {
    if (this.#following.has(id)) return;
    this.#following.add(id);
    const seen = (change) => {
      if (id !== this.#chosen) return;
      Object.assign(this.#beside, change);
      this.#show();
    };
    follow(id, {
      job: (job) => {
        this.gallery.update(job);
        if (ENDED.includes(job.status)) {
          this.#following.delete(id);
          this.onPaid();
        }
        seen({});
      },
      progress: (progress) => seen({ progress }),
      preview: async (blob) => {
        const preview = id === this.#chosen && (await marked(blob, t("preview")));
        if (preview) seen({ preview });
      },
      offline: (isOffline) => seen({ isOffline }),
      lost: (error) => {
        this.#following.delete(id);
        seen({ error: errorBox(error) });
      },
    });
  }

  async #choose(id) {
    this.#chosen = id;
    this.#beside = {};
    this.gallery.choose(id);
    const known = this.gallery.jobs.get(id);
    if (ENDED.includes(known.status) && known.outputs.length === 0) {
      try {
        this.gallery.update((await call(`/api/queue/status/${id}`)).job);
      } catch (error) {
        this.#beside.error = errorBox(error);
      }
    }
    const blob = await this.#originalOf(this.gallery.jobs.get(id));
    if (this.#chosen !== id) return;
    if (blob) this.#beside.original = URL.createObjectURL(blob);
    this.#show();
  }

  /** What the job was made of, if this browser still has it. */
  async #originalOf({ inputs, template }) {
    const input = pictureOf(this.templates[template]);
    const value = input && inputs?.[input.name];
    return value ? pictureNamed(value) : null;
  }

  #show() {
    const job = this.#chosen && this.gallery.jobs.get(this.#chosen);
    if (!job) {
      this.stage.empty(this.submitText(), Boolean(pictureOf(this.templates[this.current])));
      return;
    }
    if (job.status === "succeeded" && job.outputs.length === 0) return;
    const template = this.templates[job.template];
    this.stage.show({ job, template, ...this.#beside });
    const share = this.#beside.progress?.value;
    const isAtWork = !ENDED.includes(job.status) && share;
    const state = isAtWork ? `${Math.round(share * 100)} %` : t(job.status);
    document.title = `${state} · ${said(template.title)}`;
  }

  async #act(id, verb) {
    try {
      const { job } = await post(`/api/queue/${verb}/${id}`);
      delete this.#beside.error;
      this.onPaid();
      this.gallery.update(job);
      if (!ENDED.includes(job.status)) this.#watch(id);
    } catch (error) {
      this.#beside.error = errorBox(error, ...this.help(error));
    }
    this.#show();
  }
}

const pictureOf = ({ inputs }) => inputs.find(({ type, required }) => type === "image" && required);
