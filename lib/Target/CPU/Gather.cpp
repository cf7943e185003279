//===- Gather.cpp - tokens through maps and orders ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parallel loops and lane numbers.
//
//===----------------------------------------------------------------------===//

#include "Gather.h"

using namespace mlir;
using namespace mlir::attn::cpu;

void attn::cpu::parallelLoop(KernelBuilder &k, ArrayRef<Value> bounds,
                             function_ref<void(ValueRange)> body) {
  SmallVector<OpFoldResult> sizes(bounds.begin(), bounds.end());
  auto loop = scf::ForallOp::create(k.b, k.loc, sizes, ValueRange(),
                                    /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVars());
}

Value attn::cpu::laneNumbers(KernelBuilder &k, VectorType type) {
  SmallVector<APInt> numbers;
  unsigned bits = type.getElementTypeBitWidth();
  for (int64_t lane = 0; lane < type.getNumElements(); ++lane)
    numbers.push_back(APInt(bits, lane));
  return arith::ConstantOp::create(k.b, k.loc,
                                   DenseElementsAttr::get(type, numbers));
}
