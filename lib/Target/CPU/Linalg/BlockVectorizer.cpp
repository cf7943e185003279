//===- BlockVectorizer.cpp - a scalar region on vectors
//--------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One walk over the block: values that differ between lanes become vectors, the
// others stay scalars and can be hoisted out of the loop over the lanes.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/BlockVectorizer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/OpDefinition.h"

using namespace mlir;
using namespace mlir::attn::cpu;

bool mlir::attn::cpu::isVectorizable(Block &block) {
  return llvm::all_of(block.without_terminator(), [](Operation &op) {
    if (isa<linalg::IndexOp, memref::LoadOp, cf::AssertOp>(op))
      return true;
    return op.getNumRegions() == 0 && op.getNumResults() == 1 &&
           !isa<ShapedType>(op.getResult(0).getType()) &&
           (op.hasTrait<OpTrait::ConstantLike>() ||
            OpTrait::hasElementwiseMappableTraits(&op));
  });
}

Value mlir::attn::cpu::loadLanes(
    OpBuilder &builder, Location loc, Value memref, int64_t lanes,
    llvm::function_ref<SmallVector<Value>(int64_t)> at) {
  SmallVector<Value> elements;
  for (int64_t lane = 0; lane < lanes; ++lane)
    elements.push_back(memref::LoadOp::create(builder, loc, memref, at(lane)));
  auto type = VectorType::get({lanes}, elements.front().getType());
  return vector::FromElementsOp::create(builder, loc, type, elements);
}

void BlockVectorizer::mapLaneIndices(Value argument, Value first) {
  Location loc = argument.getLoc();
  auto type = VectorType::get({lanes}, builder.getIndexType());
  Value step = vector::StepOp::create(builder, loc, type);
  Value start = vector::BroadcastOp::create(builder, loc, type, first);
  Value vector = arith::AddIOp::create(builder, loc, start, step);
  firstIndex[vector] = first;
  mapping.map(argument, vector);
}

bool BlockVectorizer::isVarying(Value value) {
  return isa<VectorType>(lookUp(value).getType());
}

Value BlockVectorizer::asVector(Value value, Location loc) {
  if (isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(
      builder, loc, VectorType::get({lanes}, value.getType()), value);
}

/// A load whose last index goes up by one per lane is one vector load; others
/// are a scalar load per lane.
void BlockVectorizer::cloneLoad(Operation &op) {
  auto load = cast<memref::LoadOp>(op);
  Location loc = op.getLoc();
  SmallVector<Value> indices = llvm::map_to_vector(
      load.getIndices(), [&](Value i) { return lookUp(i); });
  Value memref = lookUp(load.getMemref());
  auto type = VectorType::get({lanes}, load.getType());
  Value first = firstIndex.lookup(indices.back());
  bool isUniformBefore = llvm::none_of(load.getIndices().drop_back(),
                                       [&](Value i) { return isVarying(i); });
  if (first && isUniformBefore && !load.getType().isInteger(1) &&
      cast<MemRefType>(memref.getType()).isLastDimUnitStride()) {
    indices.back() = first;
    Value vector;
    if (mask)
      vector = vector::MaskedLoadOp::create(
          builder, loc, type, memref, indices, mask,
          arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type)));
    else
      vector = vector::LoadOp::create(builder, loc, type, memref, indices);
    mapping.map(load.getResult(), vector);
    return;
  }
  Value vector = loadLanes(builder, loc, memref, lanes, [&](int64_t lane) {
    SmallVector<Value> at;
    for (Value index : indices) {
      if (!isa<VectorType>(index.getType())) {
        at.push_back(index);
        continue;
      }
      Value mine = vector::ExtractOp::create(builder, loc, index, lane);
      if (mask && lane) {
        Value isSet = vector::ExtractOp::create(builder, loc, mask, lane);
        Value other = vector::ExtractOp::create(builder, loc, index, 0);
        mine = arith::SelectOp::create(builder, loc, isSet, mine, other);
      }
      at.push_back(mine);
    }
    return at;
  });
  mapping.map(load.getResult(), vector);
}

void BlockVectorizer::cloneAssert(Operation &op) {
  auto assertion = cast<cf::AssertOp>(op);
  Location loc = op.getLoc();
  Value holds = lookUp(assertion.getArg());
  if (mask) {
    Value all = arith::ConstantOp::create(builder, loc,
                                          builder.getZeroAttr(holds.getType()));
    Value inverted = arith::CmpIOp::create(builder, loc,
                                           arith::CmpIPredicate::eq, mask, all);
    holds = arith::OrIOp::create(builder, loc, holds, inverted);
  }
  holds = vector::ReductionOp::create(builder, loc, vector::CombiningKind::AND,
                                      holds);
  cf::AssertOp::create(builder, loc, holds, assertion.getMsg());
}

/// Lets a product and a sum become one operation, and a division by the same
/// value for all lanes a product with its reciprocal.
static void relaxRounding(Operation *op) {
  auto relaxable = dyn_cast<arith::ArithFastMathInterface>(op);
  if (!relaxable)
    return;
  auto flags = relaxable.getFastMathFlagsAttr();
  auto relaxed = (flags ? flags.getValue() : arith::FastMathFlags::none) |
                 arith::FastMathFlags::contract | arith::FastMathFlags::arcp;
  op->setAttr(relaxable.getFastMathAttrName(),
              arith::FastMathFlagsAttr::get(op->getContext(), relaxed));
}

void BlockVectorizer::clone(Operation &op, IndexOf indexOf) {
  Location loc = op.getLoc();
  if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    auto [value, isLaneIndex] = indexOf(index.getDim());
    if (isLaneIndex)
      mapLaneIndices(index.getResult(), value);
    else
      mapping.map(index.getResult(), value);
    return;
  }
  if (llvm::none_of(op.getOperands(), [&](Value v) { return isVarying(v); })) {
    builder.clone(op, mapping);
    return;
  }
  if (isa<memref::LoadOp>(op))
    return cloneLoad(op);
  if (isa<cf::AssertOp>(op))
    return cloneAssert(op);

  SmallVector<Value> operands;
  for (Value operand : op.getOperands())
    operands.push_back(asVector(lookUp(operand), loc));
  OperationState state(loc, op.getName(), operands,
                       VectorType::get({lanes}, op.getResult(0).getType()),
                       op.getAttrs());
  Operation *vectorOp = builder.create(state);
  mapping.map(op.getResult(0), vectorOp->getResult(0));
  relaxRounding(vectorOp);

  // A constant offset keeps indices going up by one.
  if (!isa<arith::AddIOp>(op))
    return;
  for (auto [index, other] : {std::pair(0, 1), std::pair(1, 0)}) {
    Value first = firstIndex.lookup(lookUp(op.getOperand(index)));
    if (first && !isVarying(op.getOperand(other)))
      firstIndex[vectorOp->getResult(0)] = arith::AddIOp::create(
          builder, loc, first, lookUp(op.getOperand(other)));
  }
}

SmallVector<Value> BlockVectorizer::run(Block &block, IndexOf indexOf,
                                        bool asVectors) {
  for (Operation &op : block.without_terminator())
    clone(op, indexOf);
  Operation *terminator = block.getTerminator();
  return llvm::map_to_vector(terminator->getOperands(), [&](Value value) {
    Value mine = lookUp(value);
    return asVectors ? asVector(mine, terminator->getLoc()) : mine;
  });
}
