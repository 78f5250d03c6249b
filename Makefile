# A thin front for cmake, ctest and scripts/: `make help` lists the targets. Each does its own set-up first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Random checkpoints of test-oracle.
FAMILY ?= all
SEEDS ?= 1-20
# Running time of each fuzz target.
FUZZ_SECONDS ?= 60
QUESTION ?= What is in the picture?

TINY := models/azimuth-tiny
AZIMUTH := build/release/azimuth
ORACLE := build/oracle-venv
# Where the Python package is built and tested; has no torch.
PYTHON_VENV := build/python-venv
# Where the package meets torch, transformers and TRL.
ECOSYSTEM := build/ecosystem-venv
# Options of pytest for test-ecosystem.
ECOSYSTEM_TESTS ?=
# Options of bench/peers/compare.py.
PEERS ?=
SOURCES = $(shell git ls-files '*.h' '*.cc' ':!third_party')

# $(call configure,PRESET): only where that has not been done with this cargo and, for the release preset, with the Python
# package where its environment is there; cmake itself notices later changes of its lists.
configure = source build/setup.env; \
  options=(-DAZIMUTH_CARGO="$$CARGO"); python=""; \
  if [[ $(1) == release && -f $(PYTHON_VENV)/ready ]]; then \
    python="$$PWD/$(PYTHON_VENV)/bin/python"; \
    options+=(-DAZIMUTH_BUILD_PYTHON=ON -DPython_EXECUTABLE="$$python"); \
  fi; \
  if ! grep -qsF "=$$CARGO" build/$(1)/CMakeCache.txt || ! grep -qsF "=$$python" build/$(1)/CMakeCache.txt || \
      [[ ! -f build/$(1)/build.ninja ]]; then \
    echo "configure: preset $(1)"; \
    cmake --preset $(1) "$${options[@]}" >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }; \
  fi
# $(call compile,PRESET,TARGET)
compile = $(call configure,$(1)); \
  [[ -d build/cargo ]] || echo "build: the first build takes about ten minutes on two cores, half of them for crates"; \
  echo "build: $(2), preset $(1), $(JOBS) jobs"; \
  cmake --build build/$(1) --target $(2) -j $(JOBS)

.PHONY: help setup build demo test python asan test-oracle test-ecosystem test-pages page-pictures golden golden-trainer mutants fuzz bench peers format tidy clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install what is missing: Debian packages, Rust
	@scripts/setup.sh build

build: setup  ## the command build/release/azimuth (what plain `make` does)
	@$(call compile,release,azimuth)

demo: build  ## ask the bundled model about a bundled picture; QUESTION="..."
	@echo "demo: $(AZIMUTH) run $(TINY) \"$(QUESTION)\" --image $(TINY)/demo.png"
	@$(AZIMUTH) run $(TINY) "$(QUESTION)" --image $(TINY)/demo.png
	@printf '%s\n' "" "That was the bundled model, which is tiny. With a published one:" \
	  "  hf download Qwen/Qwen3-VL-2B-Instruct" \
	  "  $(AZIMUTH) run Qwen/Qwen3-VL-2B-Instruct \"$(QUESTION)\" --image $(TINY)/demo.png"

$(PYTHON_VENV)/ready: python/requirements.txt | setup
	@source build/setup.env; echo "python: installing what the package is built and tested with into $(PYTHON_VENV)"; \
	  [[ -x $(PYTHON_VENV)/bin/python ]] || "$$PYTHON" -m venv $(PYTHON_VENV)
	@$(PYTHON_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

python: setup $(PYTHON_VENV)/ready  ## the Python package in build/release/python, for developers; users: pip install .
	@$(call compile,release,azimuth_python)
	@echo "python: PYTHONPATH=build/release/python $(PYTHON_VENV)/bin/python -c 'import azimuth; print(azimuth)'"

test: setup $(PYTHON_VENV)/ready  ## build everything and run all tests; needs no torch
	@$(call compile,release,all)
	@scripts/test.sh build/release -j $(JOBS)

asan: setup  ## the same tests under address and undefined-behaviour sanitizers
	@$(call compile,asan,all)
	@scripts/test.sh build/asan -j $(JOBS)

$(ORACLE)/ready: tests/oracle/requirements.txt
	@scripts/setup.sh oracle
	@echo "oracle: installing the reference into $(ORACLE)"
	@[[ -x $(ORACLE)/bin/python ]] || python3 -m venv $(ORACLE)
	@$(ORACLE)/bin/python -m pip install --quiet --requirement $<
	@touch $@

test-oracle: setup golden  ## compare with live transformers on random checkpoints; FAMILY=all SEEDS=1-20
	@$(call compile,release,azimuth azimuth_trace_compare azimuth_text_oracle)
	@$(ORACLE)/bin/python tests/oracle/run_live.py --azimuth $(AZIMUTH) --family $(FAMILY) --seeds $(SEEDS)
	@$(ORACLE)/bin/python tests/oracle/real_tokenizers.py --binary $$(find build/release -name azimuth_text_oracle -type f)
	@$(ORACLE)/bin/python tests/oracle/real_prompts.py --azimuth $(AZIMUTH)
	@$(ORACLE)/bin/python tests/oracle/additive_live.py --azimuth $(AZIMUTH) --seeds $(SEEDS)
	@$(ORACLE)/bin/python tests/oracle/score_live.py --azimuth $(AZIMUTH) --seeds $(SEEDS)

# Of the same Python as the package in build/release/python, which is used from there.
$(ECOSYSTEM)/ready: python/tests/ecosystem/requirements.txt tests/oracle/requirements.txt | setup
	@scripts/setup.sh oracle
	@source build/setup.env; echo "ecosystem: installing torch, transformers and TRL into $(ECOSYSTEM)"; \
	  [[ -x $(ECOSYSTEM)/bin/python ]] || "$$PYTHON" -m venv $(ECOSYSTEM)
	@$(ECOSYSTEM)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

test-ecosystem: python $(ECOSYSTEM)/ready  ## the Python package beside live transformers and TRL; ECOSYSTEM_TESTS="-k llava"
	@PYTHONPATH=build/release/python PYTHONDONTWRITEBYTECODE=1 AZIMUTH_SOURCE_DIR="$$PWD" \
	  $(ECOSYSTEM)/bin/python -m pytest -q -p no:cacheprovider python/tests/ecosystem $(ECOSYSTEM_TESTS)

test-pages: build  ## the pages of positions and attend in Chromium
	@scripts/setup.sh pages
	@python3 tests/pages/pages_test.py $(AZIMUTH)

page-pictures: build  ## make the pictures of docs/inspector.md again
	@scripts/setup.sh pages
	@python3 tests/pages/pictures.py $(AZIMUTH) docs/pictures/inspector

golden: $(ORACLE)/ready  ## make the committed reference outputs again; git diff shows what changed
	@for script in $(filter-out %/trainer_goldens.py,$(wildcard tests/oracle/*_goldens.py)); do \
	  echo "golden: $$script"; $(ORACLE)/bin/python $$script; done

golden-trainer: $(ECOSYSTEM)/ready  ## the same of tests/golden/trainer, which needs TRL
	@$(ECOSYSTEM)/bin/python tests/oracle/trainer_goldens.py

mutants: build  ## plant faults one at a time; each must turn a test red
	@scripts/setup.sh oracle
	@source build/setup.env; tests/mutants/run.sh

fuzz: setup  ## run every fuzz target for FUZZ_SECONDS=60
	@scripts/setup.sh clang
	@$(call compile,fuzz,all)
	@scripts/fuzz.sh build/fuzz/fuzz $(FUZZ_SECONDS)

bench: setup  ## figures per stage of the bundled model, then of the kernels
	@$(call compile,release,all)
	@scripts/bench.sh build/release $(TINY)

build/peers/ready: bench/peers/requirements.txt $(ORACLE)/ready
	@echo "peers: installing what llama.cpp converts with into $(ORACLE)"
	@$(ORACLE)/bin/python -m pip install --quiet --requirement $<
	@mkdir -p build/peers && touch $@

peers: setup build/peers/ready  ## compare with llama.cpp and transformers; PEERS="--quick" for a first look, hours without
	@scripts/setup.sh peers
	@$(call compile,release,azimuth limits)
	@python3 bench/peers/compare.py --json build/peers/figures.json $(PEERS)

format:  ## clang-format over all C++
	@scripts/setup.sh clang
	@clang-format -i $(SOURCES)

tidy: setup  ## clang-tidy over all C++ of the library and the command
	@scripts/setup.sh clang
	@$(call configure,release)
	@run-clang-tidy -quiet -j $(JOBS) -p build/release '/(src|tools)/.*\.cc$$'

clean:  ## remove the builds, keep the oracle's environment
	@rm -rf build/release build/dev build/asan build/fuzz
