# Two commands do everything on a fresh machine: `make sweep` and `make test`. Both set up what is missing first.

EXPERIMENT ?= experiments/xor.yaml
RESULTS ?= results/$(basename $(notdir $(EXPERIMENT)))
VENV := .venv
BIN := $(VENV)/bin
LOCK := --generate-hashes --no-header --quiet --output-file
KERNEL := $(wildcard sweep/training/native/*.py) sweep/networks/randomness.py

# the first Python from 3.11 to 3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help setup sweep report dashboard gallery browser postgres test test-slow check format format-check lint types lock bench bench-page gpu-check
.PHONY: bench-adaptive bench-verdicts bench-scale bench-setup method-page reliability-page experiments docs site wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.packages $(VENV)/.kernel ## the virtual environment, the locked packages, the compiled kernel

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "set-up needs Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "set-up needs Python's venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once, a minute or two)" >&2
	@$(PYTHON) -m venv $(VENV)

# by uv, which the second lock brings into the virtual environment; by pip where it cannot be had
$(VENV)/.packages: requirements.lock requirements-setup.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python install.py requirements.lock --editable
	@touch $@

# every extra but the GPU's, and the tools of tests, types, benchmarks and the site
$(VENV)/.development: requirements-dev.lock $(VENV)/.packages
	@$(BIN)/python install.py requirements-dev.lock
	@touch $@

$(VENV)/.kernel: $(KERNEL) $(VENV)/.packages
	@$(BIN)/python -m sweep.training.native
	@touch $@

sweep: setup ## run EXPERIMENT (experiments/xor.yaml), audit it, leave its results in results/, print the answer
	@$(BIN)/sweep run $(EXPERIMENT)
	@$(BIN)/sweep audit $(RESULTS)
	@$(BIN)/sweep report $(RESULTS)

experiments: setup ## run all of experiments/ (minutes; goes on by itself), write docs/findings.md; ACCEPT=--accept: other results than before
	@for file in experiments/*.yaml; do echo "$$file" >&2; $(BIN)/sweep run $$file >/dev/null || exit 1; done
	@$(BIN)/python experiments/findings.py $(ACCEPT)

docs: setup ## write docs/commands.md and docs/experiment-file.md from the commands' help and the vocabulary
	@$(BIN)/python docs/generate.py && $(BIN)/python docs/retype.py

site: setup $(VENV)/.development ## the documents as a site with search and the reference of Python, in build/site; no link may be broken
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo build/site/index.html

wheel: setup ## the wheel and the sdist, in dist/
	@$(BIN)/python -m hatchling build

report: setup ## build the page of RESULTS (results/<experiment>), with PNG and SVG of its charts
	@$(BIN)/sweep report $(RESULTS) --figures

dashboard: setup $(VENV)/.development ## open the study of RESULTS in optuna-dashboard
	@$(BIN)/sweep dashboard $(RESULTS)

gallery: setup $(VENV)/.development browser ## the pictures of the README, from the page of RESULTS, into docs/images
	@$(BIN)/python docs/gallery.py $(RESULTS)

browser: ## install Debian's Chromium, which the tests of the page need (as root, or with sudo)
	@command -v chromium >/dev/null || { SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
	@chromium --version

postgres: ## install Debian's PostgreSQL, which the long tests of the study's storage need (as root, or with sudo)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends postgresql >/dev/null; }
	@ls /usr/lib/postgresql/*/bin/initdb

# a file's tests stay together, for what they share is made once a process
test: setup $(VENV)/.development ## the tests in two processes, or those of TESTS (a file or folder)
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile $(TESTS)

test-slow: setup $(VENV)/.development ## the long tests too, or those of TESTS
	@$(BIN)/python -m pytest $(TESTS)

check: format-check lint types test ## what a change must pass

format: setup $(VENV)/.development ## put the code in its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

format-check: setup $(VENV)/.development ## is the code in its format
	@$(BIN)/ruff format --check .

lint: setup $(VENV)/.development ## the linter
	@$(BIN)/ruff check .

types: setup $(VENV)/.development ## the type checker
	@$(BIN)/pyright

bench: setup $(VENV)/.development ## networks per second: native, plain JAX and Keras, and what the processor allows
	@$(BIN)/python benchmarks/throughput.py

bench-page: setup $(VENV)/.development ## the same, written into docs/performance.md
	@$(BIN)/python benchmarks/throughput.py --page

gpu-check: setup $(VENV)/.development ## contract and parity of the fused engine on the GPU, its throughput into docs/performance.md
	@$(BIN)/python benchmarks/gpu.py

bench-scale: setup ## a sweep of a million runs: memory and time outside training, into docs/performance.md (minutes)
	@$(BIN)/python benchmarks/table_scale.py --page

bench-setup: setup ## a stopwatch for make sweep from nothing and its parts, of what is committed, into docs/performance.md (minutes)
	@$(BIN)/python benchmarks/setup.py --page

bench-adaptive: setup ## what rules that add seeds spend, against the old one and the least, into docs/performance.md (a minute)
	@$(BIN)/python benchmarks/adaptive.py

bench-verdicts: setup ## the configurations of xor.yaml judged by every rule and once more on fresh seeds (minutes)
	@$(BIN)/python benchmarks/fresh_seeds.py

reliability-page: setup $(VENV)/.development ## run the tests that try to lose a sweep, and write what they tried (ten minutes)
	@$(BIN)/python benchmarks/reliability.py --page

method-page: setup ## compute the tables of docs/method.md anew
	@$(BIN)/python benchmarks/interval_coverage.py --page

lock: setup ## choose the newest allowed versions of all three locks anew
	@$(BIN)/uv pip compile --universal --python-version 3.11 --group build --upgrade $(LOCK) requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --universal --python-version 3.11 --group dev --extra parquet --extra dashboard --extra jax --extra ray \
		--constraint requirements.lock $(LOCK) requirements-dev.lock pyproject.toml
	@$(BIN)/uv pip compile --universal --python-version 3.11 --group setup --upgrade $(LOCK) requirements-setup.lock

clean: ## remove the virtual environment and caches; results stay
	@rm -rf $(VENV) .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
