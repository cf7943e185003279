//===- TensorCopyTest.cpp - bulk copies of tensors' boxes -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Boxes of tensors of every rank, element by element against the definition,
// and what a kernel or its host can do wrong.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

#include "attn/Simulator/TensorMap.h"

#include <functional>
#include <numeric>

using namespace attn::sim;
using namespace attn::sim::test;

namespace {
/// Shared memory of the kernel in bytes, and what is done between the steps.
struct Pieces {
  std::vector<int> first = {0, 0};
  uint64_t bytes = 1024, expected = 1024;
  unsigned mapAlign = 64, offset = 0;
  std::string fence = "call void @llvm.nvvm.fence.proxy.async.shared_cta()\n";
  std::string wait = awaitBarrier();
};

/// Thread 0 of 32 copies a box; then all write shared memory to global memory.
std::string tensorKernel(const Pieces &p) {
  std::string rank = std::to_string(p.first.size()), types, values;
  for (int first : p.first) {
    types += ", i32";
    values += ", i32 " + std::to_string(first);
  }
  std::string name = "@llvm.nvvm.cp.async.bulk.tensor.g2s.tile." + rank + "d(";
  std::string bytes = std::to_string(p.bytes),
              map = "%map" + std::string(p.mapAlign == 64 ? "" : ".off");
  return "@s = internal addrspace(3) global [" + bytes +
         " x i8] undef, align 1024\n"
         "@b = internal addrspace(3) global i64 undef, align 8\n"
         "declare void " +
         name + "ptr addrspace(7), ptr addrspace(3), ptr" + types +
         ", i16, i64, i1, i1, i32)\n" + R"(
  declare void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3), i32)
  declare void @llvm.nvvm.fence.proxy.async.shared_cta()
  declare void @llvm.nvvm.prefetch.tensormap.p0(ptr)
  declare i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(ptr addrspace(3), i32)
  define ptx_kernel void @k(ptr addrspace(1) %in, ptr byval([17 x i64]) align 64 %map, ptr addrspace(1) %out) {
    %map.off = getelementptr i8, ptr %map, i32 8
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %first = icmp eq i32 %t, 0
    br i1 %first, label %init, label %next
  init:
    call void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3) @b, i32 1)
)" + p.fence +
         R"(    br label %next
  next:
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    br i1 %first, label %produce, label %consume
  produce:
    call void @llvm.nvvm.prefetch.tensormap.p0(ptr )" +
         map + R"()
    %x = call i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(ptr addrspace(3) @b, i32 )" +
         std::to_string(p.expected) + R"()
    %to = getelementptr i8, ptr addrspace(3) @s, i32 )" +
         std::to_string(p.offset) + R"(
    %to7 = addrspacecast ptr addrspace(3) %to to ptr addrspace(7)
    call void )" +
         name + "ptr addrspace(7) %to7, ptr addrspace(3) @b, ptr " + map +
         values + ", i16 0, i64 0, i1 false, i1 false, i32 0)\n" +
         R"(    br label %consume
  consume:
)" + p.wait +
         R"(    br label %loop
  loop:
    %i = phi i32 [ %t, %consume ], [ %i.next, %loop ]
    %p = getelementptr i16, ptr addrspace(3) @s, i32 %i
    %v = load i16, ptr addrspace(3) %p, align 2
    %o = getelementptr i16, ptr addrspace(1) %out, i32 %i
    store i16 %v, ptr addrspace(1) %o, align 2
    %i.next = add i32 %i, 32
    %more = icmp ult i32 %i.next, )" +
         std::to_string(p.bytes / 2) + R"(
    br i1 %more, label %loop, label %end
  end:
    ret void
  })";
}

/// A dense tensor of 16-bit elements that are their numbers plus 1, but for
/// rows of `pad` more.
TensorMap makeMap(std::vector<uint64_t> extents, std::vector<uint32_t> box,
                  unsigned swizzle, uint64_t pad = 0) {
  TensorMap map;
  map.rank = uint8_t(extents.size());
  map.elementBytes = 2;
  map.swizzle = uint8_t(swizzle);
  uint64_t stride = 2;
  for (unsigned dim = 0; dim < map.rank; ++dim) {
    map.extents[dim] = extents[dim];
    map.box[dim] = box[dim];
    stride *= extents[dim] + (dim == 0 ? pad : 0);
    if (dim + 1u < map.rank)
      map.strides[dim] = stride;
  }
  return map;
}

struct Tensor : Kernel {
  Tensor(TensorMap map, Pieces pieces, uint64_t seed = 0)
      : Kernel(tensorKernel(pieces), options(seed)), map(map) {
    uint64_t bytes = 2 * map.extents[0];
    for (unsigned dim = 1; dim < map.rank; ++dim)
      bytes = std::max(bytes, map.strides[dim - 1] * map.extents[dim]);
    values.resize(bytes / 2);
    std::iota(values.begin(), values.end(), int16_t(1));
    this->map.address = array(values);
    auto encoded = encodeTensorMap(this->map);
    std::array<uint8_t, 17 * 8> parameter{};
    if (encoded)
      std::copy(encoded->begin(), encoded->end(), parameter.begin());
    else
      ADD_FAILURE() << llvm::toString(encoded.takeError());
    scalar(parameter);
    out = array(std::vector<int16_t>(pieces.bytes / 2));
  }
  static SimulatorOptions options(uint64_t seed) {
    SimulatorOptions result;
    result.seed = seed;
    result.countFootprint = true;
    return result;
  }
  /// The element at the indices, innermost first.
  int16_t at(const std::vector<int> &indices) const {
    uint64_t offset = 2 * uint64_t(indices[0]);
    for (unsigned dim = 0; dim < map.rank; ++dim) {
      if (indices[dim] < 0 || uint64_t(indices[dim]) >= map.extents[dim])
        return 0;
      if (dim > 0)
        offset += map.strides[dim - 1] * uint64_t(indices[dim]);
    }
    return values[offset / 2];
  }

  TensorMap map;
  std::vector<int16_t> values;
  uint64_t out = 0;
};

/// Where element `n` of a box lies: 16-byte chunk c of 128-byte row r is where
/// chunk c ^ (r mod the row's chunks) is, within rows of the swizzle's bytes.
unsigned placeOf(unsigned n, unsigned swizzle) {
  unsigned byte = 2 * n, row = byte / 128, chunk = byte % 128 / 16;
  if (swizzle)
    chunk ^= row % (swizzle / 16);
  return (row * 128 + chunk * 16 + byte % 16) / 2;
}

Counts checkCopy(const TensorMap &map, std::vector<int> first,
                 uint64_t seed = 0) {
  Pieces pieces;
  pieces.first = first;
  pieces.bytes = pieces.expected = map.boxBytes();
  Tensor kernel(map, pieces, seed);
  Counts counts = kernel.run({1}, {32});
  auto found = kernel.read<int16_t>(kernel.out, pieces.bytes / 2);
  std::vector<int> indices = first;
  for (unsigned n = 0; n < found.size(); ++n) {
    unsigned rest = n;
    for (unsigned dim = 0; dim < map.rank; rest /= map.box[dim], ++dim)
      indices[dim] = first[dim] + int(rest % map.box[dim]);
    EXPECT_EQ(found[placeOf(n, map.swizzle)], kernel.at(indices))
        << "element " << n << " of the box, swizzle " << unsigned(map.swizzle);
    if (testing::Test::HasFailure())
      break;
  }
  return counts;
}
} // namespace

TEST(TensorCopyTest, copiesBoxesOfAllRanks) {
  checkCopy(makeMap({500}, {256}, 0), {17});
  checkCopy(makeMap({64, 40}, {64, 16}, 128), {0, 5});
  checkCopy(makeMap({64, 3, 20}, {64, 1, 16}, 128, 8), {0, 2, 1});
  checkCopy(makeMap({32, 4, 3, 5}, {32, 2, 1, 4}, 64), {0, 1, 2, 0});
  checkCopy(makeMap({16, 4, 3, 5, 2}, {16, 2, 2, 2, 2}, 32), {0, 1, 1, 2, 0});
}

TEST(TensorCopyTest, swizzlesAsTheInstructionSetSays) {
  for (unsigned swizzle : {0, 32, 64, 128})
    checkCopy(makeMap({64, 40}, {swizzle ? swizzle / 2 : 64, 32}, swizzle),
              {0, 3});
}

TEST(TensorCopyTest, fillsWithZerosOutsideOfTheTensor) {
  checkCopy(makeMap({64, 40}, {64, 16}, 128), {0, 30});
  checkCopy(makeMap({64, 40}, {64, 16}, 128), {0, -9});
  checkCopy(makeMap({40, 40}, {64, 16}, 128), {0, 30});
  checkCopy(makeMap({72, 3, 20}, {64, 1, 16}, 128), {64, 1, 10});
  checkCopy(makeMap({64, 3, 20}, {64, 1, 16}, 128), {-5, 3, 0});
}

TEST(TensorCopyTest, landsInAnyOrderOfWarps) {
  for (uint64_t seed : {1, 2, 3, 4})
    checkCopy(makeMap({64, 40}, {64, 16}, 128), {0, 5}, seed);
}

TEST(TensorCopyTest, countsWhatMemoryMoves) {
  // 10 rows of 80 bytes, 160 apart; the rest of the box is outside.
  Counts counts = checkCopy(makeMap({40, 40}, {64, 16}, 128, 40), {0, 30});
  EXPECT_EQ(counts.bulkCopies, 1u);
  EXPECT_EQ(counts.globalLoads.requests, 1u);
  EXPECT_EQ(counts.globalLoads.bytes, 800u);
  EXPECT_EQ(counts.globalLoads.units, 30u);
  EXPECT_EQ(counts.asyncSectors, 30u);
  EXPECT_EQ(counts.sharedStores.bytes, 2048u);
  EXPECT_EQ(counts.sharedStores.units, 16u);
  EXPECT_EQ(counts.blockSectors, 30u + 64u); // and the kernel's stores
}

TEST(TensorCopyTest, reportsMistakesOfKernels) {
  TensorMap map = makeMap({64, 40}, {64, 8}, 128);
  auto expect = [&](FaultKind kind, const std::string &text,
                    const std::function<void(Pieces &)> &change) {
    Pieces pieces;
    change(pieces);
    Tensor(map, pieces).expectFault(kind, text, {1}, {32});
  };
  expect(FaultKind::ReadBeforeWait, "asynchronous copy",
         [](Pieces &p) { p.wait = ""; });
  expect(FaultKind::Deadlock,
         "mbarrier at shared address 1024 waits for 0 arrivals and 512 bytes",
         [](Pieces &p) { p.expected = 1536; });
  expect(FaultKind::Deadlock, "256 bytes more than expected have arrived",
         [](Pieces &p) { p.expected = 768; });
  expect(FaultKind::OutOfBounds, "expected an mbarrier that waits for up to",
         [](Pieces &p) { p.expected = 1 << 20; });
  expect(FaultKind::Race, "initialised with no fence.proxy.async",
         [](Pieces &p) { p.fence = ""; });
  expect(FaultKind::Misaligned, "expected a multiple of 64",
         [](Pieces &p) { p.mapAlign = 8; });
  expect(FaultKind::BadLaunch, "expected a tensor map of 1 dimensions, got 2",
         [](Pieces &p) { p.first = {0}; });
  expect(FaultKind::Misaligned, "expected a multiple of 128", [](Pieces &p) {
    p.bytes = 2048;
    p.offset = 64;
  });
}

TEST(TensorCopyTest, reportsWhatIsNoMapOrNoMemory) {
  Tensor nothing(makeMap({64, 40}, {64, 8}, 128), {});
  std::fill(nothing.arguments[1].begin(), nothing.arguments[1].end(), 7);
  nothing.expectFault(FaultKind::Uninitialized,
                      "expected an encoded tensor map", {1}, {32});
  Pieces pieces;
  pieces.first = {0, 300};
  Tensor far(makeMap({64, 40}, {64, 8}, 128), pieces);
  far.map.extents[1] = 1000;
  auto bytes = llvm::cantFail(encodeTensorMap(far.map));
  std::copy(bytes.begin(), bytes.end(), far.arguments[1].begin());
  far.expectFault(FaultKind::OutOfBounds, "access of 128 bytes at global", {1},
                  {32});
}

TEST(TensorCopyTest, refusesMapsThatTheDriverRefuses) {
  auto expect = [](const std::string &text,
                   const std::function<void(TensorMap &)> &change) {
    TensorMap map = makeMap({64, 40}, {64, 8}, 128);
    map.address = 4096;
    change(map);
    auto bytes = encodeTensorMap(map);
    ASSERT_FALSE(bool(bytes)) << text;
    std::string message = llvm::toString(bytes.takeError());
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect("1 to 5 dimensions, got 6", [](TensorMap &m) { m.rank = 6; });
  expect("multiple of 16, got", [](TensorMap &m) { m.address += 8; });
  expect("1 to 2^32 elements in dimension 1, got 0",
         [](TensorMap &m) { m.extents[1] = 0; });
  expect("1 to 2^32 elements in dimension 0",
         [](TensorMap &m) { m.extents[0] = (uint64_t(1) << 32) + 1; });
  expect("stride of dimension 1 that is a multiple of 16 bytes below 2^40",
         [](TensorMap &m) { m.strides[0] = 136; });
  expect("stride of dimension 1",
         [](TensorMap &m) { m.strides[0] = uint64_t(1) << 40; });
  expect("box of 1 to 256 elements in dimension 1, got 257",
         [](TensorMap &m) { m.box[1] = 257; });
  expect("rows of the box of a multiple of 16 bytes, got 24",
         [](TensorMap &m) { m.box[0] = 12; });
  expect("up to 128 bytes, which are swizzled, got 256",
         [](TensorMap &m) { m.box[0] = 128; });
  expect("shorter than the swizzle of 128 bytes",
         [](TensorMap &m) { m.box[0] = 32; });
}
