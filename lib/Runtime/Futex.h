// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Waiting on a 32-bit word by the futex system call. std::atomic::wait hides
// how long it spins and keeps its own table of waiters; the thread pool needs
// both in its own hands to start a region in about a microsecond.

#ifndef ATTN_LIB_RUNTIME_FUTEX_H
#define ATTN_LIB_RUNTIME_FUTEX_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace attn::runtime {

/// Sleeps while `word` holds `expected`; may return early.
inline void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

inline void futexWake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// Tells the core that this is a spin loop.
inline void relaxCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `done()` or until the time is over; returns whether it was done.
template <typename Done>
bool spinUntil(std::chrono::nanoseconds limit, Done done) {
  if (done())
    return true;
  if (limit.count() == 0)
    return false;
  auto end = std::chrono::steady_clock::now() + limit;
  for (int round = 0; std::chrono::steady_clock::now() < end; ++round) {
    for (int i = 0; i < 32; ++i) {
      relaxCpu();
      if (done())
        return true;
    }
    // On a busy machine the thread that we wait for may want this very CPU.
    if (round >= 4)
      sched_yield();
  }
  return false;
}

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_FUTEX_H
