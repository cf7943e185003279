//===- StateAccess.cpp - the state of a softmax, lane by lane -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A state is (acc, max, sum) over rows of a tile. A lane has two rows of every
// 16 and two neighbouring columns of every 8, as in an accumulator, whether the
// state is in registers or in memory.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

SmallVector<Value> attn::nvvm::flatten(ArrayRef<Accumulator> parts) {
  SmallVector<Value> all;
  for (const Accumulator &part : parts)
    llvm::append_range(all, part);
  return all;
}

SmallVector<Accumulator> attn::nvvm::unflatten(ValueRange all) {
  SmallVector<Accumulator> parts;
  for (size_t i = 0; i < all.size(); i += 4)
    parts.push_back(Accumulator(all.slice(i, 4)));
  return parts;
}

Value attn::nvvm::reduceWarp(FragmentBuilder &f, ArrayRef<Value> values,
                             bool isMax) {
  Value result = values.front();
  for (Value value : values.drop_front())
    result = isMax ? f.max(result, value) : f.min(result, value);
  return NVVM::ReduxOp::create(
      f.b, f.loc, f.b.getI32Type(), result,
      isMax ? NVVM::ReduxKind::MAX : NVVM::ReduxKind::MIN, f.i32(-1));
}

SmallVector<Value> SoftmaxState::flatten() const {
  SmallVector<Value> all;
  for (const Accumulator &part : acc)
    llvm::append_range(all, part);
  llvm::append_range(all, max);
  llvm::append_range(all, sum);
  return all;
}

SoftmaxState SoftmaxState::with(ValueRange values) const {
  SoftmaxState other;
  for (size_t i = 0; i < acc.size(); ++i)
    other.acc.push_back(Accumulator(values.slice(4 * i, 4)));
  values = values.drop_front(4 * acc.size());
  other.max = SmallVector<Value>(values.take_front(max.size()));
  other.sum = SmallVector<Value>(values.drop_front(max.size()));
  return other;
}

StateAccess::StateAccess(FragmentBuilder &f, const Kernel &kernel,
                         MemRefType accType)
    : f(f), kernel(kernel), columns(accType.getShape().back()) {
  int64_t rank = accType.getRank(), groups = accType.getDimSize(rank - 3),
          perGroup = accType.getDimSize(rank - 2);
  Value first = f.mul(kernel.at.warp, kernel.warpRows());
  for (int64_t half = 0; half < 2 * kernel.rowFragments; ++half) {
    Value row = f.add(first, f.add(kernel.at.group, 8 * half));
    Value isThere = f.less(row, f.index(groups * perGroup));
    row = f.min(row, f.index(groups * perGroup - 1));
    Value group = f.index(0);
    if (groups > 1) {
      group = f.b.createOrFold<arith::DivUIOp>(f.loc, row, f.index(perGroup));
      row = f.b.createOrFold<arith::RemUIOp>(f.loc, row, f.index(perGroup));
    }
    rows.push_back({group, row, isThere});
  }
}

int64_t StateAccess::countRegisters(const Kernel &kernel, MemRefType type) {
  int64_t halves = 2 * kernel.rowFragments;
  return type.getRank() == 2 ? halves
                             : halves * (type.getShape().back() / 8) * 2;
}

SmallVector<Value> StateAccess::loadRows(Value memory, ValueRange leading,
                                         double none) {
  SmallVector<Value> result;
  for (const StateRow &row : rows) {
    SmallVector<Value> at(leading);
    at.append({row.group, row.query});
    Value all = memref::LoadOp::create(f.b, f.loc, memory, at);
    result.push_back(f.select(row.isThere, all, f.f32(none)));
  }
  return result;
}

SmallVector<Accumulator> StateAccess::loadColumns(Value memory,
                                                  ValueRange leading) {
  SmallVector<Accumulator> result;
  for (int64_t m = 0; m < kernel.rowFragments; ++m)
    for (int64_t n = 0; n < getColumnFragments(); ++n) {
      Accumulator part;
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t next = 0; next < 2; ++next) {
          const StateRow &row = rows[2 * m + half];
          SmallVector<Value> at(leading);
          at.append({row.group, row.query,
                     f.add(f.mul(kernel.at.quad, 2), 8 * n + next)});
          part.push_back(memref::LoadOp::create(f.b, f.loc, memory, at));
        }
      result.push_back(part);
    }
  return result;
}

SmallVector<Value> StateAccess::share(ValueRange sums) {
  Value isFirst =
      f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
  SmallVector<Value> result;
  for (Value sum : sums)
    result.push_back(f.select(isFirst, sum, f.f32(0)));
  return result;
}

void StateAccess::storeRows(ValueRange values, Value memory) {
  Value isFirst =
      f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
  for (auto [row, value] : llvm::zip_equal(rows, values))
    f.ifThen(f.both(isFirst, row.isThere), [&, row = row, value = value] {
      memref::StoreOp::create(f.b, f.loc, value, memory,
                              ValueRange{row.group, row.query});
    });
}

void StateAccess::storeColumns(ArrayRef<Accumulator> values, Value memory) {
  for (size_t half = 0; half < rows.size(); ++half)
    f.ifThen(rows[half].isThere, [&] {
      for (int64_t n = 0; n < getColumnFragments(); ++n)
        for (int64_t next = 0; next < 2; ++next) {
          const Accumulator &part = values[half / 2 * getColumnFragments() + n];
          SmallVector<Value> at{rows[half].group, rows[half].query,
                                f.add(f.mul(kernel.at.quad, 2), 8 * n + next)};
          memref::StoreOp::create(f.b, f.loc, part[2 * (half % 2) + next],
                                  memory, at);
        }
    });
}

namespace {
SmallVector<Value> loadRegisters(FragmentBuilder &f, Value registers) {
  SmallVector<Value> values;
  int64_t count = cast<MemRefType>(registers.getType()).getNumElements();
  for (int64_t i = 0; i < count; ++i)
    values.push_back(
        memref::LoadOp::create(f.b, f.loc, registers, ValueRange{f.index(i)}));
  return values;
}

void storeRegisters(FragmentBuilder &f, ValueRange values, Value registers) {
  for (auto [i, value] : llvm::enumerate(values))
    memref::StoreOp::create(f.b, f.loc, value, registers,
                            ValueRange{f.index(i)});
}
} // namespace

SoftmaxState StateAccess::load(Value acc, Value max, Value sum) {
  SoftmaxState state;
  if (Value registers = kernel.registers.lookup(acc)) {
    SmallVector<Value> values = loadRegisters(f, registers);
    for (size_t i = 0; i < values.size(); i += 4)
      state.acc.push_back(Accumulator(ValueRange(values).slice(i, 4)));
  } else {
    state.acc = loadColumns(acc, {});
  }
  if (Value registers = kernel.registers.lookup(max))
    state.max = loadRegisters(f, registers);
  else
    state.max = loadRows(max, {}, -std::numeric_limits<double>::infinity());
  if (Value registers = kernel.registers.lookup(sum))
    state.sum = loadRegisters(f, registers);
  else
    state.sum = share(loadRows(sum, {}, 0));
  return state;
}

void StateAccess::store(const SoftmaxState &state, Value acc, Value max,
                        Value sum) {
  SmallVector<Value> columnsOfLane;
  for (const Accumulator &part : state.acc)
    llvm::append_range(columnsOfLane, part);
  if (Value registers = kernel.registers.lookup(acc))
    storeRegisters(f, columnsOfLane, registers);
  else
    storeColumns(state.acc, acc);
  if (Value registers = kernel.registers.lookup(max))
    storeRegisters(f, state.max, registers);
  else
    storeRows(state.max, max);
  if (Value registers = kernel.registers.lookup(sum))
    return storeRegisters(f, state.sum, registers);
  SmallVector<Value> whole;
  for (Value share : state.sum)
    whole.push_back(f.rowSum(share));
  storeRows(whole, sum);
}

void StateAccess::fill(Value memory, Value value) {
  if (Value registers = kernel.registers.lookup(memory)) {
    int64_t count = cast<MemRefType>(registers.getType()).getNumElements();
    return storeRegisters(f, SmallVector<Value>(count, value), registers);
  }
  if (cast<MemRefType>(memory.getType()).getRank() == 2)
    return storeRows(SmallVector<Value>(rows.size(), value), memory);
  SmallVector<Accumulator> all(kernel.rowFragments * getColumnFragments(),
                               Accumulator(4, value));
  storeColumns(all, memory);
}
