//===- WgmmaTest.cpp - products of warp groups ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tile of 64 x 16 times 16 x 8 from shared memory, plain and swizzled, in the
// text that MLIR's NVVM dialect writes; what goes wrong without its fences and
// waits.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"
#include "Numbers.h"

#include "llvm/ADT/StringExtras.h"

using namespace attn::sim;
using namespace attn::sim::test;
using llvm::StringRef;

/// Copies 4096 + 1024 bytes as they are, multiplies, stores D by its table.
/// Comments that begin with @ are lines that tests leave out or put in.
static const char *kKernel = R"(
  @s = internal addrspace(3) global [10240 x i8] undef, align 1024
  define ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out, i64 %da, i64 %db) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %mine = getelementptr i32, ptr addrspace(3) @s, i32 %t
    br label %copy
  copy:
    %i = phi i32 [ %t, %0 ], [ %i1, %copy ]
    %from = getelementptr i32, ptr addrspace(1) %in, i32 %i
    %to = getelementptr i32, ptr addrspace(3) @s, i32 %i
    %v = load i32, ptr addrspace(1) %from, align 4
    store i32 %v, ptr addrspace(3) %to, align 4
    %i1 = add i32 %i, 128
    %more = icmp ult i32 %i1, 2560
    br i1 %more, label %copy, label %multiply
  multiply:
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    call void @llvm.nvvm.fence.proxy.async() ;@proxy
    call void @llvm.nvvm.wgmma.fence.sync.aligned() ;@fence
    %d = call { float, float, float, float } asm sideeffect "{\0A.reg .pred p;\0Asetp.ne.b32 p, $10, 0;\0Awgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, $8, $9, p, $11,  $12, $13,  $14;\0A}\0A", "=f,=f,=f,=f,0,1,2,3,l,l,n,n,n,n,n"(float 1.0, float 1.0, float 1.0, float 1.0, i64 %da, i64 %db, i32 1, i32 1, i32 1, i32 0, i32 0)
    call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
    ;@release call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    ;@overwrite store i32 0, ptr addrspace(3) %mine, align 4
    call void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 0) ;@wait
    %w = lshr i32 %t, 5
    %l = and i32 %t, 31
    %g = lshr i32 %l, 2
    %q = and i32 %l, 3
    %w16 = mul i32 %w, 16
    %row = add i32 %w16, %g
    %row8 = mul i32 %row, 8
    %q2 = mul i32 %q, 2
    %at = add i32 %row8, %q2
    %p0 = getelementptr float, ptr addrspace(1) %out, i32 %at
    %p1 = getelementptr float, ptr addrspace(1) %p0, i32 1
    %p2 = getelementptr float, ptr addrspace(1) %p0, i32 64
    %p3 = getelementptr float, ptr addrspace(1) %p0, i32 65
    %d0 = extractvalue { float, float, float, float } %d, 0
    %d1 = extractvalue { float, float, float, float } %d, 1
    %d2 = extractvalue { float, float, float, float } %d, 2
    %d3 = extractvalue { float, float, float, float } %d, 3
    store float %d0, ptr addrspace(1) %p0, align 4
    store float %d1, ptr addrspace(1) %p1, align 4
    store float %d2, ptr addrspace(1) %p2, align 4
    store float %d3, ptr addrspace(1) %p3, align 4
    ret void
  }
  declare void @llvm.nvvm.fence.proxy.async()
  declare void @llvm.nvvm.wgmma.fence.sync.aligned()
  declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  declare void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64)
  )";

/// Without the lines marked `without`, with those marked `with`.
static std::string variant(StringRef without, StringRef with = "") {
  std::string text;
  for (StringRef line : llvm::split(kKernel, '\n')) {
    if (!without.empty() && line.ends_with((";@" + without).str()))
      continue;
    if (size_t at = line.find((";@" + with + " ").str());
        !with.empty() && at != StringRef::npos)
      line = line.drop_front(at + with.size() + 3);
    text += line.str() + "\n";
  }
  return text;
}

static float element(unsigned row, unsigned column) {
  return float(int((row * 7 + column * 5) % 13) - 6);
}

static uint64_t descriptor(uint64_t start, uint64_t leading, uint64_t stride,
                           uint64_t swizzle) {
  return start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | swizzle << 62;
}

static void multiply(bool swizzled) {
  // A at 0, B (8 columns, k contiguous) at 8192. Plain: cores of 8 x 16 bytes,
  // along k, then along rows. Swizzled: rows of 128 bytes.
  std::vector<uint16_t> shared(5120);
  auto place = [&](uint64_t base, unsigned row, unsigned k) {
    uint64_t at = swizzled
                      ? row * 128 + k * 2
                      : row / 8 * 256 + k / 8 * 128 + row % 8 * 16 + k % 8 * 2;
    if (swizzled)
      at ^= row % 8 * 16;
    return (base + at) / 2;
  };
  std::vector<float> expected(64 * 8, 1.0f);
  for (unsigned k = 0; k < 16; ++k) {
    for (unsigned row = 0; row < 64; ++row)
      shared[place(0, row, k)] = floatToHalf(element(row, k));
    for (unsigned column = 0; column < 8; ++column)
      shared[place(8192, column, k)] = floatToHalf(element(k, column + 3));
    for (unsigned row = 0; row < 64; ++row)
      for (unsigned column = 0; column < 8; ++column)
        expected[row * 8 + column] += element(row, k) * element(k, column + 3);
  }
  uint64_t stride = swizzled ? 1024 : 256;
  Kernel kernel(kKernel);
  kernel.array(shared);
  uint64_t out = kernel.array(std::vector<float>(64 * 8));
  kernel.scalar(descriptor(0, 128, stride, swizzled));
  kernel.scalar(descriptor(8192, 128, stride, swizzled));
  Counts counts = kernel.run({1}, {128});
  EXPECT_EQ(kernel.read<float>(out, 64 * 8), expected);
  EXPECT_EQ(counts.mmaFlops, 2u * 64 * 8 * 16);
}

TEST(WgmmaTest, multipliesPlainTiles) { multiply(false); }
TEST(WgmmaTest, multipliesSwizzledTiles) { multiply(true); }

TEST(WgmmaTest, refusesPartOfAGroup) {
  Kernel kernel(kKernel);
  kernel.array(std::vector<uint16_t>(5120));
  kernel.array(std::vector<float>(64 * 8));
  kernel.scalar(uint64_t(0));
  kernel.scalar(uint64_t(0));
  kernel.expectFault(FaultKind::Divergence, "whole groups of 128", {1}, {96});
}

/// Runs a kernel of 128 threads on zeros and expects a fault.
static void expectFault(const std::string &text, FaultKind kind,
                        const std::string &message) {
  Kernel kernel(text);
  kernel.array(std::vector<uint16_t>(5120));
  kernel.array(std::vector<float>(64 * 8));
  kernel.scalar(descriptor(0, 128, 256, 0));
  kernel.scalar(descriptor(8192, 128, 256, 0));
  kernel.expectFault(kind, message, {1}, {128});
}

TEST(WgmmaTest, findsMissingProxyFence) {
  expectFault(variant("proxy"), FaultKind::Race, "no fence.proxy.async");
}

TEST(WgmmaTest, findsMissingFence) {
  expectFault(variant("fence"), FaultKind::Race, "wgmma.fence");
}

TEST(WgmmaTest, findsReadBeforeWait) {
  expectFault(variant("wait"), FaultKind::ReadBeforeWait,
              "read of an accumulator of a wgmma that was not waited for");
}

TEST(WgmmaTest, findsOperandsOverwrittenUnderWay) {
  std::string text = variant("", "overwrite");
  expectFault(text, FaultKind::Race, "shared byte");
  // A barrier before the wait does not help: others may be multiplying.
  size_t at = text.find(";@release ");
  text.replace(at, 10, "");
  expectFault(text, FaultKind::Race, "while a wgmma was under way");
}

/// Two groups of products whose registers go through assembly, as our kernels
/// have them; the test puts in how many groups may be under way, and what is
/// stored.
static std::string tied(unsigned pending, StringRef stored) {
  std::string text = R"(
  @s = internal addrspace(3) global [1024 x i8] undef, align 1024
  define ptx_kernel void @k(ptr addrspace(1) %out, i64 %db) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %mine = getelementptr i64, ptr addrspace(3) @s, i32 %t
    store i64 4323521613979991040, ptr addrspace(3) %mine, align 8
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    call void @llvm.nvvm.fence.proxy.async()
    %f = call { i32, i32 } asm sideeffect "wgmma.fence.sync.aligned;", "=r,=r,0,1"(i32 1006648320, i32 0)
    %a = extractvalue { i32, i32 } %f, 0
    %z = extractvalue { i32, i32 } %f, 1
    %first = call { float, float, float, float } asm sideeffect "{ .reg .pred p; setp.ne.b32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, {$4, $5, $6, $7}, $8, p, 1, 1, 1; }", "=f,=f,=f,=f,r,r,r,r,l"(i32 %a, i32 %a, i32 %z, i32 %z, i64 %db)
    call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
    %second = call { float, float, float, float } asm sideeffect "{ .reg .pred p; setp.ne.b32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {$0, $1, $2, $3}, {$4, $5, $6, $7}, $8, p, 1, 1, 1; }", "=f,=f,=f,=f,r,r,r,r,l"(i32 %a, i32 %a, i32 %a, i32 %a, i64 %db)
    call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
    %x0 = extractvalue { float, float, float, float } %first, 0
    %y0 = extractvalue { float, float, float, float } %second, 0
    %after = call { float, float } asm sideeffect "wgmma.wait_group.sync.aligned PENDING;", "=f,=f,0,1"(float %x0, float %y0)
    %x = extractvalue { float, float } %after, 0
    %y = extractvalue { float, float } %after, 1
    %place = getelementptr float, ptr addrspace(1) %out, i32 %t
    store float STORED, ptr addrspace(1) %place, align 4
    ret void
  }
  declare void @llvm.nvvm.fence.proxy.async()
  declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  )";
  text.replace(text.find("PENDING"), 7, std::to_string(pending));
  text.replace(text.find("STORED"), 6, stored.str());
  return text;
}

static void runTied(unsigned pending, StringRef stored, float expected) {
  Kernel kernel(tied(pending, stored));
  uint64_t out = kernel.array(std::vector<float>(128));
  kernel.scalar(descriptor(0, 128, 256, 0));
  kernel.run({1}, {128});
  EXPECT_EQ(kernel.read<float>(out, 128), std::vector<float>(128, expected));
}

TEST(WgmmaTest, waitsForTheOldestGroups) {
  // All ones; the first A has 8 columns of zeros.
  runTied(1, "%x", 8);
  runTied(0, "%y", 16);
}

TEST(WgmmaTest, findsGroupsThatMayBeUnderWay) {
  for (auto [pending, stored] : {std::pair(1, "%y"), {2, "%x"}}) {
    Kernel kernel(tied(unsigned(pending), stored));
    kernel.array(std::vector<float>(128));
    kernel.scalar(descriptor(0, 128, 256, 0));
    kernel.expectFault(FaultKind::ReadBeforeWait, "was not waited for", {1},
                       {128});
  }
}

static const char *kRegisters = R"(
  define ptx_kernel void @k() {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %few = icmp ult i32 %t, 128
    br i1 %few, label %less, label %more
  less:
    call void @llvm.nvvm.setmaxnreg.dec.sync.aligned.u32(i32 40)
    ret void
  more:
    call void @llvm.nvvm.setmaxnreg.inc.sync.aligned.u32(i32 COUNT)
    ret void
  }
  declare void @llvm.nvvm.setmaxnreg.dec.sync.aligned.u32(i32)
  declare void @llvm.nvvm.setmaxnreg.inc.sync.aligned.u32(i32)
  )";

TEST(WgmmaTest, countsRegisters) {
  auto text = [](const char *count) {
    std::string all = kRegisters;
    return all.replace(all.find("COUNT"), 5, count);
  };
  Kernel(text("232")).run({1}, {384});
  Kernel(text("240"))
      .expectFault(FaultKind::Deadlock, "asks for 66560 registers", {1}, {384});
}
