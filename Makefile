# The targets that a user and a reviewer need. `make setup` is called by all others and does nothing the second time.
SHELL := /bin/bash
OUT ?= runs/demo
BIN := .venv/bin

# Measured on two cores: keeping freed blocks (instead of giving them back to the kernel after every step) saves the page
# faults of a training step. OMP_WAIT_POLICY stays unset: on idle cores PASSIVE halves the speed of sampling.
export MALLOC_MMAP_THRESHOLD_ ?= 2000000000
export MALLOC_TRIM_THRESHOLD_ ?= 4000000000
export MALLOC_TOP_PAD_ ?= 200000000

.PHONY: help setup demo test lint format clean

help:
	@echo "make setup   install the exact versions of requirements.lock into .venv (PYTHON=... chooses the interpreter)"
	@echo "make demo    train the embedded model, measure both scaling laws, write $(OUT)/report.html"
	@echo "make test    run the tests"
	@echo "make lint    check style and types"
	@echo "make format  let ruff order imports and lay out the code"
	@echo "make clean   remove caches and .venv; runs/ stays"

setup:
	@scripts/setup.sh

# A demo that was interrupted goes on where it stopped; OUT=runs/other starts another one.
demo: setup
	$(BIN)/ponder run --out $(OUT) $(if $(wildcard $(OUT)/config.toml),--resume)

# One process a core with one thread each: two torch processes with two threads each are far slower. The tests start Python
# dozens of times, so its bytecode is kept even where the environment says otherwise.
test: setup
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +
