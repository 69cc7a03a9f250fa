# make demo      install, make a landscape, map it, say how good the map is
# make test      install, run the tests
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin

export GEOSEG_DATA ?= ../shared/data

.PHONY: help install demo demo-model test check bench docs clean

help:
	@echo "make demo        install, make a landscape, map it, show how good the map is (demo/)"
	@echo "make test        install, run the tests"
	@echo "make check       lint, types, layers and shape of the code"
	@echo "make bench       run and time the benchmarks"
	@echo "make docs        build the documentation (site/)"
	@echo "make demo-model  train the demo model again"
	@echo "make clean       remove what these targets made"

install: $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: the CPU build, and the torchvision that belongs to it
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/.docs-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

demo: install
	$(BIN)/geoseg demo -o demo

demo-model: install
	$(BIN)/python -m pipelines.make_landscapes -o runs/landscapes
	rm -rf runs/demo_landscape
	$(BIN)/geoseg train configs/demo_landscape.yaml -o runs/demo_landscape
	$(BIN)/python -m pipelines.make_landscapes -o runs/unseen --scenes 3 --seed 501 --size 1024
	$(BIN)/python -m pipelines.score_model runs/demo_landscape/best --record held-out \
	  --scene "runs/unseen/*_scene.tif" --labels "runs/unseen/*_labels.tif"
	rm -rf geoseg/models/zoo_packages/demo-landscape
	mkdir -p geoseg/models/zoo_packages
	cp -r runs/demo_landscape/best geoseg/models/zoo_packages/demo-landscape

# One thread for each worker: more would fight for the same cores
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

bench: install
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only -o addopts=--import-mode=importlib
	$(BIN)/python -m benchmarks.predict_overhead

docs: $(VENV)/.docs-installed
	$(BIN)/python -m geoseg.cli.reference > docs/cli.md
	$(BIN)/mkdocs build --strict

clean:
	rm -rf demo site runs build dist
