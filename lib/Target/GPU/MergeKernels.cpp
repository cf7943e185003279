//===- MergeKernels.cpp - equal kernels become one ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-merge-kernels: the layers of a model share their kernels.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#define DEBUG_TYPE "attn-gpu-merge-kernels"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUMERGEKERNELSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;
using mlir::gpu::GPUFuncOp;
using mlir::gpu::GPUModuleOp;
using mlir::gpu::LaunchFuncOp;

namespace {
struct MergeKernels : attn::impl::AttnGPUMergeKernelsPassBase<MergeKernels> {
  void runOnOperation() override;

private:
  void findTwins(GPUModuleOp kernels,
                 llvm::DenseMap<StringAttr, StringAttr> &twins);
};
} // namespace

static llvm::hash_code hashOf(GPUFuncOp kernel) {
  llvm::hash_code hash(0);
  kernel.getBody().walk([&](Operation *op) {
    hash =
        llvm::hash_combine(hash, OperationEquivalence::computeHash(
                                     op, OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::IgnoreLocations));
  });
  return hash;
}

static bool isSame(GPUFuncOp a, GPUFuncOp b) {
  NamedAttrList attributesOfA(a->getAttrDictionary()),
      attributesOfB(b->getAttrDictionary());
  attributesOfA.erase("sym_name");
  attributesOfB.erase("sym_name");
  return attributesOfA == attributesOfB &&
         OperationEquivalence::isRegionEquivalentTo(
             &a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

/// Maps kernels to the first that does the same.
void MergeKernels::findTwins(GPUModuleOp kernels,
                             llvm::DenseMap<StringAttr, StringAttr> &twins) {
  llvm::DenseMap<llvm::hash_code, SmallVector<GPUFuncOp>> byHash;
  for (auto kernel : kernels.getOps<GPUFuncOp>()) {
    SmallVector<GPUFuncOp> &sameHash = byHash[hashOf(kernel)];
    auto twin = llvm::find_if(
        sameHash, [&](GPUFuncOp other) { return isSame(kernel, other); });
    if (twin == sameHash.end())
      sameHash.push_back(kernel);
    else
      twins[kernel.getNameAttr()] = twin->getNameAttr();
  }
}

void MergeKernels::runOnOperation() {
  for (auto kernels : getOperation().getOps<GPUModuleOp>()) {
    llvm::DenseMap<StringAttr, StringAttr> twins;
    findTwins(kernels, twins);
    llvm::SmallPtrSet<Attribute, 32> launched;
    getOperation().walk([&](LaunchFuncOp launch) {
      if (launch.getKernelModuleName() != kernels.getNameAttr())
        return;
      StringAttr name = launch.getKernelName();
      if (StringAttr twin = twins.lookup(name)) {
        launch.setKernelAttr(SymbolRefAttr::get(
            kernels.getNameAttr(), {FlatSymbolRefAttr::get(twin)}));
        ++numMerged;
        name = twin;
      }
      launched.insert(name);
    });
    for (auto kernel : llvm::make_early_inc_range(kernels.getOps<GPUFuncOp>()))
      if (kernel.isKernel() && !launched.contains(kernel.getNameAttr()))
        kernel.erase();
  }
}
