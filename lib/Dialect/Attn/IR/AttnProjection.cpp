//===- AttnProjection.cpp - projections that need no training -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and draws of attn.gaussian_projection.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
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
