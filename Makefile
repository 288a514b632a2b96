# Everything a developer runs, from a machine that has only python3, pip, make and git.
# `make VENV=somewhere test` keeps the environment elsewhere.

PYTHON ?= python3
VENV ?= .venv
VENV_FLOOR ?= .venv-floor
VENV_VISION ?= .venv-vision
WORKERS ?= 2

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_FLOOR := $(VENV_FLOOR)/.installed
STAMP_VISION := $(VENV_VISION)/.installed

.DEFAULT_GOAL := help
.PHONY: help install install-vision quickstart test test-slow test-mutants test-floor test-vision test-all lint format bench bench-quality bars docs clean

help:  ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make the environment: the package, editable, and every tool

# The stamp is touched last, so a broken or outdated environment is made again.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

$(STAMP_FLOOR): pyproject.toml constraints-floor.txt
	$(PYTHON) -m venv --clear $(VENV_FLOOR)
	$(VENV_FLOOR)/bin/python -m pip install --quiet -c constraints-floor.txt -e ".[test]"
	touch $@

$(STAMP_VISION): pyproject.toml constraints-vision.txt
	$(PYTHON) -m venv --clear $(VENV_VISION)
	$(VENV_VISION)/bin/python -m pip install --quiet -c constraints-vision.txt -e ".[test,vision]"
	touch $@

install-vision: $(STAMP_VISION)  ## Make the environment of test-vision, gigabytes

quickstart: $(STAMP)  ## Install, then run docs/examples/quickstart.py
	$(BIN)/python docs/examples/quickstart.py

test: $(STAMP)  ## Run the suite and the doctests, but for the slow ones
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: $(STAMP)  ## Run only the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

# With CHANGED_SINCE=commit over a few only, those whose check or class changed first.
test-mutants: $(STAMP)  ## Run the whole kit over every mutant
	$(BIN)/python -m pytest -n $(WORKERS) -m mutants tests/testing/test_mutants.py \
		$(if $(CHANGED_SINCE),--changed-since $(CHANGED_SINCE))

# The learners share what scikit-learn's checks look at, so the dearest are left out.
test-floor: $(STAMP_FLOOR)  ## Run scikit-learn's checks on the oldest supported versions
	$(VENV_FLOOR)/bin/python -m pytest -n $(WORKERS) tests/test_common.py \
		-k "not (FTTransformer or ModernNCA or TabM or TabNet)"

# There, what cannot run is an error; elsewhere it is skipped.
test-vision: $(STAMP_VISION)  ## Run the tests of networks of timm and torchvision
	$(VENV_VISION)/bin/python -m pytest -n $(WORKERS) -m vision --require-vision tests/image

# One after the other, whatever fails: with `make --keep-going` all of them are run.
test-all: lint docs test-floor test-vision test-mutants test-slow test  ## Run every lane; hours

lint: $(STAMP)  ## Style, spelling, the import contract, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(STAMP)  ## Let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## Measure speed against a hand-written loop and scikit-learn
	$(BIN)/python -m benchmarks.speed

bars: $(STAMP)  ## Print figures of the package's structure beside their bars
	$(BIN)/python -m benchmarks.bars

# DATA is a folder of tables; benchmarks/quality/_data.py says what it holds.
bench-quality: $(STAMP)  ## Fit all learners and peers on the tables in DATA=folder, report
	$(BIN)/python -m benchmarks.quality --data-dir $(DATA) --jobs $(WORKERS)
	$(BIN)/python -m benchmarks.quality.report

# Generated pages of classes that are gone would break the build, so start afresh.
docs: $(STAMP)  ## Build the documentation; a warning is an error
	rm -rf docs/api/generated docs/_build
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:  ## Remove what was made here, the environments too
	rm -rf $(VENV) $(VENV_FLOOR) $(VENV_VISION) build *.egg-info docs/_build docs/api/generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
