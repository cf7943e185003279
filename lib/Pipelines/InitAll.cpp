//===- InitAll.cpp - every dialect, extension and pass --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The registrations that all tools share.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/InitAll.h"

#include "attn/Conversion/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Interfaces/BufferizableOpInterfaceImpl.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/TilingInterfaceImpl.h"
#include "attn/Import/Passes.h"
#include "attn/Import/TmTensor.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "attn/Target/CPU/Backend/Passes.h"
#include "attn/Target/CPU/Linalg/Passes.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Target/GPU/Passes.h"
#include "attn/Target/NVVM/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

void mlir::attn::registerEverything(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllToLLVMIRTranslations(registry);
  registry.insert<AttnDialect, tm_tensor::TmTensorDialect>();
  registerBufferizableOpInterfaceExternalModels(registry);
  registerTilingInterfaceExternalModels(registry);
}

void mlir::attn::registerEveryPass() {
  registerAllPasses();
  registerAttnConversionPasses();
  registerAttnImportPasses();
  registerAttnTransformsPasses();
  cpu::registerAttnCpuPasses();
  cpu::registerAttnCPULinalgPasses();
  registerAttnCPUBackendPasses();
  nvvm::registerAttnNvvmPasses();
  registerAttnGPUPasses();
  registerAttnPipelinesPasses();
  registerPipelines();
}
