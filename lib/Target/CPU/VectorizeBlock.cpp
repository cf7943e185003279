//===- VectorizeBlock.cpp - scalar regions on vectors ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation that upstream marks as elementwise has a vector form: itself,
// on vector types.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/VectorizeBlock.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn::cpu;

Operation *attn::cpu::findUnvectorizable(Block &block) {
  for (Operation &op : block.without_terminator())
    if (!isa<arith::ConstantOp>(op) &&
        !OpTrait::hasElementwiseMappableTraits(&op))
      return &op;
  return nullptr;
}

FailureOr<SmallVector<Value>>
attn::cpu::vectorizeScalarBlock(OpBuilder &builder, Block &block,
                                IRMapping &mapping, ArrayRef<int64_t> shape) {
  if (findUnvectorizable(block))
    return failure();
  auto widen = [&](Value value) -> Value {
    Value mapped = mapping.lookupOrDefault(value);
    if (isa<VectorType>(mapped.getType()))
      return mapped;
    return vector::BroadcastOp::create(builder, value.getLoc(),
                                       VectorType::get(shape, mapped.getType()),
                                       mapped);
  };
  for (Operation &op : block.without_terminator()) {
    if (isa<arith::ConstantOp>(op)) {
      builder.clone(op, mapping);
      continue;
    }
    SmallVector<Value> operands = llvm::map_to_vector(op.getOperands(), widen);
    SmallVector<Type> types =
        llvm::map_to_vector(op.getResultTypes(), [&](Type type) -> Type {
          return VectorType::get(shape, type);
        });
    OperationState state(op.getLoc(), op.getName(), operands, types,
                         op.getAttrs());
    state.propertiesAttr = op.getPropertiesAsAttribute();
    mapping.map(op.getResults(), builder.create(state)->getResults());
  }
  return llvm::map_to_vector(block.getTerminator()->getOperands(), widen);
}
