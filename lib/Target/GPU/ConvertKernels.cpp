//===- ConvertKernels.cpp - kernels to the NVVM and LLVM dialects ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-convert-kernels: as upstream's convert-gpu-to-nvvm, but
// never to calls of libdevice, which the driver does not have.
//
//===----------------------------------------------------------------------===//

#include "TensorMapType.h"

#include "attn/Target/GPU/Passes.h"
#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#define DEBUG_TYPE "attn-gpu-convert-kernels"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUCONVERTKERNELSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ConvertKernels
    : attn::impl::AttnGPUConvertKernelsPassBase<ConvertKernels> {
  void runOnOperation() override;
};
} // namespace

namespace {
/// What is said about a kernel's launches, from before its conversion to after.
struct Launches {
  DenseI32ArrayAttr block;            ///< of most architectures
  SmallVector<Attribute> passthrough; ///< the others', for LLVM
};
} // namespace

/// Nothing may take the number of threads for known in a kernel whose blocks
/// have as many as the architecture wants.
static std::optional<Launches> takeLaunches(mlir::gpu::GPUFuncOp kernel) {
  Launches launches;
  Builder b(kernel.getContext());
  kernel.walk([&](mlir::gpu::BlockDimOp size) {
    auto variant = size->getAttrOfType<DictionaryAttr>(nvvm::kVariantAttr);
    if (!variant)
      return;
    auto sm = variant.getAs<StringAttr>("sm");
    auto threads = variant.getAs<IntegerAttr>("threads"),
         shared = variant.getAs<IntegerAttr>("shared"),
         blocks = variant.getAs<IntegerAttr>("blocks");
    if (!sm || !threads || !shared || !blocks)
      return;
    auto name = b.getStringAttr("attn-launch-sm_" + sm.getValue());
    auto numbers =
        b.getStringAttr(Twine(threads.getInt()) + "," + Twine(shared.getInt()) +
                        "," + Twine(blocks.getInt()));
    launches.passthrough.push_back(b.getArrayAttr({name, numbers}));
  });
  if (launches.passthrough.empty())
    return std::nullopt;
  launches.block = kernel.getKnownBlockSizeAttr();
  kernel.removeKnownBlockSizeAttr();
  return launches;
}

static void setLaunches(LLVM::LLVMFuncOp kernel, const Launches &launches) {
  kernel.setPassthroughAttr(
      ArrayAttr::get(kernel.getContext(), launches.passthrough));
  if (launches.block)
    kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(), launches.block);
}

/// The arguments after conversion that are tensor maps.
static SmallVector<unsigned> findMaps(mlir::gpu::GPUFuncOp kernel,
                                      const LLVMTypeConverter &converter) {
  SmallVector<unsigned> maps;
  TypeConverter::SignatureConversion signature(kernel.getNumArguments());
  if (converter.convertFunctionSignature(kernel.getFunctionType(),
                                         /*isVariadic=*/false,
                                         /*useBarePtrCallConv=*/false,
                                         signature))
    for (auto [number, type] : llvm::enumerate(kernel.getArgumentTypes()))
      if (isa<nvgpu::TensorMapDescriptorType>(type))
        maps.push_back(signature.getInputMapping(number)->inputNo);
  return maps;
}

/// Tensor maps are passed as bytes, which stay where they are passed.
static void passMaps(LLVM::LLVMFuncOp kernel, ArrayRef<unsigned> maps) {
  Builder b(kernel.getContext());
  constexpr int64_t alignment = 64;
  LLVM::LLVMArrayType bytes = getTensorMapBytes(kernel.getContext());
  for (unsigned map : maps) {
    kernel.setArgAttr(map, LLVM::LLVMDialect::getByValAttrName(),
                      TypeAttr::get(bytes));
    kernel.setArgAttr(map, LLVM::LLVMDialect::getAlignAttrName(),
                      b.getI64IntegerAttr(alignment));
    kernel.setArgAttr(map, NVVM::NVVMDialect::getGridConstantAttrName(),
                      b.getUnitAttr());
  }
}

void ConvertKernels::runOnOperation() {
  MLIRContext *context = &getContext();
  LLVMTypeConverter converter(context);
  configureGpuToNVVMTypeConverter(converter);
  addTensorMapConversion(converter);
  llvm::StringMap<SmallVector<unsigned>> maps;
  auto one = IntegerAttr::get(IntegerType::get(context, 32), 1);
  llvm::StringMap<Launches> launches;
  for (auto kernel : getOperation().getOps<mlir::gpu::GPUFuncOp>())
    if (kernel.isKernel()) {
      ++numConverted;
      maps[kernel.getName()] = findMaps(kernel, converter);
      if (auto taken = takeLaunches(kernel))
        launches[kernel.getName()] = *taken;
      // Without it ptxas spills a few registers so that more blocks fit.
      kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), one);
    }
  RewritePatternSet expansions(context);
  populateGpuRewritePatterns(expansions);
  if (failed(applyPatternsGreedily(getOperation(), std::move(expansions))))
    return signalPassFailure();

  RewritePatternSet patterns(context);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns);
  index::populateIndexToLLVMConversionPatterns(converter, patterns);
  populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
  populateGpuToNVVMConversionPatterns(converter, patterns);

  ConversionTarget target(*context);
  // Mathematical functions come after, as LLVM's intrinsics.
  target.addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect,
                         math::MathDialect>();
  target.addIllegalDialect<arith::ArithDialect, cf::ControlFlowDialect,
                           func::FuncDialect, mlir::gpu::GPUDialect,
                           index::IndexDialect, memref::MemRefDialect,
                           ub::UBDialect, vector::VectorDialect>();
  target.addLegalOp<mlir::gpu::GPUModuleOp>();
  if (failed(
          applyPartialConversion(getOperation(), target, std::move(patterns))))
    return signalPassFailure();
  for (auto kernel : getOperation().getOps<LLVM::LLVMFuncOp>()) {
    if (auto found = launches.find(kernel.getName()); found != launches.end())
      setLaunches(kernel, found->second);
    passMaps(kernel, maps.lookup(kernel.getName()));
  }
  // What loops were annotated with, where the translation looks for it.
  getOperation().walk([](LLVM::BrOp jump) {
    if (Attribute given = jump->removeDiscardableAttr("llvm.loop_annotation"))
      jump.setLoopAnnotationAttr(cast<LLVM::LoopAnnotationAttr>(given));
  });
}
