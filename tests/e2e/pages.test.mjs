import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { DESK, PHONE, accessibility, sharedBrowser, tooSmall } from "./browser.mjs";
import { sharedProduct } from "./harness.mjs";
import { png } from "./pictures.mjs";
import { ROOT } from "../../scripts/lib/server.mjs";

const PAGES = [
  "/",
  "/services/qwen-image-edit",
  "/services/pet-merch",
  "/services/video",
  "/reference",
  "/console",
];
const SERVICE_PAGE_BYTES_MAX = 150_000;

const product = sharedProduct();
const browser = sharedBrowser(product);

/** Until its scripts have drawn it. */
async function drawn(page) {
  await page.locator("#bar .badge-simulated").waitFor();
  await page.waitForLoadState("networkidle");
}

/** What moved although nobody had touched the page. */
function moved(page) {
  return page.evaluate(async () => {
    const found = [];
    const note = (list) =>
      list
        .getEntries()
        .filter(({ hadRecentInput }) => !hadRecentInput)
        .forEach(({ value, sources }) =>
          found.push([value, ...sources.map(({ node }) => node?.id || node?.className)]),
        );
    new PerformanceObserver(note).observe({ type: "layout-shift", buffered: true });
    for (let frames = 0; frames < 3; frames += 1)
      await new Promise((resolve) => requestAnimationFrame(resolve));
    return found;
  });
}

describe("every_page_can_be_used_by_everybody", { concurrency: 3 }, () => {
  const LOOKS = {
    "a desk, in light": { ...DESK, colorScheme: "light", locale: "en-US" },
    "a phone, in the dark, in Thai": { ...PHONE, colorScheme: "dark", locale: "th-TH" },
  };
  for (const path of PAGES) {
    for (const [look, options] of Object.entries(LOOKS)) {
      test(`${path} at ${look}`, async (t) => {
        const page = await browser.visit(t, path, options);
        await drawn(page);
        assert.deepEqual(await moved(page), []);
        assert.deepEqual(await accessibility(page), []);
        const [wide, window] = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          innerWidth,
        ]);
        assert.ok(wide <= window, `it is ${wide} pixels wide in a window of ${window}`);
        assert.equal(await page.locator("html").getAttribute("lang"), options.locale.slice(0, 2));
        if (options.hasTouch) assert.deepEqual(await tooSmall(page), []);
      });
    }
  }
});

test("every_page_forbids_scripts_and_styles_that_are_not_files_of_ours", async () => {
  for (const path of PAGES) {
    const answer = await product.fetch(path);
    const policy = answer.headers.get("content-security-policy");
    assert.equal(answer.status, 200, path);
    assert.match(policy, /^default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  }
});

test("the_line_on_the_first_page_makes_a_job", async (t) => {
  const page = await browser.visit(t, "/");
  await drawn(page);
  const line = await page.locator(".code code").innerText();
  const { stdout } = await promisify(execFile)("sh", ["-c", line]);
  await product.succeeded(JSON.parse(stdout).job_id);
});

test("the_reference_shows_every_route_of_openapi_json", async (t) => {
  const page = await browser.visit(t, "/reference");
  await page.locator("#create").waitFor();
  const { paths } = (await product.call("GET", "/openapi.json")).body;
  const count = Object.values(paths).flatMap((verbs) =>
    Object.keys(verbs).filter((verb) => verbs[verb].responses),
  ).length;
  assert.equal(await page.locator(".route").count(), count);
  await page.getByRole("searchbox").fill("events");
  await page.locator("#events summary").first().click();
  await page.getByRole("heading", { name: "Answers" }).waitFor();
  assert.ok((await page.locator(".route").count()) < count);
  assert.deepEqual(await accessibility(page), []);
});

test("a_pet_is_shown_on_six_products_from_one_job", async (t) => {
  const page = await browser.visit(t, "/services/pet-merch");
  await page
    .locator("#input-image")
    .setInputFiles({ name: "cat.png", mimeType: "image/png", buffer: png(96, 96) });
  await page.getByLabel("Watercolour").check();
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("heading", { level: 2, name: "Ready" }).waitFor();
  assert.equal(await page.locator(".products li").count(), 6);
  await page.getByRole("button", { name: "Zoom: Mockup: mug" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download: Mockup: mug" }).click(),
  ]);
  assert.ok((await readFile(await download.path())).length > 0);
  assert.deepEqual(await accessibility(page), []);
});

// The form once waited for the pictures of all six products, which nobody needs before pressing the button.
test("a_form_is_there_before_the_pictures_that_the_page_brings", async (t) => {
  const page = await browser.visit(t, "/", { expected: ["ERR_FAILED"] });
  await page.route("**/products/*.png", (route) => route.abort());
  await page.goto(`${product.url}/services/pet-merch`);
  await page.getByRole("button", { name: "Make it" }).waitFor();
  assert.equal(await page.locator(".tiles .is-filled").count(), 6);
});

test("a_video_is_made_from_words_or_from_a_picture", async (t) => {
  const page = await browser.visit(t, "/services/video", PHONE);
  await page.locator("#input-prompt").fill("a fox runs");
  await page.getByRole("button", { name: "Make the video" }).click();
  await page.getByRole("heading", { level: 2, name: "Ready" }).waitFor();
  await page.getByRole("radio", { name: "A picture" }).check();
  await page
    .locator("#input-image")
    .setInputFiles({ name: "cat.png", mimeType: "image/png", buffer: png(96, 96) });
  await page.locator("#input-prompt").fill("the cat yawns");
  await page.getByRole("button", { name: "Make the video" }).click();
  await page.locator(".tile").nth(1).waitFor();

  // 5 and 15 of the 20 that a session begins with are gone.
  await page.locator(".purse", { hasText: /15 credits\s*0 left/ }).waitFor();
  await page.getByRole("button", { name: "Make the video" }).click();
  await page.getByText("There are not enough credits for this.").waitFor();
  await page.getByRole("button", { name: "Get credits" }).click();
  const dialog = page.getByRole("dialog", { name: "Credits" });
  await dialog.getByText("Nothing is paid here").waitFor();
  assert.deepEqual(await accessibility(page), []);
  await dialog.getByRole("button", { name: "50" }).click();
  await dialog.getByText("Simulated purchase").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.locator(".purse", { hasText: "50 left" }).waitFor();
  await page.getByRole("button", { name: "Make the video" }).click();
  await page.locator(".tile").nth(2).waitFor();
});

test("a_page_chosen_in_thai_and_in_the_dark_stays_so", async (t) => {
  const page = await browser.visit(t, "/");
  await drawn(page);
  await page.getByRole("button", { name: "ภาษาไทย" }).click();
  await page.getByRole("button", { name: "โหมดมืด" }).click();
  await page.goto(`${product.url}/services/video`);
  await drawn(page);
  const root = page.locator("html");
  assert.deepEqual(
    [await root.getAttribute("lang"), await root.getAttribute("data-theme")],
    ["th", "dark"],
  );
});

test("the_service_page_weighs_at_most_150_kb", async (t) => {
  const page = await browser.visit(t, "/services/qwen-image-edit");
  await drawn(page);
  const names = await page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname),
  );
  const files = [...new Set(names)].filter((path) => !path.startsWith("/api/"));
  assert.ok(files.length > 5, files.join(" "));
  const contents = await Promise.all(
    ["/services/qwen-image-edit.html", ...files].map((path) =>
      readFile(join(ROOT, "public", path)),
    ),
  );
  const contract = await (await product.fetch("/api/templates/qwen-image-edit")).text();
  const weight = [...contents, contract].reduce(
    (sum, content) => sum + gzipSync(content).length,
    0,
  );
  assert.ok(weight <= SERVICE_PAGE_BYTES_MAX, `${weight} bytes`);
  t.diagnostic(`${weight} bytes in ${contents.length + 1} files`);
});
