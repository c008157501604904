# The stock server, and what the Python of our models imports (numpy is there):
# docker build -f docker/triton.Dockerfile -t driftline/triton:0.1.0-24.10 .
FROM nvcr.io/nvidia/tritonserver:24.10-py3
COPY docker/triton.txt /tmp/triton.txt
# The probes need curl, the models numpy below 2; no server is built without them.
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/triton.txt \
    && python3 -c 'import numpy, tokenizers; assert numpy.__version__ < "2", numpy.__version__' \
    && curl --version
ENV PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
EXPOSE 8000 8001 8002
CMD ["tritonserver", "--model-repository=/models", "--model-control-mode=explicit", "--load-model=sbert_encoder", "--load-model=sbert", "--disable-auto-complete-config"]
