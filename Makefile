# Wayside's commands. Each one sets up what it needs first; what is done already is skipped.
#
#   make demo     a live page on generated data; Ctrl-C ends it (DEMO_SECONDS=30 ends it by itself)
#   make cluster  the same on Kafka and PostgreSQL, all on this machine (CLUSTER_SECONDS=30 ends it by itself)
#   make test     all tests that this machine can run, and a list of what it left out
#   make lint     style, types, import contracts, size budgets, and the page's own checks
#   make bench    every performance claim, measured here
#   make wheel    dist/wayside-*.whl, with the page inside
#   make setup    only the set-up
#   make clean    removes what builds and runs have left; 'make distclean' removes the set-up too
#
# ARGS="..." is passed on, as in: make test ARGS="--tier browser"

# The first Python that our libraries are built for; else the first that is new enough.
PYTHON ?= $(shell for below in 15 99; do for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, $$below))" >/dev/null 2>&1 \
	&& { echo "$$p"; exit; }; done; done; echo no-python)
PYTHON := $(PYTHON)

# Debian keeps servers where not everybody's PATH looks.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin

SETUP = @$(PYTHON) scripts/bootstrap.py
BIN = .venv/bin
LINTS = lint-style lint-format lint-types lint-imports lint-sizes lint-words lint-web

.PHONY: help demo cluster test lint $(LINTS) bench wheel setup setup-run clean distclean
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ifeq ($(PYTHON),no-python)
$(error Wayside needs Python 3.11 or newer, and there is none on PATH. Install it, or say PYTHON=/path/to/python3)
endif

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

setup:
	$(SETUP) dev

setup-run:
	$(SETUP) run

# exec: the demo takes the place of the shell, so that Ctrl-C and signals reach it at once.
demo: setup-run
	@exec $(BIN)/wayside demo $(ARGS)

# exec, as above: Ctrl-C reaches the script, which stops what it has started.
cluster: setup
	@exec $(BIN)/python scripts/cluster $(ARGS)

# Two workers: one for the tests that start servers and browsers, one for all others (see tests/conftest.py).
test: setup
	@exec $(BIN)/pytest $(or $(ARGS),-n 2 --dist loadgroup)

bench: setup
	@exec $(BIN)/python -m bench $(ARGS)

lint: $(LINTS)

lint-style: setup
	$(BIN)/ruff check .

lint-format: setup
	$(BIN)/ruff format --check .

lint-types: setup
	$(BIN)/mypy

lint-imports: setup
	$(BIN)/lint-imports --no-logo

lint-sizes:
	$(PYTHON) scripts/check_sizes.py

lint-words:
	$(PYTHON) scripts/check_words.py

lint-web:
	$(SETUP) node
	$(PYTHON) scripts/web_build.py check

wheel:
	$(SETUP) uv build --wheel --out-dir dist $(ARGS)

clean:
	rm -rf dist build src/wayside/web/dist test-results .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .setup web/node_modules
