# Everything a fresh machine needs: Debian, Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOWEST := $(VENV)/lowest
PIP := -m pip install --quiet --disable-pip-version-check

# Bytecode makes every process start two to five times as fast; some environments switch it off.
export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test unit lowest check format lock lock-check reference coverage install clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml scripts/prepare.sh
	@bash scripts/prepare.sh $(PYTHON) $(VENV)
	$(BIN)/python $(PIP) --require-hashes -r requirements.lock
	$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q mainspring
	@touch $(STAMP)

demo: install  ## the whole loop on real flights, under five minutes
	$(BIN)/python -m examples.flights.demo

test: install  ## everything; of three processes some wait for what they started
	$(BIN)/python -m pytest -n 3 --dist loadgroup tests

unit: install  ## the quick tests of single rooms; those of the house itself are in `make check`
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests --ignore tests/flows --ignore tests/chaos \
	  --ignore tests/architecture -m "not slow and not integration"

$(LOWEST)/.installed: requirements.lowest.lock $(STAMP)
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python $(PIP) --require-hashes -r requirements.lowest.lock
	$(LOWEST)/bin/python $(PIP) --no-deps --no-build-isolation -e .
	@touch $@

lowest: $(LOWEST)/.installed  ## the tests of the rooms with the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadgroup tests --ignore tests/flows --ignore tests/chaos \
	  --ignore tests/architecture -m "not slow" -W ignore::DeprecationWarning -W ignore::FutureWarning

check: install lock-check  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/architecture

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install  ## pin again what pyproject.toml asks for; hashes, and no host names
	$(BIN)/python scripts/lock.py

reference: install  ## write docs/reference again
	$(BIN)/python scripts/reference.py

lock-check: install
	$(BIN)/python scripts/lock.py --check

coverage: install  ## of all tests but chaos, child processes counted
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadgroup tests --ignore tests/chaos
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .import_linter_cache
