# Everything lives in .venv: with uv as uv.lock says, without uv by venv and pip.

VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready
UV     := $(shell command -v uv 2>/dev/null)
TORCH  := torch==2.13.0

# What the demo may take, in seconds.
BUDGET ?= 20

# The first interpreter that is new enough and can make a virtual environment.
# (Debian keeps ensurepip in a package of its own.)
BASE = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
           $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
           && echo $$p && break; done)

# The pygraphviz wheel brings Graphviz along. Where there is no such wheel, dot on PATH draws as well.
DOT_INSTEAD = { command -v dot >/dev/null \
    || { echo "setup: nothing could draw: if the lines above are about pygraphviz, install Graphviz" \
              "(apt install graphviz, brew install graphviz) and run make again." >&2; false; } \
    && echo "setup: again without pygraphviz; dot on PATH draws instead"; }

.PHONY: help setup demo notebooks slides exercises grade gallery docs test lint parity bench clean

help:
	@echo "make setup    .venv with everything the other targets need"
	@echo "make demo     train a small character LSTM, sample from it, draw it into out/ (BUDGET=20 seconds)"
	@echo "make notebooks run the lessons, and write an executed notebook beside each script"
	@echo "make slides   the lecture hour as one HTML file, out/slides.html, with its figures as SVG and PDF"
	@echo "make exercises a sheet per lesson in out/exercises; make grade says which answers are right"
	@echo "make gallery  every picture there is, of models trained for it, as one page in out/gallery"
	@echo "make docs     this project as pages, with every picture, in out/docs"
	@echo "make test     everything the project promises (.ci/run also runs what is marked slow)"
	@echo "make lint     style, types, and who may import whom"
	@echo "make parity   the same numbers as $(TORCH), which it installs into .venv"
	@echo "make bench    how fast, beside every peer (BENCH='--quick --sizes tiny --threads 1' for a part)"
	@echo "make clean    remove what these targets made, .venv included"

setup: $(READY)

$(READY): pyproject.toml uv.lock
ifneq ($(UV),)
	@echo "setup: the versions of uv.lock into $(VENV), by uv"
	@export UV_PROJECT_ENVIRONMENT=$(VENV); sync="uv sync --locked --quiet --no-build-package pygraphviz"; \
	    $$sync || { $(DOT_INSTEAD) && $$sync --no-install-package pygraphviz; }
else
	@test -n "$(BASE)" || { echo "setup: this needs uv, or Python 3.11 or newer with venv (on Debian and Ubuntu:" \
	    "apt install python3-venv); python3 here is: $$(python3 --version 2>&1 | tail -n 1)" >&2; false; }
	@echo "setup: a virtual environment in $(VENV), by $(BASE) -m venv"
	@$(BASE) -m venv $(VENV)
	@echo "setup: the newest versions pyproject.toml allows, by pip"
	@pip="$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable"; \
	    $$pip '.[dev,render]' --only-binary pygraphviz || { $(DOT_INSTEAD) && $$pip '.[dev]'; }
endif
	@touch $@
	@echo "setup: done, $$($(PYTHON) --version)"

demo: $(READY)
	@$(PYTHON) tutorials/demo.py --seconds $(BUDGET) --out out

notebooks: $(READY)
	@OPENBLAS_NUM_THREADS=1 $(PYTHON) tutorials/notebooks.py $(LESSONS)

slides: $(READY)
	@OPENBLAS_NUM_THREADS=1 $(PYTHON) tutorials/slides.py -o out/slides.html

exercises: $(READY)
	@$(PYTHON) tutorials/grade.py write out/exercises

grade: $(READY)
	@OPENBLAS_NUM_THREADS=1 $(PYTHON) tutorials/grade.py check out/exercises

gallery: $(READY)
	@$(PYTHON) -m viz gallery -o out/gallery

# From the beginning each time: the pictures are drawn anew, so every page that shows one is.
docs: $(READY)
	@rm -rf out/docs
	@OPENBLAS_NUM_THREADS=1 $(PYTHON) -m sphinx -W --keep-going -E -q -d out/doctrees docs out/docs
	@echo "docs: open out/docs/index.html"

# One BLAS thread per test process: together they already fill the cores.
test: $(READY)
	@OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: $(READY)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/pyrefly check
	@$(VENV)/bin/lint-imports --no-logo

# pip and not uv, whose environments come without it: pip honours PIP_FIND_LINKS and PIP_EXTRA_INDEX_URL,
# by which a machine says where its torch for CPU is. PyPI's own wheel for Linux brings gigabytes of CUDA.
parity: $(READY)
	@$(PYTHON) -c 'import torch' 2>/dev/null || { \
	    echo "parity: installing $(TORCH) into $(VENV) (Linux without a GPU: set" \
	         "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu first to save gigabytes)"; \
	    $(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null; \
	    $(PYTHON) -m pip install --quiet --disable-pip-version-check $(TORCH); }
	@$(PYTHON) tests/golden/generate.py --check
	@$(PYTHON) tests/golden/generate_optimisers.py --check
	@$(PYTHON) -m pytest tests/parity

# Its numbers are those of a machine with nothing else to do; peers beside Python are compared with.
bench: $(READY)
	@echo "bench: every peer in .venv, one and two threads, into tests/benchmarks/results.md"
	@$(PYTHON) tests/benchmarks/results.py $(BENCH)

clean:
	@rm -rf $(VENV) out dist build .pytest_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
