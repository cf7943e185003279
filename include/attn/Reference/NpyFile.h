//===- NpyFile.h - arrays of f64 in numpy's files ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The smallest part of the format that lets tests hand numbers to the reference
// and get numbers back: f64, row-major.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_REFERENCE_NPYFILE_H
#define ATTN_REFERENCE_NPYFILE_H

#include "attn/Reference/Reference.h"
#include "llvm/Support/Error.h"

namespace mlir::attn::reference {
llvm::Expected<Array> readNpy(StringRef path);
llvm::Error writeNpy(StringRef path, const Array &array);
} // namespace mlir::attn::reference

#endif // ATTN_REFERENCE_NPYFILE_H
