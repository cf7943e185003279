//===- CpuPackOperands.cpp - operands of the streaming softmax, packed
//-------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-cpu-pack-operands: inserts attn.pack before every step of the
// streaming softmax. Packing is a value like any other here, so that the packed
// queries leave the loop over keys by ordinary code motion.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Target/CPU/ScoreModifier.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

#define DEBUG_TYPE "attn-cpu-pack-operands"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNCPUPACKOPERANDSPASS
#include "attn/Target/CPU/Passes.h.inc"
} // namespace mlir::attn::cpu

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
using Tile = OnlineAttentionOp::Dim;
constexpr double kLog2E = 1.4426950408889634;
/// Rows of all heads of a group up to which keys are read where they lie: a
/// panel would be used too rarely to pay.
constexpr int64_t kMaxFewRows = 8;

class Packer {
public:
  Packer(OnlineAttentionOp op, RewriterBase &b, const CpuTarget &target)
      : op(op), b(b), loc(op.getLoc()), target(target),
        element(
            cast<RankedTensorType>(op.getQuery().getType()).getElementType()),
        accumulator(
            cast<RankedTensorType>(op.getAcc().getType()).getElementType()) {
    isPaired =
        element.isBF16() && target.hasBf16Dot && target.vectorBits == 512;
    lanes = target.lanes(accumulator.getIntOrFloatBitWidth());
  }

  /// Replaces the operation, or says why not.
  LogicalResult pack();
  bool areValuesInPlace() const { return valuesInPlace; }

private:
  AffineMap mapOf(unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  }
  std::optional<unsigned> positionOf(unsigned map, unsigned dim) {
    return mapOf(map).getResultPosition(b.getAffineDimExpr(dim));
  }
  /// The operand's map over (g, row, depth), its own dimensions being (g,
  /// `row`, `depth`).
  AffineMap packMap(unsigned operand, unsigned row, unsigned depth) {
    SmallVector<AffineExpr> results;
    for (unsigned position = 0; position < mapOf(operand).getNumResults();
         ++position) {
      unsigned dim =
          OnlineAttentionOp::getDimOf(mapOf(operand).getResult(position));
      results.push_back(b.getAffineDimExpr(dim == row     ? 1
                                           : dim == depth ? 2
                                                          : 0));
    }
    return AffineMap::get(3, 0, results, b.getContext());
  }
  /// Pairs along a depth; AMX reads whole tiles of them.
  int64_t pairsOf(int64_t depth) {
    int64_t unit = usesAmx ? CpuTarget::amxRows : 1;
    return llvm::alignTo(llvm::divideCeil(depth, 2), unit);
  }
  Value packInto(PackLayout layout, Value source, Value valid, AffineMap map,
                 ArrayRef<int64_t> shape, Type type, double scale,
                 int64_t align) {
    Value dest = tensor::EmptyOp::create(b, loc, shape, type);
    return PackOp::create(b, loc, TypeRange(dest),
                          PackLayoutAttr::get(b.getContext(), layout), source,
                          valid, dest, AffineMapAttr::get(map),
                          b.getF64FloatAttr(scale), b.getI64IntegerAttr(align))
        .getResult(0);
  }
  Value packQuery(Value query, double scale);
  Value packKey();
  FailureOr<Value> packRelative();
  FailureOr<int64_t> boundOf(Value tensor, int64_t position);
  Value packValue();
  bool liesInDenseRows(Value value);

  OnlineAttentionOp op;
  RewriterBase &b;
  Location loc;
  const CpuTarget &target;
  Type element, accumulator;
  bool isPaired = false, usesAmx = false, valuesInPlace = false;
  bool hasFewRows =
      false; ///< so few that keys are better read in place than packed
  int64_t lanes = 0, keyLimit = 0;
};
} // namespace

Value Packer::packQuery(Value query, double scale) {
  auto acc = cast<RankedTensorType>(op.getAcc().getType());
  int64_t depth = cast<RankedTensorType>(op.getQuery().getType())
                      .getDimSize(*positionOf(0, Tile::kHeadSize));
  AffineMap map = packMap(0, Tile::kQuery, Tile::kHeadSize);
  SmallVector<int64_t> shape{acc.getDimSize(0), acc.getDimSize(1),
                             isPaired ? 2 * pairsOf(depth) : depth};
  bool hasGroup = map.isFunctionOfDim(0);
  Type type = isPaired ? element : accumulator;
  Value packed = packInto(PackLayout::Rows, query, Value(), map,
                          hasGroup ? ArrayRef<int64_t>(shape)
                                   : ArrayRef<int64_t>(shape).drop_front(),
                          type, isPaired ? 1.0 : scale,
                          hasFewRows ? 1
                          : usesAmx  ? CpuTarget::amxStripRows
                                     : target.stripRows(acc.getDimSize(1)));
  if (hasGroup)
    return packed;
  SmallVector<ReassociationIndices> groups{{0, 1}, {2}};
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, type), packed, groups);
}

Value Packer::packKey() {
  bool isInPlace =
      hasFewRows && *positionOf(1, Tile::kKey) == 0 && !op.getKeyValid();
  if (isInPlace)
    return op.getKey();
  int64_t depth = cast<RankedTensorType>(op.getKey().getType())
                      .getDimSize(*positionOf(1, Tile::kHeadSize));
  int64_t columns = target.tileColumns(accumulator.getIntOrFloatBitWidth());
  SmallVector<int64_t> shape{
      static_cast<int64_t>(llvm::divideCeil(keyLimit, columns)), depth,
      columns};
  if (isPaired) {
    shape[1] = pairsOf(depth);
    shape.push_back(2);
  }
  if (hasFewRows)
    return packInto(PackLayout::Rows, op.getKey(), op.getKeyValid(),
                    packMap(1, Tile::kKey, Tile::kHeadSize), {keyLimit, depth},
                    accumulator, 1.0, 1);
  return packInto(PackLayout::Panels, op.getKey(), op.getKeyValid(),
                  packMap(1, Tile::kKey, Tile::kHeadSize), shape,
                  isPaired ? element : accumulator, 1.0, 1);
}

/// The constant extent that a dimension of a tile can have at most.
FailureOr<int64_t> Packer::boundOf(Value tensor, int64_t position) {
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, {tensor, position}, /*stopCondition=*/nullptr,
      /*closedUB=*/true);
  if (failed(bound) || *bound < 1 || *bound > (1 << 20))
    return op.emitOpError() << "expected a key tile whose extent has a "
                               "constant bound of at most 2^20; tile first";
  return bound;
}

/// Rows of relative positions as panels, like those of the key.
FailureOr<Value> Packer::packRelative() {
  if (hasFewRows)
    return op.emitOpError() << "expected a state of more than " << kMaxFewRows
                            << " rows beside relative";
  unsigned map = op.getIndexingMaps().size() - 1, position = 0;
  auto type = cast<RankedTensorType>(op.getRelative().getType());
  if (OnlineAttentionOp::getDimOf(mapOf(map).getResult(0)) != Tile::kRelative)
    position = 1;
  FailureOr<int64_t> bound = boundOf(op.getRelative(), position);
  if (failed(bound))
    return failure();
  int64_t columns = target.tileColumns(accumulator.getIntOrFloatBitWidth()),
          depth = type.getDimSize(1 - position);
  SmallVector<int64_t> shape{
      static_cast<int64_t>(llvm::divideCeil(*bound, columns)),
      isPaired ? pairsOf(depth) : depth, columns};
  if (isPaired)
    shape.push_back(2);
  return packInto(PackLayout::Panels, op.getRelative(), Value(),
                  packMap(map, Tile::kRelative, Tile::kHeadSize), shape,
                  isPaired ? element : accumulator, 1.0, 1);
}

/// Whether rows of the value lie one after the other, so that reading them in
/// place costs nothing.
bool Packer::liesInDenseRows(Value value) {
  auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice)
    return false;
  // The last two dimensions of the source are those of the slice: (j, e).
  RankedTensorType source = slice.getSourceType();
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  int64_t rank = source.getRank();
  return rank >= 2 && !dropped.test(rank - 1) && !dropped.test(rank - 2) &&
         slice.getType().getRank() == 2 &&
         getConstantIntValue(slice.getMixedSizes().back()) ==
             source.getShape().back();
}

Value Packer::packValue() {
  auto type = cast<RankedTensorType>(op.getValue().getType());
  int64_t width = cast<RankedTensorType>(op.getAcc().getType()).getDimSize(2);
  bool isRowMajor = *positionOf(2, Tile::kKey) == 0;
  bool isNative = type.getElementType() == accumulator || hasFewRows;
  if (isRowMajor && isNative && type.getDimSize(1) == width &&
      !op.getKeyValid() && (hasFewRows || liesInDenseRows(op.getValue()))) {
    valuesInPlace = true;
    return op.getValue();
  }
  SmallVector<int64_t> shape{
      isPaired ? static_cast<int64_t>(llvm::divideCeil(keyLimit, 2)) : keyLimit,
      width};
  if (isPaired)
    shape.push_back(2);
  return packInto(PackLayout::Rows, op.getValue(), op.getKeyValid(),
                  packMap(2, Tile::kKey, Tile::kValueSize), shape,
                  isPaired ? element : accumulator, 1.0,
                  usesAmx ? 2 * CpuTarget::amxRows : 1);
}

LogicalResult Packer::pack() {
  unsigned keyPosition = *positionOf(1, Tile::kKey);
  FailureOr<int64_t> bound = boundOf(op.getKey(), keyPosition);
  if (failed(bound))
    return failure();
  keyLimit = llvm::alignTo(
      *bound, target.tileColumns(accumulator.getIntOrFloatBitWidth()));
  auto acc = cast<RankedTensorType>(op.getAcc().getType());
  hasFewRows = acc.getDimSize(0) * acc.getDimSize(1) <= kMaxFewRows;
  if ((!hasFewRows &&
       acc.getDimSize(1) % target.stripRows(acc.getDimSize(1)) != 0) ||
      acc.getDimSize(2) % lanes != 0)
    return op.emitOpError()
           << "expected a state of at most " << kMaxFewRows
           << " rows, or whose rows are a multiple of " << target.tileRows()
           << ", and columns of " << lanes << ", got " << acc;
  if (hasFewRows)
    isPaired = false;

  b.setInsertionPoint(op);
  bool hasScoreMod = !op.getScoreMod().empty();
  bool isInLog2 = areScoresInLog2(op.getSoftcap().has_value(), hasScoreMod,
                                  op.getBias() != nullptr);
  double scale = op.getScale().convertToDouble() * (isInLog2 ? kLog2E : 1.0);
  // A scale inside the exponent must not turn the order of scores around.
  if (scale <= 0)
    isPaired = false;
  usesAmx = isPaired && target.usesAmx(acc.getDimSize(1));
  Value rows = tensor::DimOp::create(b, loc, op.getQuery(),
                                     *positionOf(0, Tile::kQuery));
  Value keys = tensor::DimOp::create(b, loc, op.getKey(), keyPosition);
  Value query = packQuery(op.getQuery(), scale), key = packKey(),
        value = packValue(), relative, relativeQuery, positions;
  if (op.getRelative()) {
    FailureOr<Value> packed = packRelative();
    if (failed(packed))
      return failure();
    relative = *packed;
    relativeQuery = packQuery(op.getRelativeQuery(), scale);
    positions = tensor::DimOp::create(
        b, loc, op.getRelative(),
        OnlineAttentionOp::getDimOf(op.getRelativeMap().getResult(0)) ==
                Tile::kRelative
            ? 0
            : 1);
  }
  AffineMapAttr biasMap = op.getBias()
                              ? cast<AffineMapAttr>(op.getIndexingMaps()[3])
                              : AffineMapAttr();
  auto packed = OnlinePackedOp::create(
      b, loc, op.getResultTypes(), query, key, value, op.getBias(),
      op.getKeyValid(), op.getAcc(), op.getMax(), op.getSum(), rows, keys,
      op.getBatch(), op.getHead(), op.getFirstQuery(), op.getFirstKey(),
      op.getNumQueries(), op.getNumKeys(), relative, relativeQuery, positions,
      biasMap, isPaired ? b.getF64FloatAttr(scale) : FloatAttr(),
      op.getSoftcapAttr(), op.getMaskAttr(),
      hasFewRows ? b.getI64IntegerAttr(keyLimit) : IntegerAttr());
  packed.getScoreMod().takeBody(op.getScoreMod());
  b.replaceOp(op, packed.getResults());
  return success();
}

/// The projection of linear attention, scaled, in panels.
static bool packProjection(Operation *op, const CpuTarget &target) {
  for (OpOperand &operand : op->getOpOperands()) {
    bool isProjection =
        TypeSwitch<Operation *, bool>(op)
            .Case<LinearStateOp, LinearOutputOp, LinearChunkOp>(
                [&](auto linear) {
                  return linear.getProjection() == operand.get();
                });
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!isProjection || !type || type.getRank() != 2)
      continue;
    bool isSoftmax = isSoftmaxMap(
        op->getAttrOfType<FeatureMapAttr>("feature_map").getValue());
    double scale =
        std::sqrt(op->getAttrOfType<FloatAttr>("scale").getValueAsDouble());
    int64_t columns = target.tileColumns(type.getElementTypeBitWidth());
    OpBuilder b(op);
    Value dest = tensor::EmptyOp::create(
        b, op->getLoc(),
        {static_cast<int64_t>(llvm::divideCeil(type.getDimSize(0), columns)),
         type.getDimSize(1), columns},
        type.getElementType());
    AffineMap map = AffineMap::get(
        3, 0, {b.getAffineDimExpr(1), b.getAffineDimExpr(2)}, b.getContext());
    auto pack =
        PackOp::create(b, op->getLoc(), TypeRange(dest),
                       PackLayoutAttr::get(b.getContext(), PackLayout::Panels),
                       operand.get(), Value(), dest, AffineMapAttr::get(map),
                       b.getF64FloatAttr(isSoftmax ? scale * kLog2E : scale),
                       b.getI64IntegerAttr(1));
    operand.set(pack.getResult(0));
    return true;
  }
  return false;
}

namespace {
struct PackOperandsPass
    : cpu::impl::AttnCpuPackOperandsPassBase<PackOperandsPass> {
  using AttnCpuPackOperandsPassBase::AttnCpuPackOperandsPassBase;

  void runOnOperation() override {
    FailureOr<CpuTarget> described =
        getCpuTarget(getOperation(), vectorBits, bf16Dot, amxBf16);
    if (failed(described))
      return signalPassFailure();
    const CpuTarget &target = *described;
    SmallVector<OnlineAttentionOp> ops;
    getOperation().walk([&](OnlineAttentionOp op) { ops.push_back(op); });
    for (OnlineAttentionOp op : ops) {
      if (!op.hasPureTensorSemantics()) {
        op.emitOpError() << "expected operands on tensors, got memrefs; pack "
                            "before bufferisation";
        return signalPassFailure();
      }
      IRRewriter rewriter(op);
      Packer packer(op, rewriter, target);
      if (failed(packer.pack()))
        return signalPassFailure();
      ++numPacked;
      numValuesInPlace += packer.areValuesInPlace();
    }
    getOperation().walk([&](Operation *op) {
      if (isa<LinearStateOp, LinearOutputOp, LinearChunkOp>(op))
        numProjections += packProjection(op, target);
    });
    getOperation().walk(
        [](LoopLikeOpInterface loop) { moveLoopInvariantCode(loop); });
  }
};
} // namespace
