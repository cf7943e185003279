//===- SliceRows.cpp - a bounded part of the hidden values ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// docs/Rationale/Products.md says why the two products are two kernels.
//
//===----------------------------------------------------------------------===//

#include "SliceRows.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

/// Bytes of hidden values that the second product finds in the L2 cache of any
/// device that we have code for, beside weights and other operands.
static constexpr int64_t kCachedBytes = int64_t(16) << 20;
/// Whole tiles of rows.
static constexpr int64_t kTileRows = 128;

/// Rows that have hidden values at the same time.
static int64_t chooseRows(FeedForwardOp op) {
  if (std::optional<uint64_t> rows = op.getRows())
    return static_cast<int64_t>(*rows);
  int64_t perRow = op.getHiddenSize() * op.getAccumulatorType().getWidth() / 8;
  return std::max(kTileRows, kCachedBytes / perRow / kTileRows * kTileRows);
}

FeedForwardOp mlir::attn::sliceRows(RewriterBase &rewriter, FeedForwardOp op) {
  int64_t rows = chooseRows(op);
  auto inputType = cast<RankedTensorType>(op.getInput().getType());
  if (!inputType.isDynamicDim(0) && inputType.getDimSize(0) <= rows)
    return op;
  Location loc = op.getLoc();
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(rewriter, loc, value);
  };
  OpFoldResult count = tensor::getMixedSize(rewriter, loc, op.getInput(), 0);
  auto loop =
      scf::ForOp::create(rewriter, loc, constant(0),
                         getValueOrCreateConstantIndexOp(rewriter, loc, count),
                         constant(rows), op.getOutput());
  rewriter.setInsertionPointToStart(loop.getBody());
  Value first = loop.getInductionVar(), all = loop.getRegionIterArgs()[0];
  AffineExpr i, m;
  bindDims(rewriter.getContext(), i, m);
  AffineMap extent =
      AffineMap::get(2, 0, {rewriter.getAffineConstantExpr(rows), m - i},
                     rewriter.getContext());
  OpFoldResult size = affine::makeComposedFoldedAffineMin(rewriter, loc, extent,
                                                          {first, count});
  OpFoldResult zero = rewriter.getIndexAttr(0), one = rewriter.getIndexAttr(1);
  auto slice = [&](Value tensor, int64_t columns) -> Value {
    return tensor::ExtractSliceOp::create(
        rewriter, loc, tensor, ArrayRef<OpFoldResult>{first, zero},
        ArrayRef<OpFoldResult>{size, rewriter.getIndexAttr(columns)},
        ArrayRef<OpFoldResult>{one, one});
  };
  Value input = slice(op.getInput(), op.getInputSize()),
        output = slice(all, op.getOutputSize());
  auto part = cast<FeedForwardOp>(rewriter.clone(*op));
  part.getInputMutable().assign(input);
  part.getOutputMutable().assign(output);
  part.removeRowsAttr();
  part.getResult().setType(cast<RankedTensorType>(output.getType()));
  Value whole = tensor::InsertSliceOp::create(
      rewriter, loc, part.getResult(), all, ArrayRef<OpFoldResult>{first, zero},
      ArrayRef<OpFoldResult>{size, rewriter.getIndexAttr(op.getOutputSize())},
      ArrayRef<OpFoldResult>{one, one});
  scf::YieldOp::create(rewriter, loc, whole);
  rewriter.replaceOp(op, loop.getResults());
  return part;
}
