//===- BlockBuilder.h - work that a block of threads shares -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For kernels whose data pass through memory between steps: element-wise work,
// reductions of rows and products on tensor cores, of operands that functions
// give element by element.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_BLOCKBUILDER_H
#define ATTN_LIB_TARGET_NVVM_BLOCKBUILDER_H

#include "Kernel.h"

#include <functional>

namespace mlir::attn::nvvm {

/// An element as f32 by its row and column; both may be beyond the matrix.
using ElementFn = std::function<Value(Value row, Value column)>;

/// left [rows, depth] times right [depth, columns]; depth is a multiple of 8.
struct ProductTerm {
  Value depth;
  ElementFn left, right;
};

class BlockBuilder : public FragmentBuilder {
public:
  BlockBuilder(OpBuilder &builder, Location loc, Kernel &kernel)
      : FragmentBuilder(builder, loc, kernel.at, kernel.products),
        kernel(kernel) {
    // What was in shared memory before may still be read.
    barrier();
  }

  /// Shared memory for a matrix of f32. Rows are 4 elements longer than asked
  /// for, so that the same column of 8 rows is in different banks.
  Value scratch(int64_t rows, int64_t columns);
  Value scratch(int64_t elements);
  /// Shared memory for a matrix of i32.
  Value counters(int64_t rows, int64_t columns);

  /// Calls for every element of a box, each on one thread; a barrier follows.
  void forEach(ArrayRef<Value> extents, function_ref<void(ValueRange)> body);
  /// Reduces every row in a warp: combines `element` of all columns from
  /// `initial` on, and gives the result to `store`, on one lane; a barrier
  /// follows.
  void reduceRows(Value rows, Value columns, Value initial, ElementFn element,
                  function_ref<Value(Value, Value)> combine,
                  function_ref<void(Value row, Value result)> store);
  /// The sum of products, on tensor cores; `columns` is a multiple of 8, and
  /// `store` is called for rows up to the next multiple of 16. A barrier
  /// follows.
  void product(Value rows, int64_t columns, ArrayRef<ProductTerm> terms,
               function_ref<void(Value row, Value column, Value sum)> store);
  /// The body on one thread; a barrier follows.
  void once(function_ref<void()> body);

  Value load(Value memref, ValueRange at) {
    return extend(memref::LoadOp::create(b, loc, memref, at));
  }
  void store(Value value, Value memref, ValueRange at) {
    Type element = cast<MemRefType>(memref.getType()).getElementType();
    memref::StoreOp::create(b, loc, truncate(value, element), memref, at);
  }
  Value dim(Value memref, int64_t position) {
    return b.createOrFold<memref::DimOp>(loc, memref, position);
  }
  /// `x` where the row and the column are in bounds, which the function is
  /// given, and 0 elsewhere.
  Value loadInBounds(Value memref, ValueRange at, ValueRange extents);

private:
  Value takeShared(int64_t rows, int64_t columns, Type element);
  SmallVector<Accumulator> multiplyTerm(const ProductTerm &term, Value row,
                                        Value column,
                                        SmallVector<Accumulator> sums);

  Kernel &kernel;
  int64_t sharedOffset = 0;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_BLOCKBUILDER_H
