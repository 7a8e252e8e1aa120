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
  const isOurs = error.settings?.length > 0;
  const settings = isOurs && [
    h("p", { class: "small" }, t("error_settings")),
    h(
      "ul",
      { class: "small settings", lang: "en" },
      error.settings.map(({ setting, problem }) =>
        h("li", {}, h("code", {}, setting), ` ${problem}`),
      ),
    ),
  ];
  return box(isOurs ? t("error_unconfigured") : text, settings || id, actions);
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
    icon(kind === "good" ? "check" : "alert"),
    h(
      "div",
      {},
      h("p", {}, text),
      typeof detail === "string" ? h("p", { class: "small quiet", lang: "en" }, detail) : detail,
    ),
    actions.length > 0 && h("div", { class: "box-actions" }, actions),
  );
}
