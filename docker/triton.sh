#!/bin/sh
# Starts Triton with a new key: over gRPC without the key nobody does more than the dataflow does, and over HTTP
# nobody does more than ask for health. The key is in TRITON_KEY_FILE, for whoever manages the models.
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
