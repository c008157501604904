#!/usr/bin/env bash
# Rewrites the locks from pyproject.toml, for CPython 3.10 to 3.12 on Linux. Takes an upgrade only where
# pyproject.toml asks for one; `requirements/lock.sh --upgrade` takes all there are.
#
#   runtime.txt  what the dataflow needs, with Kafka and tracing     (a container image)
#   export.txt   and what exports a model and runs the demo, but torch
#   dev.txt      and what tests and checks it
#   torch.txt    torch alone, of the same resolution
#
# Every package has its hashes, so that pip installs the files that were there when the lock was made:
#
#   pip install --no-deps --require-hashes -r requirements/export.txt
#   pip install -r requirements/torch.txt
#
# torch is the exception: it has a build with CUDA, which brings libraries that its metadata pins, and builds for
# CPUs. pip may take either build of torch, so torch has a version and no hash, in a step of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile NAME [uv options]: NAME.txt, in versions that agree with dev.txt
    local name=$1 lock=requirements/$1.txt
    shift
    uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header --no-emit-index-url \
        --no-emit-find-links --generate-hashes --constraint requirements/torch.txt --output-file "$lock" "$@" \
        pyproject.toml
    [ "$name" != dev ] || write requirements/torch.txt 'pip install -r' "$(grep -o '^torch==[^ ]*' "$lock")"
    # A requirement is a line, and its hashes are the indented lines below.
    write "$lock" 'pip install --no-deps --require-hashes -r' \
        "$(awk '!/^ / { left_out = /^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/ } !left_out' "$lock")"
}

write() { # write LOCK COMMAND REQUIREMENTS
    printf '# Made by `make lock` from pyproject.toml. Install with: %s %s\n%s\n' "$2" "$1" "$3" >"$1"
    echo "$1: $(grep -c == "$1") packages"
}

case " $* " in *" --upgrade "*) : >requirements/torch.txt ;; esac
compile dev --all-extras --group dev "$@"
compile export --extra kafka --extra export --constraint requirements/dev.txt
compile runtime --extra kafka --extra tracing --constraint requirements/dev.txt
