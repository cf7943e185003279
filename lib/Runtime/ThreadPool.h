// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The threads that share the iterations of a parallel region. One host thread
// at a time has the pool; the others, and nested regions, run serially, which
// keeps a program of many host threads from oversubscribing the machine or
// deadlocking.

#ifndef ATTN_LIB_RUNTIME_THREADPOOL_H
#define ATTN_LIB_RUNTIME_THREADPOOL_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace attn::runtime {

using Body = void (*)(void *context, int64_t index, void *scratch);

struct Region {
  Body body = nullptr;
  void *context = nullptr;
  int64_t count = 0;
  int64_t scratchBytes = 0;
};

class ThreadPool {
public:
  /// The pool of this process; a forked child gets a new one, because threads
  /// do not survive a fork.
  static ThreadPool &get();

  /// Runs the region to its end. False when memory for scratch ran out, here or
  /// in a nested region, and so work is missing.
  bool run(const Region &region);

  /// Waits for the current region to end. False inside a region, where that
  /// would never come.
  bool setNumThreads(int count);
  static int numThreads();

private:
  bool runAlone(const Region &region);
  bool runShared(const Region &region);
  void openRegion(const Region &region);
  bool closeRegion();
  bool tryJoin();
  void leave();
  void takeIndices(void *scratch);
  void startWorkers(int count);
  void stopWorkers();
  void work();
  static void *workerMain(void *pool);
  void waitForNextRegion(uint32_t seen);

  // `state`: may workers join, does the owner sleep until they left, and how
  // many are inside.
  static constexpr uint32_t openBit = 1u << 31;
  static constexpr uint32_t ownerSleepsBit = 1u << 30;

  // Each group on its own cache line: the index counter is written by every
  // thread all the time, the rest seldom.
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<uint32_t> epoch{
      0}; // counts regions; idle workers wait for it to move
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  alignas(64) Region region; // written by the owner while no worker is inside
  uint32_t floatControl = 0; // the owner's rounding and denormal modes, so that
                             // results do not depend on the thread
  std::atomic<bool> failed{false};
  std::chrono::nanoseconds spinTime{0};

  std::mutex owner;
  std::vector<pthread_t> workers;
  int wantedWorkers =
      0; // may be more than there are, when the system refused some
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_THREADPOOL_H
