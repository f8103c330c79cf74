# `make` lists the targets. Each sets up what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# What makes the environment, if PYTHON does not say: the first of these that runs. The lock files are for all of them.
PYTHONS := python3.11 python3.12 python3.13 python3.14
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PERCEPTUAL := $(VENV)/.perceptual
WATCH := $(VENV)/.watch
SNAKEMAKE := $(BIN)/snakemake
CONFIG ?= config.yaml
CORES ?= all
# Tests of one file share what they set up, so a file is one worker's. In the order of pyproject.toml:
# pytest-xdist would start with the files of the most tests, which are the quick ones.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder
# The value of a variable as one word for the shell, whatever it holds: $(call quoted,CONFIG).
quoted = '$(subst ','\'',$(value $(1)))'
# Of a config that is not there Snakemake would show a traceback.
config_is_there = @[ -f $(call quoted,CONFIG) ] || { echo "$@: "$(call quoted,CONFIG)" is not there. Name a config: make $@ CONFIG=config/paper.yaml" >&2; exit 1; }

.PHONY: help setup perceptual watch fetch plan status doctor config results report findings verify unlock benchmark benchmark-gpu test test-fast test-gpu lint format docs network-tables lock clean

help:
	@echo "prunescope: what pruning does to a network: its accuracy and its units"
	@echo ""
	@echo "Start      make results      run the study of config.yaml, on all cores"
	@echo "           make report       its charts, tables and explorer as one .zip"
	@echo "Your own   make doctor       what this machine has and lacks for it"
	@echo "           make plan         what is left to do of it: jobs, hours, disk"
	@echo "           make config       print it whole, and where each value comes from"
	@echo "           make fetch        download all it needs, for places without network"
	@echo "           make perceptual   adds DreamSim and LPIPS; make watch, TensorBoard"
	@echo "Look after make status       how far a run is: jobs, time left, failures"
	@echo "           make verify       check every file of it, and list what is stale"
	@echo "           make unlock       let the next run start after one was killed"
	@echo "           make clean        remove all results, keep the environment"
	@echo "Change     make setup        the environment in .venv (the others do it, too)"
	@echo "prunescope make test         all tests; make test-fast leaves out slow ones"
	@echo "           make test-gpu     what runs on a GPU; make benchmark-gpu times it"
	@echo "           make lint         style and types; make format mends the style"
	@echo "           make docs         write anew what docs/ takes from the code"
	@echo "           make findings     write what was found into README.md and docs/"
	@echo "           make benchmark    measure the speed (ONLY=key, RUNS=n)"
	@echo "           make lock         the lock files; make network-tables: libraries"
	@echo ""
	@echo "Which study: CONFIG=config/tiny.yaml    How many cores: CORES=4"
	@echo "What you can put in: README.md          More commands: docs/daily_use.md"

setup: $(READY)

$(READY): envs/requirements.txt
	@python=$(call quoted,PYTHON); for name in $(PYTHONS); do \
		if [ -z "$$python" ] && "$$name" -c '' 2>/dev/null; then python=$$name; fi; \
	done; \
	command -v "$$python" >/dev/null || { echo "$${python:-Python} not found: install one of $(PYTHONS), or name it with PYTHON=..." >&2; exit 1; }; \
	"$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/requirements.txt
	@touch $@

perceptual: $(PERCEPTUAL)

# One of the packages comes as source: the pinned setuptools of the lock file builds it.
$(PERCEPTUAL): $(READY) envs/perceptual.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r envs/perceptual.txt
	@touch $@

watch: $(WATCH)

$(WATCH): $(READY) envs/watch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/watch.txt
	@touch $@

fetch: $(READY)
	$(config_is_there)
	$(SNAKEMAKE) fetch --cores 1 --configfile $(call quoted,CONFIG)

plan: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/plan_study.py --configfile $(call quoted,CONFIG)

status: $(READY)
	@PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/show_status.py --configfile $(call quoted,CONFIG)

doctor: $(READY)
	@PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/check_machine.py --configfile $(call quoted,CONFIG)

config: $(READY)
	@PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/show_config.py --configfile $(call quoted,CONFIG)

# Snakemake finds the logger on the path of Python. VERBOSE=1 takes Snakemake's own.
results: $(READY)
	$(config_is_there)
	$(if $(VERBOSE),,PYTHONPATH=workflow_scripts) $(SNAKEMAKE) --cores $(call quoted,CORES) --configfile $(call quoted,CONFIG) $(if $(VERBOSE),,--logger prunescope)

report: $(READY)
	@PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/write_report.py --cores $(call quoted,CORES) \
		--configfile $(call quoted,CONFIG)

# What the README and docs/findings.md say of finished studies, and the pictures.
findings: $(READY)
	$(BIN)/python docs/copy_findings.py

verify: $(READY)
	$(config_is_there)
	@status=0; PYTHONPATH=workflow_scripts $(BIN)/python workflow_scripts/tools/verify_results.py --configfile $(call quoted,CONFIG) || status=$$?; \
	plan=$$($(SNAKEMAKE) --dry-run --configfile $(call quoted,CONFIG) --quiet rules host) || status=$$?; \
	echo "$$plan"; grep -q "Nothing to be done" <<< "$$plan" || { status=1; \
	echo "verify: results are stale, or not there yet: run the jobs above (make results)." >&2; }; exit $$status

# Only one who knows that no run is under way may do this: Snakemake cannot tell.
unlock: $(READY)
	$(config_is_there)
	$(SNAKEMAKE) --unlock --configfile $(call quoted,CONFIG)

benchmark: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(foreach key,$(value ONLY),$(call quoted,key))) $(if $(RUNS),--whole-runs $(call quoted,RUNS))

test: $(READY)
	$(BIN)/python -m pytest $(WORKERS)

test-fast: $(READY)
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

# Both skip, and say so, where there is no GPU.
test-gpu: $(READY)
	$(BIN)/python -m pytest tests/gpu

benchmark-gpu: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python -m benchmarks.gpu

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint --configfile $(call quoted,CONFIG)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

docs: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python docs/make_artifacts.py
	PYTHONPATH=workflow_scripts $(BIN)/python docs/make_tables.py
	PYTHONPATH=workflow_scripts $(BIN)/python docs/make_configuration.py
	$(BIN)/python docs/make_architecture.py

# After an upgrade of torchvision or timm.
network-tables: $(READY)
	PYTHONPATH=workflow_scripts $(BIN)/python resources/make_network_tables.py

# Versions that the lock files hold stay: results depend on them. UPGRADE=--upgrade takes the newest of all,
# UPGRADE='--upgrade-package NAME' of one.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate $(UPGRADE) -o envs/requirements.txt envs/requirements.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate $(UPGRADE) -c envs/requirements.txt -o envs/perceptual.txt envs/perceptual.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate $(UPGRADE) -c envs/requirements.txt -o envs/watch.txt envs/watch.in
	$(BIN)/python envs/make_conda.py

# The slash follows `results` where it is a link. What links below it lead to is not ours to remove.
clean:
	@if [ -d results ]; then \
		find results/ -mindepth 1 ! -path results/README.md \
			\( ! -type l -o -printf '%p was a link: what it leads to stays, %l\n' \) -delete; \
	elif [ -L results ]; then \
		echo "clean: results is a link to $$(readlink results), where no folder is. Nothing was removed: mend the link, or remove it." >&2; exit 1; \
	elif [ -e results ]; then \
		echo "clean: results is a file, not a folder. Nothing was removed." >&2; exit 1; \
	else \
		echo "clean: there is no folder results, so there is nothing to remove."; \
	fi
