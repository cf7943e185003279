//===- AttnPages.cpp - attn.gather_pages ----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier of the operation that reads rows in pages. The constraints C1 to C4
// are those of its description.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

static bool agree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

LogicalResult
GatherPagesOp::reifyResultShapes(OpBuilder &builder,
                                 ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(tensor::getMixedSizes(builder, getLoc(), getOutput()));
  return success();
}

LogicalResult GatherPagesOp::verify() {
  auto pool = cast<RankedTensorType>(getPool().getType()),
       table = cast<RankedTensorType>(getTable().getType()),
       output = cast<RankedTensorType>(getOutput().getType());
  if (table.getRank() < 1 || table.getRank() > 2 ||
      !table.getElementType().isSignlessInteger())
    return emitOpError() << "expected a table [T] or [B, T] of integers (C1), "
                            "got "
                         << table;
  int64_t rank = pool.getRank(), batch = hasBatch() ? 1 : 0;
  bool fits = (rank == 3 || rank == 4) &&
              output.getRank() == rank - 1 + batch &&
              pool.getElementType() == output.getElementType();
  for (int64_t dim = 1; fits && dim < rank; ++dim)
    fits = dim == rank - 2 ||
           agree(pool.getDimSize(dim), output.getDimSize(dim - 1 + batch));
  if (!fits || (batch && !agree(table.getDimSize(0), output.getDimSize(0))))
    return emitOpError() << "expected a pool [pages, H, S, D] or [pages, S, D] "
                            "and an output [B, H, N, D], without H or B where "
                            "pool or table have none, of one element type "
                            "(C2), got "
                         << pool << ", " << table << " and " << output;
  if (getPageSize() < 1 || !llvm::isPowerOf2_64(getPageSize()))
    return emitOpError()
           << "expected pages of a static power of two of rows (C3), got "
           << pool;
  if (getResult().getType() != output)
    return emitOpError() << "expected a result of the type of output (C4), got "
                         << getResult().getType();
  return success();
}
