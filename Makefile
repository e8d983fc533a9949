# Every target works on a machine that has Python 3.11 or later, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO = demo
SOURCES = geounet cli tests benchmarks reference

.DEFAULT_GOAL = help
.PHONY: help demo test check format bench fuzz package model docs clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(BIN)/.ready-dev: $(BIN)/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(BIN)/.ready  ## set up, draw a sample town, predict it, write a report to look at
	$(BIN)/geounet sample $(DEMO) --size 1536 --seed 20 --overwrite
	$(BIN)/geounet predict $(DEMO)/town.tif --out $(DEMO)/buildings.gpkg --overwrite \
		--probability $(DEMO)/probability.tif --report $(DEMO)/report.html
	@echo "Open $(DEMO)/report.html in a browser, or $(DEMO)/buildings.gpkg in QGIS."

test: $(BIN)/.ready-dev  ## set up, then linters, types and the whole default test suite
	$(MAKE) check
	$(BIN)/python -m pytest -n 2 -q

check: $(BIN)/.ready-dev  ## linters, types, and the site of the documents built strictly
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/zensical build --clean --strict

format: $(BIN)/.ready-dev  ## put every file into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(BIN)/.ready-dev  ## measure what the README claims of speed and memory, in small (minutes)
	$(BIN)/python benchmarks/claims.py

fuzz: $(BIN)/.ready-dev  ## feed 100,000 inputs to each parser of files (many minutes)
	$(BIN)/python -m pytest -q -m slow

package: $(BIN)/.ready-dev  ## build wheel and source package into dist/; install and run one elsewhere
	$(BIN)/python -m build
	$(BIN)/python -m pytest -q -m 'slow or not slow' tests/test_package.py

model: $(BIN)/.ready-dev  ## train the bundled model again: make model DATA=FOLDER (2.5 hours on two cores)
	$(BIN)/geounet train $(DATA) --manifest docs/models/buildings.toml --recipe buildings \
		--steps 16000 --seed 1 --name buildings -o first.safetensors
	$(BIN)/geounet train $(DATA) --manifest docs/models/buildings.toml --from first.safetensors \
		--config docs/models/buildings-recipe.toml --weight town=0.35 --weight kampala=0.2 --seed 2 \
		--name buildings -o geounet/weights/buildings.safetensors --overwrite

docs: $(BIN)/.ready-dev  ## write what the documents take from the code, then the site, to site/index.html
	$(BIN)/python reference
	$(BIN)/zensical build --clean --strict

clean:  ## remove what was made here
	rm -rf $(VENV) $(DEMO) site .cache benchmarks/cache build dist *.egg-info
