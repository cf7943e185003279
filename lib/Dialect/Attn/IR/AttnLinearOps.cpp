//===- AttnLinearOps.cpp - products with packed matrices ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and memory effects of the linear layers' operations.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"

using namespace mlir;
using namespace mlir::attn;

LogicalResult PackedMatmulOp::verify() {
  auto lhs = cast<ShapedType>(getLhs().getType());
  auto panels = cast<ShapedType>(getPanels().getType());
  auto output = cast<ShapedType>(getOutput().getType());
  if (lhs.getRank() != 2 || panels.getRank() != 3 || output.getRank() != 2)
    return emitOpError() << "expected lhs [M, K], panels [P, K, NR] and output "
                            "[M, N] (C1), got "
                         << lhs << ", " << panels << ", " << output;
  if (!panels.hasStaticShape() || panels.getNumElements() == 0 ||
      output.isDynamicDim(1) || lhs.getDimSize(1) != panels.getDimSize(1) ||
      llvm::divideCeil(output.getDimSize(1), panels.getDimSize(2)) !=
          static_cast<uint64_t>(panels.getDimSize(0)))
    return emitOpError() << "expected a static depth K of lhs and panels and "
                            "ceil(N / NR) panels (C1), got "
                         << lhs << ", " << panels << ", " << output;
  Type element = output.getElementType();
  if ((!element.isF32() && !element.isF64()) ||
      lhs.getElementType() != element || panels.getElementType() != element)
    return emitOpError() << "expected one element type of f32, f64 (C2), got "
                         << lhs.getElementType() << ", "
                         << panels.getElementType() << ", " << element;
  if (!lhs.isDynamicDim(0) && !output.isDynamicDim(0) &&
      lhs.getDimSize(0) != output.getDimSize(0))
    return emitOpError() << "expected as many rows of the output as of lhs "
                            "(C3), got "
                         << lhs << ", " << output;
  SmallVector<Type> expected;
  if (isa<RankedTensorType>(output))
    expected.push_back(output);
  if (!llvm::equal(getOperation()->getResultTypes(), expected))
    return emitOpError() << "expected the output's type as result (C4)";
  return success();
}

bool PackedMatmulOp::isReadByRow(OpOperand &operand) {
  return operand.get() != getPanels();
}

int64_t PackedMatmulOp::getMultiplicationsPerRow() {
  return cast<ShapedType>(getPanels().getType()).getNumElements();
}

void PackedMatmulOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability PackedMatmulOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
