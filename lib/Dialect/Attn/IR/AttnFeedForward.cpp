//===- AttnFeedForward.cpp - feed-forward layers --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and interfaces of the feed-forward operations, on whole sequences
// and with packed matrices.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

static ShapedType typeOf(Value value) {
  return cast<ShapedType>(value.getType());
}

static bool isFloat(Type type) {
  return type.isF16() || type.isBF16() || type.isF32() || type.isF64();
}

/// Static extents of the rows agree.
static LogicalResult verifyRows(Operation *op, ShapedType input,
                                ShapedType output, StringRef constraint) {
  if (succeeded(
          verifyCompatibleShape({input.getDimSize(0)}, {output.getDimSize(0)})))
    return success();
  return op->emitOpError() << "expected as many rows of the output as of the "
                              "input ("
                           << constraint << "), got " << input << ", "
                           << output;
}

//===----------------------------------------------------------------------===//
// feed_forward
//===----------------------------------------------------------------------===//

int64_t FeedForwardOp::getHiddenSize() {
  unsigned position =
      *getUpMap().getResultPosition(getAffineDimExpr(kHidden, getContext()));
  return typeOf(getUp()).getDimSize(position);
}

FloatType FeedForwardOp::getAccumulatorType() {
  Type element = getElementTypeOrSelf(getOutput().getType());
  return element.isF64() ? cast<FloatType>(element)
                         : FloatType(Float32Type::get(getContext()));
}

LogicalResult
FeedForwardOp::reifyResultShapes(OpBuilder &builder,
                                 ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getOutput()));
  return success();
}

namespace {
struct Matrix {
  StringRef name;
  Value value;
  FeedForwardOp::Dim first, second;
};
} // namespace

/// C1 and the matrices of C2; `extents` are those of the domain.
static LogicalResult verifyMatrices(FeedForwardOp op, ArrayRef<Matrix> matrices,
                                    MutableArrayRef<int64_t> extents) {
  ArrayAttr maps = op.getIndexingMaps();
  if (maps.size() != matrices.size())
    return op.emitOpError() << "expected " << matrices.size()
                            << " maps (C1), got " << maps.size();
  for (auto [matrix, attr] : llvm::zip_equal(matrices, maps)) {
    AffineMap map = cast<AffineMapAttr>(attr).getValue();
    bool isGood = map.getNumDims() == FeedForwardOp::kNumDims &&
                  map.getNumSymbols() == 0 && map.getNumResults() == 2 &&
                  map.isProjectedPermutation() &&
                  map.isFunctionOfDim(matrix.first) &&
                  map.isFunctionOfDim(matrix.second);
    if (!isGood)
      return op.emitOpError()
             << "expected a map of " << matrix.name
             << " over (m, k, h, n) that uses its two dimensions (C1), got "
             << attr;
    ShapedType type = typeOf(matrix.value);
    if (type.getRank() != 2 || !type.hasStaticShape())
      return op.emitOpError() << "expected a static matrix as " << matrix.name
                              << " (C2), got " << type;
    for (auto [result, extent] :
         llvm::zip_equal(map.getResults(), type.getShape())) {
      int64_t &known = extents[cast<AffineDimExpr>(result).getPosition()];
      if (extent < 1 || (!ShapedType::isDynamic(known) && known != extent))
        return op.emitOpError()
               << "expected extents of " << matrix.name
               << " that are positive and agree with the others' (C2), got "
               << type;
      known = extent;
    }
  }
  return success();
}

LogicalResult FeedForwardOp::verify() {
  ShapedType input = typeOf(getInput()), output = typeOf(getOutput());
  if (input.getRank() != 2 || output.getRank() != 2 || input.isDynamicDim(1) ||
      output.isDynamicDim(1))
    return emitOpError() << "expected input [M, K] and output [M, N] with "
                            "static K and N (C2), got "
                         << input << ", " << output;
  int64_t extents[kNumDims] = {ShapedType::kDynamic, input.getDimSize(1),
                               ShapedType::kDynamic, output.getDimSize(1)};
  SmallVector<Matrix> matrices = {{"up", getUp(), kInput, kHidden}};
  if (getGate())
    matrices.push_back({"gate", getGate(), kInput, kHidden});
  matrices.push_back({"down", getDown(), kHidden, kOutput});
  if (failed(verifyMatrices(*this, matrices, extents)) ||
      failed(verifyRows(*this, input, output, "C2")))
    return failure();
  if (getGateBias() && !getGate())
    return emitOpError() << "expected a gate for the gate_bias (C3)";
  for (auto [bias, dim] :
       {std::pair(getUpBias(), kHidden), std::pair(getGateBias(), kHidden),
        std::pair(getDownBias(), kOutput)})
    if (bias && typeOf(bias).getShape() != ArrayRef<int64_t>{extents[dim]})
      return emitOpError() << "expected a bias of " << extents[dim]
                           << " elements (C3), got " << bias.getType();
  Type element = output.getElementType();
  unsigned width = element.isF64() ? 64 : 32;
  if (!isFloat(element) || input.getElementType() != element)
    return emitOpError() << "expected one element type of f16, bf16, f32, f64 "
                            "of input and output (C4), got "
                         << input.getElementType() << ", " << element;
  for (Value operand : getOperands())
    if (Type type = getElementTypeOrSelf(operand.getType());
        !isFloat(type) || type.getIntOrFloatBitWidth() > width)
      return emitOpError() << "expected floating-point weights of at most "
                           << width << " bits (C4), got " << operand.getType();
  if (getRows().value_or(1) < 1)
    return emitOpError() << "expected positive rows (C5), got " << *getRows();
  if (getResult().getType() != output)
    return emitOpError() << "expected the output's type as result (C6), got "
                         << getResult().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// packed_feed_forward
//===----------------------------------------------------------------------===//

bool PackedFeedForwardOp::isReadByRow(OpOperand &operand) {
  return operand.getOperandNumber() == 0 ||
         cast<DestinationStyleOpInterface>(getOperation()).isDpsInit(&operand);
}

int64_t PackedFeedForwardOp::getMultiplicationsPerRow() {
  int64_t count = typeOf(getUp()).getNumElements();
  if (getGate())
    count += typeOf(getGate()).getNumElements();
  return count + typeOf(getDown()).getNumElements();
}

int64_t PackedFeedForwardOp::getRowChunk() { return getRows(); }

void PackedFeedForwardOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability PackedFeedForwardOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}

/// C1: the shapes of panels and biases.
static bool hasPackedShapes(PackedFeedForwardOp op) {
  ShapedType input = typeOf(op.getInput()), output = typeOf(op.getOutput()),
             down = typeOf(op.getDown());
  if (input.getRank() != 2 || output.getRank() != 2 || down.getRank() != 3 ||
      input.isDynamicDim(1) || output.isDynamicDim(1) ||
      !down.hasStaticShape() || down.getNumElements() == 0)
    return false;
  int64_t depth = input.getDimSize(1), columns = output.getDimSize(1);
  int64_t hidden = down.getDimSize(1), width = down.getDimSize(2);
  auto isPanels = [&](Value value, int64_t rows, int64_t deep) {
    int64_t count = llvm::divideCeil(rows, width);
    return typeOf(value).getShape() == ArrayRef<int64_t>{count, deep, width};
  };
  auto isBias = [](Value value, int64_t size) {
    return !value || typeOf(value).getShape() == ArrayRef<int64_t>{size};
  };
  return isPanels(op.getUp(), hidden, depth) &&
         (!op.getGate() || isPanels(op.getGate(), hidden, depth)) &&
         isPanels(op.getDown(), columns, hidden) &&
         isBias(op.getUpBias(), hidden) && isBias(op.getGateBias(), hidden) &&
         isBias(op.getDownBias(), columns) &&
         (op.getGate() || !op.getGateBias());
}

LogicalResult PackedFeedForwardOp::verify() {
  if (!hasPackedShapes(*this))
    return emitOpError() << "expected input [M, K], up and gate [H / NR, K, "
                            "NR], down [N / NR, H, NR], output [M, N] and "
                            "biases to match (C1), got "
                         << getOperandTypes();
  Type element = getElementTypeOrSelf(getOutput().getType());
  for (Type type : getOperandTypes())
    if ((!element.isF32() && !element.isF64()) ||
        getElementTypeOrSelf(type) != element)
      return emitOpError() << "expected one element type of f32, f64 (C2), got "
                           << type;
  if (failed(verifyRows(*this, typeOf(getInput()), typeOf(getOutput()), "C3")))
    return failure();
  int64_t width = typeOf(getDown()).getDimSize(2);
  int64_t rows = getRows(), hiddenTile = getHiddenTile();
  if (rows < 1 || hiddenTile < 1 || hiddenTile % width != 0)
    return emitOpError() << "expected a positive tile whose columns are a "
                            "multiple of "
                         << width << " (C4), got " << rows << ", "
                         << hiddenTile;
  return verifyTileResults(*this, "C5");
}
