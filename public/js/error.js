// What went wrong, as a person reads it: what happened, and what to do next.

import { h, icon } from "./dom.js";
import { bytes, knows, said, t, types } from "./text.js";

/** One wrong input, from `contract.violations` or the server's `details`. */
export function violationText(violation, file) {
  const { code, least, most, length, types: list, by, message } = violation;
  if (!knows(code)) return message ?? t("error_contract_violation");
  return t(code, {
    least,
    most: code === "too_large" && most ? bytes(most) : most,
    length,
    size: file ? bytes(file.size) : "",
    types: list ? types(list) : "",
    by: said(by),
  });
}

/** Why a call failed: a box for `role="alert"`. */
export function errorBox(error, ...actions) {
  const name = `error_${error.code}`;
  const text = t(knows(name) ? name : "error_other", { s: error.retryAfterS ?? 5 });
  const id =
    error.requestId && error.status >= 500 ? t("error_number", { id: error.requestId }) : null;
  return box(text, id, actions);
}

/** Why a job failed. */
export function failureBox(failure, ...actions) {
  const name = `failed_${failure.code}`;
  return box(t(knows(name) ? name : "error_other"), failure.message, actions);
}

export function box(text, detail, actions = [], kind = "bad") {
  return h(
    "div",
    { class: `box box-${kind}` },
    icon(kind === "bad" ? "alert" : "check"),
    h("div", {}, h("p", {}, text), detail && h("p", { class: "small quiet", lang: "en" }, detail)),
    actions.length > 0 && h("div", { class: "box-actions" }, actions),
  );
}
