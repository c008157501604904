# The stock Triton image, and the packages that our Python models import. The stock image already has numpy.
# docker build -f docker/triton.Dockerfile -t driftline/triton:0.1.0-26.09 .
FROM nvcr.io/nvidia/tritonserver:26.09-py3
COPY docker/triton.txt /tmp/triton.txt
# The build fails if the image lacks curl, which the probes need, or a package that the models import. The Python of
# Ubuntu 24.04 refuses pip without --break-system-packages; no package of Ubuntu is replaced.
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --break-system-packages --no-deps --require-hashes -r /tmp/triton.txt \
    && python3 -c 'import numpy, tokenizers' \
    && curl --version
COPY docker/triton.sh /usr/local/bin/triton-with-key
ENV PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
EXPOSE 8001 8002
CMD ["triton-with-key", "--model-repository=/models", "--model-control-mode=explicit", "--load-model=sbert_encoder", "--load-model=sbert", "--disable-auto-complete-config", "--http-address=127.0.0.1"]
