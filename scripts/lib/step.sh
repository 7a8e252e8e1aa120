# Headings, times and logs for the scripts. Source this.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step "what happens" command...: a heading, the command, and how long it took.
step() {
  local what=$1 began=$SECONDS status=0
  shift
  printf '== %s\n' "$what"
  "$@" || status=$?
  if [ "$status" -ne 0 ]; then
    printf '== FAILED after %d s: %s\n' $((SECONDS - began)) "$what" >&2
    return "$status"
  fi
  printf '== %d s: %s\n' $((SECONDS - began)) "$what"
}

# logged NAME "what to do if it fails" command...: on a terminal the command shows its own progress;
# otherwise it writes to .tools/log/NAME.log and a line now and then says that it is alive.
logged() {
  local name=$1 advice=$2 log status=0
  shift 2
  log=$EDGE_QUEUE_ROOT/.tools/log/$name.log
  mkdir -p "${log%/*}"
  if [ -t 2 ]; then
    "$@" 2>&1 | tee "$log" >&2 || status=$?
  else
    quietly "$name" "$log" "$@" || status=$?
  fi
  if [ "$status" -ne 0 ]; then
    tail -n 5 "$log" | sed 's/^/   | /' >&2
    printf 'error: %s failed (log: %s). %s\n' "$name" "${log#"$EDGE_QUEUE_ROOT"/}" "$advice" >&2
    return "$status"
  fi
}

# Ends a process and all its children. They stay in our process group, so that whoever ends that
# ends them too.
end_tree() {
  local child
  for child in $(pgrep -P "$1" 2>/dev/null); do end_tree "$child"; done
  kill "$1" 2>/dev/null || true
}

quietly() {
  local name=$1 log=$2 began=$SECONDS told=$SECONDS job
  shift 2
  "$@" >"$log" 2>&1 </dev/null &
  job=$!
  trap 'end_tree "$job"; exit 143' TERM HUP
  trap 'end_tree "$job"; exit 130' INT
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - told)) -ge 30 ]; then
      told=$SECONDS
      printf '   %s: still at it after %d s: %s\n' "$name" $((SECONDS - began)) \
        "$(tail -n 1 "$log" | cut -c 1-80)"
    fi
  done
  trap - TERM HUP INT
  wait "$job"
}
