# quickstart · test · lint · docs · bench: each sets up what it needs, and a second call reinstalls nothing.

PYTHONS := python3 python3.13 python3.12 python3.11
RECENT := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in $(PYTHONS); do $$each -c '$(RECENT)' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
# whole files go to a process, in the order of tests/conftest.py: what a file builds for all its tests is built once
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest \
	--numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 10

CHEAP := not dear and not acceptance and not neighbour
PARTS := build/measured

LATEST := .venv-latest
EXCHANGE := EXCHANGE=build/exchange
EXCHANGED := tests/test_other_versions.py
SCREENS := tests/test_screens.py

.PHONY: quickstart style types tests test test-reached test-all test-latest acceptance release neighbours lint docs bench help

help:
	@echo "make quickstart   install, then run the recipe 'quickstart' (4 to 6 minutes on two cores)"
	@echo "make test         install with the test tools, then lint, types, imports, and every test that is cheap (4 minutes)"
	@echo "make test-reached the dear and the acceptance tests that what changed since SINCE (the last full run) can reach"
	@echo "make test-all     every test but those of 'make acceptance'"
	@echo "make test-latest  the tests of models, compositions and screens with the newest transformers, without the package adapters"
	@echo "make acceptance   the tests that take longest: notebooks, the README's programs, the site, a browser, servers"
	@echo "make release      everything, and keeps what it measured: which tests are dear, and what each of them reaches"
	@echo "make neighbours   other programs read, write and ask what is here, each in an environment of its own; writes docs/evidence/neighbours.md"
	@echo "make lint         style, types and import directions alone"
	@echo "make docs         install with the documentation's tools, then build the site into build/site"
	@echo "make bench        measure which learning rate single-task validation picks for each method"

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(RECENT)' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, with its venv module; tried: $(if $(PYTHON),$(PYTHON),$(PYTHONS))." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[adapters,cluster]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[adapters,cluster,lm-eval,docs,test,dev]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[adapters,cluster,docs]"
	@touch $@ $(VENV)/.installed

$(LATEST)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m venv $(LATEST) || { rm -rf $(LATEST); exit 1; }
	$(LATEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@

# two processes: with batches this small, a second core brings one process little
quickstart: $(VENV)/.installed
	$(BIN)/workbench run quickstart --jobs 2

lint: style types

style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/lint-imports

# tests/tiers says which are dear
tests: $(VENV)/.installed-dev
	$(PYTEST) -m "$(CHEAP)"

# types beside the tests: mypy takes one core for a minute or more, and another would be idle
test: style
	@$(MAKE) --no-print-directory --jobs 2 types tests

test-reached: $(VENV)/.installed-dev
	$(PYTEST) -m "(dear or acceptance) and not neighbour" --reached $(SINCE)

test-all: $(VENV)/.installed-dev
	$(PYTEST) $(RECORD)

test-latest: $(LATEST)/.installed $(VENV)/.installed-dev
	rm -rf build/exchange
	$(EXCHANGE) $(PYTEST) $(EXCHANGED) -k written
	$(EXCHANGE) $(subst $(BIN),$(LATEST)/bin,$(PYTEST)) $(REACHED) $(EXCHANGED) $(SCREENS) $$($(BIN)/python -m tests.versions tests/workbench tests/fusion tests/elsewhere)
	$(EXCHANGE) $(PYTEST) $(EXCHANGED) -k answer_alike

acceptance: $(VENV)/.installed-dev
	$(PYTEST) -m acceptance $(RECORD)

# RECORD names a folder of its own for each of the two: their processes have the same names
release: style types
	rm -rf $(PARTS)
	$(MAKE) --no-print-directory test-all RECORD="--record $(PARTS)/all"
	$(MAKE) --no-print-directory acceptance RECORD="--record $(PARTS)/acceptance"
	$(BIN)/python -m tests.tiers.recording $(PARTS)/all $(PARTS)/acceptance
	$(MAKE) --no-print-directory test-latest
	$(LATEST)/bin/python -m tests.tiers.recording

neighbours: $(VENV)/.installed-dev
	rm -rf build/neighbours/compared
	$(PYTEST) -m "neighbour or acceptance" tests/neighbours
	$(BIN)/python -m tests.neighbours.table

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.installed
	$(BIN)/python -m bench.learning_rates three-ways --out learning-rates.json
