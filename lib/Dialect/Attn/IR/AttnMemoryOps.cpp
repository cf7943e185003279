//===- AttnMemoryOps.cpp - operations on memories -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the operations that carry memories from segment to segment.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Whether two types agree but for the extent of dimension `dim`.
bool agreeBut(RankedTensorType a, RankedTensorType b, int64_t dim) {
  if (a.getRank() != b.getRank() || a.getElementType() != b.getElementType())
    return false;
  for (int64_t i = 0; i < a.getRank(); ++i)
    if (i != dim && !ShapedType::isDynamic(a.getDimSize(i)) &&
        !ShapedType::isDynamic(b.getDimSize(i)) &&
        a.getDimSize(i) != b.getDimSize(i))
      return false;
  return true;
}

LogicalResult verifyWeights(CompressOp op, int64_t size) {
  bool isConv = op.getFunction() == Compression::Conv;
  int64_t dilation = op.getDilation(), rate = op.getRate();
  if (!op.getWeight() != !isConv || !op.getBias() != !isConv)
    return op.emitOpError()
           << "expected weights and bias for conv and for it alone (C3)";
  if (dilation < 1 || (!isConv && dilation != 1))
    return op.emitOpError()
           << "expected a positive dilation, 1 but for conv (C3), got "
           << dilation;
  if (!isConv)
    return success();
  RankedTensorType weight = typeOf(op.getWeight()), bias = typeOf(op.getBias());
  Type element = typeOf(op.getInput()).getElementType();
  if (!weight.hasStaticShape() || weight.getRank() != 3 ||
      weight.getDimSize(0) != size || weight.getDimSize(1) != size ||
      weight.getDimSize(2) < 1 || bias.getShape() != ArrayRef<int64_t>{size} ||
      weight.getElementType() != element || bias.getElementType() != element)
    return op.emitOpError()
           << "expected weights [" << size << ", " << size
           << ", taps] and bias [" << size << "] of " << element
           << " (C3), got " << weight << " and " << bias;
  int64_t reach = dilation * (weight.getDimSize(2) - 1) + 1;
  if (reach < rate)
    return op.emitOpError() << "expected taps and dilation that reach over "
                            << rate << " rows (C3), got " << reach;
  return success();
}
} // namespace

LogicalResult
CompressOp::reifyResultShapes(OpBuilder &builder,
                              ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getOutput()));
  return success();
}

LogicalResult CompressOp::verify() {
  RankedTensorType input = typeOf(getInput()), output = typeOf(getOutput());
  int64_t rows = input.getRank() - 2, rate = getRate();
  if (rows < 0 || rows > 1 || !isa<FloatType>(input.getElementType()) ||
      getResult().getType() != output || !agreeBut(input, output, rows))
    return emitOpError()
           << "expected [R, D] or [B, R, D], fewer rows in output "
              "and result, of floating-point elements (C1), got "
           << input << ", " << output << " and " << getResult().getType();
  if (rate < 1)
    return emitOpError() << "expected a positive rate (C2), got " << rate;
  int64_t before = input.getDimSize(rows), after = output.getDimSize(rows);
  if (!ShapedType::isDynamic(before) &&
      (before % rate != 0 ||
       (!ShapedType::isDynamic(after) && before / rate != after)))
    return emitOpError() << "expected rows that are " << rate
                         << " times those of output (C2), got " << before
                         << " and " << after;
  if (failed(verifyWeights(*this, input.getDimSize(rows + 1))))
    return failure();
  bool isMostUsed = getFunction() == Compression::MostUsed;
  if (!getReceived() != !isMostUsed)
    return emitOpError()
           << "expected received for most_used and for it alone (C4)";
  if (!isMostUsed)
    return success();
  RankedTensorType received = typeOf(getReceived());
  if (!isa<FloatType>(received.getElementType()) ||
      received.getRank() != rows + 1 ||
      failed(verifyCompatibleShape(received.getShape(),
                                   input.getShape().drop_back())))
    return emitOpError() << "expected received for each row of " << input
                         << " (C4), got " << received;
  return success();
}

LogicalResult
UpdateMemoryOp::reifyResultShapes(OpBuilder &builder,
                                  ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

LogicalResult UpdateMemoryOp::verify() {
  RankedTensorType memory = typeOf(getMemory());
  int64_t rows = memory.getRank() - 2;
  bool isStatic = true;
  for (Value value : getOperands()) {
    RankedTensorType type = typeOf(value);
    if (rows < 0 || rows > 1 || !agreeBut(memory, type, rows))
      return emitOpError() << "expected [R, D] or [B, R, D] that agree but for "
                              "R (C1), got "
                           << memory << " and " << type;
    isStatic &= !type.isDynamicDim(rows);
  }
  if (isStatic) {
    int64_t given = typeOf(getMemory()).getDimSize(rows) +
                    typeOf(getAdded()).getDimSize(rows),
            taken = typeOf(getKept()).getDimSize(rows) +
                    typeOf(getEvicted()).getDimSize(rows);
    if (given != taken)
      return emitOpError() << "expected room for the " << given
                           << " rows of memory and added in kept and evicted "
                              "(C2), got "
                           << taken;
  }
  if (getKeptResult().getType() != getKept().getType() ||
      getEvictedResult().getType() != getEvicted().getType())
    return emitOpError() << "expected result types equal to the types of kept "
                            "and evicted (C3)";
  return success();
}
