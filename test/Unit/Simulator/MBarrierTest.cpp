//===- MBarrierTest.cpp - mbarriers and bulk copies -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A producer copies in bulk, consumers wait for the phase; what happens to
// those that do not.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include <numeric>

using namespace attn::sim;
using namespace attn::sim::test;

namespace {
struct Pieces {
  std::string fence = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 "
                      "0)\n";
  std::string wait = awaitBarrier();
  int bytes = 256;
};

/// Thread 0 copies 256 bytes in; 64 threads read 4 bytes each.
std::string bulkKernel(const Pieces &pieces) {
  return R"(
  @s = internal addrspace(3) global [256 x i8] undef, align 128
  @b = internal addrspace(3) global i64 undef, align 8
  declare void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3), i32)
  declare i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(ptr addrspace(3), i32)
  declare void @llvm.nvvm.cp.async.bulk.global.to.shared.cluster(ptr addrspace(7), ptr addrspace(3), ptr addrspace(1), i32, i16, i64, i1, i1)
  define ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %first = icmp eq i32 %t, 0
    br i1 %first, label %init, label %next
  init:
    call void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3) @b, i32 1)
    br label %next
  next:
)" + pieces.fence +
         R"(
    br i1 %first, label %produce, label %consume
  produce:
    %x = call i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(ptr addrspace(3) @b, i32 )" +
         std::to_string(pieces.bytes) + R"()
    %c = addrspacecast ptr addrspace(3) @s to ptr
    %c7 = addrspacecast ptr %c to ptr addrspace(7)
    call void @llvm.nvvm.cp.async.bulk.global.to.shared.cluster(ptr addrspace(7) %c7, ptr addrspace(3) @b, ptr addrspace(1) %in, i32 256, i16 0, i64 0, i1 false, i1 false)
    br label %consume
  consume:
)" + pieces.wait +
         R"(
    %p = getelementptr i32, ptr addrspace(3) @s, i32 %t
    %v = load i32, ptr addrspace(3) %p, align 4
    %o = getelementptr i32, ptr addrspace(1) %out, i32 %t
    store i32 %v, ptr addrspace(1) %o, align 4
    ret void
  })";
}

struct Bulk : Kernel {
  explicit Bulk(const Pieces &pieces, uint64_t seed = 0)
      : Kernel(bulkKernel(pieces), options(seed)) {
    std::iota(values.begin(), values.end(), 5);
    array(values);
    out = array(std::vector<int32_t>(64));
  }
  static SimulatorOptions options(uint64_t seed) {
    SimulatorOptions result;
    result.seed = seed;
    return result;
  }
  std::vector<int32_t> values = std::vector<int32_t>(64);
  uint64_t out = 0;
};
} // namespace

TEST(MBarrierTest, waitsForBulkCopies) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    Bulk kernel({}, seed);
    Counts counts = kernel.run({1}, {64});
    EXPECT_EQ(kernel.read<int32_t>(kernel.out, 64), kernel.values);
    EXPECT_EQ(counts.bulkCopies, 1u);
  }
}

TEST(MBarrierTest, reportsMistakes) {
  Pieces pieces;
  pieces.wait = "";
  Bulk(pieces).expectFault(FaultKind::ReadBeforeWait, "asynchronous copy", {1},
                           {64});
  pieces = Pieces();
  pieces.bytes = 512;
  Bulk(pieces).expectFault(FaultKind::Deadlock, "0 arrivals and 256 bytes", {1},
                           {64});
}

TEST(MBarrierTest, reportsUseBeforeInitialisation) {
  // Without a barrier after it, the order of the warps decides.
  Pieces pieces;
  pieces.fence = "";
  unsigned reported = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    auto counts = Bulk(pieces, seed).tryRun({1}, {64});
    if (!counts)
      reported += llvm::toString(counts.takeError()).find("mbarrier") !=
                  std::string::npos;
  }
  EXPECT_GT(reported, 0u);
}
