#!/usr/bin/env bash
# Installs what a fresh machine lacks, and only that. Says what it does; nothing when all is there.
#
# Everything lands in .tools/ and node_modules/. What takes minutes to build is kept in
# ${EDGE_QUEUE_CACHE:-~/.cache/edge-queue} under its version, so that other clones need not build it
# again; EDGE_QUEUE_CACHE= (empty) keeps it inside this clone.
#
# EDGE_QUEUE_RUST=rustup|debian chooses where the compiler for wasm32 comes from; by default rustup
# where it can download, else Debian's packages.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh
. scripts/lib/store.sh
. scripts/lib/rust.sh
. scripts/lib/chromium.sh

WORKER_BUILD_VERSION=0.8.7

main() {
  mkdir -p .tools/bin .run
  require_node
  require_cc
  rust_for_wasm
  node_packages
  python_packages
  chromium_browser
  cargo_tool worker-build "$WORKER_BUILD_VERSION" worker-build
  cargo_tool wasm-bindgen-cli "$(locked_version wasm-bindgen)" wasm-bindgen
}

require_node() {
  command -v npm >/dev/null 2>&1 ||
    die "npm is missing: install Node.js 18 or newer (the project fetches its own with it)"
  local node=18
  if command -v node >/dev/null 2>&1; then node=$(node -p 'parseInt(process.versions.node)'); fi
  [ "$node" -ge 18 ] ||
    die "Node.js $node is too old to install the project's tools: 18 or newer is needed"
}

# SQLite for the native tests is compiled from C.
require_cc() {
  command -v cc >/dev/null 2>&1 && return
  apt_can || die "a C compiler is missing: install one (cc), then run this again"
  say "setup: installing a C compiler from the system's packages (about 20 s)"
  logged cc "Install a C compiler by hand." apt_install gcc libc6-dev
}

node_packages() {
  local wanted stamp=node_modules/.edge-queue
  wanted=$(cksum < package-lock.json)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  say "setup: installing node, wrangler and the rest from npm (about 30 s)"
  rm -f "$stamp"
  logged npm "Is the npm registry reachable? See 'npm ping'." npm ci --loglevel=error
  node_modules/.bin/node --version >/dev/null 2>&1 ||
    die "npm did not install 'node': are install scripts off (npm config get ignore-scripts)?"
  printf '%s\n' "$wanted" > "$stamp"
}

# The official Python clients of the Comfy API and of Standard Webhooks, and what checks our answers, for
# the black-box tests.
python_packages() {
  local wanted stamp=.tools/python/.edge-queue
  wanted=$(cksum < tests/e2e/sdk/requirements.txt)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  python3 -c 'import ensurepip, venv' 2>/dev/null || {
    apt_can || die "python3 with venv is missing: install Python 3.10 or newer, then run this again"
    say "setup: installing Python from the system's packages (about 20 s)"
    logged python-apt "Install python3 and python3-venv by hand." apt_install python3 python3-venv
  }
  say "setup: installing the official Python clients and schemathesis from PyPI (about 40 s)"
  rm -rf .tools/python
  logged python "Is the Python package index reachable?" python_install
  printf '%s\n' "$wanted" > "$stamp"
}

python_install() {
  python3 -m venv .tools/python &&
    .tools/python/bin/pip install --quiet --disable-pip-version-check \
      --requirement tests/e2e/sdk/requirements.txt
}

# The version of a crate in Cargo.lock: wasm-bindgen's command line must match its library exactly.
locked_version() {
  awk -v crate="\"$1\"" '
    $1 == "name" && $3 == crate { getline; gsub(/"/, "", $3); print $3; exit }' Cargo.lock
}

# cargo_tool CRATE VERSION BINARY
cargo_tool() {
  local crate=$1 version=$2 binary=$3 key
  [ -n "$version" ] || die "Cargo.lock does not name the version of $crate"
  key=$binary-$version-$(uname -s)-$(uname -m)
  stored "$key" || {
    say "setup: building $crate $version (about 4 min on 2 cores, once)"
    store "$key" build_cargo_tool "$crate" "$version" "$binary"
  }
  [ ".tools/bin/$binary" -ef "$STORE/$key/bin/$binary" ] ||
    ln -sfn "$STORE/$key/bin/$binary" ".tools/bin/$binary"
}

build_cargo_tool() {
  local into=$1 crate=$2 version=$3 binary=$4
  logged "$crate" "Is the crate registry reachable? The step can simply be repeated." \
    cargo_install --root "$into" --version "$version" --bin "$binary" "$crate"
}

# The author's own lock first; where a mirror lacks one of its versions, newer ones. Hardly
# optimised: they run for a second and are built for minutes.
cargo_install() {
  (
    unset CARGO_TARGET_DIR RUSTFLAGS RUSTC
    cd "$EDGE_QUEUE_ROOT/.tools" || exit
    export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1
    cargo install --locked "$@" || cargo install "$@"
  )
}

main "$@"
