//===- Simulator.cpp - GPU kernels executed without a GPU -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A module's kernels and variables, and launches.
//
//===----------------------------------------------------------------------===//

#include "attn/Simulator/Simulator.h"

#include "Decoder.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;
using namespace llvm;

namespace {
/// A kernel, or why it cannot be had.
struct Entry {
  Program program;
  std::optional<Fault> failure;
};
} // namespace

struct Simulator::Impl {
  SimulatorOptions options;
  std::vector<std::unique_ptr<Entry>> entries;
  StringMap<Entry *> byName;
  DeviceMemory variables{uint64_t(1) << 30, kVariables};
  StringMap<uint64_t> addresses;
};

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Simulator::Simulator(Simulator &&) = default;
Simulator &Simulator::operator=(Simulator &&) = default;
Simulator::~Simulator() = default;

template <typename... Args>
static Error badLaunch(const char *format, Args &&...args) {
  return make_error<Fault>(FaultKind::BadLaunch,
                           formatv(format, std::forward<Args>(args)...).str());
}

/// Variables get addresses first, since initialisers may name them.
static Error placeVariables(const Module &module, DeviceMemory &memory,
                            VariableMap &places) {
  const DataLayout &layout = module.getDataLayout();
  auto isHere = [](const GlobalVariable &variable) {
    return variable.getAddressSpace() != 3 && !variable.isDeclaration() &&
           !variable.getName().starts_with("llvm.");
  };
  for (const GlobalVariable &variable : module.globals()) {
    if (!isHere(variable))
      continue;
    uint64_t bytes = layout.getTypeAllocSize(variable.getValueType());
    auto address = memory.allocate(bytes);
    if (!address)
      return address.takeError();
    places[&variable] = *address;
  }
  ConstantEvaluator evaluator(layout, places);
  for (const GlobalVariable &variable : module.globals()) {
    if (!isHere(variable))
      continue;
    uint64_t bytes = layout.getTypeAllocSize(variable.getValueType());
    uint8_t *host = memory.find(places[&variable], bytes);
    // One that cannot be evaluated stays all ones: no kernel may need it.
    if (Error error = evaluator.write(variable.getInitializer(), {host, bytes}))
      consumeError(std::move(error));
  }
  return Error::success();
}

static bool isKernel(const llvm::Function &function) {
  return function.getCallingConv() == CallingConv::PTX_Kernel &&
         !function.isDeclaration();
}

Expected<Simulator> Simulator::create(const Module &module,
                                      SimulatorOptions options) {
  if (!module.getTargetTriple().isNVPTX() ||
      module.getDataLayout().getPointerSizeInBits(0) != 64)
    return unsupported("expected a module for nvptx64, got '{0}'",
                       module.getTargetTriple().str());
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  VariableMap places;
  if (Error error = placeVariables(module, impl->variables, places))
    return error;
  for (auto &[variable, address] : places)
    impl->addresses[variable->getName()] = address;
  ModuleSlotTracker slots(&module, /*ShouldInitializeAllMetadata=*/false);
  for (const llvm::Function &function : module) {
    if (!isKernel(function))
      continue;
    auto entry = std::make_unique<Entry>();
    ProgramDecoder decoder(module, slots, places);
    handleAllErrors(decoder.decode(function, entry->program),
                    [&](const Fault &fault) {
                      entry->failure = fault;
                      entry->failure->kernel = function.getName().str();
                    });
    impl->byName[function.getName()] = entry.get();
    impl->entries.push_back(std::move(entry));
  }
  return Simulator(std::move(impl));
}

std::vector<std::string> Simulator::kernels() const {
  std::vector<std::string> names;
  for (const auto &entry : impl->entries)
    names.push_back(entry->program.info.name);
  return names;
}

static Expected<const Entry *> findEntry(const StringMap<Entry *> &entries,
                                         StringRef kernel) {
  auto it = entries.find(kernel);
  if (it == entries.end())
    return badLaunch("no kernel is called '{0}'", kernel);
  if (it->second->failure)
    return make_error<Fault>(*it->second->failure);
  return it->second;
}

Expected<KernelInfo> Simulator::info(StringRef kernel) const {
  auto entry = findEntry(impl->byName, kernel);
  if (!entry)
    return entry.takeError();
  return (*entry)->program.info;
}

static Error checkLaunch(const Program &program, const Launch &launch,
                         size_t arguments) {
  const KernelInfo &info = program.info;
  const Dim3 &grid = launch.grid, &block = launch.block,
             &required = info.requiredBlock;
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 ||
      grid.z > 65535)
    return badLaunch("expected a grid of 1 to 2147483647 x 65535 x 65535 "
                     "blocks, got {0} x {1} x {2}",
                     grid.x, grid.y, grid.z);
  if (!block.x || !block.y || !block.z || block.z > 64 || block.count() > 1024)
    return badLaunch("expected a block of 1 to 1024 threads, got {0} x {1} x "
                     "{2}",
                     block.x, block.y, block.z);
  if (required.x &&
      (block.x != required.x || block.y != required.y || block.z != required.z))
    return badLaunch("expected a block of {0} x {1} x {2} threads, got {3} x "
                     "{4} x {5}",
                     required.x, required.y, required.z, block.x, block.y,
                     block.z);
  if (info.maxThreads && block.count() > info.maxThreads)
    return badLaunch("expected at most {0} threads a block, got {1}",
                     info.maxThreads, block.count());
  if (launch.sharedBytes > launch.options->sharedLimit)
    return badLaunch("expected at most {0} bytes of shared memory, got {1}",
                     launch.options->sharedLimit, launch.sharedBytes);
  if (arguments != program.parameters.size())
    return badLaunch("expected {0} arguments, got {1}",
                     program.parameters.size(), arguments);
  return Error::success();
}

/// The scalars of an argument; byval ones are put into `memory`.
static Expected<std::vector<uint64_t>> argumentCells(const Parameter &parameter,
                                                     size_t number,
                                                     ArrayRef<uint8_t> bytes,
                                                     DeviceMemory &memory) {
  if (bytes.size() != parameter.bytes)
    return badLaunch("expected {0} bytes for argument {1}, got {2}",
                     parameter.bytes, number, bytes.size());
  std::vector<uint64_t> cells;
  if (parameter.byval) {
    auto address = memory.allocate(bytes.size());
    if (!address)
      return address.takeError();
    if (Error error = memory.copyIn(*address, bytes))
      return error;
    cells.push_back(*address);
    return cells;
  }
  for (const Field &field : parameter.fields) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + field.offset, field.bytes);
    cells.push_back(value);
  }
  return cells;
}

Expected<Counts> Simulator::launch(StringRef kernel, Dim3 grid, Dim3 block,
                                   uint64_t dynamicSharedBytes,
                                   ArrayRef<ArrayRef<uint8_t>> arguments,
                                   DeviceMemory &memory) {
  auto entry = findEntry(impl->byName, kernel);
  if (!entry)
    return entry.takeError();
  const Program &program = (*entry)->program;
  Launch launch;
  launch.program = &program;
  launch.options = &impl->options;
  launch.grid = grid;
  launch.block = block;
  launch.dynamicSharedBytes = dynamicSharedBytes;
  launch.sharedBytes = dynamicSharedBytes
                           ? program.dynamicSharedOffset + dynamicSharedBytes
                           : program.info.staticSharedBytes;
  launch.memory = &memory;
  launch.variables = &impl->variables;
  if (Error error = checkLaunch(program, launch, arguments.size()))
    return error;
  std::vector<std::vector<uint64_t>> cells;
  std::vector<uint64_t> copies;
  Error failure = Error::success();
  for (auto [number, pair] :
       enumerate(zip_equal(program.parameters, arguments))) {
    auto &[parameter, bytes] = pair;
    auto values = argumentCells(parameter, number, bytes, impl->variables);
    if (!values) {
      failure = joinErrors(std::move(failure), values.takeError());
      break;
    }
    if (parameter.byval)
      copies.push_back(values->front());
    cells.push_back(std::move(*values));
  }
  if (!failure)
    runGrid(launch, cells);
  for (uint64_t copy : copies)
    failure = joinErrors(std::move(failure), impl->variables.release(copy));
  if (failure)
    return std::move(failure);
  if (launch.fault)
    return make_error<Fault>(*launch.fault);
  return launch.counts;
}

Expected<uint64_t> Simulator::variable(StringRef name) const {
  auto it = impl->addresses.find(name);
  if (it == impl->addresses.end())
    return badLaunch("no variable is called '{0}'", name);
  return it->second;
}

DeviceMemory &Simulator::variables() { return impl->variables; }
