# Two commands from a bare clone: `make grade` and `make test`. Both set up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: grade test lint selfcheck release clean

# The main job on its own examples: the reference solutions, and one wrong submission of each exercise.
WRONG := $(foreach folder,$(wildcard solutions/*/wrong),$(firstword $(sort $(wildcard $(folder)/*.py))))

grade: $(VENV)/core
	$(BIN)/autograder grade --jobs 2 solutions $(WRONG)

test: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/autograder selfcheck --jobs 3
	$(BIN)/python -m pytest

lint: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

selfcheck: $(VENV)/dev
	$(BIN)/autograder selfcheck --jobs 3

release: $(VENV)/dev
	$(BIN)/autograder release

# What was installed is remembered by a file each, so that a changed list of packages installs again.
$(VENV)/core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/dev: $(VENV)/core
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
