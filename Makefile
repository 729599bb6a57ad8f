# Two commands do everything on a fresh machine: `make sweep` and `make test`. Both set up what is missing first.

EXPERIMENT ?= experiments/xor.yaml
VENV := .venv
BIN := $(VENV)/bin
KERNEL := $(wildcard sweep/engines/native/*.py) sweep/randomness.py

# the first Python from 3.11 to 3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help setup sweep test test-slow check format format-check lint types lock bench bench-page clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.packages $(VENV)/.kernel ## the virtual environment, the locked packages, the compiled kernel

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "set-up needs Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "set-up needs Python's venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, a minute or two)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.packages: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "  packages: installing the versions of requirements.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.kernel: $(KERNEL) $(VENV)/.packages
	@$(BIN)/python -m sweep.engines.native
	@touch $@

sweep: setup ## run EXPERIMENT (experiments/xor.yaml), leave its results in results/, print the answer
	@$(BIN)/sweep run $(EXPERIMENT)

test: setup ## the tests
	@$(BIN)/python -m pytest -m "not slow"

test-slow: setup ## the long tests too
	@$(BIN)/python -m pytest

check: format-check lint types test ## what a change must pass

format: setup ## put the code in its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

format-check: setup
	@$(BIN)/ruff format --check .

lint: setup
	@$(BIN)/ruff check .

types: setup
	@$(BIN)/pyright

$(VENV)/.bench: requirements-bench.lock $(VENV)/.packages
	@echo "  packages for the benchmark: installing the versions of requirements-bench.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -r requirements-bench.lock
	@touch $@

bench: setup $(VENV)/.bench ## networks per second: native, plain JAX and Keras, and what the processor allows
	@$(BIN)/python benchmarks/throughput.py

bench-page: setup $(VENV)/.bench ## the same, written into docs/performance.md
	@$(BIN)/python benchmarks/throughput.py --page

lock: setup ## choose the newest allowed versions anew (needs uv)
	@uv pip compile --universal --python-version 3.11 --group dev --upgrade --generate-hashes --no-header --quiet --output-file requirements.lock pyproject.toml
	@uv pip compile --universal --python-version 3.11 --extra bench --constraint requirements.lock --generate-hashes --no-header --quiet --output-file requirements-bench.lock pyproject.toml

clean: ## remove the virtual environment and caches; results stay
	@rm -rf $(VENV) .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
