#!/usr/bin/env bash
# Rewrites the lock files from pyproject.toml, for CPython 3.10 to 3.12 on Linux. A locked version changes only if
# pyproject.toml requires it; `requirements/lock.sh --upgrade` takes the newest versions.
#
#   runtime.txt  what the dataflow needs, with Kafka, its registry, Delta Lake and tracing: the container image
#   export.txt   runtime.txt without tracing, and what the model export, the demo and the live page need, except torch
#   page.txt     what the live page needs: its container image
#   dev.txt      everything of both, and what the tests and checks need
#   torch.txt    torch alone, in a version that fits the other lock files
#   peers/*.txt  what a peer needs that the benchmarks measure; from peers/*.in, except torch
#
# Every package has hashes, so pip installs exactly the files that existed when the lock file was made:
#
#   pip install --no-deps --require-hashes -r requirements/export.txt
#   pip install -r requirements/torch.txt
#
# torch is the exception. It has a build with CUDA, whose metadata pins the CUDA libraries, and builds for CPUs. pip may
# take either, so torch is installed in a separate step, by version and without hashes.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile NAME [uv options] SOURCE: writes NAME.txt
    local name=$1 lock=requirements/$1.txt
    shift
    uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header --no-emit-index-url \
        --no-emit-find-links --generate-hashes --constraint requirements/torch.txt --output-file "$lock" "$@"
    [ "$name" != dev ] || write requirements/torch.txt pyproject.toml 'pip install -r' "$(grep -o '^torch==[^ ]*' "$lock")"
    # A requirement is a line; the indented lines below it are its hashes.
    write "$lock" "${*: -1}" 'pip install --no-deps --require-hashes -r' \
        "$(awk '!/^ / { left_out = /^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/ } !left_out' "$lock")"
}

write() { # write LOCK SOURCE COMMAND REQUIREMENTS
    printf '# Made by `make lock` from %s. Install with: %s %s\n%s\n' "$2" "$3" "$1" "$4" >"$1"
    echo "$1: $(grep -c == "$1") packages"
}

case " $* " in *" --upgrade "*) : >requirements/torch.txt ;; esac
# dev.txt comes first: the other lock files take its versions.
compile dev --extra backtest --extra delta --extra export --extra kafka --extra page --extra registry --extra tracing --group dev "$@" pyproject.toml
compile export --extra delta --extra kafka --extra export --extra page --constraint requirements/dev.txt pyproject.toml
compile page --extra delta --extra kafka --extra page --constraint requirements/dev.txt pyproject.toml
compile runtime --extra delta --extra kafka --extra registry --extra tracing --constraint requirements/dev.txt pyproject.toml
# Each peer of the benchmarks has an environment of its own. Its lock file does not depend on the others.
for peer in requirements/peers/*.in; do
    peer=${peer#requirements/}
    compile "${peer%.in}" "$@" "requirements/$peer"
done
