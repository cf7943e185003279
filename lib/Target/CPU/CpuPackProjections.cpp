//===- CpuPackProjections.cpp - tiles of projections, packed --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-cpu-pack-projections: weights are copied in front of the loop over
// heads that use them, rows only where the kernel could not read them in place.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/Support/MathExtras.h"

#define DEBUG_TYPE "attn-cpu-pack-projections"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNCPUPACKPROJECTIONSPASS
#include "attn/Target/CPU/Passes.h.inc"
} // namespace mlir::attn::cpu

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
enum Dim : unsigned { kSlot, kRow, kColumn };

/// A line of cache more than a power of two, so that neighbouring rows do not
/// compete for the same sets.
constexpr int64_t kPadding = 16;

class ProjectionPacker {
public:
  ProjectionPacker(ProjectOp op, RewriterBase &b, const CpuTarget &target)
      : op(op), b(b), loc(op.getLoc()),
        acc(cast<RankedTensorType>(op.getAcc().getType())),
        lanes(target.lanes(acc.getElementTypeBitWidth())) {}

  LogicalResult pack();
  bool areRowsInPlace() const { return rowsInPlace; }

private:
  FailureOr<int64_t> boundOf(Value value, unsigned position);
  FailureOr<Value> packWeights();
  FailureOr<Value> packRows();
  bool liesInDenseRows();

  ProjectOp op;
  RewriterBase &b;
  Location loc;
  RankedTensorType acc;
  int64_t lanes;
  bool rowsInPlace = false;
};
} // namespace

FailureOr<int64_t> ProjectionPacker::boundOf(Value value, unsigned position) {
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, {value, static_cast<int64_t>(position)},
      /*stopCondition=*/nullptr, /*closedUB=*/true);
  if (failed(bound) || *bound < 1 || *bound > (1 << 20))
    return op.emitOpError() << "expected tiles whose extents have a constant "
                               "bound of at most 2^20; tile first";
  return bound;
}

/// [slots, positions] in the type of the sums, in rows that are padded.
FailureOr<Value> ProjectionPacker::packWeights() {
  OpBuilder::InsertionGuard guard(b);
  Value weights = op.getWeights();
  b.setInsertionPointAfterValue(weights);
  unsigned slotAt = op.getPositionOf(0, kSlot), rowAt = 1 - slotAt;
  FailureOr<int64_t> slots = boundOf(weights, slotAt),
                     positions = boundOf(weights, rowAt);
  if (failed(slots) || failed(positions))
    return failure();
  int64_t width = llvm::alignTo(*positions, kPadding) + kPadding;
  // Not tensor.empty: common subexpressions would give two copies one place.
  auto scratchType =
      RankedTensorType::get({*slots, width}, acc.getElementType());
  Value scratch =
      bufferization::AllocTensorOp::create(b, loc, scratchType, ValueRange());
  SmallVector<OpFoldResult> offsets(2, b.getIndexAttr(0)),
      strides(2, b.getIndexAttr(1)),
      sizes{tensor::getMixedSize(b, loc, weights, slotAt),
            tensor::getMixedSize(b, loc, weights, rowAt)};
  Value view =
      tensor::ExtractSliceOp::create(b, loc, scratch, offsets, sizes, strides);
  // A generic operation that only copies would be folded away.
  if (slotAt == 0 && view.getType() == weights.getType())
    return bufferization::MaterializeInDestinationOp::create(
               b, loc, view.getType(), weights, view)
        .getResult();
  SmallVector<AffineExpr> dims{b.getAffineDimExpr(0), b.getAffineDimExpr(1)};
  AffineMap to = AffineMap::get(2, 0, dims, b.getContext());
  AffineMap from =
      AffineMap::get(2, 0, {dims[slotAt], dims[rowAt]}, b.getContext());
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  auto copy = linalg::GenericOp::create(
      b, loc, view.getType(), weights, view, ArrayRef<AffineMap>{from, to},
      iterators, [&](OpBuilder &nested, Location l, ValueRange in) {
        linalg::YieldOp::create(nested, l,
                                convertScalarToDtype(nested, l, in[0],
                                                     acc.getElementType(),
                                                     /*isUnsignedCast=*/false));
      });
  return copy.getResult(0);
}

/// Whether rows lie one after the other as whole vectors.
bool ProjectionPacker::liesInDenseRows() {
  auto type = cast<RankedTensorType>(op.getRows().getType());
  if (op.getValid() || op.getPositionOf(1, kRow) != 0 ||
      type.getDimSize(1) != acc.getDimSize(1) ||
      (type.getElementType().isF64() && !acc.getElementType().isF64()))
    return false;
  auto slice = op.getRows().getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice)
    return true;
  RankedTensorType source = slice.getSourceType();
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  int64_t rank = source.getRank();
  return rank >= 2 && !dropped.test(rank - 1) && !dropped.test(rank - 2) &&
         source.getShape().back() == type.getDimSize(1);
}

FailureOr<Value> ProjectionPacker::packRows() {
  Value rows = op.getRows();
  if (liesInDenseRows()) {
    rowsInPlace = true;
    return rows;
  }
  unsigned rowAt = op.getPositionOf(1, kRow);
  FailureOr<int64_t> positions = boundOf(rows, rowAt);
  if (failed(positions))
    return failure();
  Value dest = tensor::EmptyOp::create(b, loc, {*positions, acc.getDimSize(1)},
                                       acc.getElementType());
  AffineExpr row = b.getAffineDimExpr(1), depth = b.getAffineDimExpr(2);
  SmallVector<AffineExpr> results{row, depth};
  if (rowAt == 1)
    std::swap(results[0], results[1]);
  Value packed =
      PackOp::create(
          b, loc, TypeRange(dest),
          PackLayoutAttr::get(b.getContext(), PackLayout::Rows), rows,
          op.getValid(), dest,
          AffineMapAttr::get(AffineMap::get(3, 0, results, b.getContext())),
          b.getF64FloatAttr(1), b.getI64IntegerAttr(1))
          .getResult(0);
  SmallVector<OpFoldResult> offsets(2, b.getIndexAttr(0)),
      strides(2, b.getIndexAttr(1)),
      sizes{tensor::getMixedSize(b, loc, rows, rowAt),
            b.getIndexAttr(acc.getDimSize(1))};
  return Value(
      tensor::ExtractSliceOp::create(b, loc, packed, offsets, sizes, strides));
}

LogicalResult ProjectionPacker::pack() {
  if (acc.getDimSize(1) % lanes != 0)
    return op.emitOpError() << "expected columns of acc in multiples of "
                            << lanes << ", got " << acc;
  b.setInsertionPoint(op);
  FailureOr<Value> rows = packRows();
  if (failed(rows))
    return failure();
  FailureOr<Value> weights = packWeights();
  if (failed(weights))
    return failure();
  AffineExpr s = b.getAffineDimExpr(kSlot), t = b.getAffineDimExpr(kRow),
             d = b.getAffineDimExpr(kColumn);
  auto maps =
      b.getAffineMapArrayAttr({AffineMap::get(3, 0, {s, t}, b.getContext()),
                               AffineMap::get(3, 0, {t, d}, b.getContext())});
  b.replaceOpWithNewOp<ProjectOp>(op, op->getResultTypes(), *weights, *rows,
                                  /*valid=*/Value(), op.getAcc(), maps);
  return success();
}

namespace {
struct PackProjectionsPass
    : cpu::impl::AttnCpuPackProjectionsPassBase<PackProjectionsPass> {
  using AttnCpuPackProjectionsPassBase::AttnCpuPackProjectionsPassBase;

  void runOnOperation() override {
    FailureOr<CpuTarget> target =
        getCpuTarget(getOperation(), vectorBits, bf16Dot);
    if (failed(target))
      return signalPassFailure();
    SmallVector<ProjectOp> ops;
    getOperation().walk([&](ProjectOp op) { ops.push_back(op); });
    for (ProjectOp op : ops) {
      if (!op.hasPureTensorSemantics()) {
        op.emitOpError() << "expected operands on tensors, got memrefs; pack "
                            "before bufferisation";
        return signalPassFailure();
      }
      IRRewriter rewriter(op);
      ProjectionPacker packer(op, rewriter, *target);
      if (failed(packer.pack()))
        return signalPassFailure();
      ++numPacked;
      numRowsInPlace += packer.areRowsInPlace();
    }
  }
};
} // namespace
