//===- Collectives.cpp - shuffles, votes and barriers ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "Parallel Synchronization and Communication Instructions":
// shfl.sync, vote.sync, match.sync, redux.sync, elect.sync, bar.warp.sync and
// barrier.cta. A lane that is named but not there is an error.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Numbers.h"

#include "llvm/Support/FormatVariadic.h"

using namespace attn::sim;

/// Every active lane names itself, only active lanes, and the same lanes as
/// each of those does.
static Step checkMembers(Warp &w, const Inst &i, const Cell &mask) {
  Step step = Step::Next;
  forLanes(w.active, [&](unsigned l) {
    Mask members = Mask(mask.lane[l]);
    if (step != Step::Next)
      return;
    if (!(members >> l & 1) || (members & ~w.active)) {
      step = w.fail(i, FaultKind::Divergence, l,
                    llvm::formatv("member mask {0:x8}, but lanes {1:x8} are "
                                  "here",
                                  members, w.active));
      return;
    }
    forLanes(members, [&](unsigned other) {
      if (step == Step::Next && Mask(mask.lane[other]) != members)
        step = w.fail(i, FaultKind::Divergence, l,
                      llvm::formatv("member mask {0:x8}, but lane {1} names "
                                    "{2:x8}",
                                    members, other, Mask(mask.lane[other])));
    });
  });
  return step;
}

Step attn::sim::shuffle(Warp &w, const Inst &i) {
  const Cell &mask = w.operand(i.a), &value = w.operand(i.a + 1),
             &offset = w.operand(i.a + 2), &clamp = w.operand(i.a + 3);
  if (Step step = checkMembers(w, i, mask); step != Step::Next)
    return step;
  ++w.launch->counts.shuffles;
  Cell &d = w.cells[i.dst];
  Cell *predicate = i.flags ? &w.cells[i.dst + 1] : nullptr;
  Step result = Step::Next;
  forLanes(w.active, [&](unsigned l) {
    int lane = int(l), b = int(offset.lane[l] & 31),
        c = int(clamp.lane[l] & 31), segment = int(clamp.lane[l] >> 8 & 31);
    int low = lane & segment, high = low | (c & ~segment);
    int from = lane;
    bool inside = true;
    switch (Shuffle(i.imm)) {
    case Shuffle::Up:
      from = lane - b;
      inside = from >= high;
      break;
    case Shuffle::Down:
      from = lane + b;
      inside = from <= high;
      break;
    case Shuffle::Butterfly:
      from = lane ^ b;
      inside = from <= high;
      break;
    case Shuffle::Index:
      from = low | (b & ~segment);
      inside = from <= high;
      break;
    }
    if (!inside)
      from = lane;
    if (result == Step::Next && !(Mask(mask.lane[l]) >> from & 1))
      result = w.fail(i, FaultKind::Divergence, l,
                      llvm::formatv("reads lane {0}, which the mask {1:x8} "
                                    "does not name",
                                    from, Mask(mask.lane[l])));
    d.lane[l] = value.lane[from];
    if (predicate)
      predicate->lane[l] = inside;
  });
  return result;
}

static uint64_t reduce(Vote op, const Cell &value, Mask members) {
  uint64_t result = value.lane[std::countr_zero(members)];
  for (Mask rest = members & (members - 1); rest; rest &= rest - 1) {
    uint64_t b = value.lane[std::countr_zero(rest)];
    bool less = signExtend(b, 32) < signExtend(result, 32);
    switch (op) {
    case Vote::Add:
      result = uint32_t(result + b);
      break;
    case Vote::Min:
      result = less ? b : result;
      break;
    case Vote::Max:
      result = less ? result : b;
      break;
    case Vote::UMin:
      result = std::min(result, b);
      break;
    case Vote::UMax:
      result = std::max(result, b);
      break;
    case Vote::And:
      result &= b;
      break;
    case Vote::Or:
      result |= b;
      break;
    default:
      result ^= b;
      break;
    }
  }
  return result;
}

/// The lanes of `members` whose value is `wanted`.
static Mask equalLanes(const Cell &value, Mask members, uint64_t wanted) {
  Mask equal = 0;
  forLanes(members,
           [&](unsigned l) { equal |= Mask(value.lane[l] == wanted) << l; });
  return equal;
}

Step attn::sim::vote(Warp &w, const Inst &i) {
  const Cell &mask = w.operand(i.a);
  if (Step step = checkMembers(w, i, mask); step != Step::Next)
    return step;
  ++w.launch->counts.votes;
  Vote op = Vote(i.imm);
  // elect.sync has no value
  const Cell &value = op == Vote::Elect ? mask : w.operand(i.a + 1);
  Cell &d = w.cells[i.dst];
  bool second = op == Vote::MatchAll || op == Vote::Elect;
  Cell *extra = second ? &w.cells[i.dst + 1] : nullptr;
  forLanes(w.active, [&](unsigned l) {
    Mask members = Mask(mask.lane[l]);
    Mask ones = op <= Vote::Ballot ? equalLanes(value, members, 1) : 0;
    switch (op) {
    case Vote::All:
      d.lane[l] = ones == members;
      break;
    case Vote::Any:
      d.lane[l] = ones != 0;
      break;
    case Vote::Uniform:
      d.lane[l] = ones == members || !ones;
      break;
    case Vote::Ballot:
      d.lane[l] = ones;
      break;
    case Vote::MatchAny:
      d.lane[l] = equalLanes(value, members, value.lane[l]);
      break;
    case Vote::MatchAll:
      extra->lane[l] = equalLanes(value, members, value.lane[l]) == members;
      d.lane[l] = extra->lane[l] ? members : 0;
      break;
    case Vote::Elect:
      d.lane[l] = unsigned(std::countr_zero(members));
      extra->lane[l] = d.lane[l] == l;
      break;
    default:
      d.lane[l] = reduce(op, value, members);
      break;
    }
  });
  return Step::Next;
}

Step attn::sim::warpBarrier(Warp &w, const Inst &i) {
  if (Step step = checkMembers(w, i, w.operand(i.a)); step != Step::Next)
    return step;
  ++w.launch->counts.warpBarriers;
  ++w.clock[w.index];
  return Step::Next;
}

/// Threads that `i` makes its barrier wait for; 0: all of the block.
static uint32_t expectedThreads(const Warp &w, const Inst &i) {
  return i.flags & kCounted ? uint32_t(w.operand(i.a + 1).lane[w.firstLane()])
                            : 0;
}

static uint32_t aliveThreads(const Block &block) {
  uint32_t count = 0;
  for (const Warp &warp : block.warps)
    count += uint32_t(std::popcount(warp.alive));
  return count;
}

static Step checkBarrier(Warp &w, const Inst &i, const NamedBarrier &barrier,
                         uint64_t id, uint32_t expected) {
  unsigned lane = w.firstLane();
  if (w.active != w.alive)
    return w.fail(i, FaultKind::Divergence, lane,
                  llvm::formatv("barrier with lanes {0:x8} of {1:x8}", w.active,
                                w.alive));
  if (id >= 16)
    return w.fail(i, FaultKind::OutOfBounds, lane,
                  llvm::formatv("expected a barrier below 16, got {0}", id));
  if (i.flags & kCounted && (expected == 0 || expected % kLanes))
    return w.fail(i, FaultKind::Deadlock, lane,
                  llvm::formatv("expected a barrier for a multiple of 32 "
                                "threads, got {0}",
                                expected));
  if (barrier.arrived && barrier.expected != expected)
    return w.fail(i, FaultKind::Deadlock, lane,
                  llvm::formatv("barrier {0} for {1} threads is under way for "
                                "{2}",
                                id, expected, barrier.expected));
  return Step::Next;
}

Step attn::sim::barrier(Warp &w, const Inst &i) {
  uint64_t id = w.operand(i.a).lane[w.firstLane()];
  uint32_t expected = expectedThreads(w, i);
  NamedBarrier &barrier = w.block->barriers[id & 15];
  if (Step step = checkBarrier(w, i, barrier, id, expected); step != Step::Next)
    return step;
  ++w.launch->counts.barriers;
  barrier.expected = expected;
  // Whole warps arrive at a counted barrier, as on hardware.
  barrier.arrived += expected ? kLanes : uint32_t(std::popcount(w.active));
  merge(barrier.clock, w.clock);
  if (i.flags & kArriveOnly)
    ++w.clock[w.index];
  else {
    w.state = Warp::Waiting;
    w.waitingFor = uint32_t(id);
  }
  if (barrier.arrived >= (expected ? expected : aliveThreads(*w.block)))
    w.block->release(unsigned(id));
  return w.state == Warp::Waiting ? Step::Wait : Step::Yield;
}
