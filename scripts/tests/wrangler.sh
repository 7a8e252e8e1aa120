#!/bin/sh
# wrangler, as an account would answer that has nothing pending and one version; it writes down
# how it was called, beside itself. `secrets` holds the names that are set.
echo "$@" >> calls
case "$*" in
  "secret put"*) echo "$3 has $(wc -c) bytes" >> calls ;;
  "secret list"*) cat secrets ;;
  "deployments status"*) echo '{"versions": [{"version_id": "before-1", "percentage": 100}]}' ;;
  "d1 info"*) [ -e made ] || exit 1; echo '{"uuid": "11111111-2222-4333-8444-555555555555"}' ;;
  "d1 create"*) touch made ;;
  "r2 bucket info"*) exit 1 ;;
  "d1 migrations list"*) echo "0001_init.sql" ;;
esac
