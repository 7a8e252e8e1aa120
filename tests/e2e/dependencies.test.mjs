// What the product is made of: where each part comes from, and under which licence. deny.toml says what is
// allowed; `cargo deny check` says the same and knows advisories, where it can be had.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ROOT } from "../../scripts/lib/server.mjs";

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** The texts of a list in a TOML file. */
function list(toml, name) {
  const [, body] = new RegExp(`^${name} = \\[([^\\]]*)\\]`, "m").exec(toml);
  return [...body.matchAll(/"([^"]+)"/g)].map(([, text]) => text);
}

/** Whether a licence expression (SPDX) can be met with these licences. */
function isMet(expression, allowed) {
  const tokens = expression.replaceAll("/", " OR ").match(/\(|\)|[^\s()]+/g);
  const either = () => {
    let met = both();
    while (tokens[0] === "OR") met = [tokens.shift(), both()][1] || met;
    return met;
  };
  const both = () => {
    let met = one();
    while (tokens[0] === "AND") met = [tokens.shift(), one()][1] && met;
    return met;
  };
  const one = () => {
    if (tokens[0] === "(") {
      tokens.shift();
      const met = either();
      assert.equal(tokens.shift(), ")", expression);
      return met;
    }
    let licence = tokens.shift();
    if (tokens[0] === "WITH") licence = `${licence} ${tokens.shift()} ${tokens.shift()}`;
    return allowed.includes(licence);
  };
  const met = either();
  assert.deepEqual(tokens, [], expression);
  return met;
}

test("an_expression_is_met_by_what_is_allowed_and_by_nothing_else", () => {
  const allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"];
  const met = ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(GPL-3.0 OR MIT) AND Zlib",
    "Apache-2.0 WITH LLVM-exception OR GPL-3.0"];
  for (const expression of met) assert.ok(isMet(expression, allowed), expression);
  const unmet = ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT OR Zlib) AND (GPL-3.0 OR ISC)"];
  for (const expression of unmet) assert.ok(!isMet(expression, allowed), expression);
});

test("every_crate_comes_from_crates_io_under_a_licence_that_is_allowed", () => {
  const deny = read("deny.toml");
  const args = ["metadata", "--locked", "--format-version", "1"];
  const metadata = execFileSync("cargo", args, { cwd: ROOT, maxBuffer: 64 << 20 });
  const { packages } = JSON.parse(metadata);
  const theirs = packages.filter(({ source }) => source !== null);
  assert.ok(theirs.length > 100, String(theirs.length));
  const sources = list(deny, "allow-registry").map((url) => `registry+${url}`);
  const strange = theirs.filter(({ source }) => !sources.includes(source));
  assert.deepEqual(strange.map(({ id }) => id), [], "of another source");
  const allowed = list(deny, "allow");
  const refused = theirs.filter(({ license }) => !isMet(license ?? "none", allowed));
  assert.deepEqual(refused.map(({ name, license }) => `${name}: ${license}`), [], "of another licence");
  const banned = [...deny.matchAll(/crate = "([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(theirs.filter(({ name }) => banned.includes(name)), []);
  const own = packages.filter(({ source }) => source === null);
  const wild = own.flatMap(({ dependencies }) => dependencies).filter(({ req }) => req === "*");
  assert.deepEqual(wild.filter(({ path }) => path === undefined).map(({ name }) => name), []);
});

test("every_crate_is_locked_by_its_checksum", () => {
  const locked = read("Cargo.lock").split("[[package]]").slice(1);
  const theirs = locked.filter((entry) => entry.includes("source = "));
  assert.ok(theirs.length > 100);
  assert.deepEqual(theirs.filter((entry) => !/^checksum = "[0-9a-f]{64}"$/m.test(entry)), []);
});

/** What `npm audit --omit=dev` would look at: nothing that is served comes from npm. */
test("nothing_of_npm_is_served_and_every_tool_is_locked_by_its_hash", () => {
  const { dependencies } = JSON.parse(read("package.json"));
  assert.equal(dependencies, undefined);
  const { packages } = JSON.parse(read("package-lock.json"));
  const tools = Object.entries(packages).filter(([path]) => path !== "");
  assert.ok(tools.length > 50);
  for (const [path, { dev, integrity, resolved, optional }] of tools) {
    assert.ok(dev === true, `${path} would be served`);
    // Of the runtime for other systems than Linux npm keeps the version alone.
    const isElsewhere = optional && /workerd-(darwin|windows)/.test(path);
    if (!isElsewhere) assert.match(integrity, /^sha512-/, path);
    assert.equal(resolved, undefined, `${path} names a host`);
  }
});
