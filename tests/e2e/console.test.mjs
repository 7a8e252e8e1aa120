import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { figures } from "../../public/js/figures.js";
import { PHONE, accessibility, sharedBrowser } from "./browser.mjs";
import { OPERATOR_KEY, eventually, sharedProduct } from "./harness.mjs";

const OPERATOR = { authorization: `Bearer ${OPERATOR_KEY}` };

const product = sharedProduct({ vars: { ADMIN_KEY: OPERATOR_KEY, GPU_USD_PER_SECOND: "0.00031" } });
const browser = sharedBrowser(product);

async function opened(t, options) {
  const page = await browser.visit(t, "/console", options);
  await page.getByLabel("Operator’s key").fill(OPERATOR_KEY);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("navigation", { name: "Console" }).waitFor();
  return page;
}

const create = (behaviour) =>
  product.create({ prompt: behaviour, labels: { simulate: behaviour } });

async function jobPage(page, id) {
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("searchbox").fill(id);
  await page.getByRole("searchbox").press("Enter");
  await page.getByRole("heading", { name: id }).waitFor();
}

const status = (page) => page.locator(".one-head .status");

test("a_wrong_key_opens_nothing_and_is_not_kept", async (t) => {
  const page = await browser.visit(t, "/console", { expected: ["401"] });
  await page.getByLabel("Operator’s key").fill("not the key");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("This key is not the operator’s.").waitFor();
  assert.deepEqual(await accessibility(page), []);
  assert.equal(
    await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })),
    "{}",
  );
});

test("figures_are_those_of_the_jobs_that_were_made", async (t) => {
  const made = await Promise.all(["plain", "plain", "plain", "fail"].map(create));
  await Promise.all(made.map((id) => product.ended(id)));
  await product.tick();
  const page = await opened(t);
  const stat = (name) => page.locator(".stat", { hasText: name }).locator(".value");
  const { body } = await product.call("GET", "/api/admin/metrics", undefined, OPERATOR);
  const all = figures(body, 24);
  assert.ok(all.jobs >= 4 && all.failed >= 1);
  assert.equal(await stat("Jobs").innerText(), String(all.jobs));
  assert.ok(all.execution.p50 > 1000 && all.execution.p50 <= 2000, `${all.execution.p50}`);
  assert.match(await stat("Cost per job").innerText(), /^\$0\.000\d/);
  const cost = page.locator(".stat", { hasText: /^Cost\s*\$/ }).locator(".value");
  assert.equal(await cost.innerText(), `$${all.cost.toFixed(4)}`);
  assert.equal(await page.locator(".chart").count(), 5);
  await page.getByText("As a table").first().click();
  await page
    .getByRole("cell", { name: String(all.succeeded) })
    .first()
    .waitFor();
  assert.deepEqual(await accessibility(page), []);
});

// An open console once read 40,000 rows every ten seconds.
test("counters_are_asked_once_a_minute_and_health_every_time", async (t) => {
  const page = await opened(t);
  await page.locator(".stats").waitFor();
  const answered = (path) => page.waitForResponse((answer) => answer.url().includes(path));
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const health = answered("/api/gpu/health");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await health;
  assert.ok(!asked.includes("/api/admin/metrics"), asked.join(" "));
  const counters = answered("/api/admin/metrics?hours=168");
  await page.getByLabel("7 days").check();
  await counters;
});

test("what_happened_to_a_failed_job_is_seen_and_it_is_tried_again", async (t) => {
  const id = await create("fail");
  await product.ended(id);
  const page = await opened(t);
  await jobPage(page, id);
  await page.getByText("Attempt 1: Failed").waitFor();
  await page.getByText("told by callback").waitFor();
  await page.getByText("the simulated GPU was told to fail").first().waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.getByRole("button", { name: "Try again" }).click();
  await eventually("another round", async () => (await product.job(id)).round === 2);
});

test("what_a_caller_was_told_is_seen_and_told_again", async (t) => {
  const told = [];
  const receiver = createServer((request, response) => {
    told.push(request.headers["webhook-id"]);
    response.writeHead(204).end();
  });
  t.after(() => receiver.close());
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const events = { webhook_url: url, webhook_events_filter: ["job.succeeded"] };
  const id = await product.create({ prompt: "told", ...events });
  await product.ended(id);
  await eventually("the caller is told", () => told.length === 1);
  const page = await opened(t);
  await jobPage(page, id);
  const delivery = page.locator(".deliveries li");
  await delivery.getByText("Delivered").waitFor();
  await page.getByText("Caller told: job.succeeded").waitFor();
  assert.deepEqual(await accessibility(page), []);
  await delivery.getByRole("button", { name: "Tell again" }).click();
  await page.getByText("Told again: 1.").waitFor();
  await eventually("the caller is told again", () => told.length === 2);
  assert.equal(told[0], told[1]);
});

test("a_running_job_is_recovered_and_canceled", async (t) => {
  const id = await create("slow");
  const page = await opened(t);
  await jobPage(page, id);
  await page.getByRole("button", { name: "Recover" }).click();
  await page.getByText("Its watcher was woken.").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await eventually("it is canceled", async () => (await status(page).innerText()) === "Cancelled");
});

test("jobs_are_found_by_status_template_and_caller", async (t) => {
  await product.ended(await create("fail"));
  await product.ended(await create("plain"));
  const page = await opened(t, PHONE);
  await page.getByRole("link", { name: "Jobs" }).click();
  await page.getByRole("combobox", { name: "Status" }).selectOption("failed");
  const statuses = page.locator("tbody .status");
  await eventually(
    "only failed ones",
    async () => new Set(await statuses.allInnerTexts()).size === 1,
  );
  assert.equal(await statuses.first().innerText(), "Failed");
  await page.getByRole("combobox", { name: "Template" }).selectOption("qwen-image-edit");
  await page.getByText("No job matches.").waitFor();
  await page.getByRole("combobox", { name: "Template" }).selectOption("");
  await page.getByRole("searchbox").fill("anonymous");
  await page.getByRole("searchbox").press("Enter");
  await statuses.first().waitFor();
  assert.deepEqual(await accessibility(page), []);
});

test("a_list_leads_to_a_job_and_back_and_the_keyboard_goes_along", async (t) => {
  const id = await create("plain");
  await product.ended(id);
  const page = await opened(t);
  await page.getByRole("link", { name: "Jobs" }).click();
  const row = page.locator(`a[href="#job=${id}"]`);
  await row.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: id }).waitFor();
  await page.keyboard.press("Tab");
  const focused = page.locator(":focus");
  assert.equal(await focused.innerText(), "Back to the list");
  await page.keyboard.press("Enter");
  await row.waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused.getAttribute("type"), "search");
  await page.goBack();
  await page.getByRole("heading", { name: id }).waitFor();
});

test("submission_is_paused_and_goes_on", async (t) => {
  const page = await opened(t);
  page.on("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Pause submission" }).click();
  await page.getByText("Paused since").waitFor();
  const id = await create("plain");
  await eventually("it waits", async () => (await product.job(id)).wait_reason);
  await page.getByRole("button", { name: "Resume submission" }).click();
  await product.succeeded(id, { limitMs: 90_000 });
});
