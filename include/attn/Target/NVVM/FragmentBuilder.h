//===- FragmentBuilder.h - tiles distributed over a warp --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The words that the GPU kernel emitters are written in: matrices whose
// elements are spread over the 32 lanes of a warp, their products on tensor
// cores, reductions along their rows, and tiles in shared memory.
// docs/Rationale/Fragments.md says why they are shaped as they are.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_NVVM_FRAGMENTBUILDER_H
#define ATTN_TARGET_NVVM_FRAGMENTBUILDER_H

#include "attn/Dialect/Attn/Utils/IndexMath.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::attn::nvvm {

/// How products of f32 are formed: of three of tf32 (22 bits) or one (11 bits).
enum class F32Products { Three, One };

/// Where a thread stands in its block: `index` values.
struct ThreadPosition {
  Value thread, warp, lane;
  Value group;  ///< lane / 4: a row of a fragment
  Value quad;   ///< lane % 4: a pair of columns of a fragment
  Value shared; ///< the block's dynamic shared memory, !llvm.ptr<3>
  int64_t warps = 1;
  int64_t threads() const { return 32 * warps; }
};

/// 16 rows by 8 columns of f32. Of lane (group, quad): (group, 2 quad),
/// (group, 2 quad + 1), (group + 8, 2 quad), (group + 8, 2 quad + 1).
using Accumulator = SmallVector<Value, 4>;

/// An operand of a product: 16 rows (left) or 8 columns (right) by the depth
/// of one instruction, as i32 registers. `low` is what rounding to tf32 left,
/// where three products make one.
struct Operand {
  SmallVector<Value, 4> high, low;
};

/// A tile in shared memory. Rows are padded by 16 bytes: then the 8 rows of
/// every 8 x 16 byte matrix lie in different banks, for any row length that is
/// a multiple of 32 bytes, and all addresses of a lane differ by constants.
struct SharedTile {
  Value base; ///< !llvm.ptr<3>
  int64_t rows = 0, columns = 0;
  Type element;

  int64_t elementBytes() const { return element.getIntOrFloatBitWidth() / 8; }
  int64_t pitch() const { return columns * elementBytes() + 16; }
  int64_t bytes() const { return rows * pitch(); }
};

class FragmentBuilder : public IndexMath {
public:
  static constexpr int64_t lanes = 32, fragmentRows = 16, fragmentColumns = 8;

  FragmentBuilder(OpBuilder &builder, Location loc, const ThreadPosition &at,
                  F32Products products = F32Products::Three)
      : IndexMath(builder, loc), at(at), products(products) {}

  /// Depth of one instruction: 32 bytes of a row.
  static int64_t depthOf(Type element) {
    return 256 / element.getIntOrFloatBitWidth();
  }

  // Scalars.
  Value f32(double value);
  Value i32(int64_t value);
  Value toI32(Value index);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);
  Value mulf(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  Value select(Value condition, Value x, Value y);
  Value both(Value x, Value y);
  Value greater(Value x, Value y);
  /// The larger, of a NaN and a number the number; the smaller, NaN if one is.
  Value maxf(Value x, Value y);
  Value minimum(Value x, Value y);
  /// 2^x, one instruction: 2 ulp, subnormal results become 0.
  Value exp2(Value x);
  Value log2(Value x);
  /// x in the 11 bits of tf32, to nearest; beyond 2^114 infinite.
  Value roundToTf32(Value x);
  /// A float of any width as f32, and back.
  Value extend(Value x);
  Value truncate(Value x, Type element);

  // Control flow; conditions of collectives must be the same for all lanes.
  void ifThen(Value condition, function_ref<void()> body);
  SmallVector<Value> ifElse(Value condition, ValueRange otherwise,
                            function_ref<SmallVector<Value>()> body);
  SmallVector<Value>
  forLoop(Value from, Value to, int64_t step, ValueRange initial,
          function_ref<SmallVector<Value>(Value, ValueRange)> body);

  // Exchange between lanes.
  Value shuffleXor(Value x, int64_t mask);
  /// Over the four lanes that share a row of fragments.
  Value rowMax(Value x);
  Value rowSum(Value x);
  void barrier();

  // Pointers, in bytes.
  Value offset(Value pointer, Value bytes);
  Value offset(Value pointer, int64_t bytes);
  Value loadShared(Value pointer, Type type);

  // Fragments.
  Accumulator zero();
  /// Rows [row, row + 16) and the `step`th 32 bytes of each: a left operand.
  Operand loadLeft(const SharedTile &tile, Value row, int64_t step);
  /// Two right operands whose columns are the rows of the tile, [row, row + 8)
  /// and the 8 next, and whose depth is the `step`th 32 bytes of each.
  SmallVector<Operand> loadRight(const SharedTile &tile, int64_t row,
                                 int64_t step);
  /// Two right operands whose depth is rows of the tile from `row` on, and
  /// whose columns are the tile's, [column, column + 8) and the 8 next. Depth
  /// is in the order in which `toLeft` has it.
  SmallVector<Operand> loadRightByRows(const SharedTile &tile, int64_t row,
                                       int64_t column);
  /// A left operand of the columns of accumulators, as many as have its depth.
  Operand toLeft(ArrayRef<Accumulator> parts, Type element);
  /// An operand of f32 values, in the order of the instruction's registers.
  Operand makeOperand(ArrayRef<Value> values);
  /// sum + left * right
  Accumulator multiply(const Operand &left, const Operand &right,
                       Accumulator sum, Type element);
  /// `ldmatrix`, and registers as they come from memory as an operand.
  SmallVector<Value> loadMatrices(Value pointer, bool isTransposed);
  Operand split(ArrayRef<Value> registers, Type element);

  const ThreadPosition &at;

private:
  Accumulator issue(ArrayRef<Value> left, ArrayRef<Value> right,
                    ArrayRef<Value> sum, Type element);

  F32Products products;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_FRAGMENTBUILDER_H
