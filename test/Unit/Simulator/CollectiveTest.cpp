//===- CollectiveTest.cpp - shuffles, votes and barriers ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lanes of a warp and warps of a block do together, and the reports for
// those that are missing.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include <numeric>

using namespace attn::sim;
using namespace attn::sim::test;

/// out[t] = OP of lane and some constants.
static std::string perLane(const std::string &declaration,
                           const std::string &body) {
  return declaration + R"(
  define ptx_kernel void @k(ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
)" + body +
         R"(
    %p = getelementptr i32, ptr addrspace(1) %out, i32 %t
    store i32 %r, ptr addrspace(1) %p, align 4
    ret void
  })";
}

static std::vector<int32_t> runLanes(const std::string &text) {
  Kernel kernel(text);
  uint64_t out = kernel.array(std::vector<int32_t>(32));
  kernel.run({1}, {32});
  return kernel.read<int32_t>(out, 32);
}

static std::vector<int32_t> shuffled(const std::string &mode, int offset,
                                     int clamp) {
  return runLanes(perLane(
      "declare i32 @llvm.nvvm.shfl.sync." + mode + ".i32(i32, i32, i32, i32)\n",
      "%r = call i32 @llvm.nvvm.shfl.sync." + mode +
          ".i32(i32 -1, i32 %t, i32 " + std::to_string(offset) + ", i32 " +
          std::to_string(clamp) + ")\n"));
}

TEST(CollectiveTest, shuffles) {
  // The clamp's upper bits 0x1800 keep segments of 8 lanes apart.
  auto down = shuffled("down", 3, 31), up = shuffled("up", 2, 0x1800),
       index = shuffled("idx", 5, 0x181f), xored = shuffled("bfly", 16, 31);
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(down[lane], lane + 3 < 32 ? lane + 3 : lane);
    EXPECT_EQ(up[lane], lane % 8 >= 2 ? lane - 2 : lane);
    EXPECT_EQ(index[lane], lane / 8 * 8 + 5);
    EXPECT_EQ(xored[lane], lane ^ 16);
  }
}

TEST(CollectiveTest, votes) {
  auto ballot = runLanes(
      perLane("declare i32 @llvm.nvvm.vote.ballot.sync(i32, i1)\n",
              "%odd = trunc i32 %t to i1\n"
              "%r = call i32 @llvm.nvvm.vote.ballot.sync(i32 -1, i1 %odd)\n"));
  EXPECT_EQ(uint32_t(ballot[7]), 0xaaaaaaaa);
  auto match = runLanes(
      perLane("declare i32 @llvm.nvvm.match.any.sync.i32(i32, i32)\n",
              "%v = lshr i32 %t, 3\n"
              "%r = call i32 @llvm.nvvm.match.any.sync.i32(i32 -1, i32 %v)\n"));
  EXPECT_EQ(uint32_t(match[9]), 0x0000ff00u);
  auto sum = runLanes(
      perLane("declare i32 @llvm.nvvm.redux.sync.add(i32, i32)\n",
              "%r = call i32 @llvm.nvvm.redux.sync.add(i32 %t, i32 -1)\n"));
  EXPECT_EQ(sum[0], 496);
}

TEST(CollectiveTest, reportsDivergentShuffles) {
  Kernel kernel(R"(
  declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
  define ptx_kernel void @k() {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %low = icmp ult i32 %t, 16
    br i1 %low, label %some, label %end
  some:
    %x = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 1, i32 31)
    br label %end
  end:
    ret void
  })");
  kernel.expectFault(FaultKind::Divergence,
                     "member mask 0xffffffff, but lanes 0x0000ffff are here",
                     {1}, {32});
}

TEST(CollectiveTest, acceptsPartialMasks) {
  Kernel kernel(R"(
  declare i32 @llvm.nvvm.shfl.sync.idx.i32(i32, i32, i32, i32)
  define ptx_kernel void @k(ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %low = icmp ult i32 %t, 16
    br i1 %low, label %some, label %end
  some:
    %x = call i32 @llvm.nvvm.shfl.sync.idx.i32(i32 65535, i32 %t, i32 9, i32 31)
    store i32 %x, ptr addrspace(1) %out, align 4
    br label %end
  end:
    ret void
  })");
  uint64_t out = kernel.array(std::vector<int32_t>(1));
  kernel.run({1}, {32});
  EXPECT_EQ(kernel.read<int32_t>(out, 1)[0], 9);
}

/// Each thread shares its number, then adds those of a whole block.
static std::string shareKernel(const std::string &barrier) {
  return R"(
  @s = external addrspace(3) global [0 x i32], align 16
  define ptx_kernel void @k(ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %n = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
    %mine = getelementptr i32, ptr addrspace(3) @s, i32 %t
    store i32 %t, ptr addrspace(3) %mine, align 4
)" + barrier +
         R"(
    br label %loop
  loop:
    %i = phi i32 [ 0, %0 ], [ %i1, %loop ]
    %sum = phi i32 [ 0, %0 ], [ %sum1, %loop ]
    %p = getelementptr i32, ptr addrspace(3) @s, i32 %i
    %v = load i32, ptr addrspace(3) %p, align 4
    %sum1 = add i32 %sum, %v
    %i1 = add i32 %i, 1
    %more = icmp ult i32 %i1, %n
    br i1 %more, label %loop, label %end
  end:
    %o = getelementptr i32, ptr addrspace(1) %out, i32 %t
    store i32 %sum1, ptr addrspace(1) %o, align 4
    ret void
  })";
}

static const char *kBlockBarrier =
    "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)";

TEST(CollectiveTest, barriersMakeSharedBytesVisible) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    SimulatorOptions options;
    options.seed = seed;
    Kernel kernel(shareKernel(kBlockBarrier), options);
    uint64_t out = kernel.array(std::vector<int32_t>(100));
    Counts counts = kernel.run({1}, {100}, 400);
    EXPECT_EQ(kernel.read<int32_t>(out, 100), std::vector<int32_t>(100, 4950));
    EXPECT_EQ(counts.barriers, 4u);
    EXPECT_EQ(counts.bankConflicts(), 0u);
  }
}

TEST(CollectiveTest, reportsRaces) {
  Kernel kernel(shareKernel(""));
  kernel.array(std::vector<int32_t>(64));
  kernel.expectFault(FaultKind::Race, "written by thread 0 with no barrier",
                     {1}, {64}, 256);
  // A warp's barrier orders one warp, not two.
  std::string warp = "call void @llvm.nvvm.bar.warp.sync(i32 -1)";
  Kernel one(shareKernel(warp));
  one.array(std::vector<int32_t>(32));
  one.run({1}, {32}, 128);
  SimulatorOptions noUninitialized;
  noUninitialized.checkUninitialized = false;
  Kernel two(shareKernel(warp), noUninitialized);
  two.array(std::vector<int32_t>(64));
  two.expectFault(FaultKind::Race, "with no barrier between", {1}, {64}, 256);
}

TEST(CollectiveTest, reportsUninitializedAndOutOfBounds) {
  Kernel kernel(R"(
  @s = internal addrspace(3) global [64 x i32] undef, align 16
  define ptx_kernel void @k(i32 %by) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %i = add i32 %t, %by
    %p = getelementptr i32, ptr addrspace(3) @s, i32 %i
    %v = load i32, ptr addrspace(3) %p, align 4
    ret void
  })");
  kernel.scalar(int32_t(0));
  kernel.expectFault(FaultKind::Uninitialized, "shared byte 0", {1}, {32});
  kernel.arguments.clear();
  kernel.scalar(int32_t(64));
  kernel.expectFault(FaultKind::OutOfBounds, "shared address 256 of 256", {1},
                     {32});
}

TEST(CollectiveTest, reportsDeadlocks) {
  // Warp 0 waits at barrier 1, warp 1 at barrier 2.
  Kernel kernel(R"(
  declare void @llvm.nvvm.barrier.cta.sync.aligned.count(i32, i32)
  define ptx_kernel void @k() {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %w = lshr i32 %t, 5
    %id = add i32 %w, 1
    call void @llvm.nvvm.barrier.cta.sync.aligned.count(i32 %id, i32 64)
    ret void
  })");
  kernel.expectFault(FaultKind::Deadlock, "has 32 of 64 threads", {1}, {64});
}

TEST(CollectiveTest, reportsDivergentBarriers) {
  Kernel kernel(R"(
  define ptx_kernel void @k() {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %low = icmp ult i32 %t, 5
    br i1 %low, label %some, label %end
  some:
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    br label %end
  end:
    ret void
  })");
  kernel.expectFault(FaultKind::Divergence, "barrier with lanes 0x0000001f",
                     {1}, {32});
}

TEST(CollectiveTest, namedBarriersOrderProducersAndConsumers) {
  std::string text = R"(
  @s = internal addrspace(3) global [32 x i32] undef, align 16
  declare void @llvm.nvvm.barrier.cta.sync.aligned.count(i32, i32)
  declare void @llvm.nvvm.barrier.cta.arrive.aligned.count(i32, i32)
  define ptx_kernel void @k(ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %l = and i32 %t, 31
    %p = getelementptr i32, ptr addrspace(3) @s, i32 %l
    %producer = icmp uge i32 %t, 32
    br i1 %producer, label %make, label %use
  make:
    store i32 %t, ptr addrspace(3) %p, align 4
    call void @llvm.nvvm.barrier.cta.arrive.aligned.count(i32 1, i32 64)
    ret void
  use:
    call void @llvm.nvvm.barrier.cta.sync.aligned.count(i32 1, i32 64)
    %v = load i32, ptr addrspace(3) %p, align 4
    %o = getelementptr i32, ptr addrspace(1) %out, i32 %l
    store i32 %v, ptr addrspace(1) %o, align 4
    ret void
  })";
  Kernel kernel(text);
  uint64_t out = kernel.array(std::vector<int32_t>(32));
  kernel.run({1}, {64});
  std::vector<int32_t> expected(32);
  std::iota(expected.begin(), expected.end(), 32);
  EXPECT_EQ(kernel.read<int32_t>(out, 32), expected);
}
