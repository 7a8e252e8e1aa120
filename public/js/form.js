// A form drawn from a template's contract: another contract is another form. Knows no template.

import { composed, isFile, sendable, violations } from "./contract.js";
import { fill, h, svg } from "./dom.js";
import { errorBox, violationText } from "./error.js";
import { fileField } from "./picture.js";
import { duration, said, t } from "./text.js";

/** What few people change stands apart. */
const FINE = ["steps", "cfg", "guidance", "negative_prompt", "seed", "strength"];

/**
 * `state` is `{ values, files }` and outlives the form; `onChange` hears of every change of it, `onSubmit`
 * of a form without violations; `submit` names the button, `beside` stands at it.
 */
export function drawForm(template, { state, onChange, onSubmit, submit, beside }) {
  const form = new Form(template, state, onChange);
  form.draw(submit, beside);
  form.element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.check()) onSubmit();
  });
  return form;
}

class Form {
  #fields = new Map();

  constructor(template, state, onChange) {
    this.template = template;
    this.state = state;
    this.onChange = () => {
      this.#tell();
      onChange();
    };
  }

  draw(submit, beside) {
    const { inputs, limits } = this.template;
    const isMain = (input) => isFile(input) && input.required;
    const isMore = (input) => isFile(input) && !input.required;
    const isFine = (input) => FINE.includes(input.name);
    const draw = (wanted) => inputs.filter(wanted).map((input) => this.#field(input));
    const main = draw(isMain);
    const more = draw(isMore);
    const plain = draw((input) => !isFile(input) && !isFine(input));
    const fine = draw((input) => !isFile(input) && isFine(input));
    this.told = composed(this.template, {}) && h("div", { class: "told" });
    this.alert = h("div", { role: "alert" });
    this.button = h("button", { class: "main", type: "submit" }, submit);
    this.submit = submit;
    const usually = t("usually", { time: duration(limits.usual_duration_ms) });
    this.element = h(
      "form",
      { class: "form", novalidate: true, "aria-label": said(this.template.title) },
      main,
      plain,
      more.length > 0 &&
        h(
          "div",
          { class: "more-files" },
          h("h2", {}, t("more_files")),
          h("div", { class: "tiles" }, more),
        ),
      fine.length > 0 &&
        h("details", {}, h("summary", {}, t("fine_tuning")), h("div", { class: "fine" }, fine)),
      this.told,
      this.alert,
      h(
        "div",
        { class: "submit" },
        this.button,
        h("div", { class: "submit-facts" }, beside, h("p", { class: "quiet small" }, usually)),
      ),
    );
    this.#tell();
  }

  /** The values as a job takes them, files left out. */
  values() {
    return sendable(this.template, this.state.values);
  }

  /** Marks what is wrong, goes to the first of it; whether nothing is. */
  check() {
    const found = violations(this.template, { ...this.state.values, ...this.state.files });
    this.mark(found);
    return found.length === 0;
  }

  /** `[{ input, code, … }]`: marks these and no others. */
  mark(found) {
    for (const field of this.#fields.values()) field.mark(null);
    for (const violation of [...found].reverse()) {
      const field = this.#fields.get(violation.input);
      field?.mark(violationText(violation, this.state.files[violation.input]));
      field?.reveal();
    }
    if (found.length > 0) this.#fields.get(found[0].input)?.focus();
  }

  /** What the server said no to; its violations stand at their fields. */
  refuse(error, ...actions) {
    const found = error.details.map(({ path, ...detail }) => ({
      ...detail,
      input: path.split("/").pop(),
    }));
    const known = found.filter(({ input }) => this.#fields.has(input));
    fill(this.alert, errorBox(error, ...actions));
    this.mark(known);
    if (known.length === 0) this.alert.scrollIntoView({ block: "nearest" });
  }

  /** Takes back what the server said no to. */
  relent() {
    fill(this.alert);
  }

  /** Says what is going on, and takes no second press; with null it is ready again. */
  busy(text) {
    if (text) fill(this.alert);
    this.button.disabled = Boolean(text);
    fill(this.button, text ?? this.submit);
  }

  #field(input) {
    const field = isFile(input)
      ? fileField(input, this.state.files, this.onChange)
      : this.#valueField(input);
    this.#fields.set(input.name, field);
    return field.element;
  }

  #valueField(input) {
    const { values } = this.state;
    const set = (value) => {
      if (value === "" || value === undefined) delete values[input.name];
      else values[input.name] = value;
      field.mark(null);
      this.onChange();
    };
    const field = frame(input, control(input, values[input.name] ?? input.default, set));
    return field;
  }

  #tell() {
    if (!this.told) return;
    const { said: parts, baseline } = composed(this.template, this.state.values);
    const own =
      parts.length > 0
        ? h("span", { class: "own", lang: "en" }, `${parts.join(" ")} `)
        : h("em", {}, `${t("told_nothing")} `);
    fill(
      this.told,
      h("h2", {}, t("told")),
      h(
        "p",
        { class: "instruction" },
        own,
        h("span", { class: "baseline", lang: "en" }, baseline.join(" ")),
      ),
      h("p", { class: "quiet small" }, t("told_help")),
    );
  }
}

/** A control with its label, its help, and what is wrong with it. */
function frame(input, { element, isGroup = false }) {
  const id = `input-${input.name}`;
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const help = input.help && h("p", { class: "quiet small", id: `${id}-help` }, said(input.help));
  const label = [
    said(input.label),
    !input.required &&
      input.type === "string" &&
      h("span", { class: "quiet" }, ` ${t("optional")}`),
  ];
  const described = [help && `${id}-help`, `${id}-wrong`].filter(Boolean).join(" ");
  const target = isGroup ? null : element;
  if (target) {
    target.id = id;
    target.setAttribute("aria-describedby", described);
    if (input.required) target.required = true;
  }
  const outer = isGroup
    ? h(
        "fieldset",
        { class: "field", "aria-describedby": described },
        h("legend", {}, label),
        element,
        help,
        wrong,
      )
    : h("div", { class: "field" }, h("label", { for: id }, label), element, help, wrong);
  return {
    element: outer,
    mark(text) {
      wrong.hidden = !text;
      wrong.textContent = text ?? "";
      target?.setAttribute("aria-invalid", String(Boolean(text)));
      outer.classList.toggle("is-wrong", Boolean(text));
    },
    reveal() {
      const folded = outer.closest("details");
      if (folded) folded.open = true;
    },
    focus() {
      (target ?? outer.querySelector("input:checked") ?? outer.querySelector("input")).focus();
    },
  };
}

function control(input, value, set) {
  switch (input.type) {
    case "choice":
      return { element: choices(input, value, set), isGroup: true };
    case "boolean":
      return {
        element: h("input", {
          type: "checkbox",
          class: "switch",
          checked: value === true,
          onchange: (event) => set(event.target.checked),
        }),
      };
    case "string":
      return { element: words(input, value, set) };
    default:
      return { element: numeric(input, value, set) };
  }
}

function choices(input, value, set) {
  const one = (choice) => {
    const isChosen = choice.value === value;
    const radio = h("input", {
      type: "radio",
      name: input.name,
      value: choice.value,
      checked: isChosen,
      onchange: () => set(choice.value),
    });
    return h(
      "label",
      { class: "chip" },
      radio,
      h("span", {}, shape(choice.values), said(choice.label)),
    );
  };
  return h("div", { class: "chips" }, input.choices.map(one));
}

/** A ratio is seen faster than read. */
function shape(values) {
  if (!values?.width || !values.height) return null;
  const longest = Math.max(values.width, values.height);
  const [width, height] = [(14 * values.width) / longest, (14 * values.height) / longest];
  const box = svg("rect", { x: 8 - width / 2, y: 8 - height / 2, width, height, rx: 2 });
  return svg("svg", { viewBox: "0 0 16 16", class: "shape", "aria-hidden": "true" }, box);
}

function words(input, value, set) {
  const properties = {
    rows: input.name === "prompt" ? 3 : 2,
    oninput: (event) => set(event.target.value),
    dir: "auto",
  };
  const element = input.multiline
    ? h("textarea", properties)
    : h("input", { type: "text", ...properties });
  element.value = value ?? "";
  return element;
}

function numeric(input, value, set) {
  const element = h("input", {
    type: "number",
    inputmode: input.type === "number" ? "decimal" : "numeric",
    min: input.min ?? (input.type === "seed" ? 0 : null),
    max: input.max,
    step: input.step ?? (input.type === "number" ? "any" : 1),
    placeholder: input.type === "seed" ? t("random") : null,
    oninput: (event) => set(event.target.value),
  });
  element.value = value ?? "";
  return element;
}
