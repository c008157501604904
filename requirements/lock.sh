#!/usr/bin/env bash
# Rewrites the locks from pyproject.toml, one file for CPython 3.10 to 3.12 on Linux. Takes an upgrade
# only where pyproject.toml asks for one; `requirements/lock.sh --upgrade` takes all there are.
#
#   runtime.txt  what the dataflow needs, with Kafka and tracing     (a container image)
#   export.txt   and what exports a model and runs the demo
#   dev.txt      and what tests and checks it
#
# torch brings its CUDA libraries pinned to the byte, or none at all in a CPU build. They are left out
# here, and so are hashes, so that pip may take either build of the one torch version.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile NAME [uv options]: NAME.txt, in versions that agree with dev.txt
    local name=$1 lock=requirements/$1.txt
    shift
    uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header --no-emit-index-url \
        --no-emit-find-links --output-file "$lock" "$@" pyproject.toml
    sed -i -E '/^(nvidia-|cuda-|triton==)/d' "$lock"
    sed -i "1i # Made by \`make lock\` from pyproject.toml. Install with: pip install -r $lock" "$lock"
    echo "$lock: $(grep -c == "$lock") packages"
}

compile dev --all-extras --group dev "$@"
compile export --extra kafka --extra export --constraint requirements/dev.txt
compile runtime --extra kafka --extra tracing --constraint requirements/dev.txt
