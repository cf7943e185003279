// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies of tensors on the device, which go with the call.

#include "DeviceCall.h"

#include "attn/Runtime/GpuDriver.h"

namespace attn::run {

namespace {

/// Host memory for one result.
struct HostTensor {
  DLManagedTensor managed{};
  Array array;
};

/// One tensor's copy on the device.
class DeviceTensor {
public:
  DeviceTensor(runtime::GpuDriver &driver, const DLTensor &host)
      : driver(driver), host(host), copy(host) {
    bytes = host.dtype.bits / 8;
    for (int dim = 0; dim < host.ndim; ++dim)
      bytes *= host.shape[dim];
    copy.device = {kDLCUDA, 0};
    copy.data = nullptr;
  }
  DeviceTensor(const DeviceTensor &) = delete;
  ~DeviceTensor() {
    if (copy.data)
      driver.free(copy.data);
  }

  llvm::Error place() {
    if (llvm::Error error = toError(driver.allocate(bytes, &copy.data)))
      return error;
    return toError(driver.upload(copy.data, host.data, bytes));
  }
  llvm::Error fetch() {
    return toError(driver.readOn(nullptr, host.data, copy.data, bytes));
  }
  const DLTensor *tensor() const { return &copy; }

private:
  runtime::GpuDriver &driver;
  const DLTensor &host;
  DLTensor copy;
  int64_t bytes;
};

using DeviceTensors = std::vector<std::unique_ptr<DeviceTensor>>;

llvm::Error placeAll(runtime::GpuDriver &driver,
                     llvm::ArrayRef<const DLTensor *> host,
                     DeviceTensors &tensors,
                     std::vector<const DLTensor *> &pointers) {
  for (const DLTensor *tensor : host) {
    tensors.push_back(std::make_unique<DeviceTensor>(driver, *tensor));
    if (llvm::Error error = tensors.back()->place())
      return error;
    pointers.push_back(tensors.back()->tensor());
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::vector<ManagedTensor>>
allocateOnHost(const AttnModule *module, int64_t entry,
               llvm::ArrayRef<const DLTensor *> inputs,
               llvm::ArrayRef<AttnTensorInfo> results) {
  // Shapes need no data, so where it lies does not matter.
  std::vector<DLTensor> named;
  for (const DLTensor *input : inputs) {
    named.push_back(*input);
    named.back().device = {kDLCUDA, 0};
  }
  std::vector<const DLTensor *> pointers;
  for (const DLTensor &tensor : named)
    pointers.push_back(&tensor);
  std::vector<std::vector<int64_t>> shapes;
  std::vector<int64_t *> rows;
  for (const AttnTensorInfo &info : results)
    shapes.emplace_back(size_t(info.ndim) + 1);
  for (std::vector<int64_t> &shape : shapes)
    rows.push_back(shape.data());
  if (llvm::Error error = toError(attn_module_result_shapes(
          module, entry, pointers.data(), int64_t(pointers.size()), rows.data(),
          int64_t(rows.size()))))
    return error;
  std::vector<ManagedTensor> tensors;
  for (auto [info, row] : llvm::zip(results, rows)) {
    auto array = Array::create(info.dtype, {row, size_t(info.ndim)});
    if (!array)
      return array.takeError();
    auto *owned = new HostTensor{{}, std::move(*array)};
    owned->managed.dl_tensor = owned->array.tensor();
    owned->managed.manager_ctx = owned;
    owned->managed.deleter = [](DLManagedTensor *self) {
      delete static_cast<HostTensor *>(self->manager_ctx);
    };
    tensors.emplace_back(&owned->managed);
  }
  return tensors;
}

llvm::Error callOnDevice(const AttnModule *module, int64_t entry,
                         llvm::ArrayRef<const DLTensor *> inputs,
                         llvm::ArrayRef<const DLTensor *> outputs) {
  runtime::GpuDriver *driver = runtime::gpuDriver();
  if (!driver)
    return makeError(llvm::Twine(attn_runtime_message()) +
                     "; --simulate needs no GPU");
  if (llvm::Error error = toError(driver->enter(0)))
    return error;
  auto run = [&]() -> llvm::Error {
    DeviceTensors arguments, results;
    std::vector<const DLTensor *> from, to;
    if (llvm::Error error = placeAll(*driver, inputs, arguments, from))
      return error;
    if (llvm::Error error = placeAll(*driver, outputs, results, to))
      return error;
    if (llvm::Error error = toError(
            attn_module_call(module, entry, from.data(), int64_t(from.size()),
                             to.data(), int64_t(to.size()))))
      return error;
    for (auto &result : results)
      if (llvm::Error error = result->fetch())
        return error;
    return llvm::Error::success();
  };
  llvm::Error error = run();
  driver->leave();
  return error;
}

} // namespace attn::run
