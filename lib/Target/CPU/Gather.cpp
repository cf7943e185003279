//===- Gather.cpp - tokens through maps and orders ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transposition in registers, parallel loops and lane numbers.
//
//===----------------------------------------------------------------------===//

#include "Gather.h"

using namespace mlir;
using namespace mlir::attn::cpu;

void attn::cpu::transposeSquare(KernelBuilder &k,
                                SmallVectorImpl<Value> &square) {
  int64_t lanes = square.size();
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      low.push_back(lane & half ? lanes + lane - half : lane);
      high.push_back(lane & half ? lanes + lane : lane + half);
    }
    for (int64_t row = 0; row < lanes; ++row) {
      if (row & half)
        continue;
      Value a = square[row], b = square[row + half];
      square[row] = vector::ShuffleOp::create(k.b, k.loc, a, b, low);
      square[row + half] = vector::ShuffleOp::create(k.b, k.loc, a, b, high);
    }
  }
}

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
