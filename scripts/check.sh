#!/usr/bin/env bash
# The checks, by name: native (fast, no Cloudflare), wasm, deploy, e2e, panic,
# chaos. Runs those named.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

main() {
  [ $# -gt 0 ] || die "usage: check.sh native|wasm|deploy|e2e|panic|chaos..."
  local what
  for what in "$@"; do
    case $what in
      native) native ;;
      wasm) wasm ;;
      deploy) deploy ;;
      e2e) e2e ;;
      panic) panic ;;
      chaos) chaos ;;
      *) die "no such check: $what" ;;
    esac
  done
}

native() {
  command -v cargo >/dev/null 2>&1 || die "cargo is missing: run make setup"
  local core=(-p edge-queue --no-default-features --features testing)
  step "format" cargo fmt --all --check
  step "lints of the core" cargo clippy --quiet "${core[@]}" --all-targets -- -D warnings
  # ops uses the core without the Workers adapters: a stray `use worker` in the core ends here.
  step "lints of ops" cargo clippy --quiet -p ops --all-targets -- -D warnings
  step "tests of the core" cargo test --quiet "${core[@]}"
  step "tests of ops" cargo test --quiet -p ops
}

wasm() {
  step "lints of the Worker" wasm_clippy
}

wasm_clippy() {
  CARGO_TARGET_DIR="$EDGE_QUEUE_TARGET/wasm-check" with_wasm_rust \
    cargo clippy --quiet -p edge-queue --lib --target wasm32-unknown-unknown -- -D warnings
}

deploy() {
  local environment
  step "the operator's command line" cargo build --quiet -p ops
  for environment in staging production; do
    step "deploy to $environment, as a rehearsal" node scripts/lib/rehearse.mjs "$environment"
  done
}

e2e() {
  step "the operator's command line" cargo build --quiet -p ops
  step "black-box tests" \
    node --test --test-concurrency=2 --test-timeout=600000 "tests/e2e/*.test.mjs"
}

# The long form; a short one is among the black-box tests.
chaos() {
  step "the operator's command line" cargo build --quiet -p ops
  step "chaos on real workerd" node tests/e2e/chaos/main.mjs
}

# Apart from the others because it needs a second build, with a route that panics.
panic() {
  step "build with debug routes" scripts/build.sh debug-routes quick
  step "a panic unwinds" node --test --test-timeout=600000 "tests/e2e/panic/*.test.mjs"
}

main "$@"
