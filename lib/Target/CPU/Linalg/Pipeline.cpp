//===- Pipeline.cpp - the order of the passes around attention ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CPU target runs one part on tensors and one after bufferisation.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::attn::cpu;

void mlir::attn::cpu::addLinalgTensorPasses(OpPassManager &manager,
                                            int64_t vectorBits) {
  OpPassManager &functions = manager.nest<func::FuncOp>();
  AttnPackFeedForwardPassOptions layers;
  layers.vectorBits = vectorBits;
  functions.addPass(createAttnPackFeedForwardPass(layers));
  AttnPackContractionsPassOptions pack;
  pack.vectorBits = vectorBits;
  functions.addPass(createAttnPackContractionsPass(pack));
  // Equal packs become one, and matrices that were transposed for nothing go.
  functions.addPass(createCSEPass());
  functions.addPass(createAttnFlattenRowsPass());
  functions.addPass(createCSEPass());
  functions.addPass(createAttnFoldPackedConstantsPass());
  functions.addPass(createAttnFuseRowsPass());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
}

void mlir::attn::cpu::addLinalgBufferPasses(OpPassManager &manager,
                                            int64_t vectorBits) {
  OpPassManager &functions = manager.nest<func::FuncOp>();
  // A tile that is copied onto itself shows only when its views are one.
  functions.addPass(createCSEPass());
  functions.addPass(createCanonicalizerPass());
  ConvertLinalgToVectorPassOptions options;
  options.vectorBits = vectorBits;
  functions.addPass(createConvertLinalgToVectorPass(options));
}
