# The image of the dataflow: docker build -f docker/dataflow.Dockerfile -t driftline/dataflow:0.1.0 .
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/runtime.txt requirements/
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements/runtime.txt
WORKDIR /app
COPY dataflow dataflow
RUN /opt/venv/bin/python -m compileall -q dataflow

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
# As process 1, Python reacts to SIGINT even while it starts. The kernel ignores SIGTERM for process 1 until the
# dataflow has a handler for it.
STOPSIGNAL SIGINT
CMD ["python", "-m", "bytewax.run", "dataflow.flow:flow"]
