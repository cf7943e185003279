//===- ExactPipeline.cpp - upstream's way from linalg to LLVM -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bufferises, makes loops, and lowers to LLVM. Runtime verification turns bad
// shapes and indices into assertions, and those into an error of the caller.
//
//===----------------------------------------------------------------------===//

#include "ExactPipeline.h"

#include "attn/Conversion/Passes.h"
#include "attn/Target/CPU/Backend/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::attn::reference;

namespace {
/// tensor.concat has no bufferisation; it is a row of insertions.
struct DecomposeConcat : PassWrapper<DecomposeConcat, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DecomposeConcat)
  StringRef getName() const override { return "DecomposeConcat"; }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

/// memref.copy is a call into a library that is not there; a loop does as well.
struct CopyByLinalg : PassWrapper<CopyByLinalg, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CopyByLinalg)
  StringRef getName() const override { return "CopyByLinalg"; }
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation()->walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp op : copies) {
      OpBuilder builder(op);
      linalg::makeMemRefCopyOp(builder, op.getLoc(), op.getSource(),
                               op.getTarget());
      op.erase();
    }
  }
};

/// Puts every linalg operation into a function of its own. LLVM's time grows
/// faster than a function's size, and a model is hundreds of loop nests.
struct OutlineLoops : PassWrapper<OutlineLoops, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OutlineLoops)
  StringRef getName() const override { return "OutlineLoops"; }
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (auto [number, op] : llvm::enumerate(ops))
      outline(op, ("attn_reference_loops_" + Twine(number)).str());
  }

  void outline(Operation *op, StringRef name) {
    llvm::SetVector<Value> values(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), values);
    ArrayRef<Value> arguments = values.getArrayRef();
    OpBuilder builder(&getContext());
    builder.setInsertionPointToEnd(getOperation().getBody());
    auto func = func::FuncOp::create(
        builder, op->getLoc(), name,
        builder.getFunctionType(ValueRange(arguments).getTypes(), {}));
    func.setPrivate();
    func->setAttr("passthrough", builder.getStrArrayAttr({"noinline"}));
    Block *body = func.addEntryBlock();
    builder.setInsertionPointToStart(body);
    IRMapping mapping;
    mapping.map(arguments, body->getArguments());
    builder.clone(*op, mapping);
    func::ReturnOp::create(builder, op->getLoc());
    builder.setInsertionPoint(op);
    func::CallOp::create(builder, op->getLoc(), func, arguments);
    op->erase();
  }
};
} // namespace

void mlir::attn::reference::registerExactPipelineExtensions(
    DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllToLLVMIRTranslations(registry);
}

void mlir::attn::reference::addDecomposition(OpPassManager &pm) {
  pm.addPass(createSymbolDCEPass());
  pm.addPass(createConvertElementwiseToLinalgPass());
  pm.addPass(createConvertAttnToLinalgPass());
  pm.addPass(std::make_unique<DecomposeConcat>());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCheckShapes());
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
}

std::vector<std::string>
mlir::attn::reference::callCheckFunction(ModuleOp module) {
  std::vector<std::string> messages;
  OpBuilder builder(module.getBodyRegion());
  Type i64 = builder.getI64Type();
  SmallVector<cf::AssertOp> asserts;
  module.walk([&](cf::AssertOp op) { asserts.push_back(op); });
  if (asserts.empty())
    return messages;
  auto check = func::FuncOp::create(builder, module.getLoc(), kCheckFunction,
                                    builder.getFunctionType({i64, i64}, {}));
  check.setPrivate();
  for (cf::AssertOp op : asserts) {
    builder.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value holds = arith::ExtUIOp::create(builder, loc, i64, op.getArg());
    Value number =
        arith::ConstantIntOp::create(builder, loc, i64, messages.size());
    func::CallOp::create(builder, loc, check, ValueRange{holds, number});
    messages.push_back(op.getMsg().str());
    op.erase();
  }
  return messages;
}

void mlir::attn::reference::addLowering(OpPassManager &pm) {
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  // A state that fills its destination is a value of its own in each turn.
  bufferize.allowReturnAllocsFromLoops = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  bufferization::buildBufferDeallocationPipeline(pm, {});
  pm.addPass(createConvertBufferizationToMemRefPass());

  pm.addPass(std::make_unique<CopyByLinalg>());
  pm.addPass(std::make_unique<OutlineLoops>());
  pm.addPass(createForallToForLoopPass());
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addNestedPass<func::FuncOp>(createAttnCPUExpandReshapePass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());

  pm.addPass(createConvertMathToFuncs());
  pm.addNestedPass<func::FuncOp>(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}
