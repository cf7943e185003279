//===- Reference.h - slow, plain evaluation in f64 --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attention means, in numbers. Everything fast is compared with this, so
// it is written to be read and not to be fast.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_REFERENCE_REFERENCE_H
#define ATTN_REFERENCE_REFERENCE_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

#include <vector>

namespace mlir::attn::reference {

/// A dense, row-major array. Integers and booleans are held as numbers too,
/// exactly up to 2^53.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;

  Array() = default;
  /// Zeros.
  explicit Array(ArrayRef<int64_t> shape);
  explicit Array(ArrayRef<int64_t> shape, std::vector<double> values)
      : shape(shape.begin(), shape.end()), values(std::move(values)) {}
};

/// Whether the row of batch b, query head h and query i is to be evaluated.
using RowFilter = llvm::function_ref<bool(int64_t b, int64_t h, int64_t i)>;

/// Evaluates one operation by loops over its domain. `operands` has an array
/// per operand, in their order; of the destinations only the shapes count.
/// `captures` are the tensors that a score-mod region extracts from. Rows that
/// are not `wanted` are NaN.
/// Returns an array per result. Errors are reported at the operation.
FailureOr<std::vector<Array>>
evaluateAttention(AttentionOp op, ArrayRef<Array> operands,
                  const llvm::DenseMap<Value, Array> &captures =
                      llvm::DenseMap<Value, Array>(),
                  RowFilter wanted = nullptr);

/// Evaluates a whole function: the module's copy gets f64 for every float type,
/// attention is decomposed, and what remains is compiled and run by upstream's
/// passes alone. Handles everything that they do; arguments and results are
/// ranked tensors. Errors are reported at the function.
FailureOr<std::vector<Array>> evaluateExact(ModuleOp module, StringRef entry,
                                            ArrayRef<Array> inputs);

/// Turns every float type and constant below `root` into f64 and drops the
/// conversions between them, so that the module computes what was meant.
LogicalResult convertFloatsToDouble(Operation *root);

} // namespace mlir::attn::reference

#endif // ATTN_REFERENCE_REFERENCE_H
