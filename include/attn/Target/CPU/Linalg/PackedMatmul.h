//===- PackedMatmul.h - rows times panels -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.packed_matmul on memrefs as loops around register tiles.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H
#define ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// Emits the product at the insertion point: panel by panel, the depth in
/// blocks, the rows in strips as high as a register tile.
void emitPackedMatmul(KernelBuilder &k, PackedMatmulOp op,
                      const CpuTarget &target);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H
