# A thin front: every target is one command you could type yourself.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo $(VENV)/bin/uv)
STAMP := $(VENV)/.installed

.PHONY: help setup demo test check lint-infra format up down clean

help: ## Show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment and fetch the jars
	@$(BIN)/python -m telemetry_platform.local.jars

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "Installing the locked Python packages..."
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(UV) pip install --compile-bytecode --require-hashes --requirement requirements.lock
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup ## Run the whole path on simulated games and check the numbers
	@$(BIN)/telemetry demo

test: setup ## Run the unit, spark and integration suites
	@$(BIN)/python -m pytest telemetry_platform_tests/unit telemetry_platform_tests/spark telemetry_platform_tests/integration

check: setup ## Lint, check formats, types and schemas, validate the Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/telemetry schemas check
	$(BIN)/telemetry schemas docs --check
	$(BIN)/dagster definitions validate --workspace workspace.yaml --log-level warning

lint-infra: setup ## Lint the Dockerfile and docker-compose.yml (needs node and npx)
	$(BIN)/hadolint infra/docker/Dockerfile
	npx --yes dclint@3.1.0 --config infra/docker/dclint.yaml --max-warnings 0 docker-compose.yml

format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

up: setup ## Start the local stack
	@$(BIN)/telemetry up

down: ## End the local stack
	@$(BIN)/telemetry down

clean: ## Remove the environment and the jars; data in .telemetry stays (telemetry reset clears it)
	rm -rf $(VENV) .jars .pytest_cache .ruff_cache
