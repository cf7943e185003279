//===- MemoryTest.cpp - asynchronous copies, atomics and bank conflicts ---===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What reads of copies under way report, and what accesses of shared and global
// memory cost.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include <algorithm>
#include <numeric>

using namespace attn::sim;
using namespace attn::sim::test;

/// Copies 16 bytes a thread to shared memory and reads those of thread
/// t xor OTHER.
static std::string copyKernel(const std::string &wait, int other,
                              const std::string &size = "") {
  std::string name = "@llvm.nvvm.cp.async.cg.shared.global.16";
  std::string suffix = size.empty() ? "" : ".s",
              type = size.empty() ? "" : ", i32",
              argument = size.empty() ? "" : ", i32 " + size;
  return R"(
  @s = internal addrspace(3) global [1024 x i8] undef, align 16
  declare void )" +
         name + suffix + "(ptr addrspace(3), ptr addrspace(1)" + type + R"()
  declare void @llvm.nvvm.cp.async.commit.group()
  declare void @llvm.nvvm.cp.async.wait.group(i32)
  declare void @llvm.nvvm.cp.async.wait.all()
  define ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %o = mul i32 %t, 16
    %g = getelementptr i8, ptr addrspace(1) %in, i32 %o
    %p = getelementptr i8, ptr addrspace(3) @s, i32 %o
    call void )" +
         name + suffix + "(ptr addrspace(3) %p, ptr addrspace(1) %g" +
         argument + ")\n" + wait + "%u = xor i32 %t, " + std::to_string(other) +
         R"(
    %uo = mul i32 %u, 16
    %q = getelementptr i8, ptr addrspace(3) @s, i32 %uo
    %v = load <4 x i32>, ptr addrspace(3) %q, align 16
    %r = getelementptr i8, ptr addrspace(1) %out, i32 %uo
    store <4 x i32> %v, ptr addrspace(1) %r, align 16
    ret void
  })";
}

static std::vector<int32_t> counting(size_t count) {
  std::vector<int32_t> values(count);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

static const std::string kCommit =
    "call void @llvm.nvvm.cp.async.commit.group()\n";
static const std::string kWait =
    "call void @llvm.nvvm.cp.async.wait.group(i32 0)\n";
static const std::string kBarrier =
    "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";

TEST(MemoryTest, copiesAsynchronously) {
  for (std::string wait :
       {kCommit + kWait + kBarrier,
        "call void @llvm.nvvm.cp.async.wait.all()\n" + kBarrier}) {
    Kernel kernel(copyKernel(wait, 33));
    kernel.array(counting(256));
    uint64_t out = kernel.array(std::vector<int32_t>(256));
    Counts counts = kernel.run({1}, {64});
    EXPECT_EQ(kernel.read<int32_t>(out, 256), counting(256));
    EXPECT_EQ(counts.cpAsync, 2u);
    EXPECT_EQ(counts.bankConflicts(), 0u);
    EXPECT_EQ(counts.globalLoads.units, 32u);
  }
}

TEST(MemoryTest, reportsReadsBeforeTheWait) {
  for (std::string wait :
       {std::string(), kCommit, kWait /* of the groups before */,
        kCommit + "call void @llvm.nvvm.cp.async.wait.group(i32 1)\n",
        kCommit + kBarrier}) {
    Kernel kernel(copyKernel(wait, 0));
    kernel.array(counting(256));
    kernel.array(std::vector<int32_t>(256));
    kernel.expectFault(FaultKind::ReadBeforeWait, "asynchronous copy by thread",
                       {1}, {64});
  }
}

TEST(MemoryTest, reportsCopiesOfOthersWithoutBarrier) {
  for (std::string wait : {kCommit + kWait, kCommit + kBarrier + kWait}) {
    Kernel kernel(copyKernel(wait, 1));
    kernel.array(counting(256));
    kernel.array(std::vector<int32_t>(256));
    kernel.expectFault(FaultKind::Race, "copied asynchronously and waited for",
                       {1}, {64});
  }
  Kernel own(copyKernel(kCommit + kWait, 0)); // needs no barrier
  own.array(counting(256));
  own.array(std::vector<int32_t>(256));
  own.run({1}, {64});
}

TEST(MemoryTest, fillsWithZeros) {
  Kernel kernel(copyKernel(kCommit + kWait, 0, "6"));
  kernel.array(counting(255)); // the last copy reads six bytes of its sixteen
  uint64_t out = kernel.array(std::vector<int32_t>(256));
  kernel.run({1}, {64});
  std::vector<int32_t> values = kernel.read<int32_t>(out, 256);
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], 2); // two bytes of it
  EXPECT_EQ(values[2], 0);
  EXPECT_EQ(values[252], 253);
}

/// Reads `bytes` bytes at t * stride; returns extra wavefronts.
static uint64_t conflicts(int stride, int bytes) {
  std::string type = "<" + std::to_string(bytes / 4) + " x i32>";
  std::string align = ", align " + std::to_string(bytes);
  Kernel kernel(R"(
  @s = internal addrspace(3) global [16384 x i8] undef, align 16
  define ptx_kernel void @k() {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %o = mul i32 %t, )" +
                std::to_string(stride) + R"(
    %p = getelementptr i8, ptr addrspace(3) @s, i32 %o
    store )" + type +
                " zeroinitializer, ptr addrspace(3) %p" + align + R"(
    call void @llvm.nvvm.bar.warp.sync(i32 -1)
    %v = load )" +
                type + ", ptr addrspace(3) %p" + align + R"(
    ret void
  })");
  Counts counts = kernel.run({1}, {32});
  EXPECT_EQ(counts.sharedLoads.excess(), counts.sharedStores.excess());
  return counts.sharedLoads.excess();
}

TEST(MemoryTest, countsBankConflicts) {
  EXPECT_EQ(conflicts(4, 4), 0u);
  EXPECT_EQ(conflicts(8, 4), 1u);
  EXPECT_EQ(conflicts(128, 4), 31u);
  EXPECT_EQ(conflicts(132, 4), 0u); // padded by one bank
  EXPECT_EQ(conflicts(0, 4), 0u);   // broadcast, written alike
  EXPECT_EQ(conflicts(16, 16), 0u);
  EXPECT_EQ(conflicts(128, 16), 4 * 7u);
  EXPECT_EQ(conflicts(144, 16), 0u); // padded by 16 bytes
  EXPECT_EQ(conflicts(8, 8), 0u);
  EXPECT_EQ(conflicts(128, 8), 2 * 15u);
}

TEST(MemoryTest, countsSectors) {
  Kernel kernel(R"(
  define ptx_kernel void @k(ptr addrspace(1) %in, i32 %stride) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %o = mul i32 %t, %stride
    %p = getelementptr i8, ptr addrspace(1) %in, i32 %o
    %v = load i32, ptr addrspace(1) %p, align 4
    ret void
  })");
  kernel.array(std::vector<uint8_t>(4096));
  kernel.scalar(int32_t(128));
  Counts counts = kernel.run({1}, {32});
  EXPECT_EQ(counts.globalLoads.units, 32u);
  EXPECT_EQ(counts.globalLoads.ideal, 4u);
}

TEST(MemoryTest, addsAtomically) {
  std::string text = R"(
  @s = internal addrspace(3) global i32 undef, align 4
  define ptx_kernel void @k(ptr addrspace(1) %sum, ptr addrspace(1) %order) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %first = icmp eq i32 %t, 0
    br i1 %first, label %init, label %go
  init:
    store i32 0, ptr addrspace(3) @s, align 4
    br label %go
  go:
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    %place = atomicrmw add ptr addrspace(3) @s, i32 1 monotonic
    %p = getelementptr i32, ptr addrspace(1) %order, i32 %place
    store i32 %t, ptr addrspace(1) %p, align 4
    %f = uitofp i32 %t to float
    %old = atomicrmw fadd ptr addrspace(1) %sum, float %f monotonic
    ret void
  })";
  std::vector<std::vector<int32_t>> orders;
  for (uint64_t seed : {0, 7}) {
    SimulatorOptions options;
    options.seed = seed;
    Kernel kernel(text, options);
    uint64_t sum = kernel.array(std::vector<float>(1));
    uint64_t order = kernel.array(std::vector<int32_t>(64));
    Counts counts = kernel.run({1}, {64});
    EXPECT_EQ(kernel.read<float>(sum, 1)[0], 2016.0f);
    EXPECT_EQ(counts.atomics, 4u);
    orders.push_back(kernel.read<int32_t>(order, 64));
  }
  EXPECT_NE(orders[0], orders[1]); // the seed shuffles lanes and warps
  std::sort(orders[1].begin(), orders[1].end());
  EXPECT_EQ(orders[0], orders[1]);
}

TEST(MemoryTest, sharesHostMemory) {
  Kernel kernel(R"(
  define ptx_kernel void @k(ptr %p) {
    store i32 42, ptr %p, align 4
    ret void
  })");
  int32_t value = 0;
  llvm::cantFail(kernel.memory.adopt(&value, sizeof(value)));
  kernel.scalar(uint64_t(reinterpret_cast<uintptr_t>(&value)));
  kernel.run({1}, {1});
  EXPECT_EQ(value, 42);
  EXPECT_NE(llvm::toString(kernel.memory.adopt(&value, 1)), "");
  llvm::cantFail(
      kernel.memory.release(uint64_t(reinterpret_cast<uintptr_t>(&value))));
  kernel.expectFault(FaultKind::OutOfBounds, "access of 4 bytes at global", {1},
                     {1});
}
