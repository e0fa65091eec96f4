# Needs Python 3.11 or later and make; everything else is installed into .venv.
#
#   make demo   run experiments/quickstart.yaml and say where its report is
#   make test   lint, then all tests except benchmarks, then a small run of the bench
#   make lint   style and types
#   make clean  remove .venv and caches; runs/ stays
#
# PYTHON=... chooses the interpreter that .venv is made with.

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --constraint constraints.txt

export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test lint clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/installed
	@$(BIN)/rlrec run experiments/quickstart.yaml
	@echo "The report is one file without further parts: open it in a browser."

test: lint
	$(BIN)/python -m pytest --durations=15
	rm -rf runs/bench-of-tests
	$(BIN)/rlrec bench --small --jobs 2 --results runs/bench-of-tests

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist rlrec.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Installed anew only when what is to be installed changed.
$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP_INSTALL) --editable ".[dev]"
	@touch $@ $(VENV)/installed

# The first interpreter that is new enough; a name may be there and not run, as links of pyenv do.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$($$python --version)"; \
			$$python -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); \
			echo "$$python cannot make a virtual environment, see above" >&2; exit 1; \
		fi; \
	done; \
	echo "rlrec needs Python 3.11 or later, found: $$($(or $(PYTHON),python3) --version 2>/dev/null || echo none)." >&2; \
	echo "Install it, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1
