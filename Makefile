# Each target makes its own environment in .venv; it is remade only when pyproject.toml changes.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
STAMP := .venv/.installed
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo serve test test-fast soak check format clean

demo: $(STAMP)
	$(BIN)/viewfinder demo

serve: $(STAMP)
	$(BIN)/viewfinder serve

test: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

soak: $(STAMP)
	VIEWFINDER_KILLS=100 $(BIN)/python -m pytest -s tests/engine/test_kill.py -k killed
	VIEWFINDER_ALL_DEPTHS=1 $(BIN)/python -m pytest tests/engine/test_graphs.py

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	$(BIN)/python -c "import pathlib; pathlib.Path('$(STAMP)').touch()"

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build
