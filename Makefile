# The entry points for people and for CI; each does what it says from a bare Debian or Fedora.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-vm bench sweep fuzz oracle reproduce sim lint clean

BIN := .venv/bin
PYTEST_ARGS ?=
WORKERS ?= $(shell nproc)

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1 /p' Makefile | awk '{n=$$1; $$1=""; printf "  make %-9s%s\n", n, $$0}'

setup:  ## install what is missing and make .venv/bin/pkglayer
	@packaging/setup.sh

demo: setup  ## the main job on real packages, each command shown before its output
	@$(BIN)/python -m tests.support.demo

test: setup  ## all tests but those that boot or measure
	$(BIN)/python -m pytest -m 'not vm and not bench' -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-vm: setup  ## the tests that boot a virtual machine (some minutes each)
	$(BIN)/python -m pytest -m vm -o faulthandler_timeout=1800 $(PYTEST_ARGS)

bench: setup  ## the measurements, beside the same work done by hand (BENCH_ARGS=--help)
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

oracle: setup  ## compare layers with what rpm itself makes: 300 packages (ORACLE_ARGS="nginx")
	$(BIN)/python -m tests.oracle $(ORACLE_ARGS)

reproduce: setup  ## build one state of all real packages twice, on two machines, and compare
	$(BIN)/python -m tests.oracle.twice

sim: setup  ## a simulated year under each conflict policy: table, JSON, picture
	@$(BIN)/python -m tests.sim

sweep: setup  ## kill, fail a call or cut the power at every point of every transaction (hours; SWEEP_STEP=20)
	$(BIN)/python -m tests.faults

fuzz: setup  ## many random inputs to what we parse ourselves
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(BIN)/python -m pytest -q tests/faults/test_fuzz.py tests/faults/test_fuzz_texts.py

lint: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:  ## remove what setup and the tests made here; the cached test world stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
