// Plain text tables, on standard output and in target/bench/report.txt.

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

import { ROOT } from "../lib/server.mjs";

const FILE = join(ROOT, "target/bench/report.txt");

export function begin() {
  mkdirSync(join(ROOT, "target/bench"), { recursive: true });
  writeFileSync(FILE, "");
  const version = (name) => JSON.parse(readFileSync(join(ROOT, `node_modules/${name}/package.json`), "utf8")).version;
  const memory = Math.round(totalmem() / 2 ** 30);
  say(`machine: ${cpus().length} x ${cpus()[0].model.trim()}, ${memory} GiB, Linux ${release()}, load ${loadavg()[0].toFixed(1)}`);
  say(`workerd ${version("workerd")}, miniflare ${version("miniflare")}, node ${process.version}; all on loopback`);
}

export function say(line) {
  console.log(line);
  appendFileSync(FILE, `${line}\n`);
}

/** Texts to the left, numbers to the right. */
export function table(title, head, rows) {
  const text = [head, ...rows].map((row) => row.map((cell) => (typeof cell === "number" ? whole(cell) : String(cell))));
  const widths = head.map((_, i) => Math.max(...text.map((row) => row[i].length)));
  const isNumber = head.map((_, i) => rows.some((row) => typeof row[i] === "number"));
  const line = (row) => row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ").trimEnd();
  say(`\n${title}\n`);
  say(line(text[0]));
  say(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of text.slice(1)) say(line(row));
}

function whole(number) {
  return Math.round(number).toLocaleString("en-US");
}
