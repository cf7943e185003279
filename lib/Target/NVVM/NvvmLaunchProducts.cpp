//===- NvvmLaunchProducts.cpp - products of matrices as kernels -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-nvvm-launch-products: contractions on buffers, and what follows
// them element by element, become kernels on tensor cores.
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "attn/Target/NVVM/Buffers.h"
#include "attn/Target/NVVM/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

#define DEBUG_TYPE "attn-nvvm-launch-products"

namespace mlir::attn::nvvm {
#define GEN_PASS_DEF_ATTNNVVMLAUNCHPRODUCTSPASS
#include "attn/Target/NVVM/Passes.h.inc"
} // namespace mlir::attn::nvvm

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
struct LaunchProductsPass
    : nvvm::impl::AttnNvvmLaunchProductsPassBase<LaunchProductsPass> {
  using AttnNvvmLaunchProductsPassBase::AttnNvvmLaunchProductsPassBase;

  void runOnOperation() override {
    // All groups before the first launch, which nothing could be moved across.
    std::vector<ProductGroup> groups;
    llvm::SmallPtrSet<Operation *, 16> taken;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!op->getParentOfType<gpu::LaunchOp>() &&
          !op->getParentOfType<scf::ForallOp>() && !taken.contains(op))
        if (std::optional<Product> product = match(op))
          groups.push_back(gatherGroup(*product, taken));
    });
    for (const ProductGroup &group : groups) {
      launchProduct(group, tf32 ? F32Products::One : F32Products::Three);
      numLaunched += group.second ? 2 : 1;
      numFused += group.steps.size();
    }
    llvm::SetVector<Operation *> done;
    for (const ProductGroup &group : groups) {
      done.insert(group.product.op);
      if (group.second)
        done.insert(group.second->op);
      done.insert_range(group.replaced);
      for (const EpilogueStep &step : group.steps)
        done.insert(step.op);
    }
    llvm::SetVector<Operation *> fills;
    for (const ProductGroup &group : groups)
      fills.insert_range(group.perhapsDead);
    fills.set_subtract(done);
    for (Operation *op : done)
      op->erase();
    eraseUnreadFills(fills.getArrayRef());
  }

private:
  std::optional<Product> match(linalg::LinalgOp op) {
    std::string reason;
    std::optional<Product> product = matchProduct(op, reason);
    if (!reason.empty())
      remark::missed(op.getLoc(), remark::RemarkOpts::name("NoTensorCores")
                                      .category(DEBUG_TYPE)
                                      .function(getOperation().getName()))
          << remark::reason("a product stays off the tensor cores: {0}",
                            reason);
    return product;
  }
};
} // namespace
