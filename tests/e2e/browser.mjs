// A real browser on the product's pages.
//
//   const browser = sharedBrowser(product);
//   const page = await browser.visit(t, "/services/qwen-image-edit", { locale: "th-TH" });
//
// Each visit is a person of their own. When its test ends, nothing may have been written to the console
// as an error, and nothing asked of another origin.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before } from "node:test";

import { chromium } from "playwright-core";

import { ROOT } from "../../scripts/lib/server.mjs";

const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-component-update"];
/** A phone, and a desk. */
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
export const DESK = { viewport: { width: 1440, height: 900 } };

export function sharedBrowser(product) {
  const shared = new SharedBrowser(product);
  before(() => shared.begin());
  after(() => shared.browser?.close());
  return shared;
}

class SharedBrowser {
  constructor(product) {
    this.product = product;
  }

  async begin() {
    const executablePath = join(ROOT, ".tools/bin/chromium");
    this.browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  }

  /**
   * A fresh person on a page. `expected` are parts of console errors that the test provokes: a browser
   * notes every answer of 400 and above.
   */
  async visit(t, path, { expected = [], ...options } = {}) {
    const context = await this.browser.newContext({ locale: "en-US", ...DESK, ...options });
    const page = await context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(error.stack));
    page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      const isOwn = origin === this.product.url || ["blob:", "data:"].includes(protocol);
      if (!isOwn) wrong.push(`asked of another origin: ${request.url()}`);
    });
    t.after(async () => {
      await context.close();
      const unexpected = wrong.filter((text) => !expected.some((part) => text.includes(part)));
      assert.deepEqual(unexpected, []);
    });
    await page.goto(new URL(path, this.product.url).href);
    return page;
  }
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe-core finds wrong with the page as it stands; best practices included. */
export async function accessibility(page) {
  if (!(await page.evaluate("Boolean(globalThis.axe)")))
    await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate("axe.run(document)");
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
  );
}

const FINGER_PX = 44;

/** What a finger would miss: a press this far from its middle meets something else. Links in a text are let be. */
export function tooSmall(page) {
  return page.evaluate((side) => {
    const reach = side / 2 - 0.5;
    const targets = "a, button, select, summary, input, textarea, label[for]";
    const isMissed = (element) => {
      if (!element.checkVisibility() || element.matches(".skip, .hidden-input, p a")) return false;
      // A label is pressed where it stands for a control that is not seen.
      if (element.control && !element.control.matches(".hidden-input")) return false;
      element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
      const { left, top, width, height } = element.getBoundingClientRect();
      const label = element.labels?.[0];
      return [[0, -reach], [0, reach], [-reach, 0], [reach, 0]].some(([x, y]) => {
        const met = document.elementFromPoint(left + width / 2 + x, top + height / 2 + y);
        return !element.contains(met) && !label?.contains(met);
      });
    };
    return [...document.querySelectorAll(targets)]
      .filter(isMissed)
      .map((element) => element.outerHTML.slice(0, 120));
  }, FINGER_PX);
}
