# One target per task. A fresh machine needs Python 3.11, pip and make; `make env` installs the rest.

.DEFAULT_GOAL := help
.PHONY: help demo fleet fleet-down test check bench docs gen clients fuzz chaos soak soak-events fmt lint env audit

EXTRAS := local kokoro piper espeak microphone fleet anthropic dub deepl elevenlabs
BIN := .venv/bin
READY := .venv/.ready
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)

# uv uses the machine's Python and its certificates, and downloads neither.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= 1
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
unexport VIRTUAL_ENV
# Compiled once and kept: else every process that is started compiles all packages, 3 s each.
unexport PYTHONDONTWRITEBYTECODE

help: # list the targets
	@awk -F ':[^#]*# ' '/^[a-z-]+:.*# / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) # start a server, ask it a question by voice, and save the spoken answer as a WAV
	$(BIN)/python examples/demo.py

fleet: $(READY) # start Valkey, PostgreSQL, two gateways behind a proxy and workers on this machine, and run the demo against them
	$(BIN)/python -m tools.fleet up

fleet-down: $(READY) # stop that fleet
	$(BIN)/python -m tools.fleet down

test: $(READY) # run all layers of tests, servers included, and check the coverage
	$(BIN)/python tests/layers.py

check: lint # check format, lint, types, import layers, generated files and examples
	$(BIN)/python docs/generate.py --check
	$(BIN)/python examples/run_all.py

bench: $(READY) # measure latency, throughput and memory on this machine
	$(BIN)/antiphon bench

docs: gen # build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

gen: $(READY) # regenerate schemas, OpenAPI, AsyncAPI and reference pages
	$(BIN)/python docs/generate.py

clients: $(READY) # run five published clients of the Realtime API against a server of ours
	$(BIN)/python tests/clients/run.py

fuzz: $(READY) # search for crashes with random input, longer than `make test` does
	$(BIN)/pytest tests/fuzz --hypothesis-profile=long --timeout=3600
	$(BIN)/pytest tests/unit tests/conformance -m hypothesis -n 2 --hypothesis-profile=thorough --timeout=3600

chaos: $(READY) # kill, stop and restart a fleet under talking clients, then show which planted defects are caught
	$(BIN)/python -m tests.chaos.run --seconds 180
	$(BIN)/python -m tests.chaos.run --seconds 60 --turns 200 --only "kill respond"
	$(BIN)/python -m tests.chaos.defects

soak: $(READY) # run clients against a fleet for half an hour, and check that its memory does not grow
	$(BIN)/python -m tests.chaos.soak

soak-events: $(READY) # write 100,000 events while relays, consumers and Redis are killed, and count their effects
	$(BIN)/python -m tests.chaos.events

fmt: $(READY) # format the code and apply ruff's fixes
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

lint: $(READY) # check format, lint, types and import layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports

env: $(READY) # make the environment in .venv from the lock

audit: $(READY) # print the licences of all packages, and known vulnerabilities if the advisory service can be reached
	$(BIN)/python tools/audit.py

$(READY): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "no Python 3.11 or newer was found: make env PYTHON=/path/to/python3.11"; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null && test -x $(BIN)/uv || \
		{ $(PYTHON) -m venv --clear .venv && $(BIN)/python -m pip install --quiet "$$(grep -o 'uv==[0-9.]*' pyproject.toml)"; }
	@# pip follows mirrors and proxies that only its own configuration names
	@$(BIN)/uv sync --frozen $(EXTRAS:%=--extra %) || \
		{ $(BIN)/uv export --frozen --quiet --no-emit-project $(EXTRAS:%=--extra %) --output-file .venv/lock.txt && \
		$(BIN)/python -m pip install --quiet --requirement .venv/lock.txt && \
		$(BIN)/python -m pip install --quiet --no-deps --editable .; }
	@touch $@
