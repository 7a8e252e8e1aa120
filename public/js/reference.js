// The API's reference, rendered from /openapi.json: what that says, this shows.

import { open } from "./api.js";
import { fill, h } from "./dom.js";
import { errorBox } from "./error.js";
import { page } from "./page.js";
import { add, t } from "./text.js";

add({
  reference: ["API reference", "เอกสาร API"],
  reference_help: [
    "Every route of this deployment, from its own openapi.json. Texts are in English.",
    "ทุกเส้นทางของระบบนี้ จาก openapi.json โดยตรง (ข้อความเป็นภาษาอังกฤษ)",
  ],
  search: ["Search routes", "ค้นหาเส้นทาง"],
  none: ["No route says this.", "ไม่พบเส้นทางที่ค้นหา"],
  group_queue: ["Jobs", "งาน"],
  group_admin: ["Operator", "ผู้ดูแลระบบ"],
  group_v2: ["Comfy API v2", "Comfy API v2"],
  group_other: ["Files, templates and the rest", "ไฟล์ เทมเพลต และอื่น ๆ"],
  parameters: ["Parameters", "พารามิเตอร์"],
  body: ["Body", "เนื้อหาที่ส่ง"],
  answers: ["Answers", "คำตอบ"],
  download_spec: ["openapi.json", "openapi.json"],
  needed: ["required", "จำเป็น"],
});

const METHODS = ["get", "post", "put", "delete", "head"];
const GROUPS = ["queue", "other", "v2", "admin"];
const DEPTH_MAX = 4;

let spec;
let sought = "";

page(draw);
open("/openapi.json").then(
  (found) => {
    spec = found;
    draw();
  },
  (error) => fill(document.querySelector("#routes"), errorBox(error)),
);

function draw() {
  const list = h("div", { id: "routes" });
  const search = h("input", {
    type: "search",
    placeholder: t("search"),
    "aria-label": t("search"),
    oninput: () => show(list, (sought = search.value)),
  });
  search.value = sought;
  fill(
    document.querySelector("#main"),
    h("h1", {}, t("reference")),
    h(
      "p",
      { class: "quiet" },
      t("reference_help"),
      " ",
      h("a", { href: "/openapi.json" }, t("download_spec")),
    ),
    h("div", { class: "search" }, search),
    list,
  );
  if (spec) show(list, sought);
}

function show(list, text) {
  const all = Object.entries(spec.paths).flatMap(([path, verbs]) =>
    METHODS.filter((method) => verbs[method]).map((method) => ({ path, method, ...verbs[method] })),
  );
  const wanted = all.filter(({ path, method, summary }) =>
    `${method} ${path} ${summary}`.toLowerCase().includes(text.toLowerCase().trim()),
  );
  const groups = GROUPS.map((name) => [
    name,
    wanted.filter(({ path }) => groupOf(path) === name),
  ]).filter(([, routes]) => routes.length > 0);
  fill(
    list,
    groups.length > 0
      ? groups.map(([name, routes]) => group(name, routes))
      : h("p", { class: "quiet" }, t("none")),
  );
}

function groupOf(path) {
  return GROUPS.find((name) => path.startsWith(`/api/${name}/`)) ?? "other";
}

function group(name, routes) {
  return h("section", {}, h("h2", {}, t(`group_${name}`)), routes.map(route));
}

function route(operation) {
  const { method, path, summary, description, parameters = [], requestBody, responses } = operation;
  const body = h("div", { class: "route-body" });
  const details = h(
    "details",
    { class: "card route", id: operation.operationId },
    h(
      "summary",
      {},
      h("span", { class: `method method-${method}` }, method.toUpperCase()),
      h("code", {}, path),
      h("span", { class: "quiet", lang: "en" }, summary),
    ),
    body,
  );
  details.addEventListener("toggle", () => {
    if (!details.open || body.childNodes.length > 0) return;
    fill(
      body,
      description && h("p", { lang: "en" }, description),
      parameters.length > 0 && [
        h("h3", {}, t("parameters")),
        rows(
          parameters.map((one) => [
            one.name,
            `${one.in} · ${typeOf(one.schema)}`,
            one.description,
            one.required,
          ]),
        ),
      ],
      requestBody &&
        Object.entries(requestBody.content).map(([type, { schema }]) => [
          h("h3", {}, `${t("body")} `, h("code", {}, type)),
          fields(schema),
        ]),
      h("h3", {}, t("answers")),
      Object.entries(responses).map(([status, answer]) => response(status, answer)),
    );
  });
  return details;
}

function response(status, answer) {
  const found = resolve(answer);
  const content = Object.entries(found.content ?? {});
  const schema = content.find(([type]) => type.includes("json"))?.[1].schema;
  const line = [
    h("b", { class: status < 400 ? "good" : "" }, status),
    " ",
    h("span", { lang: "en" }, found.description),
  ];
  if (!schema || status >= 400)
    return h(
      "p",
      { class: "answer" },
      line,
      schema && h("span", { class: "quiet" }, ` ${typeOf(schema)}`),
    );
  return h("details", { class: "answer" }, h("summary", {}, line), fields(schema));
}

function resolve(thing) {
  if (!thing?.$ref) return thing ?? {};
  return thing.$ref
    .split("/")
    .slice(1)
    .reduce((at, key) => at[key], spec);
}

/** The members of an object, those within them behind a point. */
function fields(schema) {
  const list = members(resolve(schema), "", 0);
  return list.length > 0 ? rows(list) : h("p", { class: "quiet" }, typeOf(schema));
}

function members(schema, before, depth) {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, given]) => {
    const found = resolve(given);
    const inner = found.type === "array" ? resolve(found.items) : found;
    const full = before + name;
    const row = [full, typeOf(given), found.description, required.includes(name)];
    const isDeeper = inner.properties && depth < DEPTH_MAX;
    return [
      row,
      ...(isDeeper
        ? members(inner, `${full}${found.type === "array" ? "[]" : ""}.`, depth + 1)
        : []),
    ];
  });
}

function typeOf(schema) {
  const name = schema?.$ref?.split("/").pop();
  const found = resolve(schema);
  if (found.enum) return found.enum.join(" | ");
  if ("const" in found) return JSON.stringify(found.const);
  const either = (found.anyOf ?? found.oneOf)?.map(typeOf).join(" | ");
  const plain = either ?? [found.type ?? "any"].flat().join(" | ");
  const of = found.type === "array" ? ` of ${typeOf(found.items)}` : "";
  const limits = [
    found.format,
    found.minimum !== undefined && `≥ ${found.minimum}`,
    found.maximum !== undefined && `≤ ${found.maximum}`,
  ].filter(Boolean);
  return `${name ? `${name}, ` : ""}${plain}${of}${limits.length > 0 ? ` (${limits.join(", ")})` : ""}`;
}

function rows(list) {
  const one = ([name, type, description, isRequired]) =>
    h(
      "div",
      {},
      h("dt", {}, h("code", {}, name), isRequired && h("span", { class: "needed" }, t("needed"))),
      h(
        "dd",
        { lang: "en" },
        h("span", { class: "quiet" }, type),
        description && h("span", {}, description),
      ),
    );
  return h("dl", { class: "fields" }, list.map(one));
}
