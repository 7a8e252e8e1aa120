#!/usr/bin/env bash
# deploy.sh staging|production [--dry-run]: brings the environment's database up to date, then uploads
# the Worker. With --dry-run it shows what would be uploaded, bindings included; needs no account.
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/lib/step.sh

main() {
  local environment=${1:-}
  case $environment in
    staging | production) ;;
    *) die "deploy to where? ENV=staging or ENV=production, not ENV='$environment'" ;;
  esac
  case ${2:-} in
    --dry-run) wrangler deploy --dry-run --env "$environment" --outdir .run/deploy ;;
    "") deploy "$environment" ;;
    *) die "usage: deploy.sh staging|production [--dry-run]" ;;
  esac
}

# The database first: the Worker that still serves can live with a newer schema, a new Worker with an
# older one cannot.
deploy() {
  local environment=$1
  no_placeholders "$environment"
  # Whoever set it, what is uploaded is built from what lies here.
  unset EDGE_QUEUE_BUILT
  scripts/build.sh
  wrangler d1 migrations apply DB --remote --env "$environment"
  wrangler deploy --env "$environment"
}

# The Worker takes these for real values; a missing secret it reports itself.
no_placeholders() {
  local left
  left=$(sed -n "/^\[env\.$1\./,/^# ---/p" wrangler.toml |
    grep -E '"(https://replace-me\.invalid|00000000-.*)"' || true)
  [ -z "$left" ] || die "wrangler.toml still has placeholders for $1:"$'\n'"$left"
}

main "$@"
