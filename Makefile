# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install demo test lint bench conformance fuzz clean

install: $(VENV)/installed-all
demo: $(VENV)/installed
	$(BIN)/gfvc demo --out demo_out

# A process a core, each with whole files, so that what a file's tests share is made once. PYTEST_FLAGS= for one process.
PYTEST_FLAGS ?= -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
test: $(VENV)/installed-all
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/installed-all
	$(BIN)/python -m eval.bench_coder
	$(BIN)/python -m eval.bench_sei

# Ten minutes a parser; make fuzz FUZZ_SECONDS=60 for less.
FUZZ_SECONDS ?= 600
fuzz: $(VENV)/installed-fuzz
	for target in container nal message; do \
		$(BIN)/python -m tests.fuzz $$target --seconds $(FUZZ_SECONDS) || exit 1; \
	done

conformance: $(VENV)/installed-all
	$(BIN)/python -m eval.conformance

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# What encoding and decoding need.
$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# That, and everything that only training, evaluation and tests need.
$(VENV)/installed-all: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[eval,datasets,ray,dev,ncnn,openvino,onnxruntime,play,bench]"
	touch $@ $(VENV)/installed

$(VENV)/installed-fuzz: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	touch $@

clean:
	rm -rf $(VENV) demo_out build *.egg-info .pytest_cache .ruff_cache .hypothesis
