//===- NameKernels.cpp - names of kernels ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-name-kernels: one module for all kernels, and names that
// tell where they come from.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#define DEBUG_TYPE "attn-gpu-name-kernels"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUNAMEKERNELSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct NameKernels : attn::impl::AttnGPUNameKernelsPassBase<NameKernels> {
  void runOnOperation() override;
};
} // namespace

/// PTX takes letters, digits and underscores.
static std::string makeIdentifier(StringRef text) {
  std::string name = text.str();
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  return name;
}

void NameKernels::runOnOperation() {
  MLIRContext *context = &getContext();
  auto module = FlatSymbolRefAttr::get(context, "attn_kernels");
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    unsigned next = 0;
    function.walk([&](mlir::gpu::LaunchOp launch) {
      std::string name = makeIdentifier(function.getSymName());
      if (FlatSymbolRefAttr given = launch.getFunctionAttr())
        name += "_" + makeIdentifier(given.getValue());
      name += "_" + std::to_string(next++);
      launch.setModuleAttr(module);
      launch.setFunctionAttr(FlatSymbolRefAttr::get(context, name));
      ++numNamed;
    });
  }
}
