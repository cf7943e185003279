//===- TensorCopyOps.cpp - bulk copies of tensors' boxes ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "cp.async.bulk.tensor" in tile mode: a box lands in shared
// memory row by row without gaps, chunks permuted by the map's swizzle, zeros
// where it is outside of the tensor. All its bytes count for the mbarrier.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"

#include "attn/Simulator/TensorMap.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

/// The map that a lane names, or nothing after reporting why not.
static std::optional<TensorMap> findMap(Warp &w, const Inst &i, unsigned lane,
                                        uint8_t space, uint64_t address) {
  constexpr uint64_t kBytes = sizeof(TensorMapBytes), kAlignment = 64;
  auto place = locate(w, i, lane, space, address, kBytes, kAlignment);
  if (!place)
    return std::nullopt;
  std::optional<TensorMap> map;
  if (place->space == Space::Global)
    map = decodeTensorMap(place->host);
  if (!map)
    w.fail(
        i, FaultKind::Uninitialized, lane,
        llvm::formatv("expected an encoded tensor map in a __grid_constant__ "
                      "parameter, constant or global memory at {0:x}",
                      address));
  return map;
}

namespace {
/// One copy of one lane.
class BoxReader {
public:
  BoxReader(Warp &w, const Inst &i, unsigned lane, const TensorMap &map)
      : w(w), i(i), lane(lane), map(map) {
    for (unsigned dim = 0; dim < map.rank; ++dim)
      first[dim] = int32_t(w.operand(i.c + dim).lane[lane]);
  }

  /// The box as it stands in shared memory from `base` on.
  bool read(uint64_t base, std::vector<uint8_t> &bytes) {
    bytes.assign(map.boxBytes(), 0);
    uint64_t rowBytes = uint64_t(map.box[0]) * map.elementBytes;
    std::array<uint32_t, TensorMap::kMostDims> at{};
    for (uint64_t done = 0; done < bytes.size(); done += rowBytes) {
      if (!readRow(at, base, done, bytes))
        return false;
      for (unsigned dim = 1; dim < map.rank && ++at[dim] == map.box[dim]; ++dim)
        at[dim] = 0;
    }
    return true;
  }

private:
  /// One row of the innermost dimension; counts its traffic.
  bool readRow(const std::array<uint32_t, TensorMap::kMostDims> &at,
               uint64_t base, uint64_t done, std::vector<uint8_t> &bytes) {
    uint64_t address = map.address;
    for (unsigned dim = 1; dim < map.rank; ++dim) {
      int64_t index = first[dim] + int64_t(at[dim]);
      if (index < 0 || uint64_t(index) >= map.extents[dim])
        return true;
      address += uint64_t(index) * map.strides[dim - 1];
    }
    int64_t from = std::max<int64_t>(first[0], 0),
            to = std::min<int64_t>(first[0] + int64_t(map.box[0]),
                                   int64_t(map.extents[0]));
    if (from >= to)
      return true;
    uint64_t count = uint64_t(to - from) * map.elementBytes;
    address += uint64_t(from) * map.elementBytes;
    auto source = locate(w, i, lane, /*space=*/1, address, count, 1);
    if (!source)
      return false;
    done += uint64_t(from - first[0]) * map.elementBytes;
    for (uint64_t k = 0; k < count; ++k)
      bytes[map.place(base, done + k) - base] = source->host[k];
    uint64_t sectors = (address + count - 1) / 32 - address / 32 + 1;
    w.launch->counts.globalLoads += {0, count, sectors, (count + 31) / 32};
    w.launch->counts.asyncSectors += sectors;
    w.launch->footprint.add(address, count, /*isStore=*/false);
    return true;
  }

  Warp &w;
  const Inst &i;
  unsigned lane;
  const TensorMap &map;
  int64_t first[TensorMap::kMostDims];
};
} // namespace

/// What the asynchronous proxy must know of an mbarrier before it is given one.
static bool isInitVisible(const Warp &w, const MBarrier &barrier) {
  return barrier.isInitFenced ||
         w.clock[w.clock.size() / 2 + barrier.initWarp] >= barrier.initClock;
}

static Step copyBox(Warp &w, const Inst &i, unsigned lane) {
  constexpr uint64_t kSharedAlignment = 128;
  Counts &counts = w.launch->counts;
  auto map = findMap(w, i, lane, /*space=*/0, w.operand(i.extra).lane[lane]);
  if (!map)
    return Step::Fault;
  if (map->rank != i.imm)
    return w.fail(i, FaultKind::BadLaunch, lane,
                  llvm::formatv("expected a tensor map of {0} dimensions, got "
                                "{1}",
                                i.imm, unsigned(map->rank)));
  uint64_t bytes = map->boxBytes();
  auto to = locate(w, i, lane, i.space, w.operand(i.a).lane[lane], bytes,
                   kSharedAlignment);
  if (!to)
    return Step::Fault;
  MBarrier *barrier = findBarrier(w, i, lane, 3, w.operand(i.b).lane[lane]);
  if (!barrier)
    return Step::Fault;
  if (w.launch->options->checkRaces && !isInitVisible(w, *barrier))
    return w.fail(i, FaultKind::Race, lane,
                  "tensor copy to an mbarrier that was initialised with no "
                  "fence.proxy.async or fence.mbarrier_init since");
  Deferred copy{to->address, {}, 0, true};
  if (!BoxReader(w, i, lane, *map).read(to->address, copy.data))
    return Step::Fault;
  Accessor who = accessor(w, lane);
  who.byProxy = true;
  if (auto fault = w.block->shared.beginCopy(who, to->address, bytes))
    return report(w, i, lane, std::move(*fault));
  barrier->deferred.push_back(std::move(copy));
  ++counts.bulkCopies;
  ++counts.globalLoads.requests;
  counts.sharedStores += {1, bytes, (bytes + 127) / 128, (bytes + 127) / 128};
  return Step::Next;
}

Step attn::sim::copyTensorIn(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1)
    if (copyBox(w, i, unsigned(std::countr_zero(rest))) != Step::Next)
      return Step::Fault;
  return Step::Next;
}

Step attn::sim::prefetchMap(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    if (!findMap(w, i, lane, i.space, w.operand(i.a).lane[lane]))
      return Step::Fault;
  }
  return Step::Next;
}
