#!/bin/sh
# wrangler, as an account would answer that has nothing pending and one version; it writes down
# how it was called, beside itself. `secrets` holds the names that are set; what `broken` names
# fails as an account does that cannot be asked. `new`: nothing is deployed yet; `version`: what
# `versions view` says of the one that runs; `uploaded`: what the next one is called;
# `aborted`: an upload ends well and has uploaded nothing; `crons`: it fails behind the upload.
echo "$@" >> calls
if [ -e broken ] && case "$*" in "$(cat broken)"*) true ;; *) false ;; esac; then
  echo "Authentication error [code: 10000]" >&2
  exit 1
fi
case "$*" in
  whoami) [ -e nobody ] && echo "You are not authenticated. Please run \`wrangler login\`."; exit 0 ;;
  "secret put"*) echo "$3 has $(wc -c) bytes" >> calls ;;
  "secret list"*) [ -e secrets ] || { echo "Worker \"edge-queue\" not found." >&2; exit 1; }
    cat secrets ;;
  "deployments status"*) [ -e new ] && { echo "This Worker does not exist. [code: 10007]"; exit 1; }
    echo '{"versions": [{"version_id": "'$(cat runs 2>/dev/null || echo before-1)'", "percentage": 100}]}' ;;
  "versions view"*) cat version 2>/dev/null ||
    echo '{"resources": {"bindings": [{"type": "d1"}], "script_runtime": {"migration_tag": "v2"}}}' ;;
  "d1 info"*) [ -e made ] || { echo "Couldn't find a D1 DB with name or binding"; exit 1; }
    echo '{"uuid": "11111111-2222-4333-8444-555555555555"}' ;;
  "d1 create"*) touch made ;;
  "r2 bucket info"*) [ -e bucket ] || { echo "The bucket does not exist. [code: 10006]"; exit 1; } ;;
  "r2 bucket create"*) touch bucket ;;
  "r2 bucket lifecycle list"*) cat rules 2>/dev/null || echo "There are no lifecycle rules" ;;
  "r2 bucket lifecycle add"*) printf 'name:     %s\nenabled:  Yes\n\n' "$6" >> rules ;;
  "d1 migrations list"*) echo "0001_init.sql" ;;
  "deploy --dry-run"*) echo "[custom build] compiling the Worker" ;;
  "deploy --env"*) [ -e crons ] && echo uploaded-1 > runs && echo "schedules [code: 10000]" && exit 1
    [ -e aborted ] && echo "Aborting deploy..." && exit 0
    echo "Current Version ID: $(cat uploaded 2>/dev/null || echo uploaded-1)" ;;
esac
