import { test } from "node:test";

import { accessibility, sharedBrowser } from "./browser.mjs";
import { sharedProduct } from "./harness.mjs";
import assert from "node:assert/strict";

const product = sharedProduct({ vars: { SESSION_JOBS_PER_DAY: "0" } });
const browser = sharedBrowser(product);

test("where_no_sessions_are_given_the_page_says_whom_to_ask", async (t) => {
  const page = await browser.visit(t, "/services/qwen-image-edit", { expected: ["403"] });
  await page.getByText("This site gives visitors no sessions at the moment.").waitFor();
  assert.deepEqual(await accessibility(page), []);
});
