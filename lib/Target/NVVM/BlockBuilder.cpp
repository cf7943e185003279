//===- BlockBuilder.cpp - work that a block of threads shares -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Threads are dealt elements, warps are dealt rows and fragments.
//
//===----------------------------------------------------------------------===//

#include "BlockBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

Value BlockBuilder::takeShared(int64_t rows, int64_t columns, Type element) {
  auto space = gpu::AddressSpaceAttr::get(
      b.getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
  auto type = MemRefType::get({rows, columns}, element,
                              MemRefLayoutAttrInterface(), space);
  Value result = memref::ViewOp::create(b, loc, type, kernel.dynamicShared,
                                        index(sharedOffset), ValueRange());
  int64_t bytes = rows * columns * element.getIntOrFloatBitWidth() / 8;
  sharedOffset += llvm::alignTo(bytes, 16);
  kernel.requireShared(sharedOffset);
  return result;
}

Value BlockBuilder::scratch(int64_t rows, int64_t columns) {
  return takeShared(rows, rows == 1 ? columns : columns + 4, b.getF32Type());
}

Value BlockBuilder::scratch(int64_t elements) { return scratch(1, elements); }

Value BlockBuilder::counters(int64_t rows, int64_t columns) {
  return takeShared(rows, columns, b.getI32Type());
}

void BlockBuilder::forEach(ArrayRef<Value> extents,
                           function_ref<void(ValueRange)> body) {
  Value count = index(1);
  for (Value extent : extents)
    count = mul(count, extent);
  auto loop = scf::ForOp::create(b, loc, at.thread, count, index(at.threads()));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value rest = loop.getInductionVar();
    SmallVector<Value> indices(extents.size());
    for (size_t i = extents.size(); i-- > 0;) {
      if (i == 0) {
        indices[i] = rest;
        break;
      }
      indices[i] = b.createOrFold<arith::RemUIOp>(loc, rest, extents[i]);
      rest = b.createOrFold<arith::DivUIOp>(loc, rest, extents[i]);
    }
    body(indices);
  }
  barrier();
}

void BlockBuilder::reduceRows(
    Value rows, Value columns, Value initial, ElementFn element,
    function_ref<Value(Value, Value)> combine,
    function_ref<void(Value row, Value result)> store) {
  auto loop = scf::ForOp::create(b, loc, at.warp, rows, index(at.warps));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value row = loop.getInductionVar();
    // All lanes go round equally often.
    Value result = forLoop(index(0), columns, lanes, {initial},
                           [&](Value first, ValueRange carried) {
                             Value column = add(first, at.lane);
                             return ifElse(less(column, columns), carried, [&] {
                               return SmallVector<Value>{
                                   combine(carried[0], element(row, column))};
                             });
                           })[0];
    for (int64_t mask : {1, 2, 4, 8, 16})
      result = combine(result, shuffleXor(result, mask));
    Value isFirst = compare(arith::CmpIPredicate::eq, at.lane, index(0));
    ifThen(isFirst, [&] { store(row, result); });
  }
  barrier();
}

void BlockBuilder::once(function_ref<void()> body) {
  ifThen(compare(arith::CmpIPredicate::eq, at.thread, index(0)), body);
  barrier();
}

Value BlockBuilder::loadInBounds(Value memref, ValueRange indices,
                                 ValueRange extents) {
  Value isThere;
  SmallVector<Value> clamped;
  for (auto [one, extent] : llvm::zip_equal(indices, extents)) {
    Value own = less(one, extent);
    isThere = isThere ? both(isThere, own) : own;
    clamped.push_back(one);
  }
  Value zero = f32(0);
  return ifElse(isThere, zero,
                [&] { return SmallVector<Value>{load(memref, clamped)}; })[0];
}

/// Fragments [row, row + 16) x [column, column + 8 * sums) and all of the
/// depth.
SmallVector<Accumulator>
BlockBuilder::multiplyTerm(const ProductTerm &term, Value row, Value column,
                           SmallVector<Accumulator> sums) {
  SmallVector<Value> initial;
  for (Accumulator &sum : sums)
    llvm::append_range(initial, sum);
  Value upper = add(row, at.group), lower = add(upper, 8);
  initial = forLoop(
      index(0), term.depth, 8, initial, [&](Value step, ValueRange carried) {
        Value near = add(step, at.quad), far = add(near, 4);
        Operand left =
            makeOperand({term.left(upper, near), term.left(lower, near),
                         term.left(upper, far), term.left(lower, far)});
        SmallVector<Value> next;
        for (size_t n = 0; n < sums.size(); ++n) {
          Value own = add(add(column, at.group), 8 * n);
          Operand right =
              makeOperand({term.right(near, own), term.right(far, own)});
          llvm::append_range(
              next, multiply(left, right, Accumulator(carried.slice(4 * n, 4)),
                             b.getF32Type()));
        }
        return next;
      });
  for (size_t n = 0; n < sums.size(); ++n)
    sums[n] = Accumulator(ValueRange(initial).slice(4 * n, 4));
  return sums;
}

void BlockBuilder::product(
    Value rows, int64_t columns, ArrayRef<ProductTerm> terms,
    function_ref<void(Value row, Value column, Value sum)> store) {
  int64_t wide = columns / fragmentColumns, together = wide % 4 == 0   ? 4
                                                       : wide % 2 == 0 ? 2
                                                                       : 1;
  Value high = ceilDiv(rows, fragmentRows);
  auto loop = scf::ForOp::create(b, loc, at.warp, mul(high, wide / together),
                                 index(at.warps));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value tile = loop.getInductionVar();
    Value row = mul(b.createOrFold<arith::RemUIOp>(loc, tile, high),
                    fragmentRows),
          column = mul(b.createOrFold<arith::DivUIOp>(loc, tile, high),
                       together * fragmentColumns);
    SmallVector<Accumulator> sums(together, zero());
    for (const ProductTerm &term : terms)
      sums = multiplyTerm(term, row, column, sums);
    for (int64_t n = 0; n < together; ++n)
      for (int64_t i = 0; i < 4; ++i)
        store(add(add(row, at.group), 8 * (i / 2)),
              add(add(column, mul(at.quad, 2)), 8 * n + i % 2), sums[n][i]);
  }
  barrier();
}
