//===- ScoreMod.h - what a score-mod region must be -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation with a score-mod region holds it to the same constraint.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_SCOREMOD_H
#define ATTN_LIB_DIALECT_ATTN_IR_SCOREMOD_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// One block with arguments (`scoreType` and four indices), pure operations,
/// and a yield of the score's type. An empty region is none. `constraint` is
/// the number that messages give.
LogicalResult verifyScoreMod(Operation *op, Region &region, Type scoreType,
                             StringRef constraint);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_SCOREMOD_H
