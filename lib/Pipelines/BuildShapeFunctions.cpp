//===- BuildShapeFunctions.cpp - extents of results -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-build-shape-functions: a copy of the function in which only the
// extents are left.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#define DEBUG_TYPE "attn-build-shape-functions"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNBUILDSHAPEFUNCTIONSPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct BuildShapeFunctions
    : attn::impl::AttnBuildShapeFunctionsPassBase<BuildShapeFunctions> {
  void runOnOperation() override;

private:
  LogicalResult build(func::FuncOp function);
};
} // namespace

/// Lets the function return the extents of what it returned.
static void returnExtents(func::FuncOp shape) {
  auto terminator = cast<func::ReturnOp>(shape.front().getTerminator());
  OpBuilder builder(terminator);
  SmallVector<Value> extents;
  for (Value result : terminator.getOperands()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    for (int64_t i = 0; type && i < type.getRank(); ++i) {
      Location loc = result.getLoc();
      if (type.isDynamicDim(i))
        extents.push_back(tensor::DimOp::create(builder, loc, result, i));
      else
        extents.push_back(
            arith::ConstantIndexOp::create(builder, loc, type.getDimSize(i)));
    }
  }
  terminator->setOperands(extents);
}

/// The first result whose extents still depend on data.
static std::optional<unsigned> findUnknown(func::FuncOp shape,
                                           TypeRange results) {
  Operation *terminator = shape.front().getTerminator();
  unsigned extent = 0;
  for (auto [k, type] : llvm::enumerate(results)) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    for (int64_t i = 0; tensor && i < tensor.getRank(); ++i) {
      SmallVector<Value> pending = {terminator->getOperand(extent++)};
      llvm::SmallPtrSet<Value, 16> seen;
      while (!pending.empty()) {
        Value value = pending.pop_back_val();
        if (!seen.insert(value).second)
          continue;
        if (isa<TensorType>(value.getType()))
          return k;
        Operation *op = value.getDefiningOp();
        if (!op)
          continue;
        op->walk([&](Operation *nested) {
          llvm::append_range(pending, nested->getOperands());
        });
      }
    }
  }
  return std::nullopt;
}

/// Adds an argument for every extent of every argument, in place of tensor.dim.
static void addExtentArguments(func::FuncOp shape) {
  Block &block = shape.front();
  unsigned count = block.getNumArguments();
  Type index = IndexType::get(shape.getContext());
  for (unsigned n = 0; n < count; ++n) {
    BlockArgument argument = block.getArgument(n);
    auto type = dyn_cast<ShapedType>(argument.getType());
    for (int64_t i = 0; type && i < type.getRank(); ++i) {
      Value extent = block.addArgument(index, shape.getLoc());
      for (Operation *user : llvm::make_early_inc_range(argument.getUsers())) {
        auto dim = dyn_cast<tensor::DimOp>(user);
        if (!dim || dim.getConstantIndex() != i)
          continue;
        dim.replaceAllUsesWith(extent);
        dim.erase();
      }
    }
  }
}

LogicalResult BuildShapeFunctions::build(func::FuncOp function) {
  OpBuilder builder(function);
  builder.setInsertionPointAfter(function);
  auto shape = cast<func::FuncOp>(builder.clone(*function));
  TypeRange results = function.getResultTypes();
  shape.setSymName(("attn_shape_of_" + function.getSymName()).str());
  // What a program checks and writes does not change the extents.
  shape.walk([](Operation *op) {
    if (isa<cf::AssertOp, bufferization::MaterializeInDestinationOp>(op))
      op->erase();
  });
  returnExtents(shape);
  shape.removeResAttrsAttr();
  shape.removeArgAttrsAttr();
  shape->setDiscardableAttrs(DictionaryAttr::get(&getContext()));
  shape->setAttr("attn.shape_of", builder.getStringAttr(function.getSymName()));
  auto setType = [&] {
    shape.setType(builder.getFunctionType(
        shape.front().getArgumentTypes(),
        shape.front().getTerminator()->getOperandTypes()));
  };
  setType();

  OpPassManager manager(func::FuncOp::getOperationName());
  manager.addPass(createConvertElementwiseToLinalgPass());
  manager.addPass(memref::createResolveShapedTypeResultDimsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  if (failed(runPipeline(manager, shape)))
    return failure();

  unsigned count = shape.getNumArguments();
  addExtentArguments(shape);
  std::optional<unsigned> unknown = findUnknown(shape, results);
  bool readsData = llvm::any_of(
      shape.front().getArguments().take_front(count),
      [](BlockArgument argument) { return !argument.use_empty(); });
  if (unknown || readsData) {
    shape.erase();
    return function.emitOpError("cannot determine the shape of result ")
           << unknown.value_or(0) << " from the arguments";
  }
  shape.front().eraseArguments(0, count);
  setType();
  ++numBuilt;
  return success();
}

void BuildShapeFunctions::runOnOperation() {
  auto isCandidate = [&](func::FuncOp function) {
    return function.isPublic() && !function.isDeclaration() &&
           function.getBody().hasOneBlock() &&
           !function->hasAttr("attn.shape_of") &&
           !function->hasAttr("attn.entry") &&
           !getOperation().lookupSymbol(
               ("attn_shape_of_" + function.getSymName()).str());
  };
  auto functions = llvm::to_vector(llvm::make_filter_range(
      getOperation().getOps<func::FuncOp>(), isCandidate));
  for (func::FuncOp function : functions)
    if (failed(build(function)))
      return signalPassFailure();
}
