// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The thread pool: every index once, whatever the number of threads and of
// callers, and alive after a fork.

#include "Tensor.h"

#include <atomic>
#include <cfenv>
#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace attn::test;

namespace {
struct ThreadPoolTest : testing::Test {
  ~ThreadPoolTest() override { attn_runtime_set_num_threads(0); }
};

/// Runs `body(index, scratch)` on the pool.
template <typename F>
void parallelFor(int64_t count, int64_t scratchBytes, F body) {
  attn_runtime_parallel_for(
      [](void *context, int64_t index, void *scratch) {
        (*static_cast<F *>(context))(index, scratch);
      },
      &body, count, scratchBytes);
}

/// True when each index of a region came exactly once.
bool visitsEachIndexOnce(int64_t count) {
  std::vector<std::atomic<int>> visits(count);
  parallelFor(count, 0, [&](int64_t i, void *) { ++visits[i]; });
  for (std::atomic<int> &visit : visits)
    if (visit != 1)
      return false;
  return true;
}
} // namespace

TEST_F(ThreadPoolTest, visitsEachIndexOnce) {
  for (int threads : {1, 2, 3, 8, 2}) {
    ASSERT_EQ(attn_runtime_set_num_threads(threads), ATTN_OK);
    EXPECT_EQ(attn_runtime_num_threads(), threads);
    for (int64_t count : {0, 1, 2, 3, 100, 10000})
      EXPECT_TRUE(visitsEachIndexOnce(count)) << threads << " " << count;
  }
}

TEST_F(ThreadPoolTest, survivesManySmallRegions) {
  attn_runtime_set_num_threads(4);
  std::atomic<int64_t> total = 0;
  for (int i = 0; i < 20000; ++i)
    parallelFor(2, 64, [&](int64_t index, void *) { total += index + 1; });
  EXPECT_EQ(total, 60000);
}

TEST_F(ThreadPoolTest, survivesManyChangesOfItsSize) {
  for (int i = 0; i < 500; ++i) {
    attn_runtime_set_num_threads(2 + i % 3);
    ASSERT_TRUE(visitsEachIndexOnce(4));
  }
}

TEST_F(ThreadPoolTest, wakesSleepingWorkers) {
  attn_runtime_set_num_threads(2);
  for (int i = 0; i < 20; ++i) {
    usleep(1000); // longer than the workers spin
    // Each index waits for the other: this ends only when two threads work.
    std::atomic<int> arrived = 0;
    parallelFor(2, 0, [&](int64_t, void *) {
      for (++arrived; arrived < 2;)
        std::this_thread::yield();
    });
  }
}

TEST_F(ThreadPoolTest, givesAlignedScratchOfEachThread) {
  attn_runtime_set_num_threads(3);
  for (int64_t bytes : {1, 100, 3 << 20, 64, 5 << 20})
    parallelFor(32, bytes, [&](int64_t index, void *scratch) {
      EXPECT_EQ(uintptr_t(scratch) % 64, 0u);
      auto *text = static_cast<volatile char *>(scratch);
      text[0] = char(index);
      text[bytes - 1] = char(index);
      std::this_thread::yield();
      EXPECT_EQ(text[0], char(index));
    });
}

TEST_F(ThreadPoolTest, runsNestedRegionsOnTheCallingThread) {
  attn_runtime_set_num_threads(4);
  parallelFor(8, 0, [](int64_t, void *) {
    auto self = std::this_thread::get_id();
    parallelFor(8, 0, [&](int64_t, void *) {
      EXPECT_EQ(std::this_thread::get_id(), self);
    });
  });
}

TEST_F(ThreadPoolTest, serves8HostThreads) {
  attn_runtime_set_num_threads(2);
  Module library("good");
  std::vector<std::thread> hosts;
  for (int host = 0; host < 8; ++host)
    hosts.emplace_back([&, host] {
      Tensor<float> a({17, 9}, float(host)), b({17, 9}, 1), c({17, 9});
      for (int i = 0; i < 500; ++i) {
        ASSERT_EQ(library.call("add", {&a, &b}, {&c}), ATTN_OK);
        ASSERT_EQ(c.values[17 * 9 - 1], float(host) + 1);
        if (i % 100 == host) {
          expectInvalid(library.call("add", {&a, &b}, {&a}), "overlaps");
          attn_runtime_set_num_threads(1 + host % 3);
        }
      }
    });
  for (std::thread &host : hosts)
    host.join();
}

TEST_F(ThreadPoolTest, refusesWrongCounts) {
  expectInvalid(attn_runtime_set_num_threads(-1), "expected a number of");
  expectInvalid(attn_runtime_set_num_threads(100000), "got 100000");
  parallelFor(2, 0, [](int64_t, void *) {
    EXPECT_EQ(attn_runtime_set_num_threads(3), ATTN_INVALID_ARGUMENT);
  });
}

TEST_F(ThreadPoolTest, readsTheEnvironment) {
  setenv("OMP_NUM_THREADS", "3,2", 1);
  attn_runtime_set_num_threads(0);
  EXPECT_EQ(attn_runtime_num_threads(), 3);
  setenv("ATTN_NUM_THREADS", "5", 1);
  attn_runtime_set_num_threads(0);
  EXPECT_EQ(attn_runtime_num_threads(), 5);
  for (const char *nonsense : {"", "x", "-2", "2x", "99999999999999999999"}) {
    setenv("ATTN_NUM_THREADS", nonsense, 1);
    attn_runtime_set_num_threads(0);
    EXPECT_EQ(attn_runtime_num_threads(), 3) << nonsense;
  }
  unsetenv("ATTN_NUM_THREADS");
  unsetenv("OMP_NUM_THREADS");
}

TEST_F(ThreadPoolTest, handsRoundingModeToWorkers) {
  attn_runtime_set_num_threads(2);
  fesetround(FE_UPWARD);
  std::atomic<int> arrived = 0, upward = 0;
  parallelFor(2, 0, [&](int64_t, void *) {
    for (++arrived; arrived < 2;)
      std::this_thread::yield();
    volatile float third = 1, three = 3;
    third = third / three;
    upward += third == 0x1.555556p-2f;
  });
  fesetround(FE_TONEAREST);
#if defined(__x86_64__)
  EXPECT_EQ(upward, 2);
#endif
}

TEST_F(ThreadPoolTest, worksInAForkedChild) {
  attn_runtime_set_num_threads(2);
  ASSERT_TRUE(visitsEachIndexOnce(100));
  pid_t child = fork();
  if (child == 0) {
    alarm(10); // a hang ends in a signal
    _exit(visitsEachIndexOnce(100) && attn_runtime_num_threads() == 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(visitsEachIndexOnce(100));
}
