# `make demo` and `make test` are all that a fresh machine needs; everything is installed into .venv/ here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CASE ?=
AGE ?=
RESECTION ?=
OUT ?= out/demo
TORCH := torch==2.13.0

.PHONY: setup setup-dev demo test test-light lint types bench-radiomics clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[fast]'
	touch $@

# The tests also need the training and developer tools, Slicer's core and, as the reference, pyradiomics
setup-dev: $(VENV)/.ready-dev

$(VENV)/.ready-dev: $(VENV)/.ready Testing/slicer/requirements.txt Testing/install_pyradiomics.py
	$(BIN)/python -m pip install --quiet --editable '.[fast,train,cohort,dev]'
	$(BIN)/python -m pip install --quiet --requirement Testing/slicer/requirements.txt \
		|| echo "slicer-core cannot be installed here: the Slicer tests will be skipped"
	$(BIN)/python Testing/install_pyradiomics.py || echo "pyradiomics cannot be installed here: its comparisons will be skipped"
	touch $@

demo: setup
	$(BIN)/bratsos demo --output "$(OUT)" $(if $(CASE),--case "$(CASE)") $(if $(AGE),--age "$(AGE)") $(if $(RESECTION),--resection "$(RESECTION)")

test: setup-dev
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-radiomics: setup-dev
	$(BIN)/python Testing/benchmarks/bench_radiomics.py $(CASE)

# What needs no torch, on another Python: make test-light PYTHON=python3.12
test-light:
	$(PYTHON) -m venv .venv-light
	.venv-light/bin/python -m pip install --quiet numpy scipy SimpleITK PyWavelets PyYAML pandas safetensors matplotlib Jinja2 typer rich pytest jsonschema
	.venv-light/bin/python -m pytest Testing/library

clean:
	rm -rf $(VENV) .venv-light out build
