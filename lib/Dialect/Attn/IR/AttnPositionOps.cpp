//===- AttnPositionOps.cpp - operations on positions ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the operations that tell attention about positions, and the
// slopes of linear biases.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Shapes of the results are those of the destinations.
LogicalResult reifyInits(DestinationStyleOpInterface op, OpBuilder &builder,
                         ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : op.getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, op.getLoc(), init));
  return success();
}

/// C1 of the operations that make a table of `what`: [a, b] of floats.
LogicalResult verifyTable(Operation *op, Value output, Value result,
                          StringRef what) {
  auto type = cast<RankedTensorType>(output.getType());
  if (type != result.getType() || type.getRank() != 2 ||
      !isa<FloatType>(type.getElementType()))
    return op->emitOpError() << "expected output and result of one type "
                             << what << " of floating-point elements (C1), got "
                             << type << " and " << result.getType();
  return success();
}
} // namespace

LogicalResult RotaryOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

LogicalResult RotaryOp::verify() {
  auto type = cast<RankedTensorType>(getInput().getType());
  if (getOutput().getType() != type || getResult().getType() != type ||
      !isa<FloatType>(type.getElementType()))
    return emitOpError() << "expected input, output and result of one type of "
                            "floating-point elements (C1), got "
                         << type << ", " << getOutput().getType() << " and "
                         << getResult().getType();
  int64_t last = type.getRank() == 0 ? 1 : type.getShape().back();
  if (ShapedType::isDynamic(last) || last % 2 != 0)
    return emitOpError() << "expected a static, even last extent (C2), got "
                         << type;
  int64_t dim = getDim();
  if (dim < 0 || dim + 1 >= type.getRank())
    return emitOpError() << "expected a dimension before the last (C3), got "
                         << dim << " of " << type.getRank();
  double base = getBase().convertToDouble();
  if (!(base > 0) || !std::isfinite(base))
    return emitOpError() << "expected a positive, finite base (C4), got "
                         << base;
  return success();
}

LogicalResult
SinusoidOp::reifyResultShapes(OpBuilder &builder,
                              ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

LogicalResult SinusoidOp::verify() {
  if (failed(verifyTable(*this, getOutput(), getResult(), "[T, D]")))
    return failure();
  int64_t size = cast<RankedTensorType>(getOutput().getType()).getDimSize(1);
  if (ShapedType::isDynamic(size) || size % 2 != 0)
    return emitOpError() << "expected a static, even D (C1), got "
                         << getOutput().getType();
  return success();
}

LogicalResult AlibiOp::reifyResultShapes(OpBuilder &builder,
                                         ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

LogicalResult AlibiOp::verify() {
  if (failed(verifyTable(*this, getOutput(), getResult(), "[H, T]")))
    return failure();
  int64_t heads = cast<RankedTensorType>(getOutput().getType()).getDimSize(0);
  if (ShapedType::isDynamic(heads) || heads < 1)
    return emitOpError() << "expected a static, positive H (C1), got "
                         << getOutput().getType();
  return success();
}

SmallVector<double> AlibiOp::getSlopes(int64_t heads) {
  int64_t lower = 1;
  while (2 * lower <= heads)
    lower *= 2;
  SmallVector<double> slopes;
  for (int64_t h = 1; h <= lower; ++h)
    slopes.push_back(std::exp2(-8.0 * double(h) / double(lower)));
  for (int64_t h = 1; static_cast<int64_t>(slopes.size()) < heads; h += 2)
    slopes.push_back(std::exp2(-4.0 * double(h) / double(lower)));
  return slopes;
}

LogicalResult
BucketBiasOp::reifyResultShapes(OpBuilder &builder,
                                ReifiedRankedShapedTypeDims &shapes) {
  return reifyInits(*this, builder, shapes);
}

LogicalResult BucketBiasOp::verify() {
  if (failed(verifyTable(*this, getOutput(), getResult(), "[H, T]")))
    return failure();
  auto table = cast<RankedTensorType>(getTable().getType()),
       output = cast<RankedTensorType>(getOutput().getType());
  if (table.getRank() != 2 || table.getElementType() != output.getElementType())
    return emitOpError() << "expected a table [buckets, H] of the output's "
                            "element type (C1), got "
                         << table;
  if (failed(verifyCompatibleShape(table.getShape().take_back(),
                                   output.getShape().take_front())))
    return emitOpError() << "expected as many heads in table and output (C1), "
                            "got "
                         << table << " and " << output;
  int64_t buckets = table.getDimSize(0), least = getBidirectional() ? 4 : 2;
  if (ShapedType::isDynamic(buckets) || buckets < least ||
      (getBidirectional() && buckets % 2 != 0))
    return emitOpError() << "expected at least " << least
                         << " buckets, and an even number of them if "
                            "bidirectional (C2), got "
                         << table;
  int64_t exact = buckets / (getBidirectional() ? 4 : 2);
  if (static_cast<int64_t>(getMaxDistance()) <= exact)
    return emitOpError() << "expected max_distance beyond " << exact
                         << " (C3), got "
                         << static_cast<int64_t>(getMaxDistance());
  return success();
}
