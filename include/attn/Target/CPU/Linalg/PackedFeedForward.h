//===- PackedFeedForward.h - two products in one ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.packed_feed_forward on memrefs as loops around register tiles.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PACKEDFEEDFORWARD_H
#define ATTN_TARGET_CPU_LINALG_PACKEDFEEDFORWARD_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// Emits the layer at the insertion point. A tile of hidden values is made
/// panel by panel, activated while it is in the first-level cache, and added
/// to the output through its rows of `down` before the next is begun.
void emitPackedFeedForward(KernelBuilder &k, PackedFeedForwardOp op,
                           const CpuTarget &target);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_PACKEDFEEDFORWARD_H
