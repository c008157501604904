#!/usr/bin/env bash
# requirements/step.sh WHAT COMMAND...: runs a long command and hides its output. Prints one line at the start, one every
# ten seconds, and one with the duration at the end. If the command fails, its output is printed.
set -uo pipefail

what=$1
shift
log=$(mktemp)
# The ticker waits on a pipe that never has data. A `sleep` instead would go on running after an interrupt.
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
