// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The threads that share the iterations of a parallel region. A region is
// opened, worked on by its owner and whoever joins in time, and closed: the
// owner waits only for those who did join, so a worker that sleeps costs
// nothing.

#include "ThreadPool.h"

#include "Error.h"
#include "Futex.h"
#include "Scratch.h"
#include "ThreadCount.h"

#include <algorithm>
#include <csignal>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace attn::runtime {

/// Long enough to span the serial code between two regions of a model, short
/// enough not to steal a CPU.
static constexpr std::chrono::nanoseconds defaultSpin =
    std::chrono::microseconds(50);

static uint32_t readFloatControl() {
#if defined(__x86_64__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

static void writeFloatControl([[maybe_unused]] uint32_t value) {
#if defined(__x86_64__)
  _mm_setcsr(value);
#endif
}

// The process's pool and thread count. Neither is ever destroyed: workers may
// run until the process ends.
static std::atomic<ThreadPool *> &currentPool() {
  static std::atomic<ThreadPool *> pool{nullptr};
  return pool;
}

static std::atomic<int> &requestedThreads() {
  static std::atomic<int> count{0};
  return count;
}

ThreadPool &ThreadPool::get() {
  if (ThreadPool *pool = currentPool().load(std::memory_order_acquire))
    return *pool;
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    currentPool().store(nullptr, std::memory_order_relaxed);
  });
  (void)registered;
  auto *fresh = new ThreadPool;
  ThreadPool *expected = nullptr;
  if (currentPool().compare_exchange_strong(expected, fresh))
    return *fresh;
  delete fresh; // another thread was first
  return *expected;
}

int ThreadPool::numThreads() {
  int count = requestedThreads().load(std::memory_order_relaxed);
  if (count > 0)
    return count;
  count = defaultThreadCount();
  int unset = 0;
  return requestedThreads().compare_exchange_strong(unset, count) ? count
                                                                  : unset;
}

bool ThreadPool::setNumThreads(int count) {
  if (RegionScope::isInside())
    return false;
  std::lock_guard<std::mutex> lock(owner);
  requestedThreads().store(count > 0 ? count : defaultThreadCount());
  return true;
}

bool ThreadPool::run(const Region &work) {
  if (work.count <= 0)
    return true;
  if (work.count == 1 || numThreads() == 1 || RegionScope::isInside() ||
      !owner.try_lock())
    return runAlone(work);
  std::lock_guard<std::mutex> lock(owner, std::adopt_lock);
  startWorkers(numThreads() - 1);
  return workers.empty() ? runAlone(work) : runShared(work);
}

bool ThreadPool::runAlone(const Region &work) {
  RegionScope scope;
  void *scratch = scope.scratch(work.scratchBytes);
  if (!scratch)
    return false;
  for (int64_t index = 0; index < work.count; ++index)
    work.body(work.context, index, scratch);
  return true;
}

bool ThreadPool::runShared(const Region &work) {
  RegionScope scope;
  void *scratch = scope.scratch(work.scratchBytes);
  if (!scratch)
    return false;
  openRegion(work);
  takeIndices(scratch);
  return closeRegion();
}

void ThreadPool::openRegion(const Region &work) {
  region = work;
  floatControl = readFloatControl();
  failed.store(false, std::memory_order_relaxed);
  next.store(0, std::memory_order_relaxed);
  state.store(openBit, std::memory_order_release);
  // Sequentially consistent with the sleeper's own pair (announce, then look at
  // the epoch): one of the two sees the other, so nobody sleeps through a
  // region that wants him.
  epoch.fetch_add(1, std::memory_order_seq_cst);
  if (uint32_t asleep = sleepers.load(std::memory_order_seq_cst))
    futexWake(epoch, int(std::min<int64_t>(asleep, work.count - 1)));
}

bool ThreadPool::closeRegion() {
  auto empty = [this] { return state.load(std::memory_order_acquire) == 0; };
  state.fetch_and(~openBit, std::memory_order_acq_rel);
  if (!spinUntil(spinTime, empty)) {
    state.fetch_or(ownerSleepsBit, std::memory_order_acq_rel);
    for (uint32_t now = state.load(); now != ownerSleepsBit; now = state.load())
      futexWait(state, now);
  }
  return !failed.load(std::memory_order_relaxed);
}

bool ThreadPool::tryJoin() {
  uint32_t current = state.load(std::memory_order_relaxed);
  while (current & openBit)
    if (state.compare_exchange_weak(current, current + 1,
                                    std::memory_order_acquire))
      return true;
  return false;
}

void ThreadPool::leave() {
  if (state.fetch_sub(1, std::memory_order_acq_rel) - 1 == ownerSleepsBit)
    futexWake(state, 1);
}

void ThreadPool::takeIndices(void *scratch) {
  for (;;) {
    int64_t index = next.fetch_add(1, std::memory_order_relaxed);
    if (index >= region.count)
      return;
    region.body(region.context, index, scratch);
  }
}

void ThreadPool::work() {
  RegionScope scope;
  // A worker without memory just stays out; the owner has its own and does the
  // work.
  if (void *scratch = scope.scratch(region.scratchBytes)) {
    writeFloatControl(floatControl);
    takeIndices(scratch);
  }
  if (takeRegionFailure())
    failed.store(true, std::memory_order_relaxed);
}

void *ThreadPool::workerMain(void *self) {
  auto &pool = *static_cast<ThreadPool *>(self);
  for (;;) {
    // First the epoch, then the flag: whoever sets the flag moves the epoch
    // after it, so a worker that misses the flag does not sleep on that epoch.
    uint32_t seen = pool.epoch.load(std::memory_order_acquire);
    if (pool.stopping.load(std::memory_order_acquire))
      return nullptr;
    if (pool.tryJoin()) {
      pool.work();
      pool.leave();
    }
    pool.waitForNextRegion(seen);
  }
}

void ThreadPool::waitForNextRegion(uint32_t seen) {
  if (spinUntil(spinTime,
                [&] { return epoch.load(std::memory_order_acquire) != seen; }))
    return;
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (epoch.load(std::memory_order_seq_cst) == seen)
    futexWait(epoch, seen);
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void ThreadPool::startWorkers(int count) {
  if (wantedWorkers == count)
    return;
  stopWorkers();
  wantedWorkers = count;
  spinTime =
      count + 1 <= availableCpus() ? defaultSpin : std::chrono::nanoseconds(0);
  // Workers take no signals: those are for the host program's own threads.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  for (int i = 0; i < count; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, workerMain, this) != 0)
      break; // fewer threads are slower, not wrong
    pthread_setname_np(thread, "attn-worker");
    workers.push_back(thread);
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void ThreadPool::stopWorkers() {
  stopping.store(true, std::memory_order_release);
  epoch.fetch_add(1, std::memory_order_seq_cst);
  futexWake(epoch, int(workers.size()));
  for (pthread_t thread : workers)
    pthread_join(thread, nullptr);
  workers.clear();
  stopping.store(false, std::memory_order_release);
}

} // namespace attn::runtime
