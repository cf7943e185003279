//===- GpuMachine.cpp - descriptions of GPUs ------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads YAML, that of the known machines from the program itself.
//
//===----------------------------------------------------------------------===//

#include "attn/Predict/GpuMachine.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

#include <iterator>

using namespace attn::predict;

namespace {
struct KnownMachine {
  llvm::StringRef name, text;
};
} // namespace

/// By name; made by CMake of the files in Machines.
static constexpr KnownMachine kMachines[] = {
#include "Machines.inc"
};

namespace llvm::yaml {
template <> struct MappingTraits<TensorRates> {
  static void mapping(IO &io, TensorRates &rates) {
    io.mapRequired("f16", rates.f16);
    io.mapRequired("tf32", rates.tf32);
    io.mapRequired("f64", rates.f64);
  }
};

template <> struct MappingTraits<LaneRates> {
  static void mapping(IO &io, LaneRates &rates) {
    io.mapRequired("fma", rates.fma);
    io.mapRequired("alu", rates.alu);
    io.mapRequired("convert", rates.convert);
    io.mapRequired("special", rates.special);
  }
};

template <> struct MappingTraits<Limits> {
  static void mapping(IO &io, Limits &limits) {
    io.mapRequired("registers", limits.registers);
    io.mapRequired("shared_kib", limits.sharedKiB);
    io.mapRequired("warps", limits.warps);
    io.mapRequired("blocks", limits.blocks);
  }
};

template <> struct MappingTraits<GpuMachine> {
  static void mapping(IO &io, GpuMachine &machine) {
    io.mapRequired("name", machine.name);
    io.mapRequired("device", machine.device);
    io.mapRequired("sm", machine.sm);
    io.mapRequired("multiprocessors", machine.multiprocessors);
    io.mapRequired("clock_mhz", machine.clockMHz);
    io.mapRequired("start_us", machine.startUs);
    io.mapRequired("tensor_flops", machine.tensor);
    io.mapRequired("mma_share", machine.mmaShare);
    io.mapOptional("wgmma_share", machine.wgmmaShare);
    io.mapRequired("lanes", machine.lanes);
    io.mapRequired("issue", machine.issue);
    io.mapRequired("shared_bytes", machine.sharedBytes);
    io.mapRequired("l2_gbs", machine.l2GBs);
    io.mapRequired("memory_gbs", machine.memoryGBs);
    io.mapRequired("limits", machine.limits);
  }
};
} // namespace llvm::yaml

/// What is wrong with the figures, or nothing.
static std::string check(const GpuMachine &machine) {
  const std::pair<llvm::StringRef, double> positive[] = {
      {"multiprocessors", machine.multiprocessors},
      {"clock_mhz", machine.clockMHz},
      {"f16", machine.tensor.f16},
      {"tf32", machine.tensor.tf32},
      {"f64", machine.tensor.f64},
      {"mma_share", machine.mmaShare},
      {"fma", machine.lanes.fma},
      {"alu", machine.lanes.alu},
      {"convert", machine.lanes.convert},
      {"special", machine.lanes.special},
      {"issue", machine.issue},
      {"shared_bytes", machine.sharedBytes},
      {"l2_gbs", machine.l2GBs},
      {"memory_gbs", machine.memoryGBs},
      {"registers", machine.limits.registers},
      {"shared_kib", machine.limits.sharedKiB},
      {"warps", machine.limits.warps},
      {"blocks", machine.limits.blocks}};
  auto expected = [](llvm::StringRef key, llvm::StringRef what, double value) {
    return llvm::formatv("'{0}' {1}, got {2}", key, what, value).str();
  };
  constexpr double largest = 1e12; // so that all fit into 64 bits
  for (auto [key, value] : positive)
    if (!(value > 0 && value <= largest))
      return expected(key, "in (0, 1e12]", value);
  if (!(machine.startUs >= 0 && machine.startUs <= largest))
    return expected("start_us", "in [0, 1e12]", machine.startUs);
  if (machine.mmaShare > 1)
    return expected("mma_share", "of at most 1", machine.mmaShare);
  if (!(machine.wgmmaShare >= 0 && machine.wgmmaShare <= 1))
    return expected("wgmma_share", "in [0, 1]", machine.wgmmaShare);
  for (auto [key, text] :
       {std::pair("name", &machine.name), std::pair("sm", &machine.sm)})
    if (text->empty())
      return ("'" + llvm::Twine(key) + "', got an empty one").str();
  return {};
}

/// Keeps the first complaint of the reader.
static void keepFirst(const llvm::SMDiagnostic &diagnostic, void *context) {
  auto &message = *static_cast<std::string *>(context);
  if (message.empty())
    message = ("line " + llvm::Twine(diagnostic.getLineNo()) + ": " +
               diagnostic.getMessage())
                  .str();
}

llvm::Expected<GpuMachine>
attn::predict::parseGpuMachine(llvm::StringRef text, llvm::StringRef name) {
  std::string message;
  llvm::yaml::Input input(text, nullptr, keepFirst, &message);
  GpuMachine machine;
  input >> machine;
  if (message.empty() && (input.error() || machine.name.empty()))
    message = "nothing of it";
  if (!message.empty())
    return llvm::createStringError(
        "'" + name + "': expected the description of a GPU, got " + message);
  message = check(machine);
  if (!message.empty())
    return llvm::createStringError("'" + name + "': expected " + message);
  return machine;
}

std::vector<std::string> attn::predict::gpuMachineNames() {
  std::vector<std::string> names;
  for (const KnownMachine &known : kMachines)
    names.push_back(known.name.str());
  return names;
}

llvm::Expected<GpuMachine> attn::predict::findGpuMachine(llvm::StringRef name) {
  for (const KnownMachine &known : kMachines)
    if (known.name == name)
      return parseGpuMachine(known.text, name);
  if (!name.ends_with(".yaml"))
    return llvm::createStringError("expected a machine out of " +
                                   llvm::join(gpuMachineNames(), ", ") +
                                   " or a file NAME.yaml, got '" + name + "'");
  auto buffer = llvm::MemoryBuffer::getFile(name);
  if (!buffer)
    return llvm::createStringError("cannot read '" + name +
                                   "': " + buffer.getError().message());
  return parseGpuMachine((*buffer)->getBuffer(), name);
}
