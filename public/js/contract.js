// What a page must know of contracts: docs/CONTRACT.md tells the language. No document, no network:
// the same rules as the server's, which has the last word.

const SENTENCE_ENDS = [".", "!", "?", "…", "。", "！", "？", ":", ";"];
const FILE_TYPES = ["image", "video", "audio"];

export const isFile = (input) => FILE_TYPES.includes(input.type);

/** The English text that the template's first composition makes; null where it has none. */
export function composed(template, inputs) {
  const [composition] = template.compose ?? [];
  if (!composition) return null;
  const said = composition.parts
    .map((part) => part.text ?? words(template, part, inputs))
    .filter(Boolean);
  return { said: said.map(ended), baseline: composition.baseline.map(ended) };
}

function words(template, part, inputs) {
  const input = template.inputs.find(({ name }) => name === part.input);
  const value = inputs[part.input] ?? input.default;
  const text = input.type === "choice" ? chosen(input, value)?.phrase : value?.trim();
  return text ? `${part.before ?? ""}${text}${part.after ?? ""}` : null;
}

function ended(sentence) {
  const text = sentence.trim();
  return SENTENCE_ENDS.includes(text.at(-1)) ? text : `${text}.`;
}

const chosen = (input, value) => input.choices.find((choice) => choice.value === value);

/** Whether a value says more than its default. */
function isGiven(input, value) {
  return value !== undefined && value !== "" && value !== input.default;
}

/**
 * What is wrong with these inputs: `[{ input, code, ...values }]`, in the order of the form. `names` of
 * a group that lacks all its members. Files are `{ type, size, width, height }`.
 */
export function violations(template, inputs) {
  const found = template.inputs.flatMap((input) => {
    const wrong = oneViolation(template, input, inputs);
    return wrong ? [{ input: input.name, ...wrong }] : [];
  });
  for (const group of template.require_any ?? []) {
    const members = template.inputs.filter(({ name }) => group.includes(name));
    if (members.some((input) => isGiven(input, inputs[input.name]))) continue;
    found.push({
      input: group[0],
      code: "missing_any_of",
      names: members.map(({ label }) => label),
    });
  }
  return found;
}

function oneViolation(template, input, inputs) {
  const value = inputs[input.name];
  if (value === undefined || value === "")
    return input.required ? { code: missing(input) } : null;
  if (isFile(input)) return fileViolation(input, value);
  switch (input.type) {
    case "choice":
      return choiceViolation(template, input, inputs);
    case "string":
      return textViolation(input, value);
    case "integer":
    case "number":
    case "seed":
      return numberViolation(input, value);
    default:
      return null;
  }
}

/** What to do about it depends on what it is. */
function missing(input) {
  if (isFile(input)) return "missing_file";
  return input.type === "choice" ? "missing_choice" : "missing_required";
}

function choiceViolation(template, input, inputs) {
  const needs = chosen(input, inputs[input.name])?.needs;
  if (!needs || inputs[needs] !== undefined) return null;
  const needed = template.inputs.find(({ name }) => name === needs);
  return { code: "needs", input: needs, label: needed.label, by: input.label };
}

function textViolation({ max_length: most = 4000, min_length: least = 0 }, value) {
  const length = [...value.trim()].length;
  if (length > most) return { code: "too_long", most, length };
  return length < least ? { code: "too_short", least } : null;
}

function numberViolation(input, value) {
  const number = Number(value);
  if (!Number.isFinite(number)) return { code: "wrong_type" };
  if (input.type !== "number" && !Number.isInteger(number)) return { code: "wrong_type" };
  const {
    min = input.type === "seed" ? 0 : undefined,
    max = input.type === "seed" ? Number.MAX_SAFE_INTEGER : undefined,
  } = input;
  if (min !== undefined && number < min) return { code: "below_min", least: min };
  return max !== undefined && number > max ? { code: "above_max", most: max } : null;
}

/** What is wrong with a file, told by its size, its type and, of a picture, its sides. */
export function fileViolation(input, file) {
  const { content_types: types, size_bytes_max: most } = input;
  if (types && !types.includes(file.type)) return { code: "wrong_content_type", types };
  if (most !== undefined && file.size > most) return { code: "too_large", most };
  if (file.isBroken) return { code: "unreadable" };
  if (file.width === undefined) return null;
  const [short, long] = [file.width, file.height].sort((a, b) => a - b);
  if (short < (input.side_min_px ?? 0)) return { code: "too_small", least: input.side_min_px };
  if (short * long > (input.pixels_max ?? Infinity))
    return { code: "too_many_pixels", most: input.pixels_max };
  if (long / short > (input.aspect_max ?? Infinity))
    return { code: "wrong_ratio", most: input.aspect_max };
  return null;
}

/** The inputs that are sent: what says nothing is left out, numbers are numbers. */
export function sendable(template, inputs) {
  const said = template.inputs.filter(
    (input) => !isFile(input) && isGiven(input, inputs[input.name]),
  );
  return Object.fromEntries(said.map((input) => [input.name, typed(input, inputs[input.name])]));
}

function typed(input, value) {
  return ["integer", "number", "seed"].includes(input.type) ? Number(value) : value;
}
