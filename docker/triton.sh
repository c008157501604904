#!/bin/sh
# Starts Triton with a new key. Without the key, a gRPC client can do no more than the dataflow does, and an HTTP
# client can only ask for health. TRITON_KEY_FILE holds the key for the person who manages the models.
set -eu
file=${TRITON_KEY_FILE:-/tmp/triton.key}
umask 077
rm -f "$file"
head -c 24 /dev/urandom | base64 >"$file"
key=driftline-key=$(cat "$file")
closed=shared-memory,model-repository,statistics,trace,logging
exec tritonserver "$@" \
    "--grpc-restricted-protocol=$closed:$key" \
    "--http-restricted-api=metadata,inference,model-config,$closed:$key"
