//===- RecordSignature.cpp - what a caller must know ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-record-signature. Extents that must agree are found by joining
// (value, dimension) pairs through every operation that ties them.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/EquivalenceClasses.h"

#define DEBUG_TYPE "attn-record-signature"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNRECORDSIGNATUREPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// A dimension of a tensor, or of an operation's iteration domain.
using Extent = std::pair<void *, int64_t>;

struct RecordSignature
    : attn::impl::AttnRecordSignaturePassBase<RecordSignature> {
  void runOnOperation() override;

private:
  void join(Value a, int64_t i, Value b, int64_t j) {
    extents.unionSets({a.getAsOpaquePointer(), i}, {b.getAsOpaquePointer(), j});
  }
  void joinAttention(AttentionOp op);
  void joinMap(Operation *op, Value value, AffineMap map);
  void joinReshape(Value wide, Value narrow,
                   ArrayRef<ReassociationIndices> groups);
  void joinSizes(Value result, ArrayRef<OpFoldResult> sizes);
  void visit(Operation *op);
  Attribute describe(Value value, StringRef name);

  llvm::EquivalenceClasses<Extent> extents;
  llvm::DenseMap<Extent, StringAttr> names;
};

} // namespace

/// The name that NumPy has for an element type; empty if there is none.
static StringRef dtypeName(Type type) {
  if (type.isIndex())
    return "int64";
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1:
      return "bool";
    case 8:
      return isUnsigned ? "uint8" : "int8";
    case 16:
      return isUnsigned ? "uint16" : "int16";
    case 32:
      return isUnsigned ? "uint32" : "int32";
    case 64:
      return isUnsigned ? "uint64" : "int64";
    }
    return "";
  }
  if (type.isF16())
    return "float16";
  if (type.isBF16())
    return "bfloat16";
  if (type.isF32())
    return "float32";
  return type.isF64() ? "float64" : "";
}

/// Joins dimensions of attention's operands; each part of the keys has a
/// length of its own.
void RecordSignature::joinAttention(AttentionOp op) {
  bool isWhole = op.getSegments().empty();
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<unsigned> part = op.getKeyPartOf(operand);
    AffineMap map = op.getMapOf(operand);
    for (auto [i, expression] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expression);
      if (!dim)
        continue;
      int64_t position = dim.getPosition();
      if (position == AttentionOp::kKey && part && !isWhole)
        position = AttentionOp::kNumDims + *part;
      extents.unionSets({operand.get().getAsOpaquePointer(), i},
                        {op.getOperation(), position});
    }
  }
}

/// Joins dimensions of an operand with those of the operation's domain.
void RecordSignature::joinMap(Operation *op, Value value, AffineMap map) {
  for (auto [i, expression] : llvm::enumerate(map.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(expression))
      extents.unionSets({value.getAsOpaquePointer(), i},
                        {op, dim.getPosition()});
}

void RecordSignature::joinReshape(Value wide, Value narrow,
                                  ArrayRef<ReassociationIndices> groups) {
  auto type = cast<ShapedType>(wide.getType());
  for (auto [i, group] : llvm::enumerate(groups)) {
    // A group of one dimension besides ones keeps its extent.
    SmallVector<int64_t> others = llvm::filter_to_vector(
        group, [&](int64_t dim) { return type.getDimSize(dim) != 1; });
    if (others.size() == 1)
      join(wide, others[0], narrow, i);
  }
}

void RecordSignature::joinSizes(Value result, ArrayRef<OpFoldResult> sizes) {
  for (auto [i, size] : llvm::enumerate(sizes)) {
    auto value = dyn_cast<Value>(size);
    if (!value)
      continue;
    extents.unionSets({result.getAsOpaquePointer(), i},
                      {value.getAsOpaquePointer(), -1});
  }
}

void RecordSignature::visit(Operation *op) {
  if (auto structured = dyn_cast<linalg::LinalgOp>(op)) {
    for (OpOperand &operand : op->getOpOperands())
      joinMap(op, operand.get(), structured.getMatchingIndexingMap(&operand));
  } else if (auto attention = dyn_cast<AttentionOp>(op)) {
    joinAttention(attention);
  } else if (auto linear = dyn_cast<LinearAttentionOp>(op)) {
    joinMap(op, linear.getQuery(), linear.getQueryMap());
    joinMap(op, linear.getKey(), linear.getKeyMap());
    joinMap(op, linear.getValue(), linear.getValueMap());
    if (linear.getKeyValid())
      joinMap(op, linear.getKeyValid(), linear.getKeyValidMap());
    joinMap(op, linear.getOutput(), linear.getOutputMap());
  } else if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    if (std::optional<int64_t> index = dim.getConstantIndex())
      extents.unionSets({dim.getSource().getAsOpaquePointer(), *index},
                        {dim.getResult().getAsOpaquePointer(), -1});
  } else if (auto cast = dyn_cast<tensor::CastOp>(op)) {
    if (auto type = dyn_cast<RankedTensorType>(cast.getType()))
      if (isa<RankedTensorType>(cast.getSource().getType()))
        for (int64_t i = 0; i < type.getRank(); ++i)
          join(cast.getSource(), i, cast.getResult(), i);
  } else if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    joinSizes(empty, empty.getMixedSizes());
  } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    joinReshape(expand.getResult(), expand.getSrc(),
                expand.getReassociationIndices());
    joinSizes(expand, expand.getMixedOutputShape());
  } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    joinReshape(collapse.getSrc(), collapse.getResult(),
                collapse.getReassociationIndices());
  } else if (op->hasTrait<OpTrait::Elementwise>()) {
    for (Value operand : op->getOperands())
      for (Value other : op->getResults())
        if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
          for (int64_t i = 0; i < type.getRank(); ++i)
            join(operand, i, other, i);
  }
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    for (OpResult result : op->getResults()) {
      Value init = destination.getTiedOpOperand(result)->get();
      if (auto type = dyn_cast<RankedTensorType>(init.getType()))
        for (int64_t i = 0; i < type.getRank(); ++i)
          join(init, i, result, i);
    }
}

Attribute RecordSignature::describe(Value value, StringRef name) {
  Builder builder(&getContext());
  Type type = value.getType();
  SmallVector<Attribute> shape;
  // A buffer is an array that is written in place.
  if (auto array = dyn_cast<ShapedType>(type)) {
    for (auto [i, extent] : llvm::enumerate(array.getShape())) {
      if (!ShapedType::isDynamic(extent)) {
        shape.push_back(builder.getI64IntegerAttr(extent));
        continue;
      }
      Extent leader = extents.getOrInsertLeaderValue(
          {value.getAsOpaquePointer(), static_cast<int64_t>(i)});
      StringAttr &symbol = names[leader];
      if (!symbol)
        symbol = builder.getStringAttr("N" + Twine(names.size() - 1));
      shape.push_back(symbol);
    }
  }
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("name", builder.getStringAttr(name)),
       builder.getNamedAttr("dtype", builder.getStringAttr(dtypeName(
                                         getElementTypeOrSelf(type)))),
       builder.getNamedAttr("shape", builder.getArrayAttr(shape))});
}

void RecordSignature::runOnOperation() {
  func::FuncOp function = getOperation();
  if (!function.isPublic() || function.isDeclaration() ||
      function->hasAttr("attn.signature") ||
      function->hasAttr("attn.shape_of") || function->hasAttr("attn.entry") ||
      !function.getBody().hasOneBlock())
    return;
  auto isDescribable = [](Type type) {
    return (isa<RankedTensorType>(type) || type.isIntOrIndexOrFloat()) &&
           !dtypeName(getElementTypeOrSelf(type)).empty();
  };
  // Buffers are arguments alone: what a step reads and writes in place.
  SmallVector<Type> types(function.getResultTypes());
  for (Type type : function.getArgumentTypes())
    types.push_back(isa<MemRefType>(type) ? getElementTypeOrSelf(type) : type);
  for (Type type : types)
    if (!isDescribable(type)) {
      function.emitOpError("expected arguments and results that are ranked "
                           "tensors or scalars of a type that NumPy has or "
                           "bf16, got ")
          << type;
      return signalPassFailure();
    }
  extents = {};
  names.clear();
  function.walk([&](Operation *op) { visit(op); });

  Builder builder(&getContext());
  SmallVector<Attribute> arguments, results;
  for (BlockArgument argument : function.getArguments()) {
    std::string name = ("arg" + Twine(argument.getArgNumber())).str();
    auto given = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                       "attn.name");
    arguments.push_back(describe(argument, given ? given.getValue() : name));
  }
  Operation *terminator = function.front().getTerminator();
  for (auto [i, result] : llvm::enumerate(terminator->getOperands()))
    results.push_back(describe(result, ("result" + Twine(i)).str()));
  function->setAttr(
      "attn.signature",
      builder.getDictionaryAttr(
          {builder.getNamedAttr("args", builder.getArrayAttr(arguments)),
           builder.getNamedAttr("results", builder.getArrayAttr(results))}));
  numSymbols += names.size();
}
