//===- AttnProjection.cpp - projections that need no training -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Draws of attn.gaussian_projection, what the form low-rank says of itself, and
// the verifier of attn.project.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"
#include "attn/Dialect/Attn/IR/CounterRandom.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mlir::attn;

LogicalResult GaussianProjectionOp::verify() {
  RankedTensorType type = getType();
  constexpr int64_t most = int64_t(1) << 32;
  if (type.getRank() != 2 && type.getRank() != 3)
    return emitOpError() << "expected [slots, columns] or [heads, slots, "
                            "columns] (C1), got "
                         << type;
  for (int64_t extent : type.getShape().take_back(2))
    if (extent < 1 || extent >= most)
      return emitOpError() << "expected slots and columns in [1, 2^32) (C1), "
                              "got "
                           << type;
  return success();
}

/// Calls `store(index, value)` for every element, in f32's precision at most:
/// every target and the reference then work with the same numbers.
template <typename Store>
static void drawAll(GaussianProjectionOp op, Store store) {
  RankedTensorType type = op.getType();
  int64_t slots = type.getShape().drop_back().back(),
          columns = type.getShape().back();
  int64_t heads = type.getRank() == 3 ? type.getDimSize(0) : 1;
  double deviation = 1 / std::sqrt(static_cast<double>(slots));
  RandomKey key{static_cast<uint64_t>(op.getSeed()),
                static_cast<uint32_t>(op.getLayer()), 0,
                static_cast<uint32_t>(op.getPurpose())};
  int64_t index = 0;
  for (int64_t head = 0; head < heads; ++head) {
    key.head = head;
    for (int64_t slot = 0; slot < slots; ++slot)
      for (int64_t column = 0; column < columns; ++column)
        store(index++,
              static_cast<float>(deviation * gaussianAt(key, slot, column)));
  }
}

TypedAttr GaussianProjectionOp::draw() {
  RankedTensorType type = getType();
  Type element = type.getElementType();
  unsigned bytes = element.getIntOrFloatBitWidth() / 8;
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(
      type.getNumElements() * bytes, /*align=*/64, /*dataIsMutable=*/true);
  char *data = blob.getMutableData().data();
  const llvm::fltSemantics &semantics =
      cast<FloatType>(element).getFloatSemantics();
  drawAll(*this, [&](int64_t index, float value) {
    APFloat number(value);
    bool isInexact = false;
    number.convert(semantics, APFloat::rmNearestTiesToEven, &isInexact);
    uint64_t bits = number.bitcastToAPInt().getZExtValue();
    std::memcpy(data + index * bytes, &bits, bytes);
  });
  return DenseResourceElementsAttr::get(type, "attn_gaussian", std::move(blob));
}

//===----------------------------------------------------------------------===//
// low_rank_form
//===----------------------------------------------------------------------===//

LogicalResult
LowRankFormAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t k,
                        int64_t, ProjectionKind projection, ProjectionSharing,
                        int64_t causalBlocks, int64_t length,
                        StringAttr keyWeights, StringAttr valueWeights) {
  constexpr int64_t mostSlots = int64_t(1) << 16, most = int64_t(1) << 31;
  if (k < 1 || k > mostSlots || causalBlocks < 0 || causalBlocks >= most ||
      length < 0 || length >= most)
    return emitError() << "expected k in [1, 2^16], causal_blocks and length "
                          "in [0, 2^31) (C1), got "
                       << k << ", " << causalBlocks << " and " << length;
  if (causalBlocks != 0 && k > causalBlocks)
    return emitError() << "expected k to be at most causal_blocks (C2), got "
                       << k << " and " << causalBlocks;
  bool isNamed = keyWeights && valueWeights;
  if (isNamed != (projection == ProjectionKind::Weights) ||
      (!isNamed && (keyWeights || valueWeights)))
    return emitError() << "expected key_weights and value_weights with "
                          "projection = weights, and only there (C3)";
  return success();
}

Cost LowRankFormAttr::getCost(const AttentionShape &shape) const {
  double slots = std::min<double>(getK(), shape.keys), seen = slots;
  double perKey = slots;
  if (int64_t block = getCausalBlocks()) {
    perKey = static_cast<double>(getK());
    seen = shape.keys / static_cast<double>(block) * perKey / 2 + block / 2.0;
  } else if (getProjection() == ProjectionKind::MeanPool ||
             getProjection() == ProjectionKind::MaxPool) {
    perKey = 1;
  }
  double sizes = static_cast<double>(shape.headSize + shape.valueSize);
  Cost projecting =
      productCost(2 * shape.keyRows() * perKey * sizes, share::projection);
  if (getProjection() == ProjectionKind::Gaussian && getCausalBlocks() == 0) {
    // Matrices of f32, read whole.
    bool isPerHead = getSharing() == ProjectionSharing::Unshared;
    bool isOne = getSharing() == ProjectionSharing::KeyValue ||
                 getSharing() == ProjectionSharing::Layerwise;
    projecting.bytes = 4.0 * slots * static_cast<double>(shape.keys) *
                       (isOne ? 1 : 2) *
                       (isPerHead ? static_cast<double>(shape.keyHeads) : 1);
  }
  AttentionShape reduced = shape;
  reduced.keys = static_cast<int64_t>(seen);
  Cost attending = softmaxCost(reduced, seen);
  attending.bytes = operandBytes(shape);
  return attending + projecting;
}

std::string LowRankFormAttr::getErrorContract() const {
  return "no bound for a given input";
}

//===----------------------------------------------------------------------===//
// project
//===----------------------------------------------------------------------===//

LogicalResult ProjectOp::verify() {
  auto weights = cast<ShapedType>(getWeights().getType());
  auto rows = cast<ShapedType>(getRows().getType());
  auto acc = cast<ShapedType>(getAcc().getType());
  Type type = acc.getElementType();
  bool isValidGood = true;
  if (getValid()) {
    auto valid = cast<ShapedType>(getValid().getType());
    isValidGood = valid.getRank() == 1 && valid.getElementType().isInteger(1);
  }
  if (weights.getRank() != 2 || rows.getRank() != 2 || acc.getRank() != 2 ||
      acc.isDynamicDim(1) || (!type.isF32() && !type.isF64()) ||
      !isa<FloatType>(weights.getElementType()) ||
      !isa<FloatType>(rows.getElementType()) || !isValidGood)
    return emitOpError() << "expected weights and rows of two dimensions, acc "
                            "[S, D] of f32 or f64 with a static D, and valid "
                            "of i1 (C1), got "
                         << weights << ", " << rows << ", " << acc;
  enum { kSlot, kRow, kColumn };
  for (auto [number, dims] :
       llvm::enumerate(ArrayRef<std::pair<unsigned, unsigned>>{
           {kSlot, kRow}, {kRow, kColumn}})) {
    AffineMap map;
    if (getIndexingMaps().size() == 2)
      map = cast<AffineMapAttr>(getIndexingMaps()[number]).getValue();
    if (!map || map.getNumDims() != 3 || map.getNumResults() != 2 ||
        !map.isProjectedPermutation() || !map.isFunctionOfDim(dims.first) ||
        !map.isFunctionOfDim(dims.second))
      return emitOpError() << "expected maps that are permutations of (s, t) "
                              "and of (t, d) (C2), got "
                           << getIndexingMaps();
  }
  auto isTooSmall = [](int64_t extent, int64_t least) {
    return !ShapedType::isDynamic(extent) && !ShapedType::isDynamic(least) &&
           extent < least;
  };
  if (isTooSmall(weights.getDimSize(getPositionOf(0, kSlot)),
                 acc.getDimSize(0)) ||
      isTooSmall(weights.getDimSize(getPositionOf(0, kRow)),
                 rows.getDimSize(getPositionOf(1, kRow))))
    return emitOpError() << "expected weights for every slot of acc and every "
                            "row (C3), got "
                         << weights << ", " << rows << ", " << acc;
  SmallVector<Type> expected;
  if (isa<RankedTensorType>(acc))
    expected.push_back(acc);
  if (!llvm::equal(getOperation()->getResultTypes(), expected))
    return emitOpError() << "expected the type of acc as result (C4)";
  return success();
}

void ProjectOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}

Speculation::Speculatability ProjectOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
