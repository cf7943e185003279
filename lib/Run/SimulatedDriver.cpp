// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bridges the runtime's statuses and the simulator's errors.

#include "SimulatedDriver.h"

#include "../Runtime/Error.h"

#include "attn/Simulator/TensorMap.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"

namespace attn::run {

static AttnStatus toStatus(llvm::Error error) {
  if (!error)
    return ATTN_OK;
  std::string text = llvm::toString(std::move(error));
  return runtime::fail(ATTN_FAILED, "simulation: %s", text.c_str());
}

static uint64_t toAddress(const void *memory) {
  return reinterpret_cast<uint64_t>(memory);
}

AttnStatus SimulatedDriver::enter(int device) {
  return device == 0
             ? ATTN_OK
             : runtime::fail(ATTN_NO_DEVICE,
                             "expected the simulated GPU 0, got %d", device);
}

bool SimulatedDriver::owns(const void *address, int) {
  return memory.find(toAddress(address), 1) != nullptr;
}

AttnStatus SimulatedDriver::load(const void *image, int64_t bytes,
                                 void **module) {
  llvm::LLVMContext context;
  llvm::MemoryBufferRef buffer(
      llvm::StringRef(static_cast<const char *>(image), size_t(bytes)),
      "kernels");
  auto code = llvm::parseBitcodeFile(buffer, context);
  if (!code) {
    std::string text = llvm::toString(code.takeError());
    return runtime::fail(ATTN_BAD_LIBRARY,
                         "expected LLVM IR of kernels in the library, got "
                         "other bytes: %s",
                         text.c_str());
  }
  auto simulator = sim::Simulator::create(**code, options);
  if (!simulator)
    return toStatus(simulator.takeError());
  *module = new Module{std::move(*simulator), {}};
  return ATTN_OK;
}

void SimulatedDriver::unload(void *module) {
  delete static_cast<Module *>(module);
}

AttnStatus SimulatedDriver::findKernel(void *module, const char *name,
                                       void **kernel) {
  auto *loaded = static_cast<Module *>(module);
  auto info = loaded->simulator.info(name);
  if (!info)
    return toStatus(info.takeError());
  Kernel &found = loaded->kernels[name];
  found = {&loaded->simulator, std::move(*info)};
  *kernel = &found;
  return ATTN_OK;
}

AttnStatus SimulatedDriver::allocate(int64_t bytes, void **address) {
  auto made = memory.allocate(uint64_t(bytes));
  if (!made) {
    std::string text = llvm::toString(made.takeError());
    return runtime::fail(ATTN_OUT_OF_MEMORY, "simulation: %s", text.c_str());
  }
  *address = reinterpret_cast<void *>(*made);
  // What blocks that are left out would have written may be an index: of a
  // first element, then.
  if (options.sampleBlocks)
    return toStatus(memory.fill(*made, 0, uint64_t(bytes)));
  return ATTN_OK;
}

void SimulatedDriver::free(void *address) { (void)freeOn(nullptr, address); }

AttnStatus SimulatedDriver::freeOn(void *, void *address) {
  return toStatus(memory.release(toAddress(address)));
}

AttnStatus SimulatedDriver::upload(void *to, const void *host, int64_t bytes) {
  return toStatus(memory.copyIn(
      toAddress(to), {static_cast<const uint8_t *>(host), size_t(bytes)}));
}

AttnStatus SimulatedDriver::copyOn(void *, void *to, const void *from,
                                   int64_t bytes) {
  return toStatus(memory.copy(toAddress(to), toAddress(from), uint64_t(bytes)));
}

AttnStatus SimulatedDriver::readOn(void *, void *host, const void *from,
                                   int64_t bytes) {
  return toStatus(memory.copyOut({static_cast<uint8_t *>(host), size_t(bytes)},
                                 toAddress(from)));
}

AttnStatus SimulatedDriver::encodeMap(const AttnTensorMap &map,
                                      runtime::EncodedMap &encoded) {
  sim::TensorMap wanted;
  wanted.rank = map.rank;
  wanted.elementBytes = map.element == ATTN_MAP_F32 ? 4 : 2;
  wanted.swizzle = map.swizzle ? uint8_t(16 << map.swizzle) : 0;
  wanted.address = map.address;
  std::copy_n(map.extents, wanted.extents.size(), wanted.extents.begin());
  std::copy_n(map.strides, wanted.strides.size(), wanted.strides.begin());
  std::copy_n(map.box, wanted.box.size(), wanted.box.begin());
  auto bytes = sim::encodeTensorMap(wanted);
  if (!bytes)
    return toStatus(bytes.takeError());
  static_assert(sizeof(*bytes) == sizeof(encoded));
  std::copy_n(bytes->begin(), bytes->size(), encoded.bytes);
  return ATTN_OK;
}

SimulatedDriver::Shape &SimulatedDriver::shapeOf(const sim::KernelInfo &kernel,
                                                 sim::Dim3 grid,
                                                 sim::Dim3 block,
                                                 uint64_t dynamicBytes) {
  auto key = [](const sim::Dim3 &dims) {
    return std::make_tuple(dims.x, dims.y, dims.z);
  };
  uint64_t sharedBytes = kernel.staticSharedBytes + dynamicBytes;
  for (Shape &shape : shapes)
    if (shape.kernel == kernel.name && shape.sharedBytes == sharedBytes &&
        key(shape.grid) == key(grid) && key(shape.block) == key(block))
      return shape;
  return shapes.emplace_back(Shape{kernel.name, grid, block, sharedBytes, {}});
}

AttnStatus SimulatedDriver::launchOn(void *, void *kernel,
                                     const int64_t *geometry,
                                     void **parameters) {
  auto *launched = static_cast<Kernel *>(kernel);
  std::vector<llvm::ArrayRef<uint8_t>> arguments;
  for (size_t bytes : launched->info.parameterBytes)
    arguments.push_back(
        {static_cast<const uint8_t *>(parameters[arguments.size()]), bytes});
  auto extents = [&](int first) {
    return sim::Dim3{uint32_t(geometry[first]), uint32_t(geometry[first + 1]),
                     uint32_t(geometry[first + 2])};
  };
  auto counts =
      launched->simulator->launch(launched->info.name, extents(0), extents(3),
                                  uint64_t(geometry[6]), arguments, memory);
  if (!counts)
    return toStatus(counts.takeError());
  Launches &record = done[launched->info.name];
  Shape &shape =
      shapeOf(launched->info, extents(0), extents(3), uint64_t(geometry[6]));
  for (Launches *to : {&record, &shape.launches}) {
    ++to->count;
    to->counts += *counts;
  }
  return ATTN_OK;
}

} // namespace attn::run
