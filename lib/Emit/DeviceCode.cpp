//===- DeviceCode.cpp - kernels to LLVM IR and PTX ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Translation, LLVM's optimisations and its PTX writer, in process.
//
//===----------------------------------------------------------------------===//

#include "DeviceCode.h"
#include "Optimise.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace mlir::attn;

/// Takes LLVM's last words, and lives on.
static void takeFatalError(void *to, const char *reason, bool) {
  *static_cast<std::string *>(to) = reason;
  if (auto *recovery = llvm::CrashRecoveryContext::GetCurrent())
    recovery->HandleExit(1);
}

static void takeDiagnostic(const llvm::DiagnosticInfo *info, void *to) {
  if (info->getSeverity() != llvm::DS_Error)
    return;
  llvm::raw_string_ostream stream(*static_cast<std::string *>(to));
  llvm::DiagnosticPrinterRawOStream printer(stream);
  info->print(printer);
}

LogicalResult DeviceCode::guard(llvm::function_ref<void()> body) {
  std::string message;
  context.setDiagnosticHandlerCallBack(takeDiagnostic, &message);
  llvm::CrashRecoveryContext::Enable();
  llvm::CrashRecoveryContext recovery;
  bool survived = false;
  {
    llvm::ScopedFatalErrorHandler handler(takeFatalError, &message);
    survived = recovery.RunSafely(body);
  }
  llvm::CrashRecoveryContext::Disable();
  context.setDiagnosticHandlerCallBack(nullptr);
  if (survived && message.empty())
    return success();
  return fail("LLVM cannot generate code for the kernels: " +
              (message.empty() ? "it failed" : message));
}

LogicalResult DeviceCode::translate(ModuleOp from) {
  module = from;
  auto kernels = llvm::to_vector(module.getOps<mlir::gpu::GPUModuleOp>());
  if (kernels.empty())
    return success();
  if (kernels.size() != 1)
    return fail("expected one module of kernels, got " + Twine(kernels.size()));
  code = translateModuleToLLVMIR(kernels.front(), context, "attn_kernels");
  return code ? success() : fail("kernels cannot be translated to LLVM IR");
}

/// What attn-gpu-convert-kernels noted about launches on `gpu`.
static std::optional<KernelLaunch> findLaunch(const llvm::Function &kernel,
                                              const GpuArchitecture &gpu) {
  StringRef text = kernel.getFnAttribute(("attn-launch-sm_" + gpu.name).str())
                       .getValueAsString();
  auto [threads, rest] = text.split(',');
  auto [shared, blocks] = rest.split(',');
  KernelLaunch launch{kernel.getName().str()};
  if (threads.getAsInteger(10, launch.threads) ||
      shared.getAsInteger(10, launch.sharedBytes) ||
      blocks.getAsInteger(10, launch.blocks))
    return std::nullopt;
  return launch;
}

SmallVector<KernelLaunch>
DeviceCode::getLaunches(const GpuArchitecture &gpu) const {
  SmallVector<KernelLaunch> launches;
  for (const llvm::Function &function : *code)
    if (auto launch = findLaunch(function, gpu))
      launches.push_back(std::move(*launch));
  return launches;
}

/// Nothing else is passed to a kernel as a block of bytes.
SmallVector<MapParameter> mlir::attn::findMaps(const llvm::Module &optimised) {
  SmallVector<MapParameter> maps;
  for (const llvm::Function &function : optimised)
    for (const llvm::Argument &argument : function.args())
      if (argument.hasByValAttr() && !argument.use_empty())
        maps.push_back({function.getName().str(), argument.getArgNo()});
  return maps;
}

/// Makes the number of threads, by which kernels choose what to run, that of
/// launches on `gpu`; what they do not choose goes with optimisation.
static void fixLaunches(llvm::Module &module, const GpuArchitecture &gpu) {
  constexpr StringLiteral required = "nvvm.reqntid";
  for (llvm::Function &function : module)
    if (auto launch = findLaunch(function, gpu)) {
      function.addFnAttr(required, std::to_string(launch->threads) + ",1,1");
      function.addFnAttr("nvvm.minctasm", std::to_string(launch->blocks));
    }
  llvm::Function *size = module.getFunction("llvm.nvvm.read.ptx.sreg.ntid.x");
  if (!size)
    return;
  for (llvm::User *user : llvm::make_early_inc_range(size->users())) {
    auto *call = dyn_cast<llvm::CallInst>(user);
    uint32_t threads = 0;
    if (!call || call->getFunction()
                     ->getFnAttribute(required)
                     .getValueAsString()
                     .split(',')
                     .first.getAsInteger(10, threads))
      continue;
    call->replaceAllUsesWith(llvm::ConstantInt::get(call->getType(), threads));
    call->eraseFromParent();
  }
}

std::unique_ptr<llvm::Module> DeviceCode::optimise(const GpuArchitecture &gpu) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine =
      createTargetMachine(gpu, error);
  if (!machine) {
    (void)fail(error);
    return nullptr;
  }
  std::unique_ptr<llvm::Module> copy = llvm::CloneModule(*code);
  copy->setTargetTriple(machine->getTargetTriple());
  copy->setDataLayout(machine->createDataLayout());
  fixLaunches(*copy, gpu);
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = false;
  if (failed(guard([&] { optimiseModule(*copy, *machine, tuning); })))
    return nullptr;
  for (const llvm::Function &function : *copy)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty()) {
      (void)fail("expected kernels that call no library, got a call of '" +
                 function.getName() + "'");
      return nullptr;
    }
  return copy;
}

FailureOr<std::string> DeviceCode::writePtx(llvm::Module &optimised,
                                            const GpuArchitecture &gpu) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine =
      createTargetMachine(gpu, error);
  if (!machine)
    return fail(error);
  SmallString<0> text;
  bool unable = false;
  LogicalResult done = guard([&] {
    llvm::raw_svector_ostream stream(text);
    llvm::legacy::PassManager manager;
    unable = machine->addPassesToEmitFile(manager, stream, nullptr,
                                          llvm::CodeGenFileType::AssemblyFile);
    if (!unable)
      manager.run(optimised);
  });
  if (failed(done))
    return failure();
  if (unable)
    return fail("LLVM cannot write PTX");
  return text.str().str();
}
