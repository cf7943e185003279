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

#include <cmath>
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

namespace {
/// A figure with its key. The reader wants all that are not optional; they are
/// to be above 0, or `canBeZero`, and at most 1e12, or 1 as a share.
struct Figure {
  const char *key;
  double *value;
  bool isShare = false, canBeZero = false, isOptional = false;
  bool isCount = false; ///< whole
};

Figure count(const char *key, double &value) {
  return {key, &value, false, false, false, /*isCount=*/true};
}

using Figures = std::vector<Figure>;

Figures figuresOf(TensorRates &rates) {
  return {{"f16", &rates.f16}, {"tf32", &rates.tf32}, {"f64", &rates.f64}};
}

Figures figuresOf(LaneRates &rates) {
  return {{"fma", &rates.fma},
          {"alu", &rates.alu},
          {"convert", &rates.convert},
          {"special", &rates.special}};
}

Figures figuresOf(Limits &limits) {
  return {count("registers", limits.registers),
          count("shared_kib", limits.sharedKiB), count("warps", limits.warps),
          count("blocks", limits.blocks)};
}

/// Those that are in no group.
Figures figuresOf(GpuMachine &machine) {
  constexpr bool isShare = true, canBeZero = true, isOptional = true;
  return {count("multiprocessors", machine.multiprocessors),
          {"clock_mhz", &machine.clockMHz},
          {"start_us", &machine.startUs, !isShare, canBeZero},
          {"mma_share", &machine.mmaShare, isShare},
          {"wgmma_share", &machine.wgmmaShare, isShare, canBeZero, isOptional},
          {"issue", &machine.issue},
          {"shared_bytes", &machine.sharedBytes},
          {"l2_gbs", &machine.l2GBs},
          {"memory_gbs", &machine.memoryGBs}};
}

template <typename Group> void mapFigures(llvm::yaml::IO &io, Group &group) {
  for (const Figure &figure : figuresOf(group)) {
    if (figure.isOptional)
      io.mapOptional(figure.key, *figure.value);
    else
      io.mapRequired(figure.key, *figure.value);
  }
}
} // namespace

namespace llvm::yaml {
template <> struct MappingTraits<TensorRates> {
  static void mapping(IO &io, TensorRates &rates) { mapFigures(io, rates); }
};

template <> struct MappingTraits<LaneRates> {
  static void mapping(IO &io, LaneRates &rates) { mapFigures(io, rates); }
};

template <> struct MappingTraits<Limits> {
  static void mapping(IO &io, Limits &limits) { mapFigures(io, limits); }
};

template <> struct MappingTraits<GpuMachine> {
  static void mapping(IO &io, GpuMachine &machine) {
    io.mapRequired("name", machine.name);
    io.mapRequired("device", machine.device);
    io.mapRequired("sm", machine.sm);
    io.mapRequired("tensor_flops", machine.tensor);
    io.mapRequired("lanes", machine.lanes);
    io.mapRequired("limits", machine.limits);
    mapFigures(io, machine);
  }
};
} // namespace llvm::yaml

/// What is wrong with the figures of a group, or nothing.
template <typename Group> static std::string check(Group &group) {
  for (const Figure &figure : figuresOf(group)) {
    double value = *figure.value;
    // A NaN is in no range; what is in one fits into 64 bits.
    if (value <= (figure.isShare ? 1 : 1e12) &&
        (value > 0 || (figure.canBeZero && value == 0))) {
      if (!figure.isCount || value == std::floor(value))
        continue;
      return llvm::formatv("'{0}' to be a whole number, got {1}", figure.key,
                           value);
    }
    return llvm::formatv("'{0}' in {1}0, {2}], got {3}", figure.key,
                         figure.canBeZero ? "[" : "(",
                         figure.isShare ? "1" : "1e12", value);
  }
  return {};
}

/// What is wrong with a description, or nothing.
static std::string checkAll(GpuMachine &machine) {
  for (auto [key, text] :
       {std::pair("name", &machine.name), std::pair("sm", &machine.sm)})
    if (text->empty())
      return ("'" + llvm::Twine(key) + "', got an empty one").str();
  llvm::StringRef version = machine.sm;
  version.consume_back("a");
  unsigned number;
  if (version.size() < 2 || version.size() > 3 ||
      version.getAsInteger(10, number))
    return "'sm' to be an architecture such as 80 or 90a, got '" + machine.sm +
           "'";
  for (const std::string &message :
       {check(machine), check(machine.tensor), check(machine.lanes),
        check(machine.limits)})
    if (!message.empty())
      return message;
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
  message = checkAll(machine);
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
