# The image of the live page: docker build -f docker/page.Dockerfile -t driftline/page:0.1.0 .
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
WORKDIR /build
# Node.js builds the page. The image has only what it builds.
RUN python -m venv /opt/node
COPY requirements/node.txt requirements/page.txt requirements/
RUN /opt/node/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements/node.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements/page.txt
ENV PATH=/opt/node/bin:$PATH
WORKDIR /app/dashboard/page
COPY dashboard/page/package.json dashboard/page/package-lock.json dashboard/page/.npmrc ./
RUN npm ci
WORKDIR /app
COPY dashboard dashboard
COPY dataflow dataflow
RUN npm --prefix dashboard/page run build \
    && rm -rf dashboard/page \
    && /opt/venv/bin/python -m compileall -q dashboard dataflow

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8765
CMD ["python", "-m", "dashboard", "--help"]
