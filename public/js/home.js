// The first page: what this is, whether it is well, and where to go.

import { fill, h, icon, svg } from "./dom.js";
import { mode, page } from "./page.js";
import { add, t } from "./text.js";

add({
  claim: ["Pictures and videos from your own GPUs", "สร้างภาพและวิดีโอจาก GPU ของคุณเอง"],
  claim_help: [
    "A job queue at the edge in front of serverless GPUs. What it accepts is never lost, nothing is paid twice, and “ready” means that it can be downloaded.",
    "ระบบคิวงานที่ขอบเครือข่ายสำหรับ GPU แบบ serverless งานที่รับแล้วไม่สูญหาย ไม่คิดเงินซ้ำ และเมื่อแจ้งว่า “เสร็จแล้ว” ก็ดาวน์โหลดได้จริง",
  ],
  start: ["Edit a photo", "แต่งภาพถ่าย"],
  see_api: ["Read the API", "อ่านเอกสาร API"],
  edit_help: [
    "Change hair, clothes, light or place, and keep the person.",
    "เปลี่ยนทรงผม เสื้อผ้า แสง หรือฉากหลัง โดยคงใบหน้าเดิม",
  ],
  merch_help: [
    "A styled portrait of your pet on six products, from one photo.",
    "ภาพพอร์ตเทรตสัตว์เลี้ยงบนสินค้าหกแบบ จากภาพเดียว",
  ],
  video_help: [
    "Up to five seconds, from words or from a picture.",
    "วิดีโอยาวสูงสุดห้าวินาที จากคำบรรยายหรือภาพ",
  ],
  services: ["Make something", "เริ่มสร้าง"],
  health: ["Status", "สถานะปัจจุบัน"],
  mode: ["Mode", "โหมด"],
  version: ["Version", "เวอร์ชัน"],
  database: ["Database", "ฐานข้อมูล"],
  object_store: ["Files", "ที่เก็บไฟล์"],
  configuration: ["Configuration", "การตั้งค่า"],
  ok: ["Well", "ปกติ"],
  not_ok: ["Not well", "ผิดปกติ"],
  code: ["Or from a program", "หรือเรียกจากโปรแกรม"],
  code_help: [
    "One call is a job. It answers at once with the job’s id; ask for its status, listen to its events, or get a webhook.",
    "เรียกครั้งเดียวได้หนึ่งงาน ระบบตอบกลับทันทีพร้อมรหัสงาน จากนั้นถามสถานะ รับเหตุการณ์ หรือรับ webhook",
  ],
  key_help: [
    "This deployment asks for a key: put yours in the place of KEY.",
    "ระบบนี้ต้องใช้คีย์ กรุณาใส่คีย์ของคุณแทน KEY",
  ],
  copy: ["Copy", "คัดลอก"],
  copied: ["Copied", "คัดลอกแล้ว"],
  operators: ["For operators", "สำหรับผู้ดูแลระบบ"],
  operators_help: [
    "Throughput, success, times and cost; every job and what happened to it.",
    "ปริมาณงาน อัตราสำเร็จ เวลา และค่าใช้จ่าย พร้อมประวัติของทุกงาน",
  ],
  open_console: ["Open the console", "เปิดแผงควบคุม"],
});

const SERVICES = [
  ["/services/qwen-image-edit", "menu_edit", "edit_help", editArt],
  ["/services/pet-merch", "menu_merch", "merch_help", merchArt],
  ["/services/video", "menu_video", "video_help", videoArt],
];

page(draw);

function draw() {
  fill(
    document.querySelector("#main"),
    h(
      "section",
      { class: "hero" },
      h(
        "div",
        {},
        h("h1", {}, t("claim")),
        h("p", { class: "lead" }, t("claim_help")),
        h(
          "div",
          { class: "actions" },
          h("a", { class: "button main", href: SERVICES[0][0] }, t("start"), icon("arrow")),
          h("a", { class: "button", href: "/reference" }, t("see_api")),
        ),
      ),
      health(),
    ),
    h("section", {}, h("h2", {}, t("services")), h("ul", { class: "cards" }, SERVICES.map(card))),
    h("section", { class: "split" }, code(), operators()),
  );
}

function card([path, title, help, art]) {
  return h(
    "li",
    {},
    h(
      "a",
      { class: "card service", href: path },
      art(),
      h("strong", {}, t(title)),
      h("span", { class: "quiet" }, t(help)),
    ),
  );
}

function health() {
  const rows = h("dl", { class: "facts" });
  const one = (name, value, isGood) =>
    h(
      "div",
      {},
      h("dt", {}, t(name)),
      h("dd", { class: isGood === undefined ? "" : isGood ? "good" : "bad" }, value),
    );
  const show = (found) => {
    const checks = found?.checks ?? {};
    const state = (name) =>
      one(name, t(checks[name] === "ok" ? "ok" : "not_ok"), checks[name] === "ok");
    fill(
      rows,
      one("mode", t(found?.mode ?? "unwell")),
      state("configuration"),
      state("database"),
      state("object_store"),
      one("version", found?.version ?? "–"),
    );
  };
  mode().then(show);
  return h(
    "aside",
    { class: "card health", "aria-label": t("health") },
    h("h2", {}, t("health")),
    rows,
  );
}

function code() {
  const line = h("code", {});
  const help = h("p", { class: "quiet small" });
  const copied = h("span", { class: "sr-only", role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(line.textContent);
    copied.textContent = t("copied");
    fill(button, icon("check"), t("copied"));
  };
  const button = h("button", { type: "button", onclick: copy }, t("copy"));
  const show = (isLive) => {
    line.textContent = command(isLive);
    help.textContent = isLive ? t("key_help") : "";
  };
  show(false);
  mode().then((found) => show(found?.mode === "live"));
  return h(
    "div",
    { class: "card code" },
    h("h2", {}, t("code")),
    h("p", { class: "quiet" }, t("code_help")),
    h("pre", { tabindex: 0 }, line),
    help,
    h("div", { class: "actions" }, button, copied),
  );
}

export function command(isLive) {
  const key = isLive ? " -H 'authorization: Bearer KEY'" : "";
  return `curl -s ${location.origin}/api/queue/create${key} -H 'content-type: application/json' -d '{"prompt":"a red fox in the snow"}'`;
}

function operators() {
  return h(
    "div",
    { class: "card code" },
    h("h2", {}, t("operators")),
    h("p", { class: "quiet" }, t("operators_help")),
    h(
      "div",
      { class: "actions" },
      h("a", { class: "button", href: "/console" }, t("open_console"), icon("arrow")),
    ),
  );
}

function editArt() {
  return art(
    rect(22, 14, 58, 66, "soft"),
    rect(80, 14, 58, 66, "strong"),
    circle(51, 38, 11, "line"),
    path("M33 80c2-24 34-24 36 0", "line"),
    circle(109, 38, 11, "line-strong"),
    path("M91 80c2-24 34-24 36 0", "line-strong"),
    path("M80 8v78", "rule"),
  );
}

function merchArt() {
  return art(
    path(
      "M30 24h34v36a8 8 0 0 1-8 8H38a8 8 0 0 1-8-8zM64 32h8a7 7 0 0 1 7 7v4a7 7 0 0 1-7 7h-8",
      "line",
    ),
    path("M94 28l12-8h20l12 8 8 16-10 5-4-6v32h-32V43l-4 6-10-5z", "line-strong"),
    paw(47, 44, 3.5),
    paw(116, 50, 4),
  );
}

function videoArt() {
  return art(
    rect(24, 16, 112, 58, "soft"),
    path("M70 32v26l24-13z", "play"),
    path("M24 82h112", "rule-soft"),
    path("M24 82h46", "rule-strong"),
  );
}

function art(...shapes) {
  return svg("svg", { viewBox: "0 0 160 90", class: "art", "aria-hidden": "true" }, ...shapes);
}

function circle(cx, cy, r, look) {
  return svg("circle", { cx, cy, r, class: look });
}

function paw(x, y, r) {
  const toe = (dx, dy) => circle(x + dx * r, y - dy * r, r / 2, "dots");
  return svg("g", {}, circle(x, y, r, "dots"), toe(-1.5, 1.3), toe(0, 2), toe(1.5, 1.3));
}

function rect(x, y, width, height, look) {
  return svg("rect", { x, y, width, height, rx: 8, class: look });
}

function path(d, look) {
  return svg("path", { d, class: look });
}
