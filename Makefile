# Everything runs in a virtual environment of its own, made once and again when pyproject.toml changes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# `make gpu PYTHON=python3` takes that Python as it is; without it, the environment's where there is one.
GPU_PYTHON ?= $(if $(filter file,$(origin PYTHON)),$(firstword $(wildcard $(BIN)/python) $(PYTHON)),$(PYTHON))
# Whose doctests import Keras, and so TensorFlow, when they are collected.
NO_KERAS := --ignore adapters/facebench_dcgan --ignore adapters/facebench_keras

.PHONY: demo test test-fast slow simulate validity portrait reference bench gpu lint types schema wheel clean

demo: $(INSTALLED)        ## render faces, train three models small, draw the board
	$(BIN)/facebench demo

test: $(INSTALLED)        ## the whole suite but the simulations marked slow
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n auto --dist loadfile

test-fast: $(INSTALLED)   ## most of it, in three minutes on two cores: the marks are in pyproject.toml
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not (slow or long or processes or tensorflow or browser)" $(NO_KERAS) -n auto --dist loadfile

slow: $(INSTALLED)        ## what takes minutes
	$(BIN)/pytest -m slow

simulate: $(INSTALLED)    ## how far intervals and verdicts can be trusted: the tables of docs/uncertainty.md
	$(BIN)/python tests/bench/simulations.py

validity: $(INSTALLED)    ## which metric sees what, reduced: the table of docs/validity.md, an hour on two cores
	OMP_NUM_THREADS=1 $(BIN)/python tests/bench/validity.py --reduced $(VALIDITY_OPTIONS)

portrait: $(INSTALLED)    ## train the network of --extractor portrait: an hour on two cores; ended, it goes on
	$(BIN)/python tests/bench/portrait.py $(PORTRAIT_OPTIONS)

reference: $(INSTALLED)   ## the reference models by minutes of training, docs/reference.md: 11 hours of a core; ended, it goes on
	$(BIN)/python tests/bench/reference.py $(REFERENCE_OPTIONS)

bench: $(INSTALLED)       ## how fast it is beside others, on this machine: an hour on two cores
	$(BIN)/python tests/bench/speed.py --out reports/leaderboard/SPEED.md

gpu:                      ## on a GPU: are its numbers the CPU's, and how fast; ten minutes, nothing is installed
	$(GPU_PYTHON) tests/bench/gpu.py --out reports/leaderboard/GPU.md $(GPU_OPTIONS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

schema: $(INSTALLED)      ## facebench/schema.json, from the classes of facebench/results
	$(BIN)/python -m facebench.results.json_schema

wheel: $(INSTALLED)       ## a wheel built from the sdist must hold everything
	$(BIN)/python tests/check_wheel.py

clean:
	rm -rf $(VENV) build dist demo

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
