// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many threads to use when the program does not say. The CPU affinity mask
// is asked and not the number of CPUs, so that containers and taskset are
// respected.

#include "ThreadCount.h"

#include <cstdlib>
#include <sched.h>

namespace attn::runtime {

int availableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1; // more CPUs than the mask holds, or a kernel that refuses: one
              // thread is always right
  int count = CPU_COUNT(&set);
  return count < 1 ? 1 : count;
}

/// The number in front of the variable's value ("4" or, for nested OpenMP
/// levels, "4,2"); 0 if there is none.
static int readCount(const char *variable) {
  const char *text = std::getenv(variable);
  if (!text)
    return 0;
  char *end = nullptr;
  long value = std::strtol(text, &end, 10);
  bool whole = end != text && (*end == '\0' || *end == ',');
  return whole && value >= 1 && value <= maxThreads ? int(value) : 0;
}

int defaultThreadCount() {
  if (int count = readCount("ATTN_NUM_THREADS"))
    return count;
  if (int count = readCount("OMP_NUM_THREADS"))
    return count;
  return availableCpus();
}

} // namespace attn::runtime
