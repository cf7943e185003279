//===- CpuDescription.cpp - the CPU that code is made for -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Answers from LLVM's own tables, so that any name that LLVM knows works.
//
//===----------------------------------------------------------------------===//

#include "attn/Emit/CpuDescription.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

using namespace mlir;
using namespace mlir::attn;

/// The instruction sets that a loader asks the CPU for.
static constexpr StringLiteral kChecked[] = {
    "avx",        "avx2",       "fma",         "bmi",        "bmi2",
    "f16c",       "avx512f",    "avx512bw",    "avx512cd",   "avx512dq",
    "avx512vl",   "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bf16",
    "avx512fp16", "amx-tile",   "amx-bf16",    "amx-int8"};

static const llvm::Target *findTarget(const llvm::Triple &triple,
                                      std::string &error) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::InitializeNativeTargetAsmParser();
  return llvm::TargetRegistry::lookupTarget(triple, error);
}

/// Whether dot products of bf16 pairs are faster than products in f32: AMD's
/// cores begin one a cycle, Intel's one in two, where they begin two FMAs a
/// cycle, so that without AMX widened operands are twice as fast.
static bool hasFastDot(const CpuDescription &cpu) {
  return StringRef(cpu.name).starts_with("znver");
}

FailureOr<CpuDescription> mlir::attn::describeCpu(StringRef name,
                                                  std::string &error) {
  llvm::Triple triple(llvm::sys::getProcessTriple());
  const llvm::Target *target = findTarget(triple, error);
  if (!target)
    return failure();
  CpuDescription cpu;
  cpu.name = name.str();
  if (name == "native") {
    cpu.name = llvm::sys::getHostCPUName().str();
    llvm::SubtargetFeatures features;
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    SmallVector<StringRef> names(host.keys());
    llvm::sort(names);
    for (StringRef feature : names)
      features.AddFeature(feature, host[feature]);
    cpu.features = features.getString();
  }
  // Asked by a generic machine first: a wrong name would print to stderr.
  std::unique_ptr<llvm::MCSubtargetInfo> generic(
      target->createMCSubtargetInfo(triple, "", ""));
  if (!generic || !generic->isCPUStringValid(cpu.name)) {
    error = ("expected a CPU that LLVM knows for " + triple.getArchName() +
             ", such as native or x86-64-v3, got '" + name + "'")
                .str();
    return failure();
  }
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      target->createMCSubtargetInfo(triple, cpu.name, cpu.features));
  auto has = [&](StringRef feature) {
    return subtarget->checkFeatures(("+" + feature).str());
  };
  if (triple.isX86()) {
    SmallVector<std::string> required;
    for (StringRef feature : kChecked)
      if (has(feature))
        required.push_back(("+" + feature).str());
    cpu.required = llvm::join(required, ",");
    cpu.vectorBits = has("avx512f") ? 512 : has("avx2") ? 256 : 128;
    cpu.hasAmxBf16 = has("amx-bf16");
    cpu.hasBf16Dot = has("avx512bf16") && (cpu.hasAmxBf16 || hasFastDot(cpu));
  }
  return cpu;
}

std::unique_ptr<llvm::TargetMachine>
mlir::attn::createTargetMachine(const CpuDescription &cpu, std::string &error) {
  llvm::Triple triple(llvm::sys::getProcessTriple());
  const llvm::Target *target = findTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // A multiplication and an addition may become one instruction, as in C.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, cpu.name, cpu.features, options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    error = "LLVM cannot generate code for " + triple.str();
  return machine;
}
