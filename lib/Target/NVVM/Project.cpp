//===- Project.cpp - rows added up into slots -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.project as one product of a block, whose depth is the rows of the
// tile.
//
//===----------------------------------------------------------------------===//

#include "BlockBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
enum Dim : unsigned { kSlot, kPosition, kColumn };
} // namespace

void attn::nvvm::emitProject(OpBuilder &b, ProjectOp op, Kernel &kernel) {
  BlockBuilder k(b, op.getLoc(), kernel);
  auto accType = cast<MemRefType>(op.getAcc().getType());
  Value slots = k.dim(op.getAcc(), 0);
  Value positions = k.dim(op.getRows(), op.getPositionOf(1, kPosition)),
        width = k.dim(op.getRows(), op.getPositionOf(1, kColumn));
  width = k.min(width, k.index(accType.getDimSize(1)));
  auto element = [&](Value memref, unsigned operand, unsigned firstDim, Value x,
                     Value y, Value xExtent, Value yExtent) {
    SmallVector<Value> at{x, y}, extents{xExtent, yExtent};
    if (op.getPositionOf(operand, firstDim) != 0) {
      std::swap(at[0], at[1]);
      std::swap(extents[0], extents[1]);
    }
    return k.loadInBounds(memref, at, extents);
  };
  ProductTerm term;
  term.depth = k.alignUp(positions, 8);
  term.left = [&](Value slot, Value position) {
    return element(op.getWeights(), 0, kSlot, slot, position, slots, positions);
  };
  term.right = [&](Value position, Value column) {
    Value x =
        element(op.getRows(), 1, kPosition, position, column, positions, width);
    if (!op.getValid())
      return x;
    Value last = k.sub(positions, k.index(1));
    Value valid = memref::LoadOp::create(b, k.loc, op.getValid(),
                                         ValueRange{k.min(position, last)});
    return k.select(valid, x, k.f32(0));
  };
  k.product(slots, llvm::alignTo(accType.getDimSize(1), 8), {term},
            [&](Value slot, Value column, Value x) {
              Value isThere =
                  k.both(k.less(slot, slots), k.less(column, width));
              k.ifThen(isThere, [&] {
                SmallVector<Value> at{slot, column};
                k.store(k.addf(k.load(op.getAcc(), at), x), op.getAcc(), at);
              });
            });
}
