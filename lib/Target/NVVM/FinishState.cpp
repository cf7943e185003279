//===- FinishState.cpp - merge and end of a streaming softmax -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.finalize, which writes what the lanes hold, and attn.merge, which
// gives every lane its share of the partial states.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"
#include "Numbers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
constexpr double kLn2 = 0.6931471805599453;

class FinalizeEmitter {
public:
  FinalizeEmitter(OpBuilder &b, FinalizeOp op, Kernel &kernel)
      : op(op), kernel(kernel), f(b, op.getLoc(), kernel.at),
        access(f, kernel, cast<MemRefType>(op.getAcc().getType())),
        output(cast<MemRefType>(op.getOutput().getType())), map(mapAt(0)) {
    SmallVector<int64_t> strides;
    int64_t offset;
    unsigned column = *positionOf(2);
    width = output.getDimSize(column);
    pairs = succeeded(output.getStridesAndOffset(strides, offset)) &&
            strides[column] == 1 && width % 2 == 0;
    for (auto [position, stride] : llvm::enumerate(strides))
      pairs &= position == column || output.getDimSize(position) == 1 ||
               (!ShapedType::isDynamic(stride) && stride % 2 == 0);
  }

  void emit() {
    SoftmaxState state = access.load(op.getAcc(), op.getMax(), op.getSum());
    Value numRows = f.b.createOrFold<memref::DimOp>(f.loc, op.getOutput(),
                                                    int64_t(*positionOf(1)));
    for (auto [half, row] : llvm::enumerate(access.getRows())) {
      Value sum = f.rowSum(state.sum[half]);
      // A NaN sum stays NaN: only a sum that is exactly 0 means an empty row.
      Value isEmpty = arith::CmpFOp::create(
          f.b, f.loc, arith::CmpFPredicate::OEQ, sum, f.f32(0));
      Value inverse = arith::DivFOp::create(f.b, f.loc, f.f32(1), sum);
      Value factor = f.select(isEmpty, f.f32(0), inverse);
      Value isThere = f.both(row.isThere, f.less(row.query, numRows));
      f.ifThen(isThere, [&, half = half, row = row] {
        emitRow(row, ArrayRef(state.acc), half, factor);
        if (op.getLse())
          emitLse(row, state.max[half], sum, isEmpty);
      });
    }
  }

private:
  AffineMap mapAt(unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  }
  std::optional<unsigned> positionOf(unsigned dim) {
    return map.getResultPosition(getAffineDimExpr(dim, op.getContext()));
  }
  static SmallVector<Value> indicesOf(AffineMap map, const StateRow &row,
                                      Value column) {
    SmallVector<Value> at;
    for (unsigned position = 0; position < map.getNumResults(); ++position) {
      unsigned dim = map.getDimPosition(position);
      at.push_back(dim == 0 ? row.group : dim == 1 ? row.query : column);
    }
    return at;
  }

  void emitRow(const StateRow &row, ArrayRef<Accumulator> acc, int64_t half,
               Value factor) {
    int64_t columns = access.getColumnFragments(), first = 2 * (half % 2);
    for (int64_t n = 0; 8 * n < width; ++n) {
      const Accumulator &part = acc[half / 2 * columns + n];
      Value column = f.add(f.mul(kernel.at.quad, 2), 8 * n);
      Value x = f.mulf(part[first], factor),
            y = f.mulf(part[first + 1], factor);
      auto store = [&] { storePair(row, column, x, y); };
      if (8 * n + 8 <= width)
        store();
      else
        f.ifThen(f.less(column, f.index(width)), store);
    }
  }

  /// Two neighbouring columns. The second is beyond the last only where the
  /// width is odd.
  void storePair(const StateRow &row, Value column, Value x, Value y) {
    Type element = output.getElementType();
    if (!pairs) {
      memref::StoreOp::create(f.b, f.loc, f.truncate(x, element),
                              op.getOutput(), indicesOf(map, row, column));
      Value next = f.add(column, 1);
      f.ifThen(f.less(next, f.index(width)), [&] {
        memref::StoreOp::create(f.b, f.loc, f.truncate(y, element),
                                op.getOutput(), indicesOf(map, row, next));
      });
      return;
    }
    auto wide = VectorType::get({2}, f.b.getF32Type()),
         stored = VectorType::get({2}, element);
    Value both =
        vector::FromElementsOp::create(f.b, f.loc, wide, ValueRange{x, y});
    if (element.getIntOrFloatBitWidth() < 32)
      both = arith::TruncFOp::create(f.b, f.loc, stored, both);
    else if (element.getIntOrFloatBitWidth() > 32)
      both = arith::ExtFOp::create(f.b, f.loc, stored, both);
    vector::StoreOp::create(f.b, f.loc, both, op.getOutput(),
                            indicesOf(map, row, column),
                            /*nontemporal=*/false,
                            llvm::Align(element.getIntOrFloatBitWidth() / 4));
  }

  void emitLse(const StateRow &row, Value max, Value sum, Value isEmpty) {
    Value lse = f.mulf(f.addf(max, f.log2(sum)), f.f32(kLn2));
    lse = f.select(isEmpty, f.f32(-kInfinity), lse);
    Type element = cast<MemRefType>(op.getLse().getType()).getElementType();
    Value isFirst =
        f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
    f.ifThen(isFirst, [&] {
      memref::StoreOp::create(f.b, f.loc, f.truncate(lse, element), op.getLse(),
                              indicesOf(mapAt(1), row, Value()));
    });
  }

  FinalizeOp op;
  Kernel &kernel;
  FragmentBuilder f;
  StateAccess access;
  MemRefType output;
  AffineMap map;
  int64_t width;
  bool pairs;
};
} // namespace

void attn::nvvm::emitFinalize(OpBuilder &b, FinalizeOp op, Kernel &kernel) {
  FinalizeEmitter(b, op, kernel).emit();
}

void attn::nvvm::emitMerge(OpBuilder &b, MergeOp op, Kernel &kernel) {
  FragmentBuilder f(b, op.getLoc(), kernel.at);
  StateAccess access(f, kernel, cast<MemRefType>(op.getAcc().getType()));
  SoftmaxState state;
  size_t halves = 2 * kernel.rowFragments;
  state.acc.assign(kernel.rowFragments * access.getColumnFragments(), f.zero());
  state.max.assign(halves, f.f32(-kInfinity));
  state.sum.assign(halves, f.f32(0));
  Value splits =
      b.createOrFold<memref::DimOp>(f.loc, op.getPartialAcc(), int64_t(0));
  auto body = [&](Value split, ValueRange carried) {
    SoftmaxState next = state.with(carried);
    SmallVector<Value> max = access.loadRows(op.getPartialMax(), split,
                                             -kInfinity),
                       sum = access.share(
                           access.loadRows(op.getPartialSum(), split, 0));
    SmallVector<Accumulator> acc =
        access.loadColumns(op.getPartialAcc(), split);
    for (size_t half = 0; half < halves; ++half) {
      Value common = f.maxf(next.max[half], max[half]);
      Value isEmpty = arith::CmpFOp::create(b, f.loc, arith::CmpFPredicate::OEQ,
                                            common, f.f32(-kInfinity));
      Value subtrahend = f.select(isEmpty, f.f32(0), common);
      Value old = f.exp2(f.subf(next.max[half], subtrahend)),
            own = f.exp2(f.subf(max[half], subtrahend));
      next.max[half] = common;
      next.sum[half] = f.fma(next.sum[half], old, f.mulf(sum[half], own));
      for (int64_t n = 0; n < access.getColumnFragments(); ++n)
        for (int64_t i = 0; i < 2; ++i) {
          size_t at = half / 2 * access.getColumnFragments() + n,
                 element = 2 * (half % 2) + i;
          Value &part = next.acc[at][element];
          part = f.fma(part, old, f.mulf(acc[at][element], own));
        }
    }
    return next.flatten();
  };
  state = state.with(f.forLoop(f.index(0), splits, 1, state.flatten(), body));
  access.store(state, op.getAcc(), op.getMax(), op.getSum());
}
