//===- InstructionCost.h - what machine code takes --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many warp instructions an instruction of the IR becomes, and on which
// pipe: an estimate, since the assembler is not ours.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_INSTRUCTIONCOST_H
#define ATTN_LIB_SIMULATOR_INSTRUCTIONCOST_H

#include "Program.h"

#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Instruction.h"

namespace attn::sim {

struct Cost {
  Pipe pipe = Pipe::Other;
  unsigned slots = 1;
};

Cost costOf(const llvm::Instruction &inst, const llvm::DataLayout &layout);

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_INSTRUCTIONCOST_H
