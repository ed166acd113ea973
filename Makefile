# `make demo` and `make test` need Python >= 3.11, make and a package index, and nothing else. CONTRIBUTING.md says what
# each verb is for.

PYTHON ?= python3
HOURS ?= 20
SEED ?=
WORKERS ?= 2
SESSIONS ?= 1000
MINUTES ?= 10
ARGS ?=

python := .venv/bin/python
install := -m pip --disable-pip-version-check install --quiet
lock := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
from-elsewhere := <(script|link|img)[^>]* (src|href)="(https?:)?//|@import|url\("?(https?:)?//
quiet-npm := --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
pytest := $(python) -m pytest --durations=20 $(if $(SEED),--randomly-seed=$(SEED))

.PHONY: test test-long test-patient first-minutes build sbom audit soak soak-load soak-compared demo bench bench-load simulate docs site grafana screenshots compared fuzz lint format types imports pytest clients lock clean

test: lint types imports pytest

demo: .venv/.runtime
	@folder=$$(mktemp -d) && set -x && \
	.venv/bin/probe monitor sim:pocketoption --fault silent-stall@20s+16s --fault drop:at=42s --for 65s --store $$folder/store.db && \
	.venv/bin/probe report --store $$folder/store.db --html $$folder/report.html

lint: .venv/.dev
	$(python) -m ruff format --check --quiet .
	$(python) -m ruff check --quiet .

format: .venv/.dev
	$(python) -m ruff check --fix-only --quiet .
	$(python) -m ruff format --quiet .

types: .venv/.dev
	$(python) -m mypy

imports: .venv/.dev
	.venv/bin/lint-imports --no-logo

pytest: .venv/.dev clients
	$(pytest) --numprocesses $(WORKERS) $(ARGS)

test-long: .venv/.dev clients
	$(pytest) -m "long and not alone and not patient" --numprocesses $(WORKERS) --timeout 3600 $(ARGS)
	$(pytest) -m "long and alone" --timeout 3600 $(ARGS)

build: .venv/.runtime
	$(python) -m hatchling build -d dist

# Of what a plain installation brings along.
sbom: .venv-audit/.ready
	@mkdir -p dist
	.venv-audit/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml --mc-type application \
		--of JSON -o dist/tradeprobe.cdx.json requirements/runtime.txt

# Asks the index for what is known against these versions. Not against those of clients.txt: old ones, kept in a cage.
audit: .venv-audit/.ready
	.venv-audit/bin/pip-audit --disable-pip --require-hashes \
		$(patsubst %,--requirement requirements/%.txt,runtime dev audit)

test-patient: .venv/.dev clients
	$(pytest) -m "long and patient" --numprocesses 4 --timeout 3600 $(ARGS)

# How long a stranger waits for the first explained incident, from a clone on.
first-minutes: .venv/.dev
	$(python) -m tests.docs.first_minutes

soak: .venv/.dev
	$(python) -m tests.soak.sessions --sessions $(SESSIONS) --minutes $(MINUTES)

soak-load: .venv/.dev
	$(python) -m tests.soak.load $(ARGS)

soak-compared: .venv/.dev
	$(python) -m tests.soak.compared $(ARGS)

bench: .venv/.dev
	$(python) -m tests.bench $(ARGS)

bench-load: .venv/.dev .venv-clients/peers/.ready
	$(python) -m tests.bench.load.truth
	$(python) -m tests.bench.load.workers
	$(python) -m tests.bench.load.beside $(ARGS)

simulate: .venv/.dev
	$(python) -m tests.virtual.storm --hours $(HOURS) $(if $(SEED),--seed $(SEED))

docs: .venv/.dev
	$(python) -m tests.docs.pages

site: .venv-docs/.ready
	.venv-docs/bin/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -c docs -d .venv-docs/doctrees . site
	@! grep -rlE '$(from-elsewhere)' site --include='*.html' --include='*.css' || { echo 'These load something from elsewhere.'; exit 1; }

grafana: .venv/.dev
	$(python) -m grafana.build
	$(python) -m grafana.rules.runbooks

screenshots: .venv/.dev
	$(python) -m tests.docs.screenshots

compared: .venv/.dev clients
	$(python) -m tests.clients.compared

fuzz: .venv/.dev
	@for target in $(patsubst tests/fuzz/%_target.py,%,$(wildcard tests/fuzz/*_target.py)); do \
		$(python) -m tests.fuzz.run $$target $(if $(SEED),--seed $(SEED)) $(ARGS) || exit; done

clients: .venv-clients/.ready .venv-clients/node/.ready

# Keeps the versions that still fit pyproject.toml; delete a file in requirements/ first to get the newest of everything.
lock: .venv/bin/uv
	$(lock) pyproject.toml --group pyproject.toml:build -o requirements/runtime.txt
	$(lock) --group pyproject.toml:dev -c requirements/runtime.txt -o requirements/dev.txt
	$(lock) --group pyproject.toml:audit -o requirements/audit.txt
	$(lock) --group pyproject.toml:docs -o requirements/docs.txt
	$(lock) --group pyproject.toml:clients -o requirements/clients.txt
	cd tests/clients/node && npm install $(quiet-npm) --package-lock-only --omit-lockfile-registry-resolved

clean:
	rm -rf .venv .venv-audit .venv-clients .venv-docs site

# One stamp per environment, written last: an interrupted set-up starts again, a finished one costs nothing.
.venv/.runtime: requirements/runtime.txt pyproject.toml
	$(call make-venv,.venv)
	$(python) $(install) --require-hashes -r requirements/runtime.txt
	$(python) $(install) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	$(python) $(install) --require-hashes -r requirements/dev.txt
	@touch $@

.venv-audit/.ready: requirements/audit.txt
	$(call make-venv,.venv-audit)
	.venv-audit/bin/python $(install) --require-hashes -r requirements/audit.txt
	@touch $@

.venv-docs/.ready: requirements/docs.txt
	$(call make-venv,.venv-docs)
	.venv-docs/bin/python $(install) --require-hashes -r requirements/docs.txt
	@touch $@

# quotexpy asks for a Python below 3.13 and runs on newer ones.
.venv-clients/.ready: requirements/clients.txt
	$(call make-venv,.venv-clients)
	.venv-clients/bin/python $(install) --require-hashes --ignore-requires-python -r requirements/clients.txt
	@touch $@

# Without npm there is no stamp either: it is looked for again, and the tests of these clients are skipped.
.venv-clients/node/.ready: tests/clients/node/package.json tests/clients/node/package-lock.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; \
	then cp $^ $(@D) && npm ci $(quiet-npm) --prefix $(@D) && touch $@; \
	else echo 'No npm, so no clients in JavaScript (on Debian and Ubuntu: apt install nodejs npm).'; fi

# Of what Artillery brings along only itself is pinned: its lock has 11,000 lines, and it is measured, never trusted.
.venv-clients/peers/.ready: tests/bench/load/peers/package.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; \
	then cp $^ $(@D) && npm install $(quiet-npm) --no-package-lock --prefix $(@D) && touch $@; \
	else echo 'No npm, so no Artillery to measure beside ours (on Debian and Ubuntu: apt install nodejs npm).'; fi

.venv/bin/uv: .venv/.runtime
	$(python) $(install) uv

define make-venv
@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "$(PYTHON) is Python %d.%d, and 3.11 or newer is needed. Name another one: make PYTHON=python3.13" % sys.version_info[:2])'
@echo 'Setting up $(1) with $(PYTHON), once; this can take a minute.'
@$(PYTHON) -m venv $(1)
endef
