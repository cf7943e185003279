//===- GpuDescription.cpp - the GPUs that code is made for ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table of architectures.
//
//===----------------------------------------------------------------------===//

#include "attn/Emit/GpuDescription.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/TargetRegistry.h"

using namespace mlir;
using namespace mlir::attn;

extern "C" {
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

/// PTX 8.0 is what a driver for CUDA 12 reads; newer architectures have newer
/// drivers.
static constexpr GpuArchitecture kArchitectures[] = {
    {"80", "+ptx80"},   {"86", "+ptx80"},   {"87", "+ptx80"},
    {"89", "+ptx80"},   {"90", "+ptx80"},   {"90a", "+ptx80"},
    {"100", "+ptx86"},  {"100a", "+ptx86"}, {"103", "+ptx88"},
    {"103a", "+ptx88"}, {"120", "+ptx87"},  {"120a", "+ptx87"},
    {"121", "+ptx88"},  {"121a", "+ptx88"}};

FailureOr<SmallVector<GpuArchitecture>>
mlir::attn::parseArchitectures(StringRef list, std::string &error) {
  SmallVector<GpuArchitecture> found;
  for (StringRef part : llvm::split(list, ',')) {
    StringRef name = part.trim();
    name.consume_front("sm_");
    const GpuArchitecture *gpu = llvm::find_if(
        kArchitectures, [&](const auto &one) { return one.name == name; });
    if (gpu == std::end(kArchitectures)) {
      error = "expected --sm to list architectures out of " +
              llvm::join(llvm::map_range(kArchitectures,
                                         [](const GpuArchitecture &one) {
                                           return one.name;
                                         }),
                         ", ") +
              ", got '" + name.str() + "'";
      return failure();
    }
    if (llvm::any_of(found, [&](const GpuArchitecture &one) {
          return one.name == gpu->name;
        })) {
      error = "expected --sm to name each architecture once, got '" +
              gpu->name.str() + "' twice";
      return failure();
    }
    found.push_back(*gpu);
  }
  return found;
}

std::unique_ptr<llvm::TargetMachine>
mlir::attn::createTargetMachine(const GpuArchitecture &gpu,
                                std::string &error) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // A multiplication and an addition may become one instruction, as on CPUs.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, ("sm_" + gpu.name).str(), gpu.ptx, options, std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    error = ("LLVM cannot generate code for sm_" + gpu.name).str();
  return machine;
}
