# Source this: the project's tools first on PATH, and settings that every build and server shares.
# shellcheck shell=bash

EDGE_QUEUE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export EDGE_QUEUE_ROOT

case ":$PATH:" in
  *":$EDGE_QUEUE_ROOT/node_modules/.bin:"*) ;;
  *) PATH="$EDGE_QUEUE_ROOT/node_modules/.bin:$EDGE_QUEUE_ROOT/.tools/bin:$PATH" ;;
esac
# rustup's own folder, in case the shell that installed it was not restarted.
if ! command -v cargo >/dev/null 2>&1 && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
  PATH="$PATH:$HOME/.cargo/bin"
fi
export PATH

# With these set, worker-build downloads nothing.
export WASM_BINDGEN_BIN="$EDGE_QUEUE_ROOT/.tools/bin/wasm-bindgen"
export WASM_OPT_BIN="$EDGE_QUEUE_ROOT/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$EDGE_QUEUE_ROOT/node_modules/.bin/esbuild"

# wrangler: no questions, no telemetry, and no outside traffic while it serves locally.
export CI="${CI:-1}"
export WRANGLER_SEND_METRICS=false
export WRANGLER_SEND_ERROR_REPORTS=false
export WRANGLER_HIDE_BANNER=true
export CLOUDFLARE_CF_FETCH_ENABLED=false

# Every kind of build has its own folder: flags that differ would make each undo the other's work.
EDGE_QUEUE_TARGET="${CARGO_TARGET_DIR:-$EDGE_QUEUE_ROOT/target}"
case $EDGE_QUEUE_TARGET in /*) ;; *) EDGE_QUEUE_TARGET=$PWD/$EDGE_QUEUE_TARGET ;; esac
export EDGE_QUEUE_TARGET

# The same exception encoding from every compiler: newer nightlies changed the default.
export EDGE_QUEUE_WASM_RUSTFLAGS="-Cllvm-args=-wasm-use-legacy-eh"

# Runs a command with the compiler that can build for wasm32, as scripts/setup.sh found or made it.
with_wasm_rust() {
  if [ -e "$EDGE_QUEUE_ROOT/.tools/rust" ]; then
    local rust
    rust=$(cd -P "$EDGE_QUEUE_ROOT/.tools/rust" && pwd)
    PATH="$rust/bin:$PATH" RUSTC="$rust/bin/rustc" SYSROOT="$rust/sysroot" "$@"
  else
    "$@"
  fi
}
