// A field for one file: chosen by click, dropped or pasted, looked at before anything is sent.

import { fileViolation } from "./contract.js";
import { fill, h, icon } from "./dom.js";
import { violationText } from "./error.js";
import { bytes, said, t } from "./text.js";

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
      // A small field that is filled shows its picture and no words.
      "aria-label": input.required ? null : said(input.label),
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

  /** Looks at a file; takes it, or says what is wrong with it. */
  async take(blob) {
    if (!blob) return;
    const file = { blob, name: blob.name, type: blob.type, size: blob.size };
    let wrong = fileViolation(this.input, file);
    if (!wrong) {
      Object.assign(file, await sides(blob));
      wrong = fileViolation(this.input, file);
    }
    this.chooser.value = "";
    if (wrong) {
      this.mark(violationText(wrong, file));
      return;
    }
    this.mark(null);
    this.forget();
    file.url = URL.createObjectURL(blob);
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
    const facts = [file.width && `${file.width} × ${file.height}`, bytes(file.size)]
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
        h("span", { class: "name" }, file.name ?? label),
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

/** Of a picture its width and height; `isBroken` of one that is none. */
async function sides(blob) {
  if (!blob.type.startsWith("image/")) return {};
  try {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return { isBroken: true };
  }
}
