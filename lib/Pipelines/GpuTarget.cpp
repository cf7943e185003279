//===- GpuTarget.cpp - tiles on tensors to kernels and their host ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipelines of the phases `tile` and `target` for NVIDIA GPUs.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/Passes.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "attn/Pipelines/TileSizes.h"
#include "attn/Target/CPU/Backend/Passes.h"
#include "attn/Target/GPU/Passes.h"
#include "attn/Target/NVVM/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::attn;

static void addCleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// On buffers: every computation becomes a launch, and every launch a kernel.
static void addLaunchPasses(OpPassManager &manager,
                            const GpuPipelineOptions &options) {
  nvvm::AttnNvvmLaunchTilesPassOptions tiles;
  tiles.rowFragments = options.rowFragments;
  tiles.keyTile = options.keyTile;
  nvvm::addKernelPasses(manager, tiles);
  manager.addNestedPass<func::FuncOp>(createAttnGPULaunchRowsPass());
  manager.addNestedPass<func::FuncOp>(createAttnGPULaunchLinalgPass());
  manager.addPass(createAttnCPUReturnByArgumentPass());
  addCleanUp(manager);
  manager.addPass(createAttnGPUNameKernelsPass());
  manager.addPass(createGpuLaunchSinkIndexComputationsPass());
  manager.addPass(createGpuKernelOutliningPass());
  addCleanUp(manager);
  manager.addPass(createAttnGPUMergeKernelsPass());
  manager.addNestedPass<func::FuncOp>(createAttnCPUPlanMemoryPass());
}

void mlir::attn::buildGpuKernelPipeline(OpPassManager &manager) {
  OpPassManager &kernels = manager.nest<mlir::gpu::GPUModuleOp>();
  kernels.addPass(createConvertVectorToSCFPass());
  // By exponentials and logarithms, which become polynomials.
  math::MathExpandOpsPassOptions expand;
  expand.opMnemonics = {"powf", "fpowi", "tan",   "sinh",
                        "cosh", "asinh", "acosh", "atanh"};
  kernels.addPass(math::createMathExpandOpsPass(expand));
  kernels.addPass(createAttnCPUExpandMathPass());
  kernels.addPass(createAttnGPUCheckKernelsPass());
  kernels.addPass(memref::createExpandOpsPass());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  addCleanUp(kernels);
  kernels.addPass(createLoopInvariantCodeMotionPass());
  kernels.addPass(createConvertNVGPUToNVVMPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createAttnGPUStopThreadsPass());
  kernels.addPass(arith::createArithExpandOpsPass());
  kernels.addPass(createConvertVectorToLLVMPass());
  kernels.addPass(createAttnGPUConvertKernelsPass());
  kernels.addPass(createConvertMathToLLVMPass());
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  addCleanUp(kernels);
}

/// The host's functions, to the LLVM dialect with the entries of a library.
static void addHostPasses(OpPassManager &manager) {
  auto addFunctionPass = [&](std::unique_ptr<Pass> pass) {
    manager.addNestedPass<func::FuncOp>(std::move(pass));
  };
  addFunctionPass(memref::createExpandOpsPass());
  addFunctionPass(memref::createExpandStridedMetadataPass());
  addFunctionPass(createLowerAffinePass());
  addCleanUp(manager);
  manager.addPass(createAttnGPULowerHostPass());
  addFunctionPass(createSCFToControlFlowPass());
  manager.addPass(createAttnCPULowerAssertPass());
  addFunctionPass(arith::createArithExpandOpsPass());
  manager.addPass(createConvertComplexToStandardPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createConvertMathToLibmPass());
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  manager.addPass(createUBToLLVMConversionPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  addCleanUp(manager);
  manager.addPass(createAttnCPUExportEntriesPass());
}

void mlir::attn::buildGpuTilePipeline(OpPassManager &manager,
                                      const GpuPipelineOptions &options) {
  manager.addPass(createAttnExpandPass());
  // Before loops hide how results get their shapes.
  manager.addNestedPass<func::FuncOp>(createAttnRecordSignaturePass());
  manager.addPass(createAttnBuildShapeFunctionsPass());
  manager.addNestedPass<func::FuncOp>(createAttnGPUDecomposePass());
  addCleanUp(manager);
  TileSizes sizes = getGpuTileSizes();
  if (options.queryTile != 0)
    sizes.attention.queryTile = options.queryTile;
  buildTilePipeline(manager, sizes);
}

void mlir::attn::buildGpuTargetPipeline(OpPassManager &manager,
                                        const GpuPipelineOptions &options) {
  manager.addNestedPass<func::FuncOp>(createAttnRecordSignaturePass());
  manager.addPass(createAttnBuildShapeFunctionsPass());
  manager.addNestedPass<func::FuncOp>(createAttnGPUFuseElementwisePass());
  addCleanUp(manager);
  buildCpuBufferizePipeline(manager, CpuPipelineOptions());
  addLaunchPasses(manager, options);
  buildGpuKernelPipeline(manager);
  addHostPasses(manager);
  manager.addPass(createAttnVerifyTargetPass());
}
