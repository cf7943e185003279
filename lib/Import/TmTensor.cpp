//===- TmTensor.cpp - operations of torch-mlir beyond stock MLIR ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect's definitions and what must hold for attn-import to replace its
// operations.
//
//===----------------------------------------------------------------------===//

#include "attn/Import/TmTensor.h"

using namespace mlir;
using namespace mlir::attn::tm_tensor;

#include "attn/Import/TmTensorDialect.cpp.inc"

#define GET_OP_CLASSES
#include "attn/Import/TmTensorOps.cpp.inc"

void TmTensorDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "attn/Import/TmTensorOps.cpp.inc"
      >();
}

LogicalResult ScanOp::verify() {
  if (getInputs().size() != 1 || getOutputs().size() != 2)
    return emitOpError("expected one input and two destinations, got ")
           << getInputs().size() << " and " << getOutputs().size();
  auto input = cast<RankedTensorType>(getInputs()[0].getType());
  auto output = cast<RankedTensorType>(getOutputs()[0].getType());
  auto last = cast<RankedTensorType>(getOutputs()[1].getType());
  int64_t dimension = getDimension();
  if (dimension < 0 || dimension >= input.getRank())
    return emitOpError("expected a dimension below the rank ")
           << input.getRank() << ", got " << dimension;
  if (output.getRank() != input.getRank() ||
      last.getRank() + 1 != input.getRank())
    return emitOpError("expected the second destination to lack the scanned "
                       "dimension");
  if (getResultTypes() != getOutputs().getTypes())
    return emitOpError("expected the results to have the types of the "
                       "destinations");
  Block &block = getBody().front();
  Type element = input.getElementType();
  if (!getBody().hasOneBlock() || block.getNumArguments() != 2 ||
      block.getArgument(0).getType() != element ||
      block.getArgument(1).getType() != element)
    return emitOpError("expected a region of one block with two arguments of "
                       "the element type");
  auto yield = dyn_cast_or_null<YieldOp>(block.getTerminator());
  if (!yield || yield.getValues().size() != 1)
    return emitOpError("expected the region to yield one value");
  return success();
}

LogicalResult AttentionOp::verify() {
  if (getInputs().size() < 3 || getInputs().size() > 4 ||
      getOutputs().size() != 1)
    return emitOpError("expected three or four inputs and one destination, "
                       "got ")
           << getInputs().size() << " and " << getOutputs().size();
  for (Value operand : getOperands())
    if (cast<RankedTensorType>(operand.getType()).getRank() != 3)
      return emitOpError("expected tensors of rank 3, got ")
             << operand.getType();
  if (getResultTypes() != getOutputs().getTypes())
    return emitOpError("expected the result to have the type of the "
                       "destination");
  return success();
}
