//===- SamplingTest.cpp - some blocks for all -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts of a sample of blocks, and of the memory that blocks touch.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

using namespace attn::sim;
using namespace attn::sim::test;

/// Every block reads `in` as far as `bytes` say, and adds to its own element of
/// `out` as often as its number in a period of 16 says, if `grows`.
static std::string kernelText(bool grows) {
  return std::string(R"(
  define ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out) {
  entry:
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
    %n = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
    %p = mul i32 %b, %n
    %i = add i32 %p, %t
    %g = getelementptr float, ptr addrspace(1) %in, i32 %t
    %h = getelementptr float, ptr addrspace(1) %out, i32 %i
    %times = )") +
         (grows ? "and i32 %b, 15" : "and i32 %b, 0") + R"(
    br label %loop
  loop:
    %k = phi i32 [0, %entry], [%next, %loop]
    %sum = phi float [0.0, %entry], [%more, %loop]
    %x = load float, ptr addrspace(1) %g, align 4
    %more = fadd float %sum, %x
    %next = add i32 %k, 1
    %done = icmp ugt i32 %next, %times
    br i1 %done, label %end, label %loop
  end:
    store float %more, ptr addrspace(1) %h, align 4
    ret void
  })";
}

static Counts count(bool grows, uint64_t sample, uint32_t blocks) {
  SimulatorOptions options;
  options.sampleBlocks = sample;
  options.countFootprint = true;
  Kernel kernel(kernelText(grows), options);
  kernel.array(std::vector<float>(64));
  kernel.array(std::vector<float>(64 * blocks));
  return kernel.run({blocks}, {64});
}

TEST(SamplingTest, countsLikeAllBlocksWhereTheyAreAlike) {
  Counts all = count(false, 0, 96);
  EXPECT_EQ(all.blocks, 96u);
  for (uint64_t sample : {1, 3, 8, 95, 96, 200}) {
    Counts some = count(false, sample, 96);
    EXPECT_EQ(some.blocks, std::min<uint64_t>(sample, 96));
    some.blocks = all.blocks;
    EXPECT_EQ(some.str(), all.str()) << sample;
  }
}

TEST(SamplingTest, countsWhatGrowsFromBlockToBlock) {
  Counts all = count(true, 0, 256);
  for (uint64_t sample : {8, 16, 31}) {
    double some = double(count(true, sample, 256).instructions);
    EXPECT_NEAR(some / double(all.instructions), 1, 0.1) << sample;
  }
}

TEST(SamplingTest, countsMemoryOfBlocksAndLaunch) {
  Counts counts = count(true, 0, 32);
  // 64 floats are 8 sectors. All blocks read the same and write their own.
  EXPECT_EQ(counts.blockSectors, 32u * (8 + 8));
  EXPECT_EQ(counts.deviceSectors, 8u + 32 * 8);
  EXPECT_GT(counts.globalLoads.units, 32u * 8);
}

TEST(SamplingTest, estimatesMachineInstructions) {
  Counts counts = count(false, 0, 1);
  EXPECT_EQ(counts.pipeFma, 4u); // an fadd and a product of two warps
  EXPECT_EQ(counts.pipeSpecial, 0u);
  EXPECT_GT(counts.pipeAlu, 0u);
  EXPECT_GE(counts.issued, counts.pipeFma + counts.pipeAlu);
  EXPECT_LE(counts.issued, 2 * counts.instructions);
}
