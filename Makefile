# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# What a person types. Every target sets up what it misses (Debian packages, a private Python environment), configures
# and builds into build/, and is quick when all that is there.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BUILD := build
PYTHON := $(BUILD)/venv/bin/python
LLVM := /usr/lib/llvm-22
CMAKE_FLAGS ?=

export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: packages venv-test venv-bench help setup build check demo bench docs lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: venv-test ## install the Debian packages and the Python environment

build: $(BUILD)/build.ninja ## configure and build into build/
	@ninja -C $(BUILD)

check: build venv-test ## run every test; the last line is the sum over all runners
	@$(PYTHON) scripts/check.py --build $(BUILD) $(CHECK_FLAGS)

demo: build venv-test ## compile MiniLM's real weights; its embeddings against the original's, and every form side by side
	@PYTHONPATH=python $(PYTHON) -m attn_compiler.demo --build $(BUILD) $(DEMO_FLAGS)

bench: build venv-bench ## measure against the peers; CASES=a,b runs a part, LIMITS=DIR adds hand-scheduled programs
	@PYTHONPATH=python $(PYTHON) benchmarks/run.py --build $(BUILD) --output $(BUILD)/bench.json \
	  $(if $(CASES),--cases=$(CASES)) $(if $(LIMITS),--limits=$(LIMITS)) $(BENCH_FLAGS)
	@$(if $(CASES),,PATH=$(BUILD)/bin:$$PATH PYTHONPATH=python $(PYTHON) benchmarks/linformer_grid.py \
	  --output $(BUILD)/linformer-grid.json --plot $(BUILD)/linformer-grid.svg)
	@$(if $(CASES),,PATH=$(BUILD)/bin:$$PATH PYTHONPATH=python $(PYTHON) benchmarks/generation.py \
	  --output $(BUILD)/generation.json)

docs: build venv-test ## rebuild the generated pages under docs/
	@$(PYTHON) scripts/gen_docs.py --build $(BUILD)

lint: build venv-test ## run only the convention checks
	@$(PYTHON) -m pytest -q test/Lint

format: packages ## let clang-format rewrite the C++ files
	@git ls-files -co --exclude-standard '*.h' '*.cpp' '*.c' | xargs -r $(LLVM)/bin/clang-format -i

clean: ## remove build/ (the compiler cache stays)
	@rm -rf $(BUILD)

packages:
	@bash scripts/setup.sh packages

venv-test: packages
	@bash scripts/setup.sh venv $(BUILD)/venv python/requirements-test.txt

venv-bench: venv-test
	@bash scripts/setup.sh venv $(BUILD)/venv python/requirements-bench.txt

# CMake looks after its own inputs from here on; ninja runs it again when they change.
$(BUILD)/build.ninja: Makefile | packages
	@cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
	  -DCMAKE_C_COMPILER_LAUNCHER=ccache "-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache" \
	  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld \
	  -DCMAKE_MODULE_LINKER_FLAGS=-fuse-ld=lld \
	  -DMLIR_DIR=$(LLVM)/lib/cmake/mlir -DLLVM_DIR=$(LLVM)/lib/cmake/llvm $(CMAKE_FLAGS)
	@touch $@
