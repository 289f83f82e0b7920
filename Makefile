# Everything runs from .venv, made by the standard library and filled from requirements.lock. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
CHAOS_KILLS ?= 300
CHAOS_FAULTS ?= 20
CHAOS_SECONDS ?= 1200
CHAOS_SEED ?= 7
CHAOS_TESTS ?= tests/chaos
PYTEST_ARGS ?=
CONFORMANCE_ARGS ?=

# Where a shell forbids it, each of the processes that tests start would compile all anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo serve test slow interop conformance-mcp conformance-a2a browser lint bench chaos lock clean
.DEFAULT_GOAL := help

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## One run over three protocols, through a kill -9
	$(BIN)/dragoman demo

serve: $(STAMP) ## Serve the refund desk of examples/
	$(BIN)/dragoman serve examples/refund_desk/dragoman.toml

test: $(STAMP) ## The tests, without the slow ones (PYTEST_ARGS adds arguments)
	$(BIN)/pytest -n 4 --dist worksteal $(PYTEST_ARGS)

slow: $(STAMP) ## The long forms: thousands of histories, hundreds of cut streams, large artifacts (an hour)
	$(BIN)/pytest -n 2 -m slow --timeout=7200 $(PYTEST_ARGS)

interop: $(STAMP) ## Clients as they come, against a server (needs pip, npm and their registries once)
	$(BIN)/python -m tests.interop.environments
	$(BIN)/pytest -m interop $(PYTEST_ARGS)

conformance-mcp: $(STAMP) ## The official MCP suite (needs PyPI and npm's registry once; CONFORMANCE_ARGS="--replicas 4")
	$(BIN)/python -m conformance.mcp_suite $(CONFORMANCE_ARGS)

conformance-a2a: $(STAMP) ## The A2A TCK in the folder TCK, of 1.0 or 0.3 (needs PyPI once; CONFORMANCE_ARGS="--replicas 4")
	$(BIN)/python -m conformance.a2a_suite "$(TCK)" $(CONFORMANCE_ARGS)

browser: $(STAMP) ## The approval card in headless Chromium (needs a chromium; CHROMIUM says where)
	$(BIN)/pytest -m browser $(PYTEST_ARGS)

lint: $(STAMP) ## ruff, mypy, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## CPU per request and latency beside a bare echo
	$(BIN)/python bench/run.py

chaos: $(STAMP) ## The fault suite: CHAOS_KILLS (300), CHAOS_FAULTS of each other (20), CHAOS_SECONDS a test, CHAOS_SEED
	CHAOS_KILLS=$(CHAOS_KILLS) CHAOS_FAULTS=$(CHAOS_FAULTS) CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(CHAOS_SEED) \
		$(BIN)/pytest -m chaos -s --timeout=3600 $(PYTEST_ARGS) $(CHAOS_TESTS)

.venv: $(STAMP) ## The environment alone

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# Needs the tool, not an up-to-date environment: a dependency just added to pyproject.toml is not in the lock yet.
$(BIN)/uv:
	$(MAKE) $(STAMP)

lock: | $(BIN)/uv ## Remake requirements.lock from pyproject.toml (LOCK_ARGS=--upgrade for newer releases)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --quiet $(LOCK_ARGS) -o requirements.lock

clean: ## Remove the environment, caches and builds
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .conformance .interop build dist
	find server protocols sandbox memory tests conformance -name __pycache__ -type d -prune -exec rm -rf {} +
