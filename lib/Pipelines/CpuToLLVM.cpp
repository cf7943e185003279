//===- CpuToLLVM.cpp - loops on buffers to the LLVM dialect ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipeline attn-cpu-to-llvm-pipeline, the last part of the CPU target.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Pipelines.h"
#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::attn;

/// Memory and threads: what runs on which thread in which memory.
static void addRuntimePasses(OpPassManager &manager) {
  manager.addPass(createAttnCPUReturnByArgumentPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addNestedPass<func::FuncOp>(createAttnCPUPlanMemoryPass());
  manager.addPass(createAttnCPUOutlineParallelPass());
  manager.addNestedPass<func::FuncOp>(createAttnCPUCheckMemoryPass());
}

/// Everything that has a form in several dialects, in the simplest of them.
static void addExpansionPasses(OpPassManager &manager) {
  auto addFunctionPass = [&](std::unique_ptr<Pass> pass) {
    manager.addNestedPass<func::FuncOp>(std::move(pass));
  };
  addFunctionPass(createConvertLinalgToLoopsPass());
  addFunctionPass(createAttnCPUExpandCopyPass());
  addFunctionPass(createConvertVectorToSCFPass());
  addFunctionPass(createAttnCPUExpandMathPass());
  addFunctionPass(memref::createExpandOpsPass());
  addFunctionPass(createAttnCPUExpandReshapePass());
  addFunctionPass(memref::createExpandStridedMetadataPass());
  addFunctionPass(createLowerAffinePass());
  addFunctionPass(createCanonicalizerPass());
  addFunctionPass(createCSEPass());
  addFunctionPass(createLoopInvariantCodeMotionPass());
  addFunctionPass(createSCFToControlFlowPass());
  manager.addPass(createAttnCPULowerAssertPass());
  addFunctionPass(arith::createArithExpandOpsPass());
}

static void addConversionPasses(OpPassManager &manager,
                                const CpuPipelineOptions &options) {
  ConvertVectorToLLVMPassOptions vector;
  vector.x86Vector = true;
  vector.vectorContractLowering = vector::VectorContractLowering::OuterProduct;
  manager.addPass(createConvertVectorToLLVMPass(vector));
  manager.addPass(createConvertComplexToStandardPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createConvertMathToLibmPass());
  manager.addPass(createConvertVectorToLLVMPass(vector));
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  manager.addPass(createUBToLLVMConversionPass());
  manager.addPass(createArithToLLVMConversionPass());
  if (options.amxBf16) {
    // Loops carry tiles, so branches must be converted with them.
    ConvertToLLVMPassOptions tiles;
    tiles.filterDialects = {"amx", "cf"};
    manager.addPass(createConvertToLLVMPass(tiles));
  } else {
    manager.addPass(createConvertControlFlowToLLVMPass());
  }
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void mlir::attn::buildCpuToLLVMPipeline(OpPassManager &manager,
                                        const CpuPipelineOptions &options) {
  addRuntimePasses(manager);
  addExpansionPasses(manager);
  addConversionPasses(manager, options);
  manager.addPass(createAttnCPUMaskAsIntegersPass());
  manager.addPass(createAttnCPUExportEntriesPass());
}
