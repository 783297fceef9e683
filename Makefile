# `make serve` and `make test` need nothing but make and Python 3.11, 3.12 or 3.13; everything else they install
# themselves, into .venv. `make PYTHON=/path/to/python …` names the Python to use.

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON    ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
               "$$python" -c '$(SUPPORTED)' 2>/dev/null && echo "$$python" && break; done)

PINS   := requirements
PROJECTS := pyproject.toml client/pyproject.toml
BIN    := .venv/bin
SUITE  := .venv-compliance
# A module of one suite has the name of one of the other.
SUITES := .venv-sequences
# The checkers of deploy/, which bring a library of 200 MB.
DEPLOY := .venv-deploy
# It needs older versions of packages that the server has, too.
DRS    := .venv-drs
# Packages that exist as sources only are built with the pinned tools of build.txt, not with what is newest that day.
PIP    := python -m pip install -qq --disable-pip-version-check --require-hashes --no-build-isolation
ARGS   ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test test-long test-newest test-oldest lint compliance attack fuzz bench bench-quick bench-compare screenshots pins clean

help:
	@echo "make serve        serve the demo catalogue on http://127.0.0.1:8080 (ARGS='DIR --port 9000' for another)"
	@echo "make test         run the tests (ARGS='-k name' for some of them)"
	@echo "make test-long    run the tests that take minutes, too"
	@echo "make test-newest  run the tests on Python 3.13 with the newest versions that are allowed"
	@echo "make test-oldest  run the tests on Python 3.11 with the lowest versions that are allowed"
	@echo "make lint         check style, types and the import rules"
	@echo "make compliance   run the official compliance suites against the server"
	@echo "make attack       attack real servers with hostile files and requests (ARGS=KIND for some of it)"
	@echo "make fuzz         draw random tracks and tables for 10 minutes each (ARGS='tracks --seconds 60 --seed 1')"
	@echo "make bench        measure against the limits; make bench-quick at a tenth of the size"
	@echo "make bench-compare ARGS=DIR   measure this checkout and that in DIR in turns"
	@echo "make screenshots  take pictures of every page into docs/pictures (ARGS='gene genes' for some of them)"
	@echo "make pins         renew requirements/ after a change of a pyproject.toml (UPGRADE=1: newest versions)"
	@echo "make clean        remove what the other targets made"

serve: .venv/.serve
	@$(BIN)/rnaget-server serve $(ARGS)

# Three processes, each with files of its own: on two processors, since tests wait for servers and clocks a third of
# their time. The order of sets, and so the names of tests, has to be the same in all of them.
# The longest files are first, as tests/conftest.py orders them.
# Python keeps what it compiles even where the environment says otherwise: the tests start hundreds of processes.
SAME  := PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=
THREE := -n 3 --dist loadfile --no-loadscope-reorder

test: .venv/.dev $(SUITE)/.installed $(SUITES)/.installed $(DRS)/.installed $(DEPLOY)/.installed
	@$(SAME) $(BIN)/python -m pytest -m "not long" $(THREE) $(ARGS)

test-long: .venv/.dev $(SUITE)/.installed $(SUITES)/.installed $(DRS)/.installed $(DEPLOY)/.installed
	@$(BIN)/python -m pytest $(ARGS)

# Both ends of what pyproject.toml allows, each in an environment of its own, which is brought up to date every time.
# A name that is there but starts nothing, as those of version managers may be, is passed over.
NEWEST  ?= $(call python_of,13)
OLDEST  ?= $(call python_of,11)
python_of = $(shell for python in python3.$(1) python3 python $(wildcard $(HOME)/.pyenv/versions/3.$(1).*/bin/python); do \
               "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, $(1)))' 2>/dev/null && echo "$$python" && break; done)
INSTALL := python -m pip install -qq --disable-pip-version-check --upgrade

test-newest:
	@test -n "$(NEWEST)" || { echo "Python 3.13 was not found; name one: make test-newest NEWEST=/path/to/python"; exit 1; }
	@"$(NEWEST)" -m venv .venv-newest
	@.venv-newest/bin/$(INSTALL) --upgrade-strategy eager --editable '.[all,dev]' --editable ./client
	@.venv-newest/bin/python -m pytest -m "not long" $(ARGS)

test-oldest:
	@test -n "$(OLDEST)" || { echo "Python 3.11 was not found; name one: make test-oldest OLDEST=/path/to/python"; exit 1; }
	@"$(OLDEST)" -m venv .venv-oldest
	@"$(OLDEST)" $(PINS)/oldest.py $(PROJECTS) >.venv-oldest/constraints.txt
	@.venv-oldest/bin/$(INSTALL) -c .venv-oldest/constraints.txt --editable '.[all,dev]' --editable ./client
	@.venv-oldest/bin/python -m pytest -m "not long" $(ARGS)

# Every check runs, so that one look shows all there is to mend.
lint: .venv/.dev
	@failed=; \
	$(BIN)/ruff check --output-format concise . || failed=1; \
	$(BIN)/ruff format --check . || failed=1; \
	$(BIN)/mypy --strict --no-error-summary -p rnaget_server -p rnaget -p compliance -p benchmarks || failed=1; \
	$(BIN)/lint-imports >.venv/lint-imports.log || { cat .venv/lint-imports.log; failed=1; }; \
	test -z "$$failed" && echo "lint: style, types and import rules are in order"

compliance: .venv/.serve $(SUITE)/.installed $(SUITES)/.installed $(DRS)/.installed
	@$(BIN)/python -W ignore -m compliance.run $(ARGS)
	@$(BIN)/python -W ignore -m compliance.sequences
	@$(BIN)/python -W ignore -m compliance.drs

attack: .venv/.dev
	@$(BIN)/python -W ignore -m tests.attack $(ARGS)

fuzz: .venv/.dev
	@$(BIN)/python -W ignore -m tests.fuzz $(ARGS)

bench: .venv/.bench
	@$(BIN)/python -W ignore -m benchmarks $(ARGS)

bench-quick: .venv/.bench
	@$(BIN)/python -W ignore -m benchmarks --quick $(ARGS)

bench-compare: .venv/.bench
	@$(BIN)/python -W ignore -m benchmarks.compare $(ARGS)

screenshots: .venv/.dev
	@$(BIN)/python -W ignore -m tests.browser.screenshots docs/pictures $(ARGS)

# Stamps: an environment is brought up to date when the pins are newer than what was last installed from them.
.venv/.build: $(PINS)/build.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 was not found; name one: make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' || { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13"; exit 1; }
	@echo "Installing into .venv; this takes about a minute the first time"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/$(PIP) -r $<
	@touch $@

.venv/.serve: $(PINS)/serve.txt $(PROJECTS) .venv/.build
	@$(BIN)/$(PIP) -r $<
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps \
		--editable . --editable ./client
	@touch $@

.venv/.dev: $(PINS)/dev.txt .venv/.serve
	@$(BIN)/$(PIP) -r $<
	@touch $@

.venv/.bench: $(PINS)/bench.txt .venv/.serve
	@$(BIN)/$(PIP) -r $<
	@touch $@

$(SUITES)/.installed: $(PINS)/build.txt $(PINS)/sequences.txt .venv/.build
	@echo "Installing the suites of refget and sequence collections into $(SUITES)"
	@$(BIN)/python -m venv $(SUITES)
	@$(SUITES)/bin/$(PIP) -r $(PINS)/build.txt
	@$(SUITES)/bin/$(PIP) -r $(PINS)/sequences.txt
	@touch $@

$(DRS)/.installed: $(PINS)/build.txt $(PINS)/drs.txt .venv/.build
	@echo "Installing the suite of DRS into $(DRS)"
	@$(BIN)/python -m venv $(DRS)
	@$(DRS)/bin/$(PIP) -r $(PINS)/build.txt
	@$(DRS)/bin/$(PIP) -r $(PINS)/drs.txt
	@touch $@

$(DEPLOY)/.installed: $(PINS)/build.txt $(PINS)/deploy.txt .venv/.build
	@echo "Installing the checkers of deploy/ into $(DEPLOY)"
	@$(BIN)/python -m venv $(DEPLOY)
	@$(DEPLOY)/bin/$(PIP) -r $(PINS)/build.txt
	@$(DEPLOY)/bin/$(PIP) -r $(PINS)/deploy.txt
	@touch $@

$(SUITE)/.installed: $(PINS)/build.txt $(PINS)/compliance.txt .venv/.build
	@echo "Installing the compliance suite into $(SUITE)"
	@$(BIN)/python -m venv $(SUITE)
	@$(SUITE)/bin/$(PIP) -r $(PINS)/build.txt
	@$(SUITE)/bin/$(PIP) -r $(PINS)/compliance.txt
	@touch $@

# The pins are made with the oldest supported Python, so that every version in them exists for all of them.
PIP_TOOLS := 7.6.2
COMPILE   := CUSTOM_COMPILE_COMMAND="make pins" .venv-pins/bin/pip-compile -q --generate-hashes --allow-unsafe \
	--strip-extras --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -c $(PINS)/limits.in \
	$(if $(UPGRADE),--upgrade)
CHAIN     := -c $(PINS)/build.txt -c $(PINS)/serve.txt

pins: .venv-pins/.installed
	@$(COMPILE) -o $(PINS)/build.txt $(PINS)/build.in
	@$(COMPILE) -o $(PINS)/serve.txt -c $(PINS)/build.txt $(foreach extra,arrow auth cloud excel graphql metrics pages reads redis zarr,--extra $(extra)) $(PROJECTS) $(PINS)/older.in
	@$(COMPILE) -o $(PINS)/dev.txt $(CHAIN) --extra dev $(PROJECTS) $(PINS)/older.in
	@$(COMPILE) -o $(PINS)/bench.txt $(CHAIN) $(PINS)/bench.in
	@$(COMPILE) -o $(PINS)/compliance.txt $(CHAIN) $(PINS)/compliance.in
	@$(COMPILE) -o $(PINS)/sequences.txt $(CHAIN) $(PINS)/sequences.in
	@$(COMPILE) -o $(PINS)/deploy.txt $(CHAIN) $(PINS)/deploy.in
	@$(COMPILE) -o $(PINS)/drs.txt -c $(PINS)/build.txt $(PINS)/drs.in

.venv-pins/.installed: Makefile
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "the pins are made with Python 3.11: make pins PYTHON=python3.11"; exit 1; }
	@"$(PYTHON)" -m venv .venv-pins
	@.venv-pins/bin/python -m pip install -qq --disable-pip-version-check pip-tools==$(PIP_TOOLS)
	@touch $@

clean:
	@rm -rf .venv .venv-compliance .venv-sequences .venv-drs .venv-deploy .venv-newest .venv-oldest .venv-pins .bench build dist client/build client/dist \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
