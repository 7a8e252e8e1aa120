#!/usr/bin/env bash
# Everything that must hold before a change is merged; .ci/run calls it.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

step "setup" scripts/setup.sh
# setup may have brought a first cargo or node: look again.
hash -r
scripts/check.sh native wasm
step "build" scripts/build.sh
scripts/check.sh deploy e2e panic
say "== all passed in $SECONDS s"
