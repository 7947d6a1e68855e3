# The two commands of the README do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Types and the import contract are checked beside the tests, in the time that those wait.
# Tests run in so many processes, of one thread each: one more than the two cores of the smallest machines, since tests in
# windows and of child processes wait a third of their time. A file stays in one process, for its fixtures. With Xvfb,
# pytest-xvfb gives each process a display of its own, so that no window takes the focus from another.
WORKERS ?= 3
# pip compiles one file after another, two minutes of an install on a slow machine; COMPILE takes all
# cores, and leaves what hardly anything imports, a third of the code, to be compiled when it is: tests
# of packages and the networks of transformers. Templates among the files are no Python, which is none
# of our business.
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/|/transformers/models/' $(VENV)/lib >/dev/null || true

# Programs that tests start compile the package anew, each of them, where bytecode is not kept: a
# tenth of what a short one costs.
export PYTHONDONTWRITEBYTECODE :=

# how long `make fuzz` damages files, and from which seed
SECONDS ?= 600
SEED ?= 0

.PHONY: demo test test-quick fuzz docs lint clean

# `make demo VOLUME=scan.nii.gz` segments a volume of yours
demo: $(VENV)/.demo
	$(BIN)/napari-intseg demo $(VOLUME) --output demo-output

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if [ "$$(uname)" = Linux ] && ! command -v Xvfb >/dev/null && [ -z '$(DISPLAY)$(WAYLAND_DISPLAY)' ]; then \
		echo "no display and no Xvfb: install the packages that .ci/run lists" >&2; exit 1; fi
	@{ $(BIN)/mypy && $(BIN)/lint-imports; } > $(VENV)/types.txt 2>&1 & types=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$types; checked=$$?; cat $(VENV)/types.txt; exit $$((tests || checked))

# damaged files of every kind, each read in a process with limits; what is found is kept
fuzz: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_files.py --seconds $(SECONDS) --seed $(SEED) --keep fuzz-findings

# ruff, and the tests of the rooms that differ from main; what is marked slow is left to `make test`
test-quick: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile -m "not slow" -q \
		$$($(BIN)/python .ci/changed_tests.py)

# a broken link or reference is an error
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict


lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that the pinned build is the one that everything else sees
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable ".[gui]"
	$(COMPILE)
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable ".[test]"
	$(COMPILE)
	touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable ".[docs]"
	$(COMPILE)
	touch $@

clean:
	rm -rf $(VENV) demo-output fuzz-findings build dist site
