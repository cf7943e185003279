//===- TargetPhase.cpp - tiles on tensors to the LLVM dialect -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipeline of the phase `target` for CPUs.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Phases.h"
#include "attn/Pipelines/Pipelines.h"
#include "attn/Pipelines/TileSizes.h"
#include "attn/Target/CPU/Linalg/Passes.h"
#include "attn/Target/CPU/Passes.h"

#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::attn;

/// On tensors: operands are packed for register tiles, chains are tiled.
static void addTensorPasses(OpPassManager &manager,
                            const CpuPipelineOptions &options) {
  cpu::addLinalgTensorPasses(manager, options.vectorBits);
  cpu::AttnCpuPackOperandsPassOptions pack;
  pack.vectorBits = options.vectorBits;
  pack.bf16Dot = options.bf16Dot;
  pack.amxBf16 = options.amxBf16;
  manager.addNestedPass<func::FuncOp>(cpu::createAttnCpuPackOperandsPass(pack));
  cpu::AttnCpuPackProjectionsPassOptions projections;
  projections.vectorBits = options.vectorBits;
  projections.bf16Dot = options.bf16Dot;
  manager.addNestedPass<func::FuncOp>(
      cpu::createAttnCpuPackProjectionsPass(projections));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// On buffers: operations become loops over vectors.
static void addKernelPasses(OpPassManager &manager,
                            const CpuPipelineOptions &options) {
  cpu::AttnCpuLowerTilesPassOptions tiles;
  tiles.vectorBits = options.vectorBits;
  tiles.bf16Dot = options.bf16Dot;
  tiles.amxBf16 = options.amxBf16;
  manager.addNestedPass<func::FuncOp>(cpu::createAttnCpuLowerTilesPass(tiles));
  cpu::addLinalgBufferPasses(manager, options.vectorBits);
  // Without an instruction for it, LLVM would call a function to round to bf16.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = !options.bf16Dot;
  if (expand.includeBf16)
    manager.addPass(arith::createArithExpandOpsPass(expand));
}

void mlir::attn::buildCpuBufferizePipeline(OpPassManager &manager,
                                           const CpuPipelineOptions &options) {
  manager.addPass(bufferization::createEmptyTensorEliminationPass());
  manager.addPass(createCanonicalizerPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  bufferize.unknownTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  bufferize.allowReturnAllocsFromLoops = true;
  manager.addPass(bufferization::createOneShotBufferizePass(bufferize));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void mlir::attn::buildTargetPipeline(OpPassManager &manager,
                                     const CpuPipelineOptions &options) {
  manager.addNestedPass<func::FuncOp>(createAttnRecordSignaturePass());
  manager.addPass(createAttnBuildShapeFunctionsPass());
  addTensorPasses(manager, options);
  buildCpuBufferizePipeline(manager, options);
  addKernelPasses(manager, options);
  buildCpuToLLVMPipeline(manager, options);
  manager.addPass(createAttnVerifyTargetPass());
}

void mlir::attn::registerPipelines() {
  PassPipelineRegistration<>("attn-import-pipeline", "The phase import",
                             buildImportPipeline);
  PassPipelineRegistration<>("attn-raise-pipeline", "The phase raise",
                             buildRaisePipeline);
  PassPipelineRegistration<RewritePipelineOptions>(
      "attn-rewrite-pipeline", "The phase rewrite", buildRewritePipeline);
  PassPipelineRegistration<CpuPipelineOptions>(
      "attn-tile-pipeline", "The phase tile, for CPUs",
      [](OpPassManager &manager, const CpuPipelineOptions &options) {
        buildTilePipeline(manager, options);
      });
  PassPipelineRegistration<CpuPipelineOptions>("attn-target-pipeline",
                                               "The phase target, for CPUs",
                                               buildTargetPipeline);
  PassPipelineRegistration<CpuPipelineOptions>("attn-cpu-bufferize-pipeline",
                                               "Tensors to buffers",
                                               buildCpuBufferizePipeline);
  PassPipelineRegistration<CpuPipelineOptions>(
      "attn-cpu-to-llvm-pipeline",
      "Loops on buffers to the LLVM dialect with the entry points of a library",
      buildCpuToLLVMPipeline);
  PassPipelineRegistration<GpuPipelineOptions>("attn-gpu-tile-pipeline",
                                               "The phase tile, for GPUs",
                                               buildGpuTilePipeline);
  PassPipelineRegistration<GpuPipelineOptions>("attn-gpu-target-pipeline",
                                               "The phase target, for GPUs",
                                               buildGpuTargetPipeline);
  PassPipelineRegistration<>("attn-gpu-kernel-pipeline",
                             "Kernels of the GPU dialect to NVVM",
                             buildGpuKernelPipeline);
}
