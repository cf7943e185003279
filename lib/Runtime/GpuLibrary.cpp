// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chooses among a library's images, and keeps what was loaded.

#include "GpuLibrary.h"

#include "Error.h"
#include "GpuImage.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace attn::runtime {

/// Reads a name such as 90a; false if it is none.
static bool parseVersion(const std::string &sm, GpuVersion &version) {
  size_t digits = sm.find_first_not_of("0123456789");
  if (digits == 0 || digits > 4)
    digits = digits == 0 ? 0 : std::min(sm.size(), size_t(4));
  if (digits == 0)
    return false;
  version.number = std::stoi(sm.substr(0, digits));
  version.isExact = digits < sm.size();
  return true;
}

/// Notes the launches of images; false if they name what is not there.
bool GpuLibrary::readLaunches(const AttnGpuHeader &header,
                              const char *records) {
  for (uint32_t i = 0; i < header.launches; ++i) {
    AttnGpuLaunch record;
    memcpy(&record, records + i * sizeof(record), sizeof(record));
    if (record.image >= images.size() || record.kernel >= names.size() ||
        record.threads == 0)
      return false;
    std::vector<Launch> &launches = images[record.image].launches;
    launches.resize(names.size());
    launches[record.kernel] = {record.threads, record.shared};
  }
  return true;
}

/// Notes which parameters are tensor maps; false as above.
bool GpuLibrary::readMaps(const AttnGpuHeader &header, const char *records) {
  constexpr uint32_t mostParameters = 4096 / 8; // of a launch
  for (uint32_t i = 0; i < header.maps; ++i) {
    AttnGpuMap record;
    memcpy(&record, records + i * sizeof(record), sizeof(record));
    if (record.image >= images.size() || record.kernel >= names.size() ||
        record.parameter >= mostParameters)
      return false;
    images[record.image].maps[int32_t(record.kernel)].push_back(
        record.parameter);
  }
  return true;
}

AttnStatus GpuLibrary::open(const char *path, const void *data, size_t bytes,
                            std::vector<std::string> kernelNames) {
  names = std::move(kernelNames);
  if (!data)
    return names.empty() ? ATTN_OK
                         : fail(ATTN_BAD_LIBRARY,
                                "'%s': expected images of %zu kernels, got "
                                "none",
                                path, names.size());
  auto damaged = [&] {
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected images of kernels, got %zu "
                "other bytes",
                path, bytes);
  };
  AttnGpuHeader header;
  if (bytes < sizeof(header))
    return damaged();
  memcpy(&header, data, sizeof(header));
  uint64_t records = uint64_t(header.count) * sizeof(AttnGpuImage) +
                     uint64_t(header.launches) * sizeof(AttnGpuLaunch) +
                     uint64_t(header.maps) * sizeof(AttnGpuMap);
  if (memcmp(header.magic, "ATTNGPU3", sizeof(header.magic)) != 0 ||
      bytes - sizeof(header) < records)
    return damaged();
  auto *base = static_cast<const char *>(data);
  for (uint32_t i = 0; i < header.count; ++i) {
    AttnGpuImage record;
    memcpy(&record, base + sizeof(header) + i * sizeof(record), sizeof(record));
    Image image{AttnGpuImageKind(record.kind),
                std::string(record.sm, strnlen(record.sm, sizeof(record.sm))),
                {},
                base + record.offset,
                int64_t(record.bytes),
                {},
                {}};
    if (record.offset > bytes || record.bytes > bytes - record.offset ||
        !parseVersion(image.sm, image.version))
      return damaged();
    if (const char *damage = findDamage(image.kind, image.data, record.bytes))
      return fail(ATTN_BAD_LIBRARY,
                  "'%s': expected whole kernels for sm_%s, got %s", path,
                  image.sm.c_str(), damage);
    images.push_back(std::move(image));
  }
  const char *launches =
      base + sizeof(header) + header.count * sizeof(AttnGpuImage);
  if (!readLaunches(header, launches) ||
      !readMaps(header, launches + header.launches * sizeof(AttnGpuLaunch)))
    return damaged();
  return ATTN_OK;
}

GpuLibrary::~GpuLibrary() {
  for (auto &[number, device] : devices) {
    if (!owner || owner->enter(number))
      continue;
    for (auto &[host, memory] : device->constants)
      owner->free(memory);
    if (device->module)
      owner->unload(device->module);
    owner->leave();
  }
}

/// The images that a device of `version` may run, the best first: machine
/// code before PTX, code for exactly this device before the rest.
std::vector<const GpuLibrary::Image *> GpuLibrary::choose(GpuDriver &driver,
                                                          int version) const {
  std::vector<const Image *> fitting;
  for (const Image &image : images) {
    if (!driver.takes(image.kind))
      continue;
    bool isSame = image.version.number == version;
    bool isOlder = image.version.number <= version;
    bool isFamily = image.version.number / 10 == version / 10;
    bool fits = image.kind == ATTN_GPU_LLVM || isSame ||
                (!image.version.isExact && isOlder &&
                 (image.kind == ATTN_GPU_PTX || isFamily));
    if (fits)
      fitting.push_back(&image);
  }
  auto rank = [](const Image *image) {
    return std::make_tuple(image->kind != ATTN_GPU_CUBIN,
                           -image->version.number, !image->version.isExact,
                           image);
  };
  std::sort(fitting.begin(), fitting.end(),
            [&](const Image *a, const Image *b) { return rank(a) < rank(b); });
  return fitting;
}

AttnStatus GpuLibrary::load(GpuDriver &driver, Device &device) {
  if (names.empty() || device.module)
    return ATTN_OK;
  int version = driver.version(device.number);
  AttnStatus status = ATTN_OK;
  std::vector<const Image *> fitting = choose(driver, version);
  // A driver may be too old for the best one.
  for (const Image *image : fitting) {
    status = driver.load(image->data, image->bytes, &device.module);
    if (status == ATTN_OK) {
      device.image = image;
      return ATTN_OK;
    }
    device.module = nullptr;
  }
  if (!fitting.empty())
    return status;
  std::string known;
  for (const Image &image : images)
    if (known.find("sm_" + image.sm) == std::string::npos &&
        image.kind != ATTN_GPU_LLVM)
      known += (known.empty() ? "sm_" : ", sm_") + image.sm;
  if (driver.takes(ATTN_GPU_LLVM))
    return fail(ATTN_NO_DEVICE,
                "expected kernels for the simulator, got %s; compile with "
                "--embed-ir",
                known.empty() ? "none" : known.c_str());
  return fail(ATTN_NO_DEVICE,
              "expected kernels for sm_%d, which GPU %d is, got %s", version,
              device.number, known.empty() ? "none" : known.c_str());
}

AttnStatus GpuLibrary::use(GpuDriver &driver, int number, Device *&device) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (owner && owner != &driver)
      return fail(ATTN_FAILED, "the driver changed while a library was in use");
    owner = &driver;
    std::unique_ptr<Device> &slot = devices[number];
    if (!slot) {
      slot = std::make_unique<Device>();
      slot->number = number;
      slot->kernels.resize(names.size());
      slot->shared.resize(names.size());
    }
    device = slot.get();
  }
  std::lock_guard<std::mutex> lock(device->mutex);
  return load(driver, *device);
}

AttnStatus GpuLibrary::kernel(GpuDriver &driver, Device &device, int32_t index,
                              int64_t (&geometry)[7], void *&kernel) {
  constexpr int64_t freeShared = 48 * 1024; // what needs no permission
  if (index < 0 || size_t(index) >= names.size())
    return fail(ATTN_BAD_LIBRARY, "expected a kernel below %zu, got %d",
                names.size(), int(index));
  const char *name = names[index].c_str();
  std::lock_guard<std::mutex> lock(device.mutex);
  if (!device.kernels[index])
    if (AttnStatus status =
            driver.findKernel(device.module, name, &device.kernels[index]))
      return status;
  kernel = device.kernels[index];
  const std::vector<Launch> &launches = device.image->launches;
  if (!launches.empty() && launches[index].threads != 0) {
    geometry[3] = launches[index].threads;
    geometry[4] = geometry[5] = 1;
    geometry[6] = launches[index].sharedBytes;
  }
  int64_t sharedBytes = geometry[6];
  int64_t limit = driver.sharedLimit(device.number);
  if (sharedBytes > limit)
    return fail(ATTN_FAILED,
                "kernel '%s': expected a GPU with %" PRId64
                " bytes of shared memory for a block, got %" PRId64
                " on GPU %d",
                name, sharedBytes, limit, device.number);
  if (sharedBytes <= freeShared || sharedBytes <= device.shared[index])
    return ATTN_OK;
  if (AttnStatus status = driver.allowShared(kernel, sharedBytes))
    return status;
  device.shared[index] = sharedBytes;
  return ATTN_OK;
}

AttnStatus GpuLibrary::constant(GpuDriver &driver, Device &device,
                                const void *host, int64_t bytes,
                                void *&memory) {
  std::lock_guard<std::mutex> lock(device.mutex);
  auto found = device.constants.find(host);
  if (found != device.constants.end()) {
    memory = found->second;
    return ATTN_OK;
  }
  if (AttnStatus status = driver.allocate(std::max<int64_t>(bytes, 1), &memory))
    return status;
  if (AttnStatus status = driver.upload(memory, host, bytes)) {
    driver.free(memory);
    memory = nullptr;
    return status;
  }
  device.constants[host] = memory;
  return ATTN_OK;
}

} // namespace attn::runtime
