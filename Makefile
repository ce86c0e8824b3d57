# One entry point for people and CI; `make` alone lists the targets.

PYTHON ?= python3
VENV   := .venv
LOCK   := requirements/default.txt
# The stamp's name holds the lock, the project file and the folder, so a change of any of them installs again.
STAMP  := $(VENV)/.installed-$(shell (pwd; cat $(LOCK) pyproject.toml) | cksum | tr ' ' '-')
UV     := uv==0.13.8
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --override requirements/overrides.txt
export CORPUS

.DEFAULT_GOAL := help
.PHONY: help setup chat test browser eval lint types lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s%s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Prepare .venv from the lock (PYTHON=python3.12 picks the interpreter)
	@echo "$(VENV) is ready."

# Starts over after an install that was cut short (.installing is left) and in a folder that was moved.
$(STAMP):
	@command -v "$(PYTHON)" >/dev/null || { echo "No $(PYTHON) found. Install Python 3.11 or newer, or name one: make setup PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python %d.%d is too old: Citewell needs 3.11 or newer. Name one: make setup PYTHON=/path/to/python3." % sys.version_info[:2])'
	@echo "Setting up $(VENV): downloads the packages of $(LOCK) and installs them; about a minute, once."
	@if test -e $(VENV)/.installing || ! grep -qsF ' $(CURDIR)/$(VENV)' $(VENV)/pyvenv.cfg; then rm -rf $(VENV); fi
	@mkdir -p $(VENV) && rm -f $(VENV)/.installed-* && touch $(VENV)/.installing
	"$(PYTHON)" -m venv $(VENV)
	$(VENV)/bin/python -m pip install --no-deps --require-hashes --no-compile -r $(LOCK)
	$(VENV)/bin/python -m pip install --no-deps --no-build-isolation --editable .
	@echo "Compiling the packages, so that the first start is as fast as the next."
	@$(VENV)/bin/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	@mv $(VENV)/.installing $@

chat: $(STAMP) ## Chat in a browser tab (CORPUS=FOLDER reads that folder first, ARGS=--terminal chats here)
	@$(VENV)/bin/citewell chat $${CORPUS:+--corpus "$$CORPUS"} $(ARGS)

test: $(STAMP) ## Run the tests (ARGS="-k gate" is handed to pytest)
	@$(VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)

browser: $(STAMP) ## Test the chat in Debian's chromium; screenshots go to build/screenshots
	@$(VENV)/bin/python -m pytest -m browser tests/browser $(ARGS)

eval: $(STAMP) ## Measure the sample suite against its baseline (ARGS=--help tells more)
	@mkdir -p build; $(VENV)/bin/citewell eval $(ARGS)

lint: $(STAMP) ## Check style and formatting
	@$(VENV)/bin/python -m ruff check $(ARGS) .
	@$(VENV)/bin/python -m ruff format --check .

types: $(STAMP) ## Check types
	@$(VENV)/bin/python -m mypy $(ARGS)

lock: ## Write the lock again from pyproject.toml (ARGS=--upgrade takes newer versions)
	@set -e; tool=$$(mktemp -d); trap 'rm -rf "$$tool"' EXIT; \
	"$(PYTHON)" -m venv "$$tool"; "$$tool/bin/python" -m pip install --quiet $(UV); \
	"$$tool/bin/uv" $(COMPILE) $(ARGS) --extra ui --extra local --extra hub --extra ray --extra observe --extra dev pyproject.toml -o $(LOCK)

clean: ## Remove .venv, caches and builds; the collection in data/ stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find rag eval tests -name __pycache__ -prune -exec rm -rf {} +
