import assert from "node:assert/strict";
import { test } from "node:test";

import { sharedBrowser } from "./browser.mjs";
import { sharedProduct } from "./harness.mjs";

const PAGE = "/services/qwen-image-edit";
const SITE_KEY = "1x00000000000000000000AA";
const GIVEN = "XXXX.DUMMY.TOKEN.XXXX";

const product = sharedProduct({
  vars: {
    TURNSTILE_SECRET: "1x0000000000000000000000000000000AA",
    TURNSTILE_SITE_KEY: SITE_KEY,
  },
});
const browser = sharedBrowser(product);

/** Cloudflare is not reachable from here: its script, and its word, are played. */
async function cloudflare(page, script) {
  const asked = [];
  await page.route("https://challenges.cloudflare.com/**", (route) =>
    route.fulfill({ contentType: "text/javascript", body: script }),
  );
  await page.route("**/api/session", async (route) => {
    const body = route.request().postData();
    asked.push(body && JSON.parse(body).turnstile_token);
    if (!body) return route.continue();
    const session = { token: "eqs_a", expires_at_ms: Date.now() + 3_600_000 };
    return route.fulfill({ json: { ok: true, ...session } });
  });
  return asked;
}

test("a_page_passes_the_challenge_in_a_frame_and_sends_what_it_gave", async (t) => {
  // The first session is refused, and the one that is played opens nothing. A breach of the page's
  // policy is none of what is expected.
  const expected = ["https://challenges.cloudflare.com/", "403 (Forbidden)", "401 (Unauthorized)"];
  const page = await browser.visit(t, "about:blank", { expected });
  const asked = await cloudflare(
    page,
    `const show = () => passed(document.querySelector("[data-sitekey='${SITE_KEY}']") && "${GIVEN}");
     document.readyState === "loading" ? addEventListener("DOMContentLoaded", show) : show();`,
  );
  await page.goto(new URL(PAGE, product.url).href);
  await page.waitForFunction(() => localStorage.getItem("eq.session")?.includes("eqs_a"));
  assert.deepEqual(asked.slice(0, 2), [null, GIVEN]);
  await page.locator("iframe.challenge").waitFor({ state: "detached" });
});
