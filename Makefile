# Targets: fetch, plan, config, results, perceptual, verify, report, findings, benchmark, test, lint, lock, docs, clean. Each sets up what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PERCEPTUAL := $(VENV)/.perceptual
SNAKEMAKE := $(BIN)/snakemake
CONFIG ?= config.yaml
CORES ?= all
# Tests of one file share what they set up, so a file is one worker's. In the order of pyproject.toml:
# pytest-xdist would start with the files of the most tests, which are the quick ones.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup perceptual fetch plan config results report findings verify benchmark test test-fast lint format docs lock clean

help:
	@echo "make fetch     download all that the study needs, for machines without network"
	@echo "make plan      what is left to do of it: jobs, hours, disk"
	@echo "make config    print the whole study, with the file that each value comes from"
	@echo "make results   run the study of config.yaml (or CONFIG=config/tiny.yaml) on all cores"
	@echo "make perceptual  add the packages of the metrics DreamSim and LPIPS to .venv"
	@echo "make report    write its charts, tables and explorer as one report, a .zip to unpack"
	@echo "make findings  write what the default study found into README.md"
	@echo "make verify    check every file of the study, and list what is stale"
	@echo "make benchmark  measure the speed of the finished study (ONLY=key, RUNS=n)"
	@echo "make test      all tests; make test-fast leaves out the slow ones"
	@echo "make lint      ruff, mypy, snakefmt, snakemake --lint"
	@echo "make docs      write anew: docs/artifacts.md, the tables of docs/configuration.md, the JSON schema of the config, the picture and list of docs/architecture.md"
	@echo "make lock      resolve envs/*.in into the lock files"
	@echo "make clean     remove results, keep the environment"

setup: $(READY)

$(READY): envs/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/requirements.txt
	@touch $@

perceptual: $(PERCEPTUAL)

# One of the packages comes as source: the pinned setuptools of the lock file builds it.
$(PERCEPTUAL): $(READY) envs/perceptual.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r envs/perceptual.txt
	@touch $@

fetch: $(READY)
	$(SNAKEMAKE) --cores 1 --configfile $(CONFIG) fetch

plan: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/plan_study.py --configfile $(CONFIG)

config: $(READY)
	@PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/show_config.py --configfile $(CONFIG)

results: $(READY)
	$(SNAKEMAKE) --cores $(CORES) --configfile $(CONFIG)

report: $(READY)
	$(SNAKEMAKE) --cores $(CORES) --configfile $(CONFIG) --report results/report.zip \
		--report-stylesheet rules/report/style.css

# What the README says of the default study, and its pictures.
findings: $(READY)
	$(BIN)/python docs/copy_findings.py

verify: $(READY)
	@status=0; $(SNAKEMAKE) verify_study --cores 1 --configfile $(CONFIG) --quiet all || status=$$?; \
	plan=$$($(SNAKEMAKE) --dry-run --configfile $(CONFIG) --quiet rules host) || status=$$?; \
	echo "$$plan"; grep -q "Nothing to be done" <<< "$$plan" || { status=1; \
	echo "verify: results are stale, or not there yet: run the jobs above (make results)." >&2; }; exit $$status

benchmark: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--whole-runs $(RUNS))

test: $(READY)
	$(BIN)/python -m pytest $(WORKERS)

test-fast: $(READY)
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint --configfile $(CONFIG)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

docs: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python docs/make_artifacts.py
	PYTHONPATH=workflow_scripts $(BIN)/python docs/make_configuration.py
	$(BIN)/python docs/make_architecture.py

# Versions that the lock files hold stay: results depend on them. UPGRADE=--upgrade takes the newest of all,
# UPGRADE='--upgrade-package NAME' of one.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate $(UPGRADE) -o envs/requirements.txt envs/requirements.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate $(UPGRADE) -c envs/requirements.txt -o envs/perceptual.txt envs/perceptual.in
	$(BIN)/python envs/make_conda.py

clean:
	find results -mindepth 1 ! -name README.md -delete
