# `make help` lists the targets. No target needs a GPU, Docker or a model hub.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# Python keeps the bytecode of what it imports, whatever the shell says: without it, each start takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
SIDECAR_VENV := .venv-triton
CHECKOV_VENV := .venv-checkov
NODE_VENV := .venv-node
MODEL := all-MiniLM-L6-v2
# gpu on a machine with an NVIDIA GPU; DEVICE=cpu leaves the GPU to others. Tests never use a GPU.
DEVICE := $(if $(filter test test-unit,$(MAKECMDGOALS)),cpu,$(if $(wildcard /dev/nvidiactl /dev/dxg),gpu,cpu))
GPU := $(if $(filter gpu,$(DEVICE)),-gpu)
# model_repo/ holds the configuration of the default model for any device. All others have their own repository.
REPOSITORY := $(if $(filter all-MiniLM-L6-v2cpu,$(MODEL)$(DEVICE)),model_repo,out/models/$(notdir $(MODEL))$(GPU))
STEP := requirements/step.sh

# An existing environment keeps its Python. A shim may exist and fail to run, so each candidate is tried.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
ifndef PYTHON
PYTHON := $(shell for python in $(VENV)/bin/python python3.11 python3.12 python3.10 python3; do \
    "$$python" -c '$(SUPPORTED)' 2>/dev/null && command -v "$$python" && break; done)
endif
MINOR := $(shell "$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null && \
    "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# A stamp file in the environment marks each finished step. Another minor version of Python makes new environments.
MADE := $(VENV)/.made-$(MINOR)
EXPORT := $(VENV)/.export-$(MINOR)
DEV := $(VENV)/.dev-$(MINOR)
SIDECAR := $(SIDECAR_VENV)/.made-$(MINOR)$(GPU)
CHECKOV := $(CHECKOV_VENV)/.made-$(MINOR)
NODE := $(NODE_VENV)/.made-$(MINOR)
# npm runs in the folder of the page's sources.
NPM := cd dashboard/page && PATH="$(CURDIR)/$(NODE_VENV)/bin:$$PATH" npm --no-update-notifier
PAGE_PACKAGES := dashboard/page/node_modules/.made
PAGE := dashboard/static/index.html
# --no-compile: few of the files that come with torch are ever imported. Python compiles a file when it imports it.
PIP := -m pip --disable-pip-version-check install --quiet --no-compile
# --no-deps: the lock files leave out torch, and what only the (unused) Python package of Triton's wheel needs.
LOCKED := $(PIP) --no-deps --require-hashes -r
# The examples in docstrings of dashboard/ and dataflow/ are tests, too.
FAST_TESTS := --doctest-modules dashboard dataflow tests/unit tests/property
TESTS := $(FAST_TESTS) tests/flow tests/integration
# Twice as many processes as a small machine has cores, because tests of flows and servers wait more than they compute.
# Tests of one group (see tests/support/scheduling.py) run in one process. A process that crashes ends the run: with a
# new process in its place, the others wait without end (pytest-xdist 3.8).
PYTEST := -m pytest -n 4 --dist loadscope --max-worker-restart=0
COVERAGE := out/coverage

.PHONY: help
help: ## list the targets
	@echo 'make TARGET [PYTHON=python3.12] [MODEL=all-mpnet-base-v2] [DEVICE=cpu]'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
	    while IFS=$$'\t' read -r target what; do printf '  %-14s %s\n' "$$target" "$$what"; done

.PHONY: demo
demo: $(SIDECAR) model ## find planted anomalies in a generated stream, with a real Triton
	@exec $(VENV)/bin/python -m demo --repository '$(REPOSITORY)'

.PHONY: page
page: $(EXPORT) $(PAGE) ## open the live page over the output of the demo
	@[ -s out/demo/scores.jsonl ] || { echo 'error: out/demo has no output; run `make demo` first' >&2; exit 1; }
	@exec $(VENV)/bin/python -m dashboard out/demo --marks out/demo/marks.jsonl --open

.PHONY: screenshots
screenshots: $(DEV) $(PAGE) ## pictures of each view of the live page, in out/screenshots
	@exec $(VENV)/bin/python -m demo.screenshots

.PHONY: sidecar
sidecar: $(SIDECAR) model ## run Triton in the foreground, on 127.0.0.1:8001 (gRPC)
	@exec $(VENV)/bin/python -m export sidecar --repository '$(REPOSITORY)'

.PHONY: model
model: $(EXPORT) ## export all-MiniLM-L6-v2 into model_repo/ if it is missing; MODEL= names another model
	@$(VENV)/bin/python -m export build '$(MODEL)' --repository '$(REPOSITORY)' $(if $(GPU),--device gpu --precision fp16)

.PHONY: venv
venv: $(EXPORT) ## make .venv: the environment of the dataflow, the model export and the demo

.PHONY: sidecar-venv
sidecar-venv: $(SIDECAR) ## make .venv-triton: Triton Inference Server and the packages that its models import

.PHONY: environments
environments: $(DEV) $(SIDECAR) $(CHECKOV) $(PAGE) model ## make all environments, the live page and the model; faster with -j

.PHONY: collect
collect: $(DEV) ## import all tests once, so that each process of `make test` finds their bytecode
	@$(STEP) 'tests: collecting' $(VENV)/bin/python -m pytest $(TESTS) --collect-only -qq

.PHONY: check
check: $(DEV) $(PAGE_PACKAGES) ## run ruff and mypy; for the live page, tsc and biome
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(NPM) run --silent check

.PHONY: test
test: $(DEV) $(SIDECAR) $(PAGE) model ## all tests, with real servers; fails also if too little of the code is covered
	$(NPM) test --silent
	@rm -rf $(COVERAGE) && mkdir -p $(COVERAGE)
	$(VENV)/bin/python -m coverage run $(PYTEST) $(TESTS) $(ARGS)
	@$(VENV)/bin/python -m coverage combine --quiet
	@$(VENV)/bin/python -m coverage report $(if $(ARGS),--fail-under=0)

.PHONY: test-unit
test-unit: $(DEV) ## the tests that start neither a flow nor a server
	$(VENV)/bin/python $(PYTEST) $(FAST_TESTS) $(ARGS)

.PHONY: bench
bench: $(DEV) $(SIDECAR) model ## measure against peers in one run; a table, and out/bench/bench.json
	@exec $(VENV)/bin/python -m benchmarks $(ARGS)

.PHONY: bench-full
bench-full: $(DEV) $(SIDECAR) model ## all benchmarks, also those that take long
	@exec $(VENV)/bin/python -m benchmarks --full $(ARGS)

.PHONY: docs
docs: $(DEV) ## build the documentation site into out/docs; a broken link or an undocumented public name fails
	rm -rf out/docs
	$(VENV)/bin/python -m sphinx -q -W --keep-going --fresh-env --doctree-dir out/docs-cache docs out/docs

.PHONY: manifests
manifests: $(CHECKOV) ## write the Kubernetes manifests to out/k8s/, and check them and the Dockerfiles with checkov
	@command -v kubectl >/dev/null || { echo 'skipped: kubectl is not installed' >&2; exit 0; }; \
	mkdir -p out/k8s; \
	for overlay in cpu gpu gpu-shared; do kubectl kustomize k8s/overlays/$$overlay > out/k8s/$$overlay.yaml; done; \
	$(CHECKOV_VENV)/bin/checkov --config-file k8s/checkov.yaml --file out/k8s/*.yaml docker/*.Dockerfile

.PHONY: lock
lock: $(DEV) ## rewrite requirements/*.txt from pyproject.toml; ARGS=--upgrade takes the newest versions
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" requirements/lock.sh $(ARGS)

.PHONY: clean
clean: ## remove the environments, downloads, exported models and all output
	rm -rf $(VENV) $(SIDECAR_VENV) $(CHECKOV_VENV) $(NODE_VENV) dashboard/page/node_modules dashboard/static .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis out *.egg-info
	find dataflow export dashboard demo benchmarks tests -name __pycache__ -prune -exec rm -rf {} +
	if [ -d .git ]; then git clean -qfdX model_repo; fi

.PHONY: which-python
which-python:
	@echo '$(if $(MINOR),$(PYTHON))'

.PHONY: python
python:
	@if [ -z "$(MINOR)" ]; then \
	    echo "error: found $(or $(PYTHON),no Python), but CPython 3.10, 3.11 or 3.12 is needed;" \
	        "install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "error: $(PYTHON) cannot make environments without venv and ensurepip; on Debian and Ubuntu: apt install python$(MINOR)-venv" >&2; \
	    exit 1; fi

$(MADE): | python
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(EXPORT): requirements/export.txt requirements/torch.txt $(MADE)
	@$(STEP) '$(VENV): installing the dataflow and the exporter' $(VENV)/bin/python $(LOCKED) $<
	@$(STEP) '$(VENV): installing torch' $(VENV)/bin/python $(PIP) -r requirements/torch.txt
	@touch $@

$(DEV): requirements/dev.txt $(EXPORT)
	@$(STEP) '$(VENV): installing the packages of tests and checks' $(VENV)/bin/python $(LOCKED) $<
	@touch $@

$(SIDECAR): requirements/sidecar$(GPU).txt | python
	@"$(PYTHON)" -m venv --clear $(SIDECAR_VENV)
	@$(STEP) '$(SIDECAR_VENV): installing Triton Inference Server' $(SIDECAR_VENV)/bin/python $(LOCKED) $<
	@touch $@

$(CHECKOV): requirements/checkov.txt | python
	@"$(PYTHON)" -m venv --clear $(CHECKOV_VENV)
	@$(STEP) '$(CHECKOV_VENV): installing checkov, which checks the manifests' $(CHECKOV_VENV)/bin/python $(LOCKED) $<
	@touch $@

$(NODE): requirements/node.txt | python
	@"$(PYTHON)" -m venv --clear $(NODE_VENV)
	@$(STEP) '$(NODE_VENV): installing Node.js' $(NODE_VENV)/bin/python $(LOCKED) $<
	@touch $@

$(PAGE_PACKAGES): dashboard/page/package-lock.json $(NODE)
	@$(STEP) 'dashboard/page: installing the packages of the live page' bash -c '$(NPM) ci'
	@touch $@

$(PAGE): $(PAGE_PACKAGES) $(shell find dashboard/page -name node_modules -prune -o -type f -print)
	@$(STEP) 'dashboard/static: building the live page' bash -c '$(NPM) run build'
	@touch $@
