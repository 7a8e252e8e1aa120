// Sizes of what is uploaded, ours and the least a Worker in Rust can be.

import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "../lib/server.mjs";

const BUILDS = { ours: "build", "empty Worker": "target/bench/empty-worker" };
/** The most that a build may weigh: 1 MB compressed, Wasm and glue together. */
export const GZIP_BYTES_MAX = 1_000_000;

/** `[[build, wasm, wasm gzip, glue, glue gzip, in all gzip], …]` in bytes. */
export function sizes() {
  return Object.entries(BUILDS).map(([name, folder]) => {
    const files = ["index_bg.wasm", "index.js"].map((file) => join(ROOT, folder, file));
    const [wasm, glue] = files.map((file) => statSync(file).size);
    const [wasmGzip, glueGzip] = files.map(compressed);
    return [name, wasm, wasmGzip, glue, glueGzip, wasmGzip + glueGzip];
  });
}

/** By gzip itself: Node's own zlib is made for speed, and leaves a hundredth more at the same level. */
function compressed(file) {
  return execFileSync("gzip", ["-9nc", file], { maxBuffer: 1 << 26 }).length;
}
