# make demo   a migration on this machine, start to automatic rollback
# make test   everything that is checked before a change is taken
# make check  the linters alone
# make picture   the picture of the README, rehearsed and drawn anew
# make soak   migrations of random worlds, with mishaps; SEEDS="7", "1-500" or "3,8,21" says which
PYTHON ?= python3
WORKERS ?= 2
SEEDS ?= 1-100
BIN := .venv/bin
SOURCES := $(shell find runner providers playbooks -type f -not -name '*.pyc')
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test check picture soak servers clean

# A checkout that is being worked on runs its own source; a fresh one installs what a user would.
demo: $(if $(wildcard .venv/.installed-dev),.venv/.installed-dev,.venv/.installed)
	$(BIN)/dnsrun demo

test: .venv/.installed-dev servers check
	$(PYTEST) -m 'not long'
ifneq ($(CI),)
	$(PYTEST) -m long || [ $$? = 5 ]  # 5: there are none
endif

check: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

picture: .venv/.installed-dev
	PYTHONPATH=tests $(BIN)/python -m picture

soak: .venv/.installed-dev
	PYTHONPATH=tests $(BIN)/python -m soak $(SEEDS)

servers:
	tests/setup-servers.sh

.venv/.installed: pyproject.toml $(SOURCES) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv
