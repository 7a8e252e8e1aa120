// A field for one file: chosen by click, dropped or pasted, looked at before anything is sent.

import { fileViolation } from "./contract.js";
import { fill, h, icon } from "./dom.js";
import { violationText } from "./error.js";
import { bytes, said, t } from "./text.js";

/** What is too large is made smaller: our models work on an eighth of these pixels. */
const SHRINKABLE = ["too_large", "too_many_pixels"];
const SHRUNK = { type: "image/jpeg", quality: 0.9, pixels: 8_000_000 };

/** `files[input.name]` is `{ blob, name, type, size, width, height, url }`, or absent. */
export function fileField(input, files, onChange) {
  const field = new FileField(input, files, onChange);
  field.draw();
  return field;
}

class FileField {
  constructor(input, files, onChange) {
    this.input = input;
    this.files = files;
    this.onChange = onChange;
    this.id = `input-${input.name}`;
    this.chooser = h("input", {
      type: "file",
      id: this.id,
      class: "hidden-input",
      accept: input.content_types?.join(","),
      "aria-describedby": `${this.id}-wrong`,
      onchange: () => this.take(this.chooser.files[0]),
    });
    this.wrong = h("p", { class: "wrong", id: `${this.id}-wrong`, hidden: true, role: "alert" });
    this.zone = h("div", { class: "zone" });
    this.element = h(
      "div",
      { class: `field file ${input.required ? "" : "is-small"}` },
      this.chooser,
      this.zone,
      this.wrong,
    );
    this.#listen();
  }

  draw() {
    const file = this.files[this.input.name];
    const label = said(this.input.label);
    // A filled field shows no words of what it is for, an empty one that is small only few.
    const shown = this.input.required ? null : label;
    this.chooser.ariaLabel = file ? `${t("change_file")}: ${label}` : shown;
    this.zone.classList.toggle("is-filled", Boolean(file));
    fill(this.zone, file ? this.#filled(file) : this.#empty());
  }

  mark(text) {
    this.wrong.hidden = !text;
    this.wrong.textContent = text ?? "";
    this.element.classList.toggle("is-wrong", Boolean(text));
    this.chooser.setAttribute("aria-invalid", String(Boolean(text)));
  }

  reveal() {}

  focus() {
    this.chooser.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Looks at a file; takes it, smaller if it must be, or says what is wrong with it. */
  async take(blob) {
    if (!blob) return;
    let file = await looked(blob, blob.name);
    let wrong = fileViolation(this.input, file);
    if (SHRINKABLE.includes(wrong?.code) && this.input.content_types?.includes(SHRUNK.type)) {
      const smaller = await shrunk(blob, file);
      if (smaller) file = { ...(await looked(smaller, blob.name)), isShrunk: true };
      wrong = fileViolation(this.input, file);
    }
    this.chooser.value = "";
    if (wrong) {
      this.mark(violationText(wrong, file));
      return;
    }
    this.mark(null);
    this.forget();
    file.url = URL.createObjectURL(file.blob);
    this.files[this.input.name] = file;
    this.draw();
    this.onChange();
  }

  forget() {
    const old = this.files[this.input.name];
    if (old) URL.revokeObjectURL(old.url);
    delete this.files[this.input.name];
  }

  #empty() {
    const { input } = this;
    if (!input.required) {
      return h(
        "label",
        { class: "pick", for: this.id, title: said(input.help) },
        icon("upload"),
        h("span", {}, said(input.label)),
      );
    }
    return h(
      "label",
      { class: "pick", for: this.id },
      icon("upload"),
      h("strong", {}, said(input.label)),
      h("span", { class: "wide-only" }, `${t("drop")} `, h("u", {}, t("choose_file"))),
      h("span", { class: "narrow-only" }, h("u", {}, t("drop_phone"))),
      input.help && h("span", { class: "quiet small" }, said(input.help)),
    );
  }

  #filled(file) {
    const label = said(this.input.label);
    const facts = [
      file.width && `${file.width} × ${file.height}`,
      file.size && bytes(file.size),
      file.isShrunk && t("shrunk"),
    ]
      .filter(Boolean)
      .join(" · ");
    const remove = () => {
      this.forget();
      this.draw();
      this.chooser.focus();
      this.onChange();
    };
    return [
      h("img", { src: file.url, alt: label }),
      h(
        "div",
        { class: "facts" },
        h("span", { class: "name" }, file.name ?? label.split(": ").pop()),
        h("span", { class: "quiet small" }, facts),
      ),
      h("label", { class: "plain", for: this.id }, t("change_file")),
      h(
        "button",
        {
          class: "plain",
          type: "button",
          "aria-label": t("remove_file", { label }),
          onclick: remove,
        },
        icon("stop"),
      ),
    ];
  }

  #listen() {
    const over = (isOver) => (event) => {
      event.preventDefault();
      this.zone.classList.toggle("is-over", isOver);
    };
    this.zone.addEventListener("dragover", over(true));
    this.zone.addEventListener("dragleave", over(false));
    this.zone.addEventListener("drop", (event) => {
      over(false)(event);
      this.take(event.dataTransfer.files[0]);
    });
    if (this.input.required) addEventListener("paste", (event) => this.#paste(event));
  }

  #paste(event) {
    const [file] = event.clipboardData?.files ?? [];
    if (!file || !this.element.isConnected) return;
    event.preventDefault();
    this.take(file);
  }
}

/** A file and what can be told of it: of a picture its sides; `isBroken` if it is none. */
async function looked(blob, name) {
  const file = { blob, name, type: blob.type, size: blob.size };
  if (!blob.type.startsWith("image/")) return file;
  try {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    bitmap.close();
    return { ...file, width, height };
  } catch {
    return { ...file, isBroken: true };
  }
}

/**
 * A photo as a JPEG that is small enough, for telephones make larger ones and few people know how to scale
 * them down. Null of what is no picture.
 */
async function shrunk(blob, { width, height }) {
  if (width === undefined) return null;
  const scale = Math.min(1, Math.sqrt(SHRUNK.pixels / (width * height)));
  const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.round(side * scale));
  const bitmap = await createImageBitmap(blob, {
    resizeWidth,
    resizeHeight,
    resizeQuality: "high",
  });
  const canvas = h("canvas", { width: resizeWidth, height: resizeHeight });
  const draw = canvas.getContext("2d");
  draw.fillStyle = "#fff";
  draw.fillRect(0, 0, resizeWidth, resizeHeight);
  draw.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, SHRUNK.type, SHRUNK.quality));
}
