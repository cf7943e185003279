//===- ScalarInterpreter.h - score-mod regions in numbers -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates a block of pure scalar operations, one after another, in f64 and
// 64-bit integers.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_REFERENCE_SCALARINTERPRETER_H
#define ATTN_LIB_REFERENCE_SCALARINTERPRETER_H

#include "attn/Reference/Reference.h"

namespace mlir::attn::reference {

/// A value of a float type, or of an integer or index type.
struct Scalar {
  double real = 0;
  int64_t integer = 0;

  static Scalar of(double value) { return {value, 0}; }
  static Scalar of(int64_t value) { return {0, value}; }
};

class ScalarInterpreter {
public:
  explicit ScalarInterpreter(const llvm::DenseMap<Value, Array> &captures)
      : captures(captures) {}

  /// Runs the block with its arguments set and returns what it yields.
  FailureOr<double> run(Block &block, ArrayRef<Scalar> arguments);

private:
  FailureOr<Scalar> get(Value value);
  LogicalResult evaluate(Operation &op);

  const llvm::DenseMap<Value, Array> &captures;
  llvm::DenseMap<Value, Scalar> values;
};

} // namespace mlir::attn::reference

#endif // ATTN_LIB_REFERENCE_SCALARINTERPRETER_H
