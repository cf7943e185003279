//===- TensorPhases.cpp - import, raise, rewrite, tile --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipelines of the phases that work on tensors and suit every target.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Import/Passes.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "attn/Pipelines/TileSizes.h"
#include "attn/Target/CPU/CpuTarget.h"

#include "mlir/Conversion/TosaToArith/TosaToArith.h"
#include "mlir/Conversion/TosaToLinalg/TosaToLinalg.h"
#include "mlir/Conversion/TosaToSCF/TosaToSCF.h"
#include "mlir/Conversion/TosaToTensor/TosaToTensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Tosa/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::attn;

/// Merges equal operations and removes dead ones.
static void addCleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

void mlir::attn::buildImportPipeline(OpPassManager &manager) {
  manager.addPass(createInlinerPass());
  manager.addPass(createSymbolDCEPass());
  auto addFunctionPass = [&](std::unique_ptr<Pass> pass) {
    manager.addNestedPass<func::FuncOp>(std::move(pass));
  };
  addFunctionPass(tosa::createTosaToLinalgNamed());
  addFunctionPass(tosa::createTosaToLinalg());
  addFunctionPass(createTosaToArithPass());
  addFunctionPass(createTosaToTensorPass());
  addFunctionPass(createTosaToSCFPass());
  addFunctionPass(createConvertElementwiseToLinalgPass());
  addCleanUp(manager);
  // Shapes that one round makes plain let the next see more.
  for (int round = 0; round < 2; ++round) {
    addFunctionPass(createAttnImportPass());
    addCleanUp(manager);
  }
  addFunctionPass(createAttnRecordSignaturePass());
  manager.addPass(createAttnVerifyImportedPass());
}

void mlir::attn::buildRaisePipeline(OpPassManager &manager) {
  addCleanUp(manager);
  manager.addNestedPass<func::FuncOp>(createRaiseLinalgToAttnPass());
  manager.addNestedPass<func::FuncOp>(createRaiseLinalgToFeedForwardPass());
  addCleanUp(manager);
  manager.addPass(createAttnLabelOpsPass());
  manager.addPass(createAttnVerifyRaisedPass());
}

void mlir::attn::buildRewritePipeline(OpPassManager &manager,
                                      const RewritePipelineOptions &options) {
  AttnAssignFormsPassOptions assign;
  assign.form = options.form;
  assign.file = options.formFile;
  manager.addPass(createAttnAssignFormsPass(assign));
  AttnRankFormsPassOptions rank;
  rank.machine = options.machine;
  if (options.rank)
    manager.addPass(createAttnRankFormsPass(rank));
  // One pass a form, each of which takes the requests that are its own.
  manager.addNestedPass<func::FuncOp>(createAttnRewriteToBigBirdPass());
  manager.addNestedPass<func::FuncOp>(createAttnRewriteToLocalPass());
  manager.addNestedPass<func::FuncOp>(createAttnRewriteToLshPass());
  manager.addNestedPass<func::FuncOp>(createAttnRewriteToWindowPass());
  manager.addPass(createAttnRewriteToLowRankPass());
  manager.addPass(createAttnRewriteToLinearPass());
  manager.addPass(createAttnRewriteToFavorPass());
  manager.addPass(createAttnSettleFormsPass());
  AttnBuildStepsPassOptions steps;
  steps.capacity = options.steps;
  steps.pageSize = options.pageSize;
  if (options.steps != 0)
    manager.addPass(createAttnBuildStepsPass(steps));
  manager.addPass(createAttnVerifyRewrittenPass());
}

TileSizes mlir::attn::getCpuTileSizes(const CpuPipelineOptions &options) {
  TileSizes sizes;
  if (options.amxBf16)
    sizes.attention.pairRowAlign = cpu::CpuTarget::amxStripRows;
  return sizes;
}

TileSizes mlir::attn::getGpuTileSizes() {
  TileSizes sizes;
  sizes.attention.queryTile = 128;
  sizes.attention.fullHeadSize = 128;
  sizes.attention.rowAlign = sizes.attention.pairRowAlign = 16;
  sizes.attention.keyTile = 0;
  sizes.attention.windowKeys = 1; // keys are not gathered into a tile
  sizes.attention.linearChunk = sizes.attention.featureChunk = 64;
  sizes.attention.linearTasks = 256;
  sizes.lsh.narrow = sizes.asymmetricLsh.narrow = true;
  sizes.lsh.wideCodes = sizes.asymmetricLsh.wideCodes = true;
  sizes.attention.relativeBytes = 16384;
  sizes.lowRank.rowAlign = 16;
  sizes.lowRank.slotTile = 64;
  sizes.lowRank.headTile = 1;
  sizes.lowRank.minTiles = 256;
  return sizes;
}

void mlir::attn::buildTilePipeline(OpPassManager &manager,
                                   const TileSizes &sizes) {
  manager.addPass(createAttnExpandPass());
  manager.addNestedPass<func::FuncOp>(createAttnRecordSignaturePass());
  manager.addPass(createAttnBuildShapeFunctionsPass());
  manager.addNestedPass<func::FuncOp>(
      createAttnTileAsymmetricLshPass(sizes.asymmetricLsh));
  manager.addNestedPass<func::FuncOp>(createAttnTileLshPass(sizes.lsh));
  manager.addNestedPass<func::FuncOp>(createAttnTileLowRankPass(sizes.lowRank));
  manager.addNestedPass<func::FuncOp>(createAttnSplitDilationPass());
  manager.addNestedPass<func::FuncOp>(createAttnTilePass(sizes.attention));
  addCleanUp(manager);
  manager.addPass(createAttnVerifyTiledPass());
}

void mlir::attn::buildTilePipeline(OpPassManager &manager,
                                   const CpuPipelineOptions &options) {
  buildTilePipeline(manager, getCpuTileSizes(options));
}
