// What a page costs its visitor: bytes, shifts of its layout, and how soon it can be used on a slow
// machine. `node scripts/bench/pages.mjs` measures this alone.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { chromium } from "playwright-core";

import { freePort } from "../lib/process.mjs";
import { ROOT, build, migrate, serve } from "../lib/server.mjs";
import { begin, say, table } from "./report.mjs";

/** A page's file, and what is there when it can be used. */
const PAGES = {
  "/": ["index.html", ".hero .button"],
  "/services/qwen-image-edit": ["services/qwen-image-edit.html", "button[type=submit]"],
  "/services/pet-merch": ["services/pet-merch.html", "button[type=submit]"],
  "/services/video": ["services/video.html", "button[type=submit]"],
  "/reference": ["reference.html", ".route"],
  "/console": ["console.html", "#key"],
};
/** As Lighthouse slows a desk's processor to a telephone's. */
const SLOWER = 4;
const TIMES = 5;
export const PAGE_BYTES_MAX = 150_000;

export async function showPages() {
  const state = mkdtempSync(join(tmpdir(), "edge-queue-bench-"));
  let server;
  let browser;
  try {
    await build();
    await migrate(state);
    server = await serve({ port: await freePort(), state, isolated: true });
    const executablePath = join(ROOT, ".tools/bin/chromium");
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
    const rows = [];
    for (const path of Object.keys(PAGES)) rows.push(await one(browser, server.url, path));
    const head = ["page", "files", "bytes, gzip -9", "usable after ms", "at most", "layout shift"];
    table("6. Pages on a telephone's screen, processor 4 times slower, nothing cached", head, rows);
    say(
      `at most ${PAGE_BYTES_MAX.toLocaleString("en-US")} bytes; times are the middle and the longest of ${TIMES}`,
    );
  } finally {
    await browser?.close();
    await server?.stop();
    rmSync(state, { recursive: true, force: true });
  }
}

async function one(browser, url, path) {
  const visits = [];
  for (let i = 0; i < TIMES; i += 1) visits.push(await visit(browser, url, path));
  const times = visits.map(({ usableMs }) => usableMs).sort((a, b) => a - b);
  const shift = Math.max(...visits.map(({ shift }) => shift)).toFixed(3);
  const [{ files, bytes }] = visits;
  return [path, files, bytes, times[TIMES >> 1], times.at(-1), shift];
}

async function visit(browser, url, path) {
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    isMobile: true,
    locale: "en-US",
  });
  const page = await context.newPage();
  const answers = [];
  page.on("response", (answer) => answers.push(answer));
  const [file, usable] = PAGES[path];
  // Looked at by a few lines of our own: what a test's tool loads into a page is 100 ms of its time.
  await page.addInitScript((what) => {
    globalThis.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        if (!entry.hadRecentInput) globalThis.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    const look = () => {
      if (document.querySelector(what)) globalThis.usableMs = performance.now();
      else requestAnimationFrame(look);
    };
    look();
  }, usable);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
  await page.goto(url + path);
  await page.waitForLoadState("networkidle");
  await page.waitForFunction("globalThis.usableMs");
  const { shift, usableMs } = await page.evaluate("({ shift, usableMs })");
  const bytes = (await Promise.all(answers.map((answer) => weight(answer, file)))).reduce(
    (sum, n) => sum + n,
    0,
  );
  await context.close();
  return { files: answers.length, bytes, usableMs, shift };
}

/** As Cloudflare sends it: compressed. */
async function weight(answer, page) {
  const path = new URL(answer.url()).pathname;
  const isFile = /\.\w+$/.test(path);
  const content = isFile
    ? readFileSync(join(ROOT, "public", path))
    : await answer.body().catch(() => readFileSync(join(ROOT, "public", page)));
  return gzipSync(content, { level: 9 }).length;
}

if (process.argv[1] === import.meta.filename) {
  begin();
  await showPages();
}
