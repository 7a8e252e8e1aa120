import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { PHONE, accessibility, sharedBrowser } from "./browser.mjs";
import { OPERATOR_KEY, eventually, sharedProduct } from "./harness.mjs";
import { png } from "./pictures.mjs";

const PAGE = "/services/qwen-image-edit";
const PHOTO = { name: "photo.png", mimeType: "image/png", buffer: png(90, 120) };

const product = sharedProduct({ vars: { ADMIN_KEY: OPERATOR_KEY } });
const browser = sharedBrowser(product);

/** The jobs that the server knows of this person. */
async function jobs(page) {
  const token = await page.evaluate(() => JSON.parse(localStorage.getItem("eq.session")).token);
  const headers = { authorization: `Bearer ${token}` };
  const { body } = await product.call("GET", "/api/queue/list", undefined, headers);
  return Promise.all(body.data.map(({ id }) => product.job(id, headers)));
}

const file = (page) => page.locator("#input-image");
const make = (page) => page.getByRole("button", { name: "Make it" });
const heading = (page, name) => page.getByRole("heading", { level: 2, name });

async function fillIn(page, choice = "Short bob") {
  await file(page).setInputFiles(PHOTO);
  await page.getByText("90 × 120").waitFor();
  await page.getByLabel(choice).check();
}

/** What the page creates carries this label: the simulated GPU does as it says. */
async function simulate(page, behaviour) {
  await page.route("**/api/queue/create", (route) => {
    const body = { ...route.request().postDataJSON(), labels: { simulate: behaviour } };
    return route.continue({ postData: JSON.stringify(body) });
  });
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

// Each is a person of their own: several at a time.
describe("on_the_service_page", { concurrency: 3 }, () => {
  test("a_photo_becomes_a_result_that_is_compared_enlarged_and_downloaded", async (t) => {
    const page = await browser.visit(t, PAGE);
    await fillIn(page);
    await page.getByLabel("Thai temple").check();
    const told = page.locator(".instruction");
    assert.match(
      await told.innerText(),
      /^Change the hair to a short bob cut\. Replace the background/,
    );
    const shown = (await told.innerText()).replace(/\s+/g, " ");
    await make(page).click();

    await heading(page, "Ready").waitFor();
    const [job] = await jobs(page);
    assert.equal(job.status, "succeeded");
    assert.deepEqual(job.credits, { price: 1, state: "spent" });
    await page.locator(".purse", { hasText: /1 credit\s*19 left/ }).waitFor();
    assert.deepEqual([job.inputs.hair, job.inputs.background], ["bob", "thai_temple"]);
    assert.match(shown, /Keep the identity of the person exactly as in image 1/);

    await page.getByRole("slider").press("ArrowRight");
    assert.equal(await page.getByRole("slider").inputValue(), "51");
    await page.getByRole("button", { name: "Zoom" }).click();
    // Enlarged it once showed its upper left corner, which was empty, whatever had been looked at.
    const pane = page.locator(".zoom-pane");
    const middle = () =>
      pane.evaluate((e) => (e.scrollTop + e.clientHeight / 2) / e.scrollHeight);
    await page.getByRole("button", { name: "Larger" }).click();
    assert.ok((await pane.evaluate((e) => e.scrollHeight / e.clientHeight)) > 1.4);
    assert.ok(Math.abs((await middle()) - 0.5) < 0.01);
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Download" }).click(),
    ]);
    const [output] = job.outputs;
    const saved = await readFile(await download.path());
    const served = Buffer.from(await (await product.fetch(output.url)).arrayBuffer());
    assert.equal(download.suggestedFilename(), output.name);
    assert.equal(saved.length, output.size_bytes);
    assert.equal(sha256(saved), sha256(served));
    assert.deepEqual([output.width, output.height], [90, 120]);
  });

  test("progress_is_seen_with_a_preview_that_is_marked", async (t) => {
    const page = await browser.visit(t, PAGE);
    await simulate(page, "slow");
    await fillIn(page);
    await make(page).click();
    await heading(page, "At work").waitFor();
    const bar = page.locator("#stage").getByRole("progressbar");
    await page.locator("#stage").getByRole("img", { name: "Preview" }).waitFor();
    assert.equal(await page.locator(".stage-picture img").count(), 0, "nothing without the mark");
    await eventually(
      "the bar moves",
      async () => Number(await bar.getAttribute("aria-valuenow")) > 0,
    );
    assert.deepEqual(await accessibility(page), []);
    await page.getByRole("button", { name: "Cancel" }).click();
    await heading(page, "Cancelled").waitFor();
  });

  test("the_mark_of_a_preview_is_in_its_pixels_everywhere_and_the_preview_is_small", async (t) => {
    const page = await browser.visit(t, PAGE);
    const { sides, unmarked } = await page.evaluate(async () => {
      const { marked } = await import("/js/watermark.js");
      const plain = new OffscreenCanvas(1280, 960);
      const paint = plain.getContext("2d");
      paint.fillStyle = "rgb(40 90 160)";
      paint.fillRect(0, 0, 1280, 960);
      const { canvas } = (await marked(await plain.convertToBlob(), "Preview")).getContext("2d");
      const { width, height } = canvas;
      const unmarked = [];
      for (let x = 0; x < 4; x += 1)
        for (let y = 0; y < 4; y += 1) {
          const part = [(x * width) / 4, (y * height) / 4, width / 4, height / 4];
          const { data } = canvas.getContext("2d").getImageData(...part);
          let changed = 0;
          for (let at = 0; at < data.length; at += 4) changed += Math.abs(data[at] - 40) > 40;
          if (changed < data.length / 4 / 50) unmarked.push([x, y, changed]);
        }
      return { sides: [width, height], unmarked };
    });
    assert.deepEqual(sides, [640, 480]);
    assert.deepEqual(unmarked, []);
  });

  test("a_reload_in_the_middle_of_a_job_finds_it_again_and_what_was_filled_in", async (t) => {
    const page = await browser.visit(t, PAGE);
    await simulate(page, "slow");
    await fillIn(page, "Blonde");
    await make(page).click();
    await heading(page, "At work").waitFor();
    const [before] = await jobs(page);

    await page.reload();
    await heading(page, "At work").waitFor();
    assert.ok(await page.getByLabel("Blonde").isChecked());
    await page.getByText("90 × 120").waitFor();
    assert.equal(await page.locator(".tile").count(), 1);
    await page.getByRole("button", { name: "Cancel" }).click();
    await heading(page, "Cancelled").waitFor();
    const after = await jobs(page);
    assert.deepEqual(
      after.map(({ id }) => id),
      [before.id],
    );
  });

  test("a_double_click_makes_one_job", async (t) => {
    const page = await browser.visit(t, PAGE);
    await fillIn(page);
    await make(page).dblclick();
    await heading(page, "Ready").waitFor();
    assert.equal((await jobs(page)).length, 1);
  });

  // The server had accepted the job when the answer was lost on its way back.
  test("a_lost_answer_makes_one_job_that_the_page_finds_by_its_key", async (t) => {
    const page = await browser.visit(t, PAGE, { expected: ["net::ERR_FAILED"] });
    let asked = 0;
    await page.route("**/api/queue/create", async (route) => {
      asked += 1;
      if (asked > 1) return route.continue();
      await route.fetch();
      return route.abort();
    });
    await fillIn(page);
    await make(page).click();
    await page.getByText("There is no connection.").waitFor();
    await heading(page, "Ready").waitFor();
    assert.equal(asked, 2);
    assert.equal((await jobs(page)).length, 1);
  });

  test("a_reload_before_the_answer_makes_one_job", async (t) => {
    const page = await browser.visit(t, PAGE);
    let accepted;
    const isAccepted = new Promise((resolve) => (accepted = resolve));
    await page.route("**/api/queue/create", async (route) => {
      await route.fetch();
      accepted();
    });
    await fillIn(page);
    await make(page).click();
    await isAccepted;
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.reload();
    await heading(page, "Ready").waitFor();
    assert.equal((await jobs(page)).length, 1);
  });

  test("who_goes_offline_is_told_and_catches_up", async (t) => {
    const page = await browser.visit(t, PAGE, { expected: ["ERR_INTERNET_DISCONNECTED"] });
    await simulate(page, "slow");
    await fillIn(page);
    await make(page).click();
    await heading(page, "At work").waitFor();
    await page.context().setOffline(true);
    await page.getByText("You are offline.").waitFor();
    await page.context().setOffline(false);
    await page.getByText("You are offline.").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Cancel" }).click();
    await heading(page, "Cancelled").waitFor();
  });

  test("a_file_that_cannot_be_used_is_refused_before_anything_is_sent", async (t) => {
    const FILES = [
      ["text/plain", Buffer.from("words"), /Choose PNG, JPEG, WEBP/],
      ["image/png", Buffer.alloc(7_000_001), /at most 7 MB/],
      ["image/png", PHOTO.buffer.subarray(0, 60), /cannot be read/],
      ["image/png", png(20, 20), /each side needs 32 pixels/],
      ["image/png", png(400, 40), /at most 4 to 1/],
    ];
    const page = await browser.visit(t, PAGE);
    const sent = [];
    page.on("request", (request) => {
      const isSession = request.url().endsWith("/session");
      if (request.method() === "POST" && !isSession) sent.push(request.url());
    });
    const wrong = page.locator(".file .wrong").first();
    for (const [mimeType, buffer, says] of FILES) {
      await file(page).setInputFiles({ name: "given", mimeType, buffer });
      await wrong.filter({ hasText: says }).waitFor();
      await make(page).click();
      await wrong.filter({ hasText: "Choose a file here first." }).waitFor();
    }
    assert.deepEqual(sent, []);
  });

  // Whoever photographs with a telephone has such a file and no program to scale it down.
  test("a_photo_that_is_too_large_is_made_smaller_and_used", async (t) => {
    const page = await browser.visit(t, PAGE);
    const buffer = png(1500, 1600);
    assert.ok(buffer.length > 7_000_000);
    await file(page).setInputFiles({ ...PHOTO, buffer });
    await page.getByText(/1500 × 1600 · .* MB · made smaller to fit/).waitFor();
    await page.getByLabel("Short bob").check();
    await make(page).click();
    await heading(page, "Ready").waitFor();
    const [output] = (await jobs(page))[0].outputs;
    assert.deepEqual([output.width, output.height], [1500, 1600]);
  });

  test("a_form_without_a_wish_says_so_and_goes_there", async (t) => {
    const page = await browser.visit(t, PAGE);
    await file(page).setInputFiles(PHOTO);
    await page.getByText("90 × 120").waitFor();
    await make(page).click();
    await page.getByText("Choose at least one change, or write your own.").waitFor();
    await page.getByLabel("As in the second picture").check();
    await make(page).click();
    await page.getByText("The choice under “Clothes” needs this picture.").waitFor();
    assert.deepEqual(await accessibility(page), []);
  });

  test("what_the_server_refuses_stands_at_its_field", async (t) => {
    const page = await browser.visit(t, PAGE, { expected: ["422"] });
    await page.route("**/api/queue/create", (route) => {
      const body = route.request().postDataJSON();
      body.inputs.steps = 99;
      return route.continue({ postData: JSON.stringify(body) });
    });
    await fillIn(page);
    await make(page).click();
    await page.getByText("Some of it cannot be used.").waitFor();
    const steps = page.getByLabel("Steps");
    assert.equal(await steps.getAttribute("aria-invalid"), "true");
    assert.ok(await steps.isVisible());
  });

  test("a_failed_job_says_why_and_is_tried_again", async (t) => {
    const page = await browser.visit(t, PAGE);
    await simulate(page, "fail");
    await fillIn(page);
    await make(page).click();
    await heading(page, "It did not work").waitFor();
    await page.getByText("The GPU broke off.").waitFor();
    await page.getByText("the simulated GPU was told to fail").waitFor();
    await page.getByText("Nothing was paid: 1 credit given back.").waitFor();
    await page.locator(".purse", { hasText: "20 left" }).waitFor();
    assert.deepEqual(await accessibility(page), []);
    await page.getByRole("button", { name: "Try again" }).click();
    await heading(page, "It did not work").waitFor();
    await eventually("another round", async () => (await jobs(page))[0].round === 2);
  });

  test("a_picture_is_dropped_and_pasted", async (t) => {
    const page = await browser.visit(t, PAGE);
    await file(page).waitFor({ state: "attached" });
    const give = (kind) =>
      page.evaluate(
        ({ kind, bytes }) => {
          const data = new DataTransfer();
          data.items.add(new File([Uint8Array.from(bytes)], `${kind}.png`, { type: "image/png" }));
          const zone = document.querySelector(".zone");
          const event =
            kind === "drop"
              ? new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
              : new ClipboardEvent(kind, { clipboardData: data, bubbles: true });
          zone.dispatchEvent(event);
        },
        { kind, bytes: [...PHOTO.buffer] },
      );
    await give("drop");
    await page.getByText("drop.png").waitFor();
    await page.getByRole("button", { name: "Remove Photo" }).click();
    await page.getByText("drop.png").waitFor({ state: "detached" });
    await give("paste");
    await page.getByText("paste.png").waitFor();
  });

  test("the_keyboard_alone_makes_a_picture", async (t) => {
    const page = await browser.visit(t, PAGE);
    await file(page).setInputFiles(PHOTO);
    await page.getByText("90 × 120").waitFor();
    const focused = (what) => page.evaluate((what) => document.activeElement.matches(what), what);
    const to = async (what) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if (await focused(what)) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`Tab never comes to ${what}`);
    };
    await to("[name=hair]");
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.getByLabel("Long and straight").isChecked());
    await to("button[type=submit]");
    await page.keyboard.press("Enter");
    await heading(page, "Ready").waitFor();
    await to("a[download]");
  });

  test("in_thai_the_same_choices_make_the_same_english_instruction", async (t) => {
    const page = await browser.visit(t, PAGE, { locale: "th-TH", ...PHONE });
    await file(page).setInputFiles(PHOTO);
    await page.getByLabel("ผมบ๊อบสั้น").check();
    assert.match(
      await page.locator(".instruction").innerText(),
      /^Change the hair to a short bob cut\./,
    );
    await page.getByRole("button", { name: "สร้างภาพ" }).click();
    await heading(page, "เสร็จแล้ว").waitFor();
    await page.getByRole("button", { name: "English" }).click();
    await heading(page, "Ready").waitFor();
    assert.ok(await page.getByLabel("Short bob").isChecked());
  });

  test("where_events_do_not_come_through_the_page_asks", async (t) => {
    const page = await browser.visit(t, PAGE, { expected: ["502"] });
    await page.route("**/api/queue/events/**", (route) =>
      route.fulfill({ status: 502, body: "no streams here" }),
    );
    await fillIn(page);
    await make(page).click();
    await heading(page, "Ready").waitFor();
  });
});

test("who_waits_is_told_how_many_are_in_front", async (t) => {
  const operate = (verb) =>
    product.call("POST", `/api/admin/${verb}`, undefined, {
      authorization: `Bearer ${OPERATOR_KEY}`,
    });
  await operate("pause");
  t.after(() => operate("resume"));
  await product.create({ prompt: "the one in front" });
  const page = await browser.visit(t, PAGE);
  await fillIn(page);
  await make(page).click();
  await heading(page, "Waiting for a GPU").waitFor();
  await page.getByText("1 in front of you").waitFor();
  await operate("resume");
  await heading(page, "Ready").waitFor({ timeout: 90_000 });
});

// The last one: the product starts again without sessions.
test("where_no_sessions_are_given_the_page_says_whom_to_ask", async (t) => {
  await product.stop();
  await product.start({ SESSION_JOBS_PER_DAY: "0" });
  const page = await browser.visit(t, PAGE, { expected: ["403"] });
  await page.getByText("This site gives visitors no sessions at the moment.").waitFor();
  assert.deepEqual(await accessibility(page), []);
});
