//===- MaskAsIntegers.cpp - masked accesses of bf16 as integers -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a CPU has no bf16, LLVM takes masked vectors of it apart, through f32
// and back by a function that no library has. Bits need no rounding.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUMASKASINTEGERSPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

#define DEBUG_TYPE "attn-cpu-mask-as-integers"

using namespace mlir;
using namespace mlir::attn;

namespace {
struct MaskAsIntegers
    : attn::impl::AttnCPUMaskAsIntegersPassBase<MaskAsIntegers> {
  void runOnOperation() override;
};
} // namespace

/// The vector of integers with the bits of a vector of bf16; null for others.
static VectorType integersOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  if (!vector || !vector.getElementType().isBF16())
    return {};
  return vector.clone(IntegerType::get(type.getContext(), 16));
}

static Value castTo(OpBuilder &builder, Type type, Value value) {
  return LLVM::BitcastOp::create(builder, value.getLoc(), type, value);
}

void MaskAsIntegers::runOnOperation() {
  getOperation()->walk([&](Operation *op) {
    OpBuilder builder(op);
    if (auto store = dyn_cast<LLVM::MaskedStoreOp>(op)) {
      VectorType type = integersOf(store.getValue().getType());
      if (!type)
        return;
      store.getValueMutable().set(castTo(builder, type, store.getValue()));
      ++numChanged;
      return;
    }
    auto load = dyn_cast<LLVM::MaskedLoadOp>(op);
    VectorType type = load ? integersOf(load.getRes().getType()) : VectorType();
    if (!type)
      return;
    for (OpOperand &passThrough : load.getPassThruMutable())
      passThrough.set(castTo(builder, type, passThrough.get()));
    Type before = load.getRes().getType();
    load.getRes().setType(type);
    builder.setInsertionPointAfter(load);
    Value bits = castTo(builder, before, load.getRes());
    load.getRes().replaceAllUsesExcept(bits, bits.getDefiningOp());
    ++numChanged;
  });
}
