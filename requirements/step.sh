#!/usr/bin/env bash
# requirements/step.sh WHAT COMMAND...: runs a long command that says too much. A line when it begins,
# one every ten seconds, one with the time it took; what it said only when it fails.
set -uo pipefail

what=$1
shift
log=$(mktemp)
# The ticker waits on a pipe that says nothing: a `sleep` would outlive an interrupt.
exec {silence}<> <(:)
(while ! read -rt 10 -u "$silence" && kill -0 $$; do echo "$what: $SECONDS s ..."; done) 2>/dev/null &
ticker=$!
trap 'kill $ticker 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "$what ..."
"$@" >"$log" 2>&1 && echo "$what: done in $SECONDS s" && exit 0
status=$?
cat "$log" >&2
echo "$what: failed" >&2
exit $status
