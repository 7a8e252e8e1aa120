#!/usr/bin/env bash
# Everything that must hold before a change is merged; .ci/run calls it.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

# The Worker is compiled by one core for the most part: the native checks have the others meanwhile.
beside_native() {
  local log=.tools/log/worker.log pid status=0
  mkdir -p .tools/log
  { scripts/check.sh wasm && step "build" scripts/build.sh; } > "$log" 2>&1 &
  pid=$!
  trap 'end_tree "$pid"; exit 130' INT TERM
  scripts/check.sh native || status=$?
  if [ $status -ne 0 ]; then end_tree "$pid"; fi
  wait "$pid" || status=$?
  trap - INT TERM
  cat "$log"
  return $status
}

step "setup" scripts/setup.sh
# setup may have brought a first cargo or node: look again.
hash -r
beside_native
scripts/check.sh deploy e2e panic
say "== all passed in $SECONDS s"
