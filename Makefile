# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# What a person types. Every target sets up what it misses (Debian packages, a private Python environment), configures
# and builds into build/, and is quick when all that is there: the stamps in build/stamps remember what was done.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BUILD := build
STAMPS := $(BUILD)/stamps
PYTHON := $(BUILD)/venv/bin/python
LLVM := /usr/lib/llvm-22
CMAKE_FLAGS ?=

export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: help setup build check demo bench docs lint format clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(STAMPS)/packages $(STAMPS)/venv-test ## install the Debian packages and the Python environment

build: $(BUILD)/build.ninja ## configure and build into build/
	@ninja -C $(BUILD)

check: build $(STAMPS)/venv-test ## run every test; the last line is the sum over all runners
	@$(PYTHON) scripts/check.py --build $(BUILD) $(CHECK_FLAGS)

demo: build $(STAMPS)/venv-test ## compile MiniLM's real weights and compare its embeddings with the original's
	@PYTHONPATH=python $(PYTHON) -m attn_compiler.demo --build $(BUILD) $(DEMO_FLAGS)

bench: build $(STAMPS)/venv-bench ## measure against the peers; CASES=a,b runs a part, LIMITS=DIR adds hand-scheduled programs
	@PYTHONPATH=python $(PYTHON) benchmarks/run.py --build $(BUILD) --output $(BUILD)/bench.json \
	  $(if $(CASES),--cases=$(CASES)) $(if $(LIMITS),--limits=$(LIMITS)) $(BENCH_FLAGS)

docs: build $(STAMPS)/venv-test ## rebuild the generated pages under docs/
	@$(PYTHON) scripts/gen_docs.py --build $(BUILD)

lint: build $(STAMPS)/venv-test ## run only the convention checks
	@$(PYTHON) -m pytest -q test/Lint

format: $(STAMPS)/packages ## let clang-format rewrite the C++ files
	@git ls-files -co --exclude-standard '*.h' '*.cpp' | xargs -r $(LLVM)/bin/clang-format -i

clean: ## remove build/ (the compiler cache stays)
	@rm -rf $(BUILD)

$(STAMPS)/packages: scripts/setup.sh scripts/debian-packages.txt
	@bash scripts/setup.sh packages
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv-test: scripts/setup.sh python/requirements-test.txt | $(STAMPS)/packages
	@bash scripts/setup.sh venv $(BUILD)/venv python/requirements-test.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv-bench: python/requirements-bench.txt $(STAMPS)/venv-test
	@bash scripts/setup.sh venv $(BUILD)/venv python/requirements-bench.txt
	@mkdir -p $(@D) && touch $@

# CMake looks after its own inputs from here on; ninja runs it again when they change.
$(BUILD)/build.ninja: $(STAMPS)/packages Makefile
	@cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_C_COMPILER=$(LLVM)/bin/clang -DCMAKE_CXX_COMPILER=$(LLVM)/bin/clang++ \
	  -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
	  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld \
	  -DMLIR_DIR=$(LLVM)/lib/cmake/mlir -DLLVM_DIR=$(LLVM)/lib/cmake/llvm \
	  -DPython3_EXECUTABLE=/usr/bin/python3 $(CMAKE_FLAGS)
	@touch $@
