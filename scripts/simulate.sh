#!/usr/bin/env bash
# The simulation, optimised, for as many jobs as asked: simulate.sh JOBS. Prints what was told.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh

jobs=${1:?usage: simulate.sh JOBS}
JOBS=$jobs cargo test --profile simulate -p edge-queue --no-default-features --features testing \
  --test it -- --nocapture whatever_goes_wrong
echo "== $jobs jobs asked for, $SECONDS s with the build"
