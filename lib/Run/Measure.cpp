// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Time and memory of repeated calls. Linux keeps the highest resident size of a
// process and lets it be reset, which costs the measured code nothing.

#include "Measure.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace attn::run {

/// Sets the highest resident size back to the current one.
static bool resetPeak() {
  std::FILE *file = std::fopen("/proc/self/clear_refs", "w");
  if (!file)
    return false;
  bool written = std::fputs("5", file) >= 0;
  return std::fclose(file) == 0 && written;
}

/// A line of /proc/self/status, in bytes.
static std::optional<int64_t> readStatus(llvm::StringRef key) {
  auto buffer = llvm::MemoryBuffer::getFileAsStream("/proc/self/status");
  if (!buffer)
    return std::nullopt;
  for (llvm::StringRef line : llvm::split((*buffer)->getBuffer(), '\n')) {
    int64_t kilobytes = 0;
    if (line.consume_front(key) && line.consume_front(":") &&
        !line.ltrim().consumeInteger(10, kilobytes))
      return kilobytes * 1024;
  }
  return std::nullopt;
}

llvm::Expected<Measurement>
measure(unsigned warmup, unsigned repeat,
        llvm::function_ref<llvm::Error()> function) {
  using Clock = std::chrono::steady_clock;
  bool watched = resetPeak();
  std::optional<int64_t> before = readStatus("VmRSS");
  for (unsigned i = 0; i < warmup; ++i)
    if (llvm::Error error = function())
      return error;
  std::vector<double> times;
  for (unsigned i = 0; i < repeat; ++i) {
    Clock::time_point start = Clock::now();
    if (llvm::Error error = function())
      return error;
    times.push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - start)
            .count());
  }
  std::optional<int64_t> peak = readStatus("VmHWM");
  Measurement result;
  if (watched && before && peak)
    result.peakMegabytes = std::max(0.0, double(*peak - *before) / 1e6);
  if (times.empty())
    return result;
  llvm::sort(times);
  size_t middle = times.size() / 2;
  result.minimum = times.front();
  result.median = times.size() % 2 ? times[middle]
                                   : (times[middle - 1] + times[middle]) / 2;
  return result;
}

} // namespace attn::run
