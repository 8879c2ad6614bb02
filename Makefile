# Everything a fresh machine needs: Debian, Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Bytecode makes every process start two to five times as fast; some environments switch it off.
export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test unit check format lock lock-check reference coverage install clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml scripts/prepare.sh
	@bash scripts/prepare.sh $(PYTHON) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q mainspring
	@touch $(STAMP)

demo: install  ## the whole loop on real flights, under five minutes
	$(BIN)/python -m examples.flights.demo

test: install  ## everything
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

unit: install  ## the tests of the rooms only
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests --ignore tests/flows --ignore tests/chaos -m "not slow"

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

coverage: install
	$(BIN)/coverage run -m pytest tests --ignore tests/chaos
	$(BIN)/coverage report --skip-covered

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .import_linter_cache
