# Every target sets up what it needs by itself; a second run finds it ready.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
WORKERS ?= 3
BIN := .venv/bin
FRONTEND := mlf_widgets/frontend
HUB := deploy/jupyterhub
SHARED_DATA ?= ../shared/data
PROJECT ?= demo/running

FRONTEND_FILES := $(shell find $(FRONTEND)/src -type f) $(FRONTEND)/build.mjs
MODULES := $(FRONTEND)/node_modules/.package-lock.json
BUNDLES := mlf_widgets/static/.built
INSTALLED := .venv/.installed
PROXY := $(HUB)/node_modules/.package-lock.json

.PHONY: help setup demo docs test test-lowest lint bench bench-hub bench-widget bench-proposals bench-photographs hub soak screenshot system-packages

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(INSTALLED) $(BUNDLES)  ## Make .venv with everything in it, and build the widgets

demo: setup  ## The whole method on images that the program draws itself; ends at the page where you annotate
	$(BIN)/mlf demo

test: setup $(PROXY) system-packages  ## All tests: the browser half's, then Python's
	cd $(FRONTEND) && npm run --silent test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

test-lowest: setup $(PROXY)  ## Python's tests on the lowest versions that pyproject.toml allows (in .venv-lowest)
	$(BIN)/uv venv --quiet --clear --python 3.11 .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --constraints .ci/lowest.txt -e ".[dev]"
	.venv-lowest/bin/python -m pytest -m "not browser and not hub and not slow" --ignore tests/architecture/test_lint.py

lint: setup  ## Format, rules and types, of Python and TypeScript
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd $(FRONTEND) && npm run --silent check

bench: setup system-packages  ## The figures of README, but for the widget's and the hub's; some need SHARED_DATA
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/consensus.py $(SHARED_DATA)/imagenet_val
	$(BIN)/python benchmarks/fewer_votes.py $(SHARED_DATA)/imagenet_val
	$(BIN)/python benchmarks/proposal_methods.py $(SHARED_DATA)/imagenet_samples
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/whole_method.py demo/whole_method
	$(BIN)/python benchmarks/session_open.py
	$(BIN)/python benchmarks/service.py --annotators 200 --seconds 60
	$(BIN)/python benchmarks/service.py --annotators 200 --seconds 60 --postgres
	$(BIN)/python benchmarks/flood.py --annotators 50 --seconds 15

bench-hub: setup $(PROXY) system-packages  ## Fifteen sessions in a real JupyterHub (as root: an account for each); 500 light ones
	$(BIN)/python benchmarks/hub.py
	$(BIN)/python benchmarks/light.py --people 500 --seconds 40
	$(BIN)/python benchmarks/light.py --people 500 --seconds 40 --images
	$(BIN)/python benchmarks/light.py --log-in
	$(BIN)/python benchmarks/first_load.py
	$(BIN)/python benchmarks/first_load.py --light

bench-proposals: setup  ## Proposals against timm's own loop, the model alone and decoding alone; needs SHARED_DATA
	$(BIN)/python benchmarks/proposals.py $(SHARED_DATA)/imagenet_samples

bench-photographs: setup  ## The 1,000 photographs of SHARED_DATA through all stages; goes on where it was
	$(BIN)/python benchmarks/whole_photographs.py $(SHARED_DATA)/imagenet_samples demo/photographs

bench-widget: setup system-packages  ## From key press to the next image painted, in JupyterLab in Chromium
	$(BIN)/python benchmarks/widget.py
	$(BIN)/python benchmarks/class_search.py

screenshot: setup system-packages  ## Take the pictures of README and documentation again
	$(BIN)/python benchmarks/screenshot.py assets/annotator.png --pictures docs/pictures

docs: setup  ## The documentation as a site that needs no network: build/docs/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

hub: setup $(PROXY)  ## A JupyterHub for the people of PROJECT=folder (as root: a session's account of its own)
	$(BIN)/mlf hub $(PROJECT)

soak: setup $(PROXY) system-packages  ## Hundreds of kills, hundreds of annotators, fifteen sessions, all of the browser suite in Firefox too, a Ray cluster, examples drawn anew
	MLF_SOAK=1 $(BIN)/python -m pytest tests/soak -s
	MLF_SOAK=1 $(BIN)/python -m pytest tests/browser
	MLF_SOAK=1 $(BIN)/python -m pytest tests/proposals/test_ray.py
	cd $(FRONTEND) && MLF_SOAK=1 npm run --silent test
	MLF_SOAK=1 $(BIN)/python -m pytest -m hypothesis

system-packages:
	@.ci/system-packages tests

$(BIN)/python:
	@PYTHON=$(PYTHON) .ci/system-packages venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

$(MODULES): $(FRONTEND)/package-lock.json $(FRONTEND)/package.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' && command -v npm >/dev/null || \
	  { echo "Node.js 20 or newer with npm is needed; nodejs.org has it, and so has Debian 13: apt-get install nodejs npm" >&2; exit 1; }
	@echo "Installing what the widgets are built with"
	@cd $(FRONTEND) && npm ci --silent </dev/null
	@touch $@

$(BUNDLES): $(FRONTEND_FILES) $(MODULES)
	@echo "Building the widgets"
	@cd $(FRONTEND) && npm run --silent build
	@touch $@

$(INSTALLED): pyproject.toml hatch_build.py | $(BIN)/python $(BUNDLES)
	@echo "Installing multilabelfy and what it needs into .venv; the first time this takes some minutes"
	@$(BIN)/python -m pip install --disable-pip-version-check -qq -e ".[dev]" </dev/null
	@touch $@

$(PROXY): $(HUB)/package-lock.json $(HUB)/package.json
	@echo "Installing JupyterHub's proxy"
	@cd $(HUB) && npm ci --silent </dev/null
	@touch $@
