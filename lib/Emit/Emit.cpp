//===- Emit.cpp - from the LLVM dialect to files --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Translation to LLVM IR, LLVM's optimisations and code generation.
//
//===----------------------------------------------------------------------===//

#include "attn/Emit/Emit.h"

#include "EmitGpu.h"
#include "Link.h"
#include "Optimise.h"
#include "Weights.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

/// One run of the phase; holds what its steps share.
class Emitter {
public:
  Emitter(ModuleOp module, const EmitOptions &options)
      : module(module), options(options) {}
  LogicalResult emitTo(StringRef path, StringRef finalPath);

private:
  LogicalResult moveWeights(StringRef path);
  LogicalResult takeKernels();
  void addImages();
  LogicalResult translate();
  void optimise();
  LogicalResult generate(llvm::raw_pwrite_stream &stream);
  LogicalResult writeText(StringRef path);
  LogicalResult makeLibrary(StringRef path, StringRef finalPath);
  LogicalResult fail(const Twine &message) { return module.emitError(message); }

  ModuleOp module;
  const EmitOptions &options;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> code;
  std::string weightsAssembly;
  std::string images;
};

} // namespace

LogicalResult Emitter::moveWeights(StringRef path) {
  if (!hasLargeConstants(module))
    return success();
  FailureOr<std::string> assembly = moveLargeConstants(module, path);
  if (failed(assembly))
    return failure();
  weightsAssembly = *assembly;
  return success();
}

/// Kernels become images; what is left is the host's.
LogicalResult Emitter::takeKernels() {
  if (options.architectures.empty())
    return success();
  FailureOr<std::string> made = makeImages(module, options);
  if (failed(made))
    return failure();
  images = std::move(*made);
  for (auto kernels :
       llvm::make_early_inc_range(module.getOps<mlir::gpu::GPUModuleOp>()))
    kernels.erase();
  return success();
}

/// The images as a constant of the library, which the runtime looks for.
void Emitter::addImages() {
  auto *bytes = llvm::ConstantDataArray::getString(context, images,
                                                   /*AddNull=*/false);
  auto *global = new llvm::GlobalVariable(
      *code, bytes->getType(), /*isConstant=*/true,
      llvm::GlobalValue::ExternalLinkage, bytes, "attn_gpu_images");
  global->setVisibility(llvm::GlobalValue::ProtectedVisibility);
  global->setAlignment(llvm::Align(64));
}

LogicalResult Emitter::translate() {
  std::string error;
  machine = createTargetMachine(options.cpu, error);
  if (!machine)
    return fail(error);
  code = translateModuleToLLVMIR(module, context, "attn");
  if (!code)
    return fail("cannot be translated to LLVM IR");
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  code->setPICLevel(llvm::PICLevel::BigPIC);
  code->appendModuleInlineAsm(weightsAssembly);
  if (!images.empty())
    addImages();
  std::string width = std::to_string(options.cpu.vectorBits);
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", options.cpu.name);
    function.addFnAttr("target-features", options.cpu.features);
    // LLVM prefers 256 bits on some CPUs that run 512 at full speed.
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("min-legal-vector-width", width);
    function.setDoesNotThrow();
  }
  return success();
}

void Emitter::optimise() {
  llvm::PipelineTuningOptions tuning;
  // Vector code comes vectorised; packing its scalar rest only costs time.
  tuning.SLPVectorization = false;
  tuning.LoopVectorization = true;
  optimiseModule(*code, *machine, tuning);
}

LogicalResult Emitter::generate(llvm::raw_pwrite_stream &stream) {
  llvm::legacy::PassManager manager;
  manager.add(llvm::createTargetTransformInfoWrapperPass(
      machine->getTargetIRAnalysis()));
  auto type = options.kind == EmitKind::Assembly
                  ? llvm::CodeGenFileType::AssemblyFile
                  : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(manager, stream, nullptr, type))
    return fail("LLVM cannot write this kind of file for the target");
  manager.run(*code);
  return success();
}

LogicalResult Emitter::writeText(StringRef path) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return fail("cannot write '" + path + "': " + error.message());
  if (options.kind == EmitKind::MLIR)
    module.print(stream);
  else if (options.kind == EmitKind::LLVMIR)
    code->print(stream, nullptr);
  else if (failed(generate(stream)))
    return failure();
  stream.close();
  if (!stream.has_error())
    return success();
  error = stream.error();
  stream.clear_error();
  return fail("cannot write '" + path + "': " + error.message());
}

LogicalResult Emitter::makeLibrary(StringRef path, StringRef finalPath) {
  SmallString<128> object(path);
  object += ".o";
  llvm::FileRemover removeObject(object);
  if (failed(writeText(object)))
    return failure();
  std::string error;
  if (failed(linkSharedLibrary(object, path,
                               llvm::sys::path::filename(finalPath), error)))
    return fail(error);
  return success();
}

/// Writes to `path`, a temporary name beside `finalPath`.
LogicalResult Emitter::emitTo(StringRef path, StringRef finalPath) {
  if (options.kind == EmitKind::MLIR)
    return writeText(path);
  bool isText =
      options.kind == EmitKind::LLVMIR || options.kind == EmitKind::Assembly;
  SmallString<128> weights(isText ? StringRef(options.weightsPath)
                                  : StringRef());
  llvm::FileRemover removeWeights;
  if (!isText) {
    weights = path;
    weights += ".weights";
    removeWeights.setFile(weights);
  } else if (weights.empty()) {
    weights = finalPath;
    weights += ".weights";
  }
  if (failed(takeKernels()) || failed(moveWeights(weights)) ||
      failed(translate()))
    return failure();
  if (!options.llvmDump.empty()) {
    std::error_code error;
    llvm::raw_fd_ostream stream(options.llvmDump, error);
    if (error)
      return fail("cannot write '" + options.llvmDump +
                  "': " + error.message());
    code->print(stream, nullptr);
  }
  optimise();
  return options.kind == EmitKind::SharedLibrary ? makeLibrary(path, finalPath)
                                                 : writeText(path);
}

/// Files are replaced when the new one is whole; devices and pipes, such as
/// /dev/null, are written to.
static bool mayBeReplaced(StringRef path) {
  llvm::sys::fs::file_status status;
  return llvm::sys::fs::status(path, status) ||
         !llvm::sys::fs::is_other(status);
}

LogicalResult mlir::attn::emitModule(ModuleOp module, StringRef path,
                                     const EmitOptions &options) {
  if (!options.architectures.empty() && options.kind != EmitKind::MLIR &&
      options.kind != EmitKind::SharedLibrary)
    return emitKernels(module, path, options);
  Emitter emitter(module, options);
  if (path == "-")
    return emitter.emitTo(path, "attn-output");
  SmallString<128> temporary;
  bool isReplaced = mayBeReplaced(path);
  auto fail = [&](std::error_code error) {
    return module.emitError()
           << "cannot write '" << path << "': " << error.message();
  };
  if (std::error_code error =
          isReplaced
              ? llvm::sys::fs::createUniqueFile(path + ".tmp-%%%%%%", temporary)
              : llvm::sys::fs::createTemporaryFile("attn", "out", temporary))
    return fail(error);
  llvm::FileRemover remove(temporary);
  if (failed(emitter.emitTo(temporary, path)))
    return failure();
  if (std::error_code error = isReplaced
                                  ? llvm::sys::fs::rename(temporary, path)
                                  : llvm::sys::fs::copy_file(temporary, path))
    return fail(error);
  if (isReplaced)
    remove.releaseFile();
  return success();
}
