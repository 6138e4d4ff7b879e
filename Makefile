# Two commands on a fresh machine: `make demo` and `make test`. Needs Python >= 3.11, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9

# Compiled once, not in each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env demo test cluster images node lint format crds monitoring constraints bench clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 14

env: $(READY) ## the environment, from constraints.txt

$(READY): pyproject.toml constraints.txt
	@echo "== environment (about 6 GB, most of it torch; two minutes where packages are cached)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## eight episodes, one cut, a winner: the quickstart on real sentences
	$(BIN)/seedsweep run examples/quickstart.yaml

test: $(READY) ## all tests; the first time it also builds Kubernetes and Kueue (15 minutes) and both images (five)
	@# Here its progress can be seen. What cannot be built is said, and its tests are skipped.
	-@PYTHONPATH=tests $(BIN)/python -m cluster build > /dev/null
	-@PYTHONPATH=tests $(BIN)/python -m node images > /dev/null
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

cluster: $(READY) ## a Kubernetes control plane with fake GPU nodes to play with, until Ctrl-C
	PYTHONPATH=tests $(BIN)/python -m cluster up

images: $(READY) ## both images by debootstrap and buildah, without Docker (root, Debian)
	PYTHONPATH=tests $(BIN)/python -m node images

node: $(READY) ## a real node with both images and pretend GPUs to play with, until Ctrl-C (root, Debian)
	PYTHONPATH=tests $(BIN)/python -m node up

lint: $(READY) ## format, style, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## write the format
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format

crds: $(READY) ## write charts/seedsweep/crds from the types
	$(BIN)/python -m seedsweep.api.schema.crd charts/seedsweep/crds

monitoring: $(READY) ## write docs/metrics.md and the chart's dashboards
	$(BIN)/python monitoring/write.py

constraints: $(READY) ## pin the newest versions that fit together
	$(BIN)/uv pip compile --quiet --upgrade --no-emit-index-url --universal --all-extras --no-annotate --no-header \
	  pyproject.toml -o constraints.txt

bench: $(READY) ## every published number that needs no GPU
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[bench]'
	@# Those with a main() measure; the others are their parts. A bar that is missed keeps no other from being measured.
	missed=0; for script in $$(grep -l "^def main" bench/*.py); do $(BIN)/python $$script || missed=1; done; exit $$missed

clean: ## remove the environment and caches, keep runs/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
