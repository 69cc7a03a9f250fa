# make demo      install, make a landscape, map it, say how good the map is
# make test      install, run the tests
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
QGIS_PYTHON ?= /usr/bin/python3
BIN := $(VENV)/bin

# absolute, for configs resolve relative paths from their own folder
GEOSEG_DATA ?= ../shared/data
override GEOSEG_DATA := $(abspath $(GEOSEG_DATA))
export GEOSEG_DATA

.PHONY: help install demo demo-model models bench-models bench-peers bench-shift bench-vectors test test-docker test-qgis test-slurm check bench docs fuzz clean

help:
	@echo "make demo        install, make a landscape, map it, show how good the map is (demo/)"
	@echo "make test        install, run the tests"
	@echo "make test-qgis   open the layers in QGIS (QGIS_PYTHON, Debian's python3-qgis)"
	@echo "make test-docker  build the image and run the demo in it, without a container engine (root, Debian)"
	@echo "make test-slurm  predict on a SLURM of one node (root, Debian)"
	@echo "make fuzz        hostile files by the thousand through all that parses"
	@echo "make check       lint, types, layers and shape of the code"
	@echo "make bench       run and time the benchmarks"
	@echo "make docs        build the documentation (site/)"
	@echo "make demo-model  train the demo model again"
	@echo "make models      train the packaged models again (GEOSEG_DATA, two hours)"
	@echo "make bench-models  score the packaged models; buildings with each area left out (GEOSEG_DATA)"
	@echo "make bench-peers  prediction beside MONAI, pytorch-toolbelt, Raster Vision, torchgeo, terratorch and geoai (40 min)"
	@echo "make bench-shift  train, shift, adapt and score on 16 pairs of domains (GEOSEG_DATA, two hours)"
	@echo "make bench-vectors  polygons beside rasterio, gdal_polygonize, GEOS and buildingregulariser"
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
	$(BIN)/python -m pipelines.make_landscapes -o runs/unseen --scenes 3 --seed 501 --size 1024
	rm -rf runs/demo_landscape
	$(BIN)/geoseg train configs/demo_landscape.yaml -o runs/demo_landscape
	$(call ship,runs/demo_landscape/best,demo_landscape,demo-landscape)

# Every packaged model again, from GEOSEG_DATA: some two hours on two cores. A run that is there is not done again.
models: runs/landcover_rgb_mean/model.json runs/landcover_rgbn/best/model.json runs/landcover_ms_mean/model.json \
        runs/buildings_rgb/best/model.json
	$(call ship,runs/landcover_rgb_mean,landcover_rgb,landcover-rgb)
	$(call ship,runs/landcover_rgbn/best,landcover_rgbn,landcover-rgbn)
	$(call ship,runs/landcover_ms_mean,landcover_ms,landcover-ms)
	$(call ship,runs/buildings_rgb/best,buildings_rgb,buildings-rgb)

# Calibrate, picture and score a package by its config, and put it into the wheel
define ship
	$(BIN)/python -m pipelines.finish_model $(1) configs/$(2).yaml
	$(BIN)/python -m pipelines.score_model $(1) configs/$(2).yaml --split val --record
	$(BIN)/python -m pipelines.score_model $(1) configs/$(2).yaml --record
	mkdir -p geoseg/models/zoo_packages
	rm -rf geoseg/models/zoo_packages/$(3)
	cp -r $(1) geoseg/models/zoo_packages/$(3)
endef

runs/ohio/split.json: | install
	$(BIN)/python -m pipelines.mosaic_chips $(GEOSEG_DATA)/landcover_rgb/ohio -o runs/ohio \
	  --image "*_rgbn.tif" --labels "*_mask.tif" --bands 1,2,3,4 --names red,green,blue,nir \
	  --by northing --held-out 0.25 --validation 0.13

runs/hls/split.json: | install
	$(BIN)/python -m pipelines.split_by_place $(GEOSEG_DATA)/landcover_ms/hls_worldcover -o runs/hls \
	  --image "*_ms.tif" --labels "*_mask.tif" \
	  --bands 2,3,4,5,6,7 --names blue,green,red,nir08,swir16,swir22 --ignore 8,255

runs/landcover_rgb_ohio/best/model.json: runs/ohio/split.json
	$(BIN)/geoseg train configs/landcover_rgb_ohio.yaml -o runs/landcover_rgb_ohio

runs/landcover_rgb/best/model.json: runs/landcover_rgb_ohio/best/model.json
	$(BIN)/geoseg train configs/landcover_rgb.yaml -o runs/landcover_rgb

runs/landcover_rgb_refine/best/model.json: runs/landcover_rgb/best/model.json
	$(BIN)/geoseg train configs/landcover_rgb_refine.yaml -o runs/landcover_rgb_refine

runs/landcover_rgb_mean/model.json: runs/landcover_rgb_refine/best/model.json
	$(BIN)/python -m pipelines.average_models runs/landcover_rgb/best runs/landcover_rgb_refine/best \
	  -o runs/landcover_rgb_mean

runs/landcover_rgbn/best/model.json: runs/landcover_rgb/best/model.json
	$(BIN)/geoseg train configs/landcover_rgbn.yaml -o runs/landcover_rgbn

runs/landcover_ms/best/model.json: runs/hls/split.json
	$(BIN)/geoseg train configs/landcover_ms.yaml -o runs/landcover_ms

runs/landcover_ms_refine/best/model.json: runs/landcover_ms/best/model.json
	$(BIN)/geoseg train configs/landcover_ms_refine.yaml -o runs/landcover_ms_refine

runs/landcover_ms_mean/model.json: runs/landcover_ms_refine/best/model.json
	$(BIN)/python -m pipelines.average_models runs/landcover_ms/best runs/landcover_ms_refine/best \
	  -o runs/landcover_ms_mean

runs/buildings_rgb/best/model.json: runs/landcover_rgb/best/model.json
	$(BIN)/geoseg train configs/buildings_rgb.yaml -o runs/buildings_rgb

# The tables of docs/models.md: each area of buildings-rgb left out once, and the scores of the packaged models
bench-models: runs/landcover_rgb_ohio/best/model.json
	$(BIN)/python -m pipelines.leave_one_out configs/buildings_rgb.yaml -o runs/leave_one_out \
	  --areas banepa,zanzibar,nairobi,massachusetts --iterations 200 --start runs/landcover_rgb_ohio/best
	$(BIN)/python -m pipelines.score_models -o runs/scores configs/landcover_rgb.yaml configs/landcover_rgbn.yaml \
	  configs/landcover_ms.yaml configs/buildings_rgb.yaml

# The tables of docs/adaptation.md; TIER=gpu for a larger network, what is there is not done again
TIER ?= cpu
bench-shift: install
	$(BIN)/python -m benchmarks.shift adapt --workers $(WORKERS) --tier $(TIER) -o runs/shift
	$(BIN)/python -m benchmarks.shift report --workers $(WORKERS) --tier $(TIER) -o runs/shift
	$(BIN)/python -m benchmarks.shift table --tier $(TIER) -o runs/shift

# Peers that are not there are left out of the tables: gdal-bin for gdal_polygonize, pip's buildingregulariser
bench-vectors: install
	$(BIN)/python -m benchmarks.vectors
	$(BIN)/python -m benchmarks.vectors --memory
	$(BIN)/python -m benchmarks.regularize

# Other libraries live in an environment of their own; one that cannot be installed is left out of the tables.
# Of terratorch and geoai one module each is used, without what they depend on.
PEERS ?= .venv-peers
PEER_PACKAGES := monai==1.6.1 pytorch-toolbelt==0.8.0 rastervision-core==0.31.1 torchgeo==0.8.1
PEER_MODULES := terratorch==1.2.11 geoai-py==0.40.1
PEER_TABLES := overhead "networks --network unet-resnet18" "networks --network landcover-rgb" memory seams decoded

$(PEERS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet -c constraints.txt torch torchvision
	$(PEERS)/bin/python -m pip install --quiet -c constraints.txt -e ".[openvino]"
	for peer in $(PEER_PACKAGES); do \
	  $(PEERS)/bin/python -m pip install --quiet -c constraints.txt $$peer || echo "$$peer is left out: it cannot be installed"; \
	done
	for peer in $(PEER_MODULES); do \
	  $(PEERS)/bin/python -m pip install --quiet --upgrade --no-deps --target $(PEERS)/modules $$peer \
	    || echo "$$peer is left out: it cannot be fetched"; \
	done
	touch $@

# One table: make bench-peers PEER_TABLES=overhead
bench-peers: $(PEERS)/.installed
	for table in $(PEER_TABLES); do $(PEERS)/bin/python -W ignore -m benchmarks.peers $$table || exit 1; done

# One thread for each worker: more would fight for the same cores
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

# Needs QGIS: apt-get install python3-qgis
test-qgis: install
	GEOSEG_QGIS_PYTHON=$(QGIS_PYTHON) $(BIN)/python -m pytest -q tests/vector/test_in_qgis.py

# Needs root and Debian; installs buildah and debootstrap. The image stays in build/image
test-docker: install
	command -v buildah && command -v debootstrap || apt-get install --yes --no-install-recommends buildah debootstrap
	PYTHON=$(BIN)/python sh docker/without_engine.sh build/image
	GEOSEG_IMAGE_DATA=build/image/data $(BIN)/python -m pytest -q tests/opt_in/test_image.py

$(VENV)/.slurm-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[slurm]"
	touch $@

# Needs root and Debian; installs slurm-wlm and munge, and leaves no daemon behind
test-slurm: $(VENV)/.slurm-installed
	command -v slurmd && command -v munged || apt-get install --yes --no-install-recommends slurm-wlm munge
	GEOSEG_SLURM=1 sh tests/opt_in/with_slurm.sh $(BIN)/python -m pytest -q tests/opt_in/test_slurm.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

# Many more examples for the tests of hostile files; tests/fuzz/with_atheris.py goes by coverage
fuzz: install
	GEOSEG_FUZZ=2000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) tests/fuzz

bench: install
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only -o addopts=--import-mode=importlib
	$(BIN)/python -m benchmarks.peers networks --network landcover-rgb --only forward,geoseg

docs: $(VENV)/.docs-installed
	$(BIN)/python -m geoseg.cli.reference > docs/cli.md
	$(BIN)/mkdocs build --strict

clean:
	rm -rf demo site runs build dist $(PEERS)
