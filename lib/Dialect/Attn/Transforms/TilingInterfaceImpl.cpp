//===- TilingInterfaceImpl.cpp - attention in upstream's tilers -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TilingInterface of attn.attention over (b, h, i, j): batches, heads and
// queries. A tile is written with attn.online_attention, which says where it
// stands, so that masks and positions stay those of the whole; that operation's
// own interfaces then tile its keys, in order or as partial reductions.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/TilingInterfaceImpl.h"

#include "Tiler.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Interfaces/TilingInterface.h"

using namespace mlir;
using namespace mlir::attn;

using D = AttentionOp::Dim;

namespace {
/// Loops of the domain; head and value size are never tiled.
constexpr unsigned kNumLoops = 4;
constexpr unsigned kOnlineLoops = 3; ///< (g, i, j) of one step

/// The box that offsets and sizes of loops describe.
Box makeBox(OpBuilder &b, AttentionOp op, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes) {
  Box box;
  for (unsigned dim = 0; dim < kNumLoops; ++dim)
    box[dim] = {offsets[dim], sizes[dim]};
  for (unsigned dim : {D::kHeadSize, D::kValueSize})
    box[dim] = {b.getIndexAttr(0), b.getIndexAttr(op.getStaticExtent(D(dim)))};
  return box;
}

AffineMap resultMap(AttentionOp op, unsigned number) {
  return number == 0 ? op.getOutputMap() : op.getLseMap();
}

/// Whether a box has all keys, as far as can be known.
bool hasAllKeys(AttentionOp op, const Box &box) {
  std::optional<int64_t> size = getConstantIntValue(box[D::kKey].size);
  return isZeroInteger(box[D::kKey].offset) &&
         (!size || *size == op.getStaticExtent(D::kKey));
}

struct AttentionTiling
    : TilingInterface::ExternalModel<AttentionTiling, AttentionOp> {
  SmallVector<utils::IteratorType> getLoopIteratorTypes(Operation *) const {
    SmallVector<utils::IteratorType> types(kNumLoops,
                                           utils::IteratorType::parallel);
    types[D::kKey] = utils::IteratorType::reduction;
    return types;
  }

  SmallVector<Range> getIterationDomain(Operation *op, OpBuilder &b) const {
    SmallVector<Range> domain;
    for (unsigned dim = 0; dim < kNumLoops; ++dim)
      domain.push_back(
          {b.getIndexAttr(0),
           cast<AttentionOp>(op).getExtent(b, op->getLoc(), D(dim)),
           b.getIndexAttr(1)});
    return domain;
  }

  /// Fails for a tile of some of the keys, which is a partial reduction, and
  /// where the rows of the tile have no constant bound.
  FailureOr<TilingResult>
  getTiledImplementation(Operation *op, OpBuilder &b,
                         ArrayRef<OpFoldResult> offsets,
                         ArrayRef<OpFoldResult> sizes) const {
    auto attention = cast<AttentionOp>(op);
    Box box = makeBox(b, attention, offsets, sizes);
    if (!hasAllKeys(attention, box))
      return failure();
    AttnTilePassOptions options;
    FailureOr<TiledBox> tiled = Tiler(attention, b, options).tileBox(box);
    if (failed(tiled))
      return failure();
    return TilingResult{tiled->ops, tiled->results, {}};
  }

  LogicalResult
  getResultTilePosition(Operation *op, OpBuilder &b, unsigned number,
                        ArrayRef<OpFoldResult> offsets,
                        ArrayRef<OpFoldResult> sizes,
                        SmallVector<OpFoldResult> &resultOffsets,
                        SmallVector<OpFoldResult> &resultSizes) const {
    auto attention = cast<AttentionOp>(op);
    Box box = makeBox(b, attention, offsets, sizes);
    AttnTilePassOptions options;
    SlicePosition at = Tiler(attention, b, options)
                           .positionIn(resultMap(attention, number), box);
    resultOffsets = at.offsets;
    resultSizes = at.sizes;
    return success();
  }

  /// The tile of the domain that makes a tile of a result with all columns.
  LogicalResult getIterationDomainTileFromResultTile(
      Operation *op, OpBuilder &b, unsigned number,
      ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
      SmallVectorImpl<OpFoldResult> &domainOffsets,
      SmallVectorImpl<OpFoldResult> &domainSizes) const {
    auto attention = cast<AttentionOp>(op);
    for (const Range &range : getIterationDomain(op, b)) {
      domainOffsets.push_back(range.offset);
      domainSizes.push_back(range.size);
    }
    for (auto [expr, offset, size] : llvm::zip_equal(
             resultMap(attention, number).getResults(), offsets, sizes)) {
      unsigned dim = AttentionOp::getDimOf(expr);
      if (dim < kNumLoops) {
        domainOffsets[dim] = offset;
        domainSizes[dim] = size;
      } else if (!isZeroInteger(offset) ||
                 getConstantIntValue(size) !=
                     attention.getStaticExtent(D(dim))) {
        return failure();
      }
    }
    return success();
  }

  FailureOr<TilingResult>
  generateResultTileValue(Operation *op, OpBuilder &b, unsigned number,
                          ArrayRef<OpFoldResult> offsets,
                          ArrayRef<OpFoldResult> sizes) const {
    SmallVector<OpFoldResult> domainOffsets, domainSizes;
    if (failed(getIterationDomainTileFromResultTile(
            op, b, number, offsets, sizes, domainOffsets, domainSizes)))
      return failure();
    FailureOr<TilingResult> tiled =
        getTiledImplementation(op, b, domainOffsets, domainSizes);
    if (succeeded(tiled))
      tiled->tiledValues = {tiled->tiledValues[number]};
    return tiled;
  }
};

/// One step on some of its keys; `state` is where it continues from. Null where
/// the operands are no tensors or more than keys is cut: the state's heads and
/// rows are static.
OnlineAttentionOp buildStep(OpBuilder &b, OnlineAttentionOp op,
                            ArrayRef<OpFoldResult> offsets,
                            ArrayRef<OpFoldResult> sizes, ValueRange state) {
  using O = OnlineAttentionOp::Dim;
  Location loc = op.getLoc();
  if (!isa<RankedTensorType>(op.getQuery().getType()) ||
      !isZeroInteger(offsets[O::kGroup]) || !isZeroInteger(offsets[O::kQuery]))
    return {};
  std::array<Span, O::kRelative + 1> box;
  for (unsigned dim = 0; dim < kOnlineLoops; ++dim)
    box[dim] = {offsets[dim], sizes[dim]};
  // Head and value size are read from the operands that have them.
  auto take = [&](Value source, AffineMap map) -> Value {
    if (!source)
      return Value();
    for (auto [position, expr] : llvm::enumerate(map.getResults())) {
      unsigned dim = OnlineAttentionOp::getDimOf(expr);
      OpFoldResult extent = tensor::getMixedSize(b, loc, source, position);
      if (dim == O::kHeadSize || dim == O::kValueSize)
        box[dim] = {b.getIndexAttr(0), extent};
      if (dim == O::kRelative)
        box[dim] = getRelativeSpan(b, loc, extent, sizes[O::kQuery],
                                   box[O::kQuery], box[O::kKey]);
    }
    SlicePosition at = positionIn(b, map, box, OnlineAttentionOp::getDimOf);
    return tensor::ExtractSliceOp::create(b, loc, source, at.offsets, at.sizes,
                                          at.strides);
  };
  auto mapAt = [&](unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  };
  Value key = take(op.getKey(), mapAt(1)),
        value = take(op.getValue(), mapAt(2)),
        bias = take(op.getBias(), op.getBiasMap()),
        valid = take(op.getKeyValid(), op.getKeyValidMap()),
        relative = take(op.getRelative(), op.getRelativeMap());
  Value firstKey = getValueOrCreateConstantIndexOp(
      b, loc,
      affine::makeComposedFoldedAffineApply(
          b, loc, b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1),
          {getAsOpFoldResult(op.getFirstKey()), offsets[O::kKey]}));
  auto step = OnlineAttentionOp::create(
      b, loc, state.getTypes(), op.getQuery(), key, value, bias, valid,
      state[0], state[1], state[2], op.getBatch(), op.getHead(),
      op.getFirstQuery(), firstKey, op.getNumQueries(), op.getNumKeys(),
      relative, op.getRelativeQuery(), op.getIndexingMapsAttr(),
      op.getScaleAttr(), op.getSoftcapAttr(), op.getMaskAttr());
  IRMapping mapping;
  op.getScoreMod().cloneInto(&step.getScoreMod(), mapping);
  return step;
}

/// Tiles of keys one after the other, the state carried from one to the next.
struct OnlineTiling
    : TilingInterface::ExternalModel<OnlineTiling, OnlineAttentionOp> {
  SmallVector<utils::IteratorType> getLoopIteratorTypes(Operation *) const {
    using utils::IteratorType;
    return {IteratorType::parallel, IteratorType::parallel,
            IteratorType::reduction};
  }

  SmallVector<Range> getIterationDomain(Operation *op, OpBuilder &b) const {
    using O = OnlineAttentionOp::Dim;
    auto online = cast<OnlineAttentionOp>(op);
    SmallVector<Range> domain(
        kOnlineLoops,
        {b.getIndexAttr(0), b.getIndexAttr(1), b.getIndexAttr(1)});
    for (auto [index, operand] :
         llvm::enumerate(ValueRange{online.getQuery(), online.getKey()}))
      for (auto [position, expr] :
           llvm::enumerate(cast<AffineMapAttr>(online.getIndexingMaps()[index])
                               .getValue()
                               .getResults()))
        if (unsigned dim = OnlineAttentionOp::getDimOf(expr);
            dim != O::kHeadSize)
          domain[dim].size =
              tensor::getMixedSize(b, op->getLoc(), operand, position);
    return domain;
  }

  FailureOr<TilingResult>
  getTiledImplementation(Operation *op, OpBuilder &b,
                         ArrayRef<OpFoldResult> offsets,
                         ArrayRef<OpFoldResult> sizes) const {
    auto online = cast<OnlineAttentionOp>(op);
    OnlineAttentionOp step =
        buildStep(b, online, offsets, sizes, online.getDpsInits());
    if (!step)
      return failure();
    return TilingResult{{step}, SmallVector<Value>(step.getResults()), {}};
  }

  /// A step changes the whole state.
  LogicalResult getResultTilePosition(Operation *op, OpBuilder &b,
                                      unsigned number, ArrayRef<OpFoldResult>,
                                      ArrayRef<OpFoldResult>,
                                      SmallVector<OpFoldResult> &offsets,
                                      SmallVector<OpFoldResult> &sizes) const {
    auto type = cast<RankedTensorType>(op->getResultTypes()[number]);
    offsets.assign(type.getRank(), b.getIndexAttr(0));
    sizes = getAsIndexOpFoldResult(b.getContext(), type.getShape());
    return success();
  }
};

/// Splits of the keys, each with a state of its own along a first dimension,
/// which attn.merge takes together. The first begins with the state that the
/// whole began with. Under an outer reduction loop it is the one that is
/// carried; the others stay empty, which the merge does not see.
struct OnlinePartialReduction
    : PartialReductionOpInterface::ExternalModel<OnlinePartialReduction,
                                                 OnlineAttentionOp> {
  FailureOr<SmallVector<Value>> generateInitialTensorForPartialReduction(
      Operation *op, OpBuilder &b, Location loc, ArrayRef<OpFoldResult> sizes,
      const SetVector<unsigned> &dims) const {
    if (dims.size() != 1 || dims.front() != OnlineAttentionOp::kKey)
      return failure();
    SmallVector<Value> partials;
    OpFoldResult splits = sizes[OnlineAttentionOp::kKey];
    for (auto [part, init] :
         llvm::enumerate(cast<OnlineAttentionOp>(op).getDpsInits())) {
      auto type = dyn_cast<RankedTensorType>(init.getType());
      if (!type)
        return failure();
      SmallVector<OpFoldResult> extents{splits};
      llvm::append_range(
          extents, getAsIndexOpFoldResult(b.getContext(), type.getShape()));
      Value empty =
          tensor::EmptyOp::create(b, loc, extents, type.getElementType());
      Value filled = buildIdentity(b, loc, part, empty);
      SlicePosition at = positionOf(b, type, b.getIndexAttr(0));
      partials.push_back(tensor::InsertSliceOp::create(
          b, loc, init, filled, at.offsets, at.sizes, at.strides));
    }
    return partials;
  }

  FailureOr<TilingResult> tileToPartialReduction(
      Operation *op, OpBuilder &b, Location loc,
      ReductionTilingStrategy strategy, ValueRange inits,
      ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
      const SetVector<unsigned> &, ArrayRef<OpFoldResult> splitIvs) const {
    SmallVector<Value> state;
    for (auto [init, type] : llvm::zip_equal(inits, op->getResultTypes())) {
      auto part = cast<RankedTensorType>(type);
      SlicePosition at = positionOf(b, part, splitOf(b, strategy, splitIvs));
      state.push_back(tensor::ExtractSliceOp::create(
          b, loc, part, init, at.offsets, at.sizes, at.strides));
    }
    OnlineAttentionOp step =
        buildStep(b, cast<OnlineAttentionOp>(op), offsets, sizes, state);
    if (!step)
      return failure();
    return TilingResult{{step}, SmallVector<Value>(step.getResults()), {}};
  }

  FailureOr<MergeResult> mergeReductions(Operation *op, OpBuilder &b,
                                         Location loc, ValueRange partials,
                                         const SetVector<unsigned> &) const {
    auto online = cast<OnlineAttentionOp>(op);
    auto merge = MergeOp::create(b, loc, op->getResultTypes(), partials[0],
                                 partials[1], partials[2], online.getAcc(),
                                 online.getMax(), online.getSum());
    return MergeResult{{merge}, SmallVector<Value>(merge.getResults())};
  }

  LogicalResult getPartialResultTilePosition(
      Operation *op, OpBuilder &b, unsigned number,
      ReductionTilingStrategy strategy, ArrayRef<OpFoldResult>,
      ArrayRef<OpFoldResult>, const SetVector<unsigned> &,
      ArrayRef<OpFoldResult> splitIvs, SmallVector<OpFoldResult> &offsets,
      SmallVector<OpFoldResult> &sizes) const {
    SlicePosition at =
        positionOf(b, cast<RankedTensorType>(op->getResultTypes()[number]),
                   splitOf(b, strategy, splitIvs));
    offsets = at.offsets;
    sizes = at.sizes;
    return success();
  }

private:
  static OpFoldResult splitOf(OpBuilder &b, ReductionTilingStrategy strategy,
                              ArrayRef<OpFoldResult> splitIvs) {
    bool isParallel =
        strategy == ReductionTilingStrategy::PartialReductionOuterParallel;
    return isParallel ? splitIvs.front() : OpFoldResult(b.getIndexAttr(0));
  }

  /// The state of one split, of the type `part`.
  static SlicePosition positionOf(OpBuilder &b, RankedTensorType part,
                                  OpFoldResult split) {
    SlicePosition at;
    at.offsets.assign(part.getRank() + 1, b.getIndexAttr(0));
    at.offsets.front() = split;
    at.sizes = {b.getIndexAttr(1)};
    llvm::append_range(at.sizes,
                       getAsIndexOpFoldResult(b.getContext(), part.getShape()));
    at.strides.assign(part.getRank() + 1, b.getIndexAttr(1));
    return at;
  }
};
} // namespace

void mlir::attn::registerTilingInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, AttnDialect *) {
    AttentionOp::attachInterface<AttentionTiling>(*context);
    OnlineAttentionOp::attachInterface<OnlineTiling, OnlinePartialReduction>(
        *context);
    // What tiles are written with.
    context->loadDialect<affine::AffineDialect, arith::ArithDialect,
                         linalg::LinalgDialect, scf::SCFDialect,
                         tensor::TensorDialect>();
  });
}
