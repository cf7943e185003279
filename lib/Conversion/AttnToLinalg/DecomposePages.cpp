//===- DecomposePages.cpp - rows copied out of pages ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.gather_pages: every element is read through the table.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

SmallVector<Value> mlir::attn::decomposeGatherPages(OpBuilder &builder,
                                                    GatherPagesOp op) {
  int64_t rank = cast<RankedTensorType>(op.getOutput().getType()).getRank();
  int64_t pageSize = op.getPageSize();
  auto buildElement = [&](OpBuilder &b, Location loc, ValueRange) {
    SmallVector<Value> at;
    for (int64_t dim = 0; dim < rank; ++dim)
      at.push_back(linalg::IndexOp::create(b, loc, dim));
    Value rows = arith::ConstantIndexOp::create(b, loc, pageSize);
    Value &position = at[rank - 2];
    SmallVector<Value> entry;
    if (op.hasBatch())
      entry.push_back(at.front());
    entry.push_back(arith::DivUIOp::create(b, loc, position, rows));
    position = arith::RemUIOp::create(b, loc, position, rows);
    Value page = tensor::ExtractOp::create(b, loc, op.getTable(), entry);
    page = arith::IndexCastOp::create(b, loc, b.getIndexType(), page);
    if (op.hasBatch())
      at.front() = page;
    else
      at.insert(at.begin(), page);
    Value element = tensor::ExtractOp::create(b, loc, op.getPool(), at);
    linalg::YieldOp::create(b, loc, element);
  };
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto made = linalg::GenericOp::create(
      builder, op.getLoc(), op.getResult().getType(), ValueRange(),
      op.getOutput(), builder.getMultiDimIdentityMap(rank), iterators,
      buildElement);
  return {made.getResult(0)};
}
