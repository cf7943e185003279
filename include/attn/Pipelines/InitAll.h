//===- InitAll.h - every dialect, extension and pass ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One list for all tools, so that what one reads the others read too.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_INITALL_H
#define ATTN_PIPELINES_INITALL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace mlir::attn {

/// Registers our dialects, those of MLIR and their external models.
void registerEverything(DialectRegistry &registry);

/// Registers our passes and pipelines and those of MLIR.
void registerEveryPass();

} // namespace mlir::attn

#endif // ATTN_PIPELINES_INITALL_H
