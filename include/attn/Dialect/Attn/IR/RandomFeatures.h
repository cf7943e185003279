//===- RandomFeatures.h - orthogonal random directions ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The projection of FAVOR+, drawn when a program is compiled.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_RANDOMFEATURES_H
#define ATTN_DIALECT_ATTN_IR_RANDOMFEATURES_H

#include "attn/Dialect/Attn/IR/CounterRandom.h"

#include <vector>

namespace mlir::attn {

/// `rows` directions of `size` numbers, row by row: orthogonal within blocks of
/// `size` rows, each block uniform over all orthonormal bases. Lengths are
/// those of Gaussian vectors of their own, or size^1/2 if `regularized`. The
/// key's purpose is set here; `draw` is one of 2^16 independent draws of a key.
std::vector<double> orthogonalFeatures(RandomKey key, uint32_t draw,
                                       int64_t rows, int64_t size,
                                       bool regularized);

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_IR_RANDOMFEATURES_H
