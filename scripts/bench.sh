#!/usr/bin/env bash
# What the product costs: sizes, rows, round trips and processor time; and how it does beside the
# self-hosted reference of the Comfy API. Prints tables, keeps them in target/bench/report.txt. About
# eight minutes when everything is built; Linux only. `scripts/bench.sh clients` does the last part alone.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

OUT=target/bench
CORE=(-p edge-queue --no-default-features --features testing)

main() {
  mkdir -p "$OUT"
  scripts/build.sh
  [ "${1:-}" = clients ] || costs
  reference
  node scripts/bench/start.mjs comfy/beside.mjs
  say "== the report is in $OUT/report.txt, after $SECONDS s"
}

costs() {
  scripts/build.sh debug-routes
  empty_worker
  step "the native benches, compiled" cargo bench --quiet "${CORE[@]}" --no-run
  cargo bench --quiet "${CORE[@]}" --bench statements > "$OUT/statements.json"
  cargo bench --quiet "${CORE[@]}" --bench judging > "$OUT/judging.json"
  node scripts/bench/start.mjs main.mjs "$OUT/statements.json" "$OUT/judging.json"
  printf '\n6. Native benches\n\n' | tee -a "$OUT/report.txt"
  cargo bench --quiet "${CORE[@]}" --bench template --bench workflow | tee -a "$OUT/report.txt"
}

# comfy-api-proxy and the official client, in an environment of their own.
reference() {
  local wanted stamp=$OUT/reference/.inputs list=scripts/bench/comfy/requirements.txt
  wanted=$(cksum < "$list")
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$OUT/reference"
  step "comfy-api-proxy and the official client" \
    logged reference "Is the Python package index reachable?" install_reference "$list"
  printf '%s\n' "$wanted" > "$stamp"
}

install_reference() {
  python3 -m venv "$OUT/reference" &&
    "$OUT/reference/bin/pip" install --quiet --disable-pip-version-check --requirement "$1"
}

# Built once; it changes with its own sources and the tools alone.
empty_worker() {
  local wanted stamp=$OUT/empty-worker/.inputs
  wanted=$(cat benches/empty-worker/Cargo.* benches/empty-worker/src/lib.rs scripts/env.sh \
    scripts/lib/wasm.toml .tools/rust-from | cksum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  step "an empty Worker, built the same way" logged empty-worker "The log names the error." build_empty
  printf '%s\n' "$wanted" > "$stamp"
}

build_empty() (
  local out=$PWD/$OUT/empty-worker config=$PWD/scripts/lib/wasm.toml
  cd benches/empty-worker
  CARGO_TARGET_DIR="$EDGE_QUEUE_TARGET/wasm" RUSTFLAGS="$EDGE_QUEUE_WASM_RUSTFLAGS" \
    CARGO_UNSTABLE_PROFILE_RUSTFLAGS=true \
    with_wasm_rust worker-build --release --panic-unwind --out-dir "$out" . --config "$config"
)

main "$@"
