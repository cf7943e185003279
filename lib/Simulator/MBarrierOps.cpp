//===- MBarrierOps.cpp - mbarriers and bulk copies ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "mbarrier" and "cp.async.bulk". A phase is over when all
// arrivals and all expected bytes have come; copies land when somebody looks at
// their mbarrier, so that whoever does not look reads poison.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

MBarrier *attn::sim::findBarrier(Warp &w, const Inst &i, unsigned lane,
                                 uint8_t space, uint64_t address) {
  auto place = locate(w, i, lane, space, address, 8, 8);
  if (!place)
    return nullptr;
  auto it = w.block->mbarriers.find(place->address);
  if (place->space != Space::Shared || it == w.block->mbarriers.end()) {
    w.fail(i, FaultKind::Uninitialized, lane,
           llvm::formatv("no mbarrier was initialised at shared address {0}",
                         place->address));
    return nullptr;
  }
  if (auto fault =
          w.block->shared.noteAtomic(accessor(w, lane), place->address, 8)) {
    report(w, i, lane, std::move(*fault));
    return nullptr;
  }
  return &it->second;
}

static void completeIfDone(Block &block, MBarrier &barrier) {
  block.failedWaits = 0;
  if (barrier.pending > 0 || barrier.bytes != 0)
    return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  merge(barrier.completed, barrier.clock);
}

static Step takeArrivals(Warp &w, const Inst &i, unsigned lane,
                         MBarrier &barrier, int64_t count) {
  if (count < 1 || count > barrier.pending)
    return w.fail(i, FaultKind::Deadlock, lane,
                  llvm::formatv("{0} arrivals at an mbarrier that waits for "
                                "{1}",
                                count, barrier.pending));
  merge(barrier.clock, w.clock);
  barrier.pending -= count;
  completeIfDone(*w.block, barrier);
  return Step::Next;
}

/// Lets the copies of a barrier land.
static void land(Block &block, MBarrier &barrier) {
  std::vector<Deferred> deferred = std::move(barrier.deferred);
  barrier.deferred.clear();
  for (Deferred &one : deferred) {
    Clock clock(block.warps.size() + 1, 0);
    clock.back() = block.engineClock++;
    Accessor engine{block.engineThread(), &clock, 0};
    block.shared.endCopy(engine, one.shared, one.data.data(), one.data.size(),
                         /*byProxy=*/one.counted);
    merge(barrier.clock, clock);
    if (one.counted)
      barrier.bytes -= int64_t(one.data.size());
    barrier.pending -= one.arrivals;
    completeIfDone(block, barrier);
  }
}

Step attn::sim::initBarrier(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t count = w.operand(i.b).lane[lane];
    auto place = locate(w, i, lane, i.space, w.operand(i.a).lane[lane], 8, 8);
    if (!place)
      return Step::Fault;
    if (place->space != Space::Shared || count < 1 || count >= 1 << 20)
      return w.fail(i, FaultKind::OutOfBounds, lane,
                    llvm::formatv("expected an mbarrier in shared memory for "
                                  "1 to 1048575 arrivals, got {0}",
                                  count));
    if (auto fault = w.block->shared.noteWrite(accessor(w, lane),
                                               place->address, nullptr, 8))
      return report(w, i, lane, std::move(*fault));
    MBarrier &barrier = w.block->mbarriers[place->address];
    barrier = MBarrier();
    barrier.expected = barrier.pending = int64_t(count);
    barrier.initWarp = w.index;
    barrier.initClock = w.clock[w.index];
  }
  return Step::Next;
}

Step attn::sim::fenceInit(Warp &w, const Inst &) {
  for (auto &[address, barrier] : w.block->mbarriers)
    barrier.isInitFenced |= barrier.initWarp == w.index;
  return Step::Next;
}

Step attn::sim::endBarrier(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t address = w.operand(i.a).lane[lane];
    if (!findBarrier(w, i, lane, i.space, address))
      return Step::Fault;
    spaceOf(i.space, address);
    w.block->mbarriers.erase(address);
  }
  return Step::Next;
}

Step attn::sim::arrive(Warp &w, const Inst &i) {
  ++w.launch->counts.barriers;
  auto kind = Arrival(i.imm);
  for (unsigned lane : w.launch->laneOrder()) {
    if (!(w.active >> lane & 1))
      continue;
    MBarrier *barrier =
        findBarrier(w, i, lane, i.space, w.operand(i.a).lane[lane]);
    if (!barrier)
      return Step::Fault;
    int64_t number =
        kind == Arrival::One ? 1 : int64_t(w.operand(i.b).lane[lane]);
    if (i.flags) // a state is asked for: the phase that is waited for
      w.cells[i.dst].lane[lane] = barrier->phase;
    if (kind == Arrival::ExpectBytes || kind == Arrival::OnlyExpectBytes)
      barrier->bytes += number;
    constexpr int64_t kMostBytes = (1 << 20) - 1;
    if (barrier->bytes > kMostBytes)
      return w.fail(i, FaultKind::OutOfBounds, lane,
                    llvm::formatv("expected an mbarrier that waits for up to "
                                  "{0} bytes, got {1}",
                                  kMostBytes, barrier->bytes));
    if (kind == Arrival::Complete) {
      barrier->bytes -= number;
      completeIfDone(*w.block, *barrier);
    }
    if (kind == Arrival::OnlyExpectBytes || kind == Arrival::Complete)
      continue;
    Step step =
        takeArrivals(w, i, lane, *barrier, kind == Arrival::Count ? number : 1);
    if (step != Step::Next)
      return step;
  }
  ++w.clock[w.index];
  return Step::Next;
}

static std::string describeWait(uint64_t address, uint8_t space,
                                const MBarrier &barrier) {
  spaceOf(space, address);
  std::string text = llvm::formatv(
      "the mbarrier at shared address {0} waits for {1} arrivals and {2} "
      "bytes, and nothing arrives",
      address, barrier.pending, std::max<int64_t>(barrier.bytes, 0));
  if (barrier.bytes < 0)
    text += llvm::formatv("; {0} bytes more than expected have arrived",
                          -barrier.bytes);
  return text;
}

/// Whether the phase of a lane is over; nothing after a fault.
static std::optional<bool> isOver(Warp &w, const Inst &i, unsigned lane) {
  MBarrier *barrier =
      findBarrier(w, i, lane, i.space, w.operand(i.a).lane[lane]);
  if (!barrier)
    return std::nullopt;
  bool late = w.launch->options->seed && w.launch->random() % 4 == 0;
  if (!late)
    land(*w.block, *barrier);
  uint64_t asked = w.operand(i.b).lane[lane];
  bool over =
      i.imm ? (barrier->phase & 1) != (asked & 1) : barrier->phase != asked;
  if (over) {
    merge(w.clock, barrier->completed);
    return true;
  }
  constexpr uint32_t kPatience = 1 << 16;
  if (++w.block->failedWaits > kPatience) {
    w.fail(i, FaultKind::Deadlock, lane,
           describeWait(w.operand(i.a).lane[lane], i.space, *barrier));
    return std::nullopt;
  }
  return false;
}

Step attn::sim::testBarrier(Warp &w, const Inst &i) {
  ++w.launch->counts.barriers;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    auto over = isOver(w, i, lane);
    if (!over)
      return Step::Fault;
    w.cells[i.dst].lane[lane] = *over;
  }
  return Step::Yield;
}

Step attn::sim::awaitBarrier(Warp &w, const Inst &i) {
  ++w.launch->counts.barriers;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    auto over = isOver(w, i, unsigned(std::countr_zero(rest)));
    if (!over)
      return Step::Fault;
    if (!*over) {
      --w.pc; // once more, after the others
      return Step::Yield;
    }
  }
  return Step::Next;
}

Step attn::sim::arriveAfterCopies(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    MBarrier *barrier =
        findBarrier(w, i, lane, i.space, w.operand(i.a).lane[lane]);
    if (!barrier)
      return Step::Fault;
    if (!i.flags)
      ++barrier->pending;
    merge(barrier->clock, w.clock);
    for (PendingCopy &copy : w.async[lane].pending)
      barrier->deferred.push_back(
          {copy.shared,
           {copy.data.begin(), copy.data.begin() + copy.bytes},
           0,
           false});
    w.async[lane].pending.clear();
    barrier->deferred.push_back({0, {}, 1, false});
  }
  ++w.clock[w.index];
  return Step::Next;
}

Step attn::sim::copyBulkIn(Warp &w, const Inst &i) {
  Counts &counts = w.launch->counts;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t bytes = w.operand(i.extra).lane[lane];
    auto to = locate(w, i, lane, i.space, w.operand(i.a).lane[lane], bytes, 16);
    if (!to)
      return Step::Fault;
    MBarrier *barrier = findBarrier(w, i, lane, 3, w.operand(i.b).lane[lane]);
    if (!barrier)
      return Step::Fault;
    auto from = locate(w, i, lane, 1, w.operand(i.c).lane[lane], bytes, 16);
    if (!from)
      return Step::Fault;
    if (bytes % 16)
      return w.fail(i, FaultKind::Misaligned, lane,
                    llvm::formatv("bulk copy of {0} bytes, expected a multiple "
                                  "of 16",
                                  bytes));
    if (auto fault =
            w.block->shared.beginCopy(accessor(w, lane), to->address, bytes))
      return report(w, i, lane, std::move(*fault));
    barrier->deferred.push_back(
        {to->address, {from->host, from->host + bytes}, 0, true});
    ++counts.bulkCopies;
    counts.globalLoads += {1, bytes, (bytes + 31) / 32, (bytes + 31) / 32};
    counts.asyncSectors += (bytes + 31) / 32;
    w.launch->footprint.add(from->address, bytes, /*isStore=*/false);
    counts.sharedStores += {1, bytes, (bytes + 127) / 128, (bytes + 127) / 128};
  }
  return Step::Next;
}

Step attn::sim::copyBulkOut(Warp &w, const Inst &i) {
  Counts &counts = w.launch->counts;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t bytes = w.operand(i.c).lane[lane];
    auto to = locate(w, i, lane, 1, w.operand(i.a).lane[lane], bytes, 16);
    if (!to)
      return Step::Fault;
    auto from = locate(w, i, lane, 3, w.operand(i.b).lane[lane], bytes, 16);
    if (!from)
      return Step::Fault;
    if (auto fault =
            w.block->shared.noteRead(accessor(w, lane), from->address, bytes))
      return report(w, i, lane, std::move(*fault));
    std::memcpy(to->host, from->host, bytes);
    ++counts.bulkCopies;
    counts.globalStores += {1, bytes, (bytes + 31) / 32, (bytes + 31) / 32};
    w.launch->footprint.add(to->address, bytes, /*isStore=*/true);
    counts.sharedLoads += {1, bytes, (bytes + 127) / 128, (bytes + 127) / 128};
  }
  return Step::Next;
}
