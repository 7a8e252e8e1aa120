# The store of built tools: one folder per tool and version, complete or absent. Source this.
# shellcheck shell=bash

STORE=${EDGE_QUEUE_CACHE-${HOME:+$HOME/.cache/edge-queue}}
STORE=${STORE:-$EDGE_QUEUE_ROOT/.tools/store}
if ! mkdir -p "$STORE" 2>/dev/null || [ ! -w "$STORE" ]; then
  STORE=$EDGE_QUEUE_ROOT/.tools/store
  mkdir -p "$STORE"
fi
STORE=$(cd -P "$STORE" && pwd)

stored() { [ -d "$STORE/$1" ]; }

# store KEY builder arguments...: calls `builder FOLDER arguments...` with a folder of another name
# and renames it when it is complete: an interrupted build leaves nothing that looks finished.
store() {
  local key=$1 builder=$2 partial
  shift 2
  find "$STORE" -maxdepth 1 -name '.partial-*' -mtime +1 -exec rm -rf {} +
  partial=$(mktemp -d "$STORE/.partial-$key.XXXXXX")
  chmod 755 "$partial"
  "$builder" "$partial" "$@" || {
    rm -rf "$partial"
    return 1
  }
  # Another clone may have been first: its result is as good.
  if stored "$key" || ! mv "$partial" "$STORE/$key"; then rm -rf "$partial"; fi
  stored "$key"
}
