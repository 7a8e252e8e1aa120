// Sizes of what is uploaded, ours and the least a Worker in Rust can be.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { ROOT } from "../lib/server.mjs";

const BUILDS = { ours: "build", "empty Worker": "target/bench/empty-worker" };
/** The most that a build may weigh: 1 MB compressed, Wasm and glue together. */
export const GZIP_BYTES_MAX = 1_000_000;

/** `[[build, wasm, wasm gzip, glue, glue gzip, in all gzip], …]` in bytes. */
export function sizes() {
  return Object.entries(BUILDS).map(([name, folder]) => {
    const [wasm, glue] = ["index_bg.wasm", "index.js"].map((file) => readFileSync(join(ROOT, folder, file)));
    const [wasmGzip, glueGzip] = [wasm, glue].map((bytes) => gzipSync(bytes, { level: 9 }).length);
    return [name, wasm.length, wasmGzip, glue.length, glueGzip, wasmGzip + glueGzip];
  });
}
