#!/usr/bin/env bash
# Builds the Worker into build/. Does nothing when nothing that goes into it has changed.
#
#   build.sh                the release
#   build.sh debug-routes   the same with routes that prove the build, into build-debug-routes/
#   build.sh debug-routes quick   and compiled in less time, where neither size nor speed is looked at
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

FEATURE=${1:-}
QUICK=${2:-}
OUT=build${FEATURE:+-$FEATURE}
STAMP=$OUT/.inputs

main() {
  case $FEATURE in
    # A server started by a test was given a fresh build; it must not rebuild under other tests.
    "") [ -z "${EDGE_QUEUE_BUILT:-}" ] || exit 0 ;;
    debug-routes) ;;
    *) die "usage: build.sh [debug-routes [quick]]" ;;
  esac
  if [ -n "$QUICK" ]; then export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16; fi
  if [ ! -x .tools/bin/worker-build ] || [ ! -d node_modules ]; then
    die "the tools are missing: run scripts/setup.sh first"
  fi
  one_at_a_time
  local wanted
  wanted=$(inputs)
  if [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ] && [ -s "$OUT/index_bg.wasm" ]; then return; fi
  rm -f "$STAMP"
  say "build: compiling the Worker into $OUT/ (about 3 min the first time, 30 s after a change)"
  compile
  printf '%s\n' "$wanted" > "$STAMP"
}

# The Worker includes nothing from outside these.
inputs() (
  shopt -s nullglob
  {
    cat .tools/rust-from
    echo "$QUICK"
    readlink .tools/bin/worker-build .tools/bin/wasm-bindgen
    find src migrations ./*.toml ./*.sql Cargo.lock package-lock.json scripts/build.sh scripts/env.sh scripts/lib/wasm.toml -type f |
      LC_ALL=C sort | xargs cksum
  } | cksum
)

compile() {
  if [ -t 2 ]; then worker_build; else logged build "The log names the error." worker_build; fi
}

# The standard library, which is built along, is asked for its small forms, too.
worker_build() {
  CARGO_TARGET_DIR="$EDGE_QUEUE_TARGET/wasm" RUSTFLAGS="$EDGE_QUEUE_WASM_RUSTFLAGS" \
    CARGO_UNSTABLE_BUILD_STD_FEATURES=optimize_for_size CARGO_UNSTABLE_PROFILE_RUSTFLAGS=true \
    with_wasm_rust worker-build --release --panic-unwind --out-dir "$OUT" . \
    --config scripts/lib/wasm.toml ${FEATURE:+--features "$FEATURE"} || return
  # Half of a build's time, and nobody uploads the other one.
  if [ -z "$FEATURE" ]; then shrink "$OUT/index_bg.wasm"; fi
}

# What rustc and wasm-bindgen use and workerd knows, and no newer encoding. Names of functions are a
# tenth of the size, and nobody reads them: a panic says its file and line. In the order of their
# names copies of one generic function lie side by side, where gzip sees that they are alike.
shrink() {
  local feature features=()
  for feature in mutable-globals sign-ext nontrapping-float-to-int bulk-memory multivalue \
    reference-types exception-handling; do
    features+=("--enable-$feature")
  done
  "$WASM_OPT_BIN" -O --reorder-functions-by-name --strip-debug "${features[@]}" "$1" -o "$1.small" && mv "$1.small" "$1"
}

# Two builds at once would mix their files. The lock ends with this process.
one_at_a_time() {
  mkdir -p "$OUT"
  command -v flock >/dev/null 2>&1 || return 0
  exec 9> .tools/build.lock
  flock 9
}

main
