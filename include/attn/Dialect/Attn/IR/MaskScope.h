//===- MaskScope.h - what masks are asked with ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The values that lowerings pass to the mask interface and get from it: for
// which head and which lengths, and which keys a range of queries may see.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_MASKSCOPE_H
#define ATTN_DIALECT_ATTN_IR_MASKSCOPE_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Value.h"

#include <optional>

namespace mlir::attn {

/// What a mask refers to besides the positions of query and key: `index`
/// values.
struct MaskScope {
  Value head, numQueries, numKeys;
  /// Unless 0, the queries asked for lie between two neighbouring multiples of
  /// this number.
  int64_t queryBlock = 0;
};

/// The half-open key range [begin, end), empty where begin >= end, and the mask
/// that says which of its keys a query sees: null if all of them.
struct KeyRange {
  Value begin, end;
  Attribute mask;
  /// An upper bound of end - begin, where it does not depend on the queries.
  std::optional<int64_t> length;
};

/// The queries [begin, end), and what a mask comes down to for them: null if
/// they see all keys.
struct QueryRange {
  Value begin, end;
  Attribute mask;
  bool seesNothing = false;
};

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_IR_MASKSCOPE_H
