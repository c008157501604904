#!/bin/sh
# Starts Triton with a new key. Without the key, a gRPC client can do no more than the dataflow does, and an HTTP
# client can only ask for health. TRITON_KEY_FILE holds the key for the person who manages the models.
#
# A model instance passes tensors through 64 MB of /dev/shm. The Python backend begins with 1 MB, and may crash the
# server when it needs more while requests run (triton-inference-server/server, issue 8882).
set -eu
file=${TRITON_KEY_FILE:-/tmp/triton.key}
umask 077
rm -f "$file"
head -c 24 /dev/urandom | base64 >"$file"
key=driftline-key=$(cat "$file")
closed=shared-memory,model-repository,statistics,trace,logging
exec tritonserver "$@" \
    --backend-config=python,shm-default-byte-size=67108864 \
    "--grpc-restricted-protocol=$closed:$key" \
    "--http-restricted-api=metadata,inference,model-config,$closed:$key"
