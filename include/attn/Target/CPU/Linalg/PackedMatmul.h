//===- PackedMatmul.h - rows times panels -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.packed_matmul, and products like it, on memrefs as loops around
// register tiles.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H
#define ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H

#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// Memrefs of `output [M, N] = lhs [M, K] * panels [P, K, NR]`; with
/// `accumulate` the product is added to what the output holds.
struct PanelProduct {
  Value lhs, panels, output;
  bool accumulate = false;
};

/// Emits the product at the insertion point: panel by panel, the depth in
/// blocks, the rows in strips as high as a register tile.
void emitPanelProduct(KernelBuilder &k, const PanelProduct &product,
                      const CpuTarget &target);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_PACKEDMATMUL_H
