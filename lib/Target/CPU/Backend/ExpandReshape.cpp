//===- ExpandReshape.cpp - reshapes to several dynamic extents ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-expand-reshape: upstream computes the strides of a group of
// dimensions only where one of them is dynamic, and crashes at two. Here they
// are products of the extents that the operation itself names.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#define DEBUG_TYPE "attn-cpu-expand-reshape"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUEXPANDRESHAPEPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ExpandReshape : attn::impl::AttnCPUExpandReshapePassBase<ExpandReshape> {
  void runOnOperation() override;
};
} // namespace

/// Whether a dimension of the source becomes more than one dynamic extent.
static bool hasDynamicGroup(memref::ExpandShapeOp op) {
  return llvm::any_of(op.getReassociationIndices(), [&](const auto &group) {
    return llvm::count_if(group, [&](int64_t dim) {
             return op.getResultType().isDynamicDim(dim);
           }) > 1;
  });
}

static OpFoldResult multiply(OpBuilder &builder, Location loc, OpFoldResult a,
                             OpFoldResult b) {
  AffineExpr x, y;
  bindSymbols(builder.getContext(), x, y);
  return affine::makeComposedFoldedAffineApply(builder, loc, x * y, {a, b});
}

static void expand(memref::ExpandShapeOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto metadata =
      memref::ExtractStridedMetadataOp::create(builder, loc, op.getSrc());
  SmallVector<OpFoldResult> sourceStrides =
      metadata.getConstifiedMixedStrides();
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  SmallVector<OpFoldResult> strides(sizes.size());
  for (auto [source, group] : llvm::enumerate(op.getReassociationIndices())) {
    OpFoldResult stride = sourceStrides[source];
    for (int64_t dim : llvm::reverse(group)) {
      strides[dim] = stride;
      stride = multiply(builder, loc, stride, sizes[dim]);
    }
  }
  Value result = memref::ReinterpretCastOp::create(
      builder, loc, metadata.getBaseBuffer(),
      metadata.getConstifiedMixedOffset(), sizes, strides);
  if (result.getType() != op.getType())
    result = memref::CastOp::create(builder, loc, op.getType(), result);
  op.replaceAllUsesWith(result);
  op.erase();
}

void ExpandReshape::runOnOperation() {
  SmallVector<memref::ExpandShapeOp> reshapes;
  getOperation()->walk([&](memref::ExpandShapeOp op) {
    if (hasDynamicGroup(op))
      reshapes.push_back(op);
  });
  for (memref::ExpandShapeOp op : reshapes)
    expand(op);
  numExpanded += reshapes.size();
}
