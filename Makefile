# A newcomer needs two of these: `make demo` and `make test`. Each installs what it needs into .venv first.

MIN_PYTHON := 3.11
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test check format docs bench results studies real-studies plans projection encoders golden lock clean

help:
	@echo "Try it"
	@echo "  make demo          run a small experiment, without downloads; report: runs/demo/reports/demo/index.html"
	@echo "  make test          run all tests"
	@echo "Change it"
	@echo "  make check         check format, lint, types and the layers of modules, as before every commit"
	@echo "  make format        fix what check reports of format and lint"
	@echo "  make docs          rewrite the generated parts of docs/: the file tree and the tables"
	@echo "  make golden        rewrite tests/golden, after an intended change of numbers"
	@echo "  make lock          rewrite requirements.lock; PIN='torch==2.13.0' holds a version"
	@echo "  make clean         delete .venv, build folders and caches"
	@echo "Measure it (some take hours)"
	@echo "  make bench         throughput against the Hugging Face Trainer"
	@echo "  make results       docs/results; with DATA=folder of official files, real text too"
	@echo "  make studies       docs/studies: run the studies on the built-in benchmark (about an hour on two cores)"
	@echo "  make real-studies  docs/studies: run two of them on real text; DATA=folder of official files"
	@echo "  make plans         docs/studies/plans.md: what the studies on large models would take (minutes)"
	@echo "  make projection    docs/translation.md: accuracy of projected spans and tags"
	@echo "  make encoders      pretrain the encoders that come with xstilts again (about ten hours on one core)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "xstilts needs Python $(MIN_PYTHON) or newer with venv and ensurepip: found only" \
		"$$(python3 --version 2>/dev/null || echo none). Install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/xstilts demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup
	$(BIN)/python tools/file_tree.py
	$(BIN)/python tools/export_table.py
	$(BIN)/python tools/backbones_page.py
	$(BIN)/python tools/experiment_page.py
	$(BIN)/python tools/planning_table.py

bench: setup
	$(BIN)/python -m benchmarks.throughput

results: setup  # DATA=folder of official files
	$(BIN)/xstilts demo
	cp runs/demo/reports/demo/report.md docs/results/demo.md
	$(if $(DATA),$(BIN)/xstilts run experiments/real-small.yaml --data $(DATA) --store runs/real-small)
	$(if $(DATA),cp runs/real-small/reports/real-small/report.md docs/results/real-small.md)
	$(if $(DATA),$(BIN)/xstilts choose experiments/real-small.yaml --evaluate --data $(DATA) --store runs/real-small)
	$(if $(DATA),cp runs/real-small/reports/choose-worth-real-small.md docs/results/choosing-real-small.md)
	$(BIN)/xstilts run experiments/choosing.yaml --store runs/choosing
	$(BIN)/xstilts choose experiments/choosing.yaml --evaluate --store runs/choosing
	cp runs/choosing/reports/choose-worth-choosing.md docs/results/choosing.md

# Every file with a study block, but for variants and the paper's grid.
STUDIES = $(filter-out %-real-small %-full table1,$(basename $(notdir $(shell grep -l '^study:' src/xstilts/studies/*.yaml))))

studies: setup
	for name in $(STUDIES); do \
		$(BIN)/xstilts study $$name --store runs/studies --to docs/studies/$$name.md || exit 1; done

# Two of those on real text, in the store of experiments/real-small.yaml.
real-studies: setup  # DATA=folder of official files
	for name in curriculum-real-small objectives-real-small; do \
		$(BIN)/xstilts study $$name --data $(DATA) --store runs/real-small --to docs/studies/$$name.md || exit 1; done

plans: setup
	$(BIN)/python tools/study_plans.py

projection: setup
	$(BIN)/python tools/projection_table.py

encoders: setup
	for name in encoders encoders-continued encoders-short; do \
		$(BIN)/xstilts run src/xstilts/studies/$$name.yaml --store runs/encoders || exit 1; \
		$(BIN)/python tools/ship_encoders.py runs/encoders || exit 1; done

golden: setup
	$(BIN)/python -m pytest -k golden --renew-golden

lock:  # PIN='torch==2.13.0' holds a version
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install '.[dev]' $(PIN)
	$(PYTHON) tools/lock.py build/lock/bin/python > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
