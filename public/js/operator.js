// The operator's calls. The key lives in session storage: it ends with the tab.

import { open } from "./api.js";

const NAME = "eq.operator";

export function key() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

export function remember(value) {
  try {
    if (value) sessionStorage.setItem(NAME, value);
    else sessionStorage.removeItem(NAME);
  } catch {
    // It has to be typed again on the next page.
  }
}

export function ask(path, method = "GET", body) {
  const headers = { authorization: `Bearer ${key()}` };
  if (body) headers["content-type"] = "application/json";
  return open(path, { method, headers, body: body && JSON.stringify(body) });
}
