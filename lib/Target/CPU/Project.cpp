//===- Project.cpp - rows added up into slots -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.project: a panel of the rows stays in the first-level cache while
// the weights of all slots meet it, strip by strip.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/MicroKernel.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// The first strip brings a panel of the rows from memory.
constexpr int64_t kPrefetchSteps = 24;

class ProjectEmitter {
public:
  ProjectEmitter(KernelBuilder &k, ProjectOp op, const CpuTarget &target)
      : k(k), op(op), acc(cast<MemRefType>(op.getAcc().getType())),
        lanes(target.lanes(acc.getElementTypeBitWidth())),
        height(target.tileRows()), depth(k.dim(op.getRows(), 0)) {}

  void emit();

private:
  void emitPanel(Value column, int64_t vectors);

  KernelBuilder &k;
  ProjectOp op;
  MemRefType acc;
  int64_t lanes, height;
  Value depth;
};
} // namespace

/// Strips of a register tile's slots, then the rest in powers of two.
void ProjectEmitter::emitPanel(Value column, int64_t vectors) {
  auto strip = [&](Value slot, int64_t slots) {
    emitMicroKernel(k, {slots, vectors, lanes, /*isAmx=*/false, kPrefetchSteps},
                    {op.getWeights(), {slot, k.index(0)}},
                    {op.getRows(), {k.index(0), column}},
                    {op.getAcc(), {slot, column}}, {k.index(0), depth},
                    /*accumulate=*/true);
  };
  emitStrips(k, op.getAcc(), 0, height, strip);
}

void ProjectEmitter::emit() {
  int64_t width = acc.getDimSize(1), step = CpuTarget::tileVectors * lanes;
  int64_t whole = width / step * step;
  if (whole > 0)
    k.forLoop(k.index(0), k.index(whole), step,
              [&](Value column) { emitPanel(column, CpuTarget::tileVectors); });
  if (whole < width)
    emitPanel(k.index(whole), (width - whole) / lanes);
}

void attn::cpu::emitProject(KernelBuilder &k, ProjectOp op,
                            const CpuTarget &target) {
  ProjectEmitter(k, op, target).emit();
}
