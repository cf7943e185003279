// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compares the tensors of a call with the manifest. Each message names the
// tensor, what was expected and what came.

#include "CallCheck.h"

#include "DataTypes.h"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>

namespace attn::runtime {

std::string CallCheck::name(const Subject &subject) const {
  return std::string(subject.kind) + " " + std::to_string(subject.index) +
         " '" + subject.spec.name + "'";
}

AttnStatus CallCheck::reject(const Subject &subject, const char *format,
                             ...) const {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return fail(ATTN_INVALID_ARGUMENT, "%s of '%s': %s", name(subject).c_str(),
              entry.name.c_str(), text);
}

AttnStatus CallCheck::checkCount(const char *kind, const void *tensors,
                                 int64_t count, size_t expected) const {
  if (count < 0 || uint64_t(count) != expected)
    return fail(ATTN_INVALID_ARGUMENT, "'%s': expected %zu %ss, got %" PRId64,
                entry.name.c_str(), expected, kind, count);
  if (!tensors && count != 0)
    return fail(ATTN_INVALID_ARGUMENT,
                "'%s': expected an array of %ss, got a null pointer",
                entry.name.c_str(), kind);
  return ATTN_OK;
}

AttnStatus CallCheck::bindArgs(const DLTensor *const *tensors, int64_t count) {
  if (AttnStatus status =
          checkCount("argument", tensors, count, entry.args.size()))
    return status;
  for (int64_t i = 0; i < count; ++i) {
    Subject subject{"argument", i, entry.args[i], tensors[i]};
    if (AttnStatus status = check(subject))
      return status;
    ranges.push_back(
        {name(subject), subject.begin, subject.begin + subject.bytes});
    args.set(i, reinterpret_cast<void *>(subject.begin), tensors[i]->shape,
             subject.spec.rank());
  }
  return ATTN_OK;
}

AttnStatus CallCheck::bindResults(const DLTensor *const *tensors, int64_t count,
                                  const std::vector<const int64_t *> &shapes) {
  if (AttnStatus status =
          checkCount("result", tensors, count, entry.results.size()))
    return status;
  for (int64_t i = 0; i < count; ++i) {
    Subject subject{"result", i, entry.results[i], tensors[i]};
    if (AttnStatus status = check(subject))
      return status;
    for (int dim = 0; dim < subject.spec.rank(); ++dim)
      if (tensors[i]->shape[dim] != shapes[i][dim])
        return reject(subject,
                      "expected dimension %d to be %" PRId64
                      " for these arguments, got %" PRId64,
                      dim, shapes[i][dim], tensors[i]->shape[dim]);
    if (AttnStatus status = checkOverlap(subject))
      return status;
    ranges.push_back(
        {name(subject), subject.begin, subject.begin + subject.bytes});
    results.set(i, reinterpret_cast<void *>(subject.begin), tensors[i]->shape,
                subject.spec.rank());
  }
  return ATTN_OK;
}

AttnStatus CallCheck::check(Subject &subject) {
  if (AttnStatus status = checkType(subject))
    return status;
  if (AttnStatus status = checkShape(subject))
    return status;
  if (AttnStatus status = checkStrides(subject))
    return status;
  return checkData(subject);
}

AttnStatus CallCheck::checkDevice(const Subject &subject) {
  int type = subject.tensor->device.device_type;
  if (!isForGpus)
    return type == kDLCPU || type == kDLCUDAHost
               ? ATTN_OK
               : reject(subject,
                        "expected memory of the CPU, got DLPack device type %d",
                        type);
  if (type != kDLCUDA)
    return reject(
        subject, "expected memory of a GPU (DLPack device type %d), got %s%d",
        kDLCUDA,
        type == kDLCPU || type == kDLCUDAHost ? "memory of the CPU, type "
                                              : "type ",
        type);
  int number = subject.tensor->device.device_id;
  if (gpu < 0) {
    gpu = number;
    gpuWhere = name(subject);
  }
  return number == gpu
             ? ATTN_OK
             : reject(subject, "expected memory of GPU %d as in %s, got GPU %d",
                      gpu, gpuWhere.c_str(), number);
}

AttnStatus CallCheck::checkType(const Subject &subject) {
  const DLTensor *tensor = subject.tensor;
  if (!tensor)
    return reject(subject, "expected a tensor, got a null pointer");
  if (AttnStatus status = checkDevice(subject))
    return status;
  DLDataType type = {tensor->dtype.code, tensor->dtype.bits,
                     tensor->dtype.lanes};
  if (!isSame(type, subject.spec.dtype))
    return reject(subject, "expected %s, got %s",
                  subject.spec.dtypeName.c_str(), describe(type).c_str());
  if (tensor->ndim != subject.spec.rank())
    return reject(subject, "expected %d dimensions, got %d",
                  subject.spec.rank(), int(tensor->ndim));
  if (!tensor->shape && tensor->ndim != 0)
    return reject(subject, "expected a shape, got a null pointer");
  return ATTN_OK;
}

AttnStatus CallCheck::checkShape(Subject &subject) {
  subject.bytes = byteSize(subject.spec.dtype);
  for (int dim = 0; dim < subject.spec.rank(); ++dim) {
    int64_t extent = subject.tensor->shape[dim];
    if (extent <= 0)
      return reject(subject,
                    "expected dimension %d to be positive, got %" PRId64, dim,
                    extent);
    if (subject.spec.shape[dim] >= 0 && extent != subject.spec.shape[dim])
      return reject(subject,
                    "expected dimension %d to be %" PRId64 ", got %" PRId64,
                    dim, subject.spec.shape[dim], extent);
    if (AttnStatus status = checkSymbol(subject, dim))
      return status;
    if (__builtin_mul_overflow(subject.bytes, extent, &subject.bytes))
      return reject(subject,
                    "expected a size that fits into 63 bits, got dimension %d "
                    "of %" PRId64,
                    dim, extent);
  }
  return ATTN_OK;
}

AttnStatus CallCheck::checkSymbol(const Subject &subject, int dim) {
  const char *symbol = subject.spec.symbols[dim];
  if (!symbol)
    return ATTN_OK;
  int64_t extent = subject.tensor->shape[dim];
  for (const Binding &binding : bindings) {
    if (binding.symbol != symbol)
      continue;
    if (binding.extent == extent)
      return ATTN_OK;
    return reject(subject,
                  "expected dimension %d (%s) to be %" PRId64
                  " as in %s, got %" PRId64,
                  dim, symbol, binding.extent, binding.where.c_str(), extent);
  }
  bindings.push_back({symbol, extent, name(subject)});
  return ATTN_OK;
}

AttnStatus CallCheck::checkStrides(const Subject &subject) const {
  if (!subject.tensor->strides)
    return ATTN_OK;
  int64_t expected = 1;
  for (int dim = subject.spec.rank() - 1; dim >= 0; --dim) {
    int64_t extent = subject.tensor->shape[dim];
    // The stride of a dimension of one element is never used, and libraries
    // write anything there.
    if (extent != 1 && subject.tensor->strides[dim] != expected)
      return reject(subject,
                    "expected row-major contiguous data with stride %" PRId64
                    " in dimension %d, got %" PRId64,
                    expected, dim, subject.tensor->strides[dim]);
    expected *= extent;
  }
  return ATTN_OK;
}

AttnStatus CallCheck::checkData(Subject &subject) const {
  const DLTensor *tensor = subject.tensor;
  if (!tensor->data)
    return reject(subject, "expected data, got a null pointer");
  uintptr_t end = 0;
  if (__builtin_add_overflow(reinterpret_cast<uintptr_t>(tensor->data),
                             tensor->byte_offset, &subject.begin) ||
      __builtin_add_overflow(subject.begin, uintptr_t(subject.bytes), &end) ||
      end > uintptr_t(INTPTR_MAX))
    return reject(subject,
                  "expected data inside the address space, got %" PRId64
                  " bytes at %p with byte offset %" PRIu64,
                  subject.bytes, tensor->data, tensor->byte_offset);
  if (subject.begin % uintptr_t(subject.spec.alignment) != 0)
    return reject(subject,
                  "expected data aligned to %" PRId64
                  " bytes, got address 0x%" PRIxPTR,
                  subject.spec.alignment, subject.begin);
  return ATTN_OK;
}

AttnStatus CallCheck::checkOwners(GpuDriver &driver) const {
  for (const Range &range : ranges)
    if (!driver.owns(reinterpret_cast<const void *>(range.begin), device()))
      return fail(ATTN_INVALID_ARGUMENT,
                  "%s of '%s': expected memory of GPU %d, got address "
                  "0x%" PRIxPTR ", which is not",
                  range.what.c_str(), entry.name.c_str(), device(),
                  range.begin);
  return ATTN_OK;
}

AttnStatus CallCheck::checkOverlap(const Subject &subject) const {
  uintptr_t end = subject.begin + uintptr_t(subject.bytes);
  for (const Range &range : ranges)
    if (subject.begin < range.end && range.begin < end)
      return reject(subject,
                    "expected memory of its own, got memory that overlaps %s",
                    range.what.c_str());
  return ATTN_OK;
}

} // namespace attn::runtime
