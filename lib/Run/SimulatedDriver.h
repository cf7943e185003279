// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The simulator in the place of a GPU's driver: libraries run as on a device,
// kernel by kernel, and every launch is checked and counted.

#ifndef ATTN_LIB_RUN_SIMULATEDDRIVER_H
#define ATTN_LIB_RUN_SIMULATEDDRIVER_H

#include "attn/Runtime/GpuDriver.h"
#include "attn/Simulator/Simulator.h"

#include <map>

namespace attn::run {

/// One device without streams: everything is done at once.
class SimulatedDriver : public runtime::GpuDriver {
public:
  /// The device is of `version`, 10 * major + minor.
  explicit SimulatedDriver(const sim::SimulatorOptions &options,
                           int version = 90)
      : options(options), number(version) {}

  AttnStatus enter(int device) override;
  void leave() override {}
  bool takes(AttnGpuImageKind kind) const override {
    return kind == ATTN_GPU_LLVM;
  }
  int version(int) override { return number; }
  int64_t sharedLimit(int) override { return int64_t(options.sharedLimit); }
  bool owns(const void *address, int device) override;
  AttnStatus load(const void *image, int64_t bytes, void **module) override;
  void unload(void *module) override;
  AttnStatus findKernel(void *module, const char *name, void **kernel) override;
  AttnStatus allowShared(void *, int64_t) override { return ATTN_OK; }
  AttnStatus allocate(int64_t bytes, void **address) override;
  void free(void *address) override;
  AttnStatus upload(void *to, const void *host, int64_t bytes) override;
  AttnStatus allocateOn(void *, int, int64_t bytes, void **address) override {
    return allocate(bytes, address);
  }
  AttnStatus freeOn(void *, void *address) override;
  AttnStatus copyOn(void *, void *to, const void *from, int64_t bytes) override;
  AttnStatus readOn(void *, void *host, const void *from,
                    int64_t bytes) override;
  AttnStatus launchOn(void *, void *kernel, const int64_t *geometry,
                      void **parameters) override;
  AttnStatus synchronize(void *) override { return ATTN_OK; }
  AttnStatus encodeMap(const AttnTensorMap &map,
                       runtime::EncodedMap &encoded) override;

  /// What the launches so far did, by kernel.
  struct Launches {
    uint64_t count = 0;
    sim::Counts counts;
  };
  const std::map<std::string, Launches> &launches() const { return done; }

  /// Launches of one kernel that are alike, in the order of the first of each.
  struct Shape {
    std::string kernel;
    sim::Dim3 grid, block;
    uint64_t sharedBytes; ///< of a block
    Launches launches;
  };
  llvm::ArrayRef<Shape> launchShapes() const { return shapes; }

private:
  struct Kernel {
    sim::Simulator *simulator;
    sim::KernelInfo info;
  };
  struct Module {
    sim::Simulator simulator;
    std::map<std::string, Kernel> kernels;
  };

  Shape &shapeOf(const sim::KernelInfo &kernel, sim::Dim3 grid, sim::Dim3 block,
                 uint64_t dynamicBytes);

  sim::SimulatorOptions options;
  int number;
  sim::DeviceMemory memory;
  std::vector<Shape> shapes;
  std::map<std::string, Launches> done;
};

} // namespace attn::run

#endif // ATTN_LIB_RUN_SIMULATEDDRIVER_H
