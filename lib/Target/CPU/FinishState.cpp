//===- FinishState.cpp - merge and end of a streaming softmax -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.finalize and attn.merge: row by row, a few vectors each.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
constexpr double kLn2 = 0.6931471805599453;
/// See OnlineSoftmax.cpp: at or below this a maximum says that no key was
/// allowed.
constexpr double kLowest = -1e30;

/// Indices of a destination whose map is over (g, i, e).
SmallVector<Value> indicesOf(AffineMap map, Value group, Value row,
                             Value column) {
  SmallVector<Value> at;
  for (unsigned position = 0; position < map.getNumResults(); ++position) {
    unsigned dim = map.getDimPosition(position);
    at.push_back(dim == 0 ? group : dim == 1 ? row : column);
  }
  return at;
}

class FinalizeEmitter {
public:
  FinalizeEmitter(KernelBuilder &k, FinalizeOp op, const CpuTarget &target)
      : k(k), op(op), output(cast<MemRefType>(op.getOutput().getType())),
        element(cast<MemRefType>(op.getAcc().getType()).getElementType()),
        lanes(target.lanes(element.getIntOrFloatBitWidth())), map(mapAt(0)) {}

  void emit() {
    auto position = [&](unsigned dim) {
      return map.getResultPosition(getAffineDimExpr(dim, op.getContext()));
    };
    Value rows = k.dim(op.getOutput(), *position(1));
    Value groups =
        position(0) ? k.dim(op.getOutput(), *position(0)) : k.index(1);
    k.forLoop(k.index(0), groups, 1, [&](Value group) {
      k.forLoop(k.index(0), rows, 1, [&](Value row) { emitRow(group, row); });
    });
  }

private:
  AffineMap mapAt(unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  }

  void emitRow(Value group, Value row) {
    Value sum = k.load(op.getSum(), {group, row}),
          zero = k.constant(element, 0);
    // A NaN sum stays NaN: only a sum that is exactly 0 means an empty row.
    Value isEmpty =
        arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, sum, zero);
    Value factor = k.select(isEmpty, zero, k.divf(k.constant(element, 1), sum));
    unsigned position =
        *map.getResultPosition(getAffineDimExpr(2, op.getContext()));
    bool isContiguous =
        position + 1 == output.getRank() && output.isLastDimUnitStride();
    int64_t width = output.getDimSize(position);
    for (int64_t column = 0; column < width; column += lanes)
      emitColumns(group, row, factor, column, std::min(lanes, width - column),
                  isContiguous);
    if (op.getLse()) {
      Value log = math::Log2Op::create(k.b, k.loc, sum),
            max = k.load(op.getMax(), {group, row});
      Value lse = k.mulf(k.addf(max, log), k.constant(element, kLn2));
      Value lowest =
          k.constant(element, -std::numeric_limits<double>::infinity());
      k.store(k.select(isEmpty, lowest, lse), op.getLse(),
              indicesOf(mapAt(1), group, row, Value()));
    }
  }

  void emitColumns(Value group, Value row, Value factor, int64_t column,
                   int64_t count, bool isContiguous) {
    auto type = k.vectorOf(lanes, element),
         stored = k.vectorOf(lanes, output.getElementType());
    Value value =
        k.mulf(k.broadcast(type, factor),
               k.load(type, op.getAcc(), {group, row, k.index(column)}));
    if (output.getElementTypeBitWidth() < element.getIntOrFloatBitWidth())
      value = arith::TruncFOp::create(k.b, k.loc, stored, value);
    SmallVector<Value> at = indicesOf(map, group, row, k.index(column));
    if (!isContiguous) {
      for (int64_t lane = 0; lane < count; ++lane)
        k.store(vector::ExtractOp::create(k.b, k.loc, value, lane),
                op.getOutput(),
                indicesOf(map, group, row, k.index(column + lane)));
    } else if (count == lanes) {
      k.store(value, op.getOutput(), at);
    } else {
      vector::MaskedStoreOp::create(k.b, k.loc, op.getOutput(), at,
                                    k.maskBelow(lanes, k.index(count)), value);
    }
  }

  KernelBuilder &k;
  FinalizeOp op;
  MemRefType output;
  Type element;
  int64_t lanes;
  AffineMap map;
};
} // namespace

void attn::cpu::emitFinalize(KernelBuilder &k, FinalizeOp op,
                             const CpuTarget &target) {
  FinalizeEmitter(k, op, target).emit();
}

void attn::cpu::emitMerge(KernelBuilder &k, MergeOp op,
                          const CpuTarget &target) {
  auto accType = cast<MemRefType>(op.getAcc().getType());
  Type element = accType.getElementType();
  int64_t lanes = target.lanes(element.getIntOrFloatBitWidth());
  auto type = k.vectorOf(lanes, element);
  Value zero = k.index(0), splits = k.dim(op.getPartialAcc(), 0);
  auto emitRow = [&](Value group, Value row) {
    Value lowest = k.constant(element, kLowest), none = k.constant(element, 0);
    Value max = k.forLoop(
        zero, splits, 1, {lowest}, [&](Value split, ValueRange carried) {
          return SmallVector<Value>{k.maxf(
              k.load(op.getPartialMax(), {split, group, row}), carried[0])};
        })[0];
    int64_t vectors = llvm::divideCeil(accType.getDimSize(2), lanes);
    SmallVector<Value> carried{none};
    carried.append(vectors, k.constant(type, 0));
    carried =
        k.forLoop(zero, splits, 1, carried, [&](Value split, ValueRange old) {
          Value own =
              k.maxf(k.load(op.getPartialMax(), {split, group, row}), lowest);
          Value weight = k.exp2(k.subf(own, max)),
                all = k.broadcast(type, weight);
          SmallVector<Value> next{k.addf(
              old[0],
              k.mulf(weight, k.load(op.getPartialSum(), {split, group, row})))};
          for (int64_t v = 0; v < vectors; ++v)
            next.push_back(
                k.fma(all,
                      k.load(type, op.getPartialAcc(),
                             {split, group, row, k.index(v * lanes)}),
                      old[v + 1]));
          return next;
        });
    k.store(max, op.getMax(), {group, row});
    k.store(carried[0], op.getSum(), {group, row});
    for (int64_t v = 0; v < vectors; ++v)
      k.store(carried[v + 1], op.getAcc(), {group, row, k.index(v * lanes)});
  };
  k.forLoop(zero, k.dim(op.getAcc(), 0), 1, [&](Value group) {
    k.forLoop(zero, k.dim(op.getAcc(), 1), 1,
              [&](Value row) { emitRow(group, row); });
  });
}
