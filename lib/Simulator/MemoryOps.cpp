//===- MemoryOps.cpp - loads and stores -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Addresses are resolved and checked lane by lane; traffic is counted for the
// warp, in the pieces that the promised alignment lets the hardware move.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include "Handlers.h"
#include "Numbers.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

enum AddressSpace : uint8_t {
  Generic = 0,
  Global = 1,
  Shared = 3,
  Constant = 4,
  Local = 5,
  SharedCluster = 7,
  Parameter = 101
};

Space attn::sim::spaceOf(uint8_t space, uint64_t &address) {
  switch (space) {
  case Shared:
  case SharedCluster:
    return Space::Shared;
  case Local:
    return Space::Local;
  case Generic:
    if (address - kSharedWindow < kWindowBytes) {
      address -= kSharedWindow;
      return Space::Shared;
    }
    if (address - kLocalWindow < kWindowBytes) {
      address -= kLocalWindow;
      return Space::Local;
    }
    return Space::Global;
  default:
    return Space::Global;
  }
}

/// Says where an address that belongs to nothing points.
static std::string describe(Warp &w, Place place, uint64_t bytes) {
  switch (place.space) {
  case Space::Shared:
    return llvm::formatv("access of {0} bytes at shared address {1} of {2}",
                         bytes, place.address, w.block->shared.size());
  case Space::Local:
    return llvm::formatv("access of {0} bytes at local address {1} of {2}",
                         bytes, place.address, w.local[0].size());
  case Space::Global:
    break;
  }
  if (place.address < 4096)
    return llvm::formatv("access of {0} bytes at null + {1}", bytes,
                         place.address);
  return llvm::formatv("access of {0} bytes at global {1}", bytes,
                       w.launch->memory->describe(place.address));
}

std::optional<Place> attn::sim::locate(Warp &w, const Inst &inst, unsigned lane,
                                       uint8_t space, uint64_t address,
                                       uint64_t bytes, uint64_t alignment) {
  Place place;
  place.address = address;
  place.space = spaceOf(space, place.address);
  switch (place.space) {
  case Space::Shared:
    if (w.block->shared.contains(place.address, bytes))
      place.host = w.block->shared.data(place.address);
    break;
  case Space::Local: {
    std::vector<uint8_t> &local = w.local[lane];
    if (place.address <= local.size() && bytes <= local.size() - place.address)
      place.host = local.data() + place.address;
    break;
  }
  case Space::Global:
    place.host = w.launch->memory->find(address, bytes);
    if (!place.host)
      place.host = w.launch->variables->find(address, bytes);
    break;
  }
  if (place.host && place.address % alignment == 0)
    return place;
  if (place.host)
    w.fail(inst, FaultKind::Misaligned, lane,
           llvm::formatv("access of {0} bytes at address {1:x}, expected a "
                         "multiple of {2}",
                         bytes, place.address, alignment));
  else
    w.fail(inst, FaultKind::OutOfBounds, lane, describe(w, place, bytes));
  return std::nullopt;
}

Step attn::sim::report(Warp &w, const Inst &inst, unsigned lane,
                       SharedFault fault) {
  return w.fail(inst, fault.kind, lane, std::move(fault.text));
}

Accessor attn::sim::accessor(const Warp &w, unsigned lane) {
  return {w.thread(lane), &w.clock, uint32_t(w.launch->steps)};
}

/// Pieces of at most 16 bytes that `total` bytes of `alignment` move in.
static uint64_t pieceBytes(uint64_t total, uint64_t alignment) {
  uint64_t piece = std::min<uint64_t>(16, std::bit_floor(total));
  return std::max<uint64_t>(1, std::min(piece, alignment));
}

void attn::sim::countAccess(Warp &w, const Traffic &traffic, uint64_t total,
                            uint64_t alignment, bool isStore) {
  Counts &counts = w.launch->counts;
  if (w.launch->options->countFootprint)
    for (Mask rest = traffic.global; rest; rest &= rest - 1)
      w.launch->footprint.add(traffic.address[std::countr_zero(rest)], total,
                              isStore);
  uint64_t piece = pieceBytes(total, alignment);
  for (uint64_t offset = 0; offset < total; offset += piece) {
    uint64_t width = std::min(piece, total - offset);
    if (traffic.shared)
      countShared(isStore ? counts.sharedStores : counts.sharedLoads,
                  traffic.address, traffic.shared, offset, width);
    if (traffic.global)
      countGlobal(isStore ? counts.globalStores : counts.globalLoads,
                  traffic.address, traffic.global, offset, width);
    if (traffic.local)
      ++(isStore ? counts.localStores : counts.localLoads);
  }
}

static uint64_t totalBytes(const Field *fields, unsigned count) {
  return count ? fields[count - 1].offset + fields[count - 1].bytes : 0;
}

void Traffic::add(unsigned lane, const Place &place) {
  address[lane] = place.address;
  Mask bit = Mask(1) << lane;
  (place.space == Space::Shared   ? shared
   : place.space == Space::Global ? global
                                  : local) |= bit;
}

/// Notes reads of fields; padding between them is nobody's.
static SharedMemory::Result noteFields(Warp &w, unsigned lane, uint64_t address,
                                       const Field *fields, unsigned count) {
  Accessor who = accessor(w, lane);
  for (unsigned k = 0; k < count;) {
    uint64_t from = fields[k].offset, end = from;
    for (; k < count && fields[k].offset == end; ++k)
      end += fields[k].bytes;
    if (auto fault = w.block->shared.noteRead(who, address + from, end - from))
      return fault;
  }
  return std::nullopt;
}

Step attn::sim::load(Warp &w, const Inst &i) {
  const Field *fields = w.frame->function->fields.data() + i.extra;
  uint64_t total = totalBytes(fields, i.count);
  const Cell &address = w.operand(i.a);
  Traffic traffic;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    auto place = locate(w, i, lane, i.space, address.lane[lane], total, i.from);
    if (!place)
      return Step::Fault;
    if (place->space == Space::Shared)
      if (auto fault = noteFields(w, lane, place->address, fields, i.count))
        return report(w, i, lane, std::move(*fault));
    for (unsigned k = 0; k < i.count; ++k) {
      uint64_t value = 0;
      std::memcpy(&value, place->host + fields[k].offset, fields[k].bytes);
      w.cells[i.dst + k].lane[lane] = value;
    }
    traffic.add(lane, *place);
  }
  countAccess(w, traffic, total, i.from, /*isStore=*/false);
  return Step::Next;
}

Step attn::sim::store(Warp &w, const Inst &i) {
  const Field *fields = w.frame->function->fields.data() + i.extra;
  uint64_t total = totalBytes(fields, i.count);
  const Cell &address = w.operand(i.a);
  Traffic traffic;
  for (unsigned lane : w.launch->laneOrder()) {
    if (!(w.active >> lane & 1))
      continue;
    if (i.space == Constant)
      return w.fail(i, FaultKind::OutOfBounds, lane,
                    "store to constant memory");
    auto place = locate(w, i, lane, i.space, address.lane[lane], total, i.from);
    if (!place)
      return Step::Fault;
    for (unsigned k = 0; k < i.count; ++k) {
      uint64_t value = w.operand(i.b + k).lane[lane];
      const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
      if (place->space == Space::Shared)
        if (auto fault = w.block->shared.noteWrite(
                accessor(w, lane), place->address + fields[k].offset, bytes,
                fields[k].bytes))
          return report(w, i, lane, std::move(*fault));
      std::memcpy(place->host + fields[k].offset, bytes, fields[k].bytes);
    }
    traffic.add(lane, *place);
  }
  countAccess(w, traffic, total, i.from, /*isStore=*/true);
  return Step::Next;
}

Step attn::sim::localAddress(Warp &w, const Inst &i) {
  uint64_t base = w.frame->localBase + i.imm + (i.flags ? kLocalWindow : 0);
  Cell &d = w.cells[i.dst];
  forLanes(w.active, [&](unsigned l) { d.lane[l] = base; });
  return Step::Next;
}

Step attn::sim::windowShift(Warp &w, const Inst &i) {
  const Cell &a = w.operand(i.a);
  Cell &d = w.cells[i.dst];
  forLanes(w.active, [&](unsigned l) { d.lane[l] = a.lane[l] + i.imm; });
  return Step::Next;
}

Step attn::sim::isSpace(Warp &w, const Inst &i) {
  const Cell &a = w.operand(i.a);
  Cell &d = w.cells[i.dst];
  Space wanted = i.space == Shared  ? Space::Shared
                 : i.space == Local ? Space::Local
                                    : Space::Global;
  forLanes(w.active, [&](unsigned l) {
    uint64_t address = a.lane[l];
    d.lane[l] = spaceOf(Generic, address) == wanted;
  });
  return Step::Next;
}

Step attn::sim::copyMemory(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t bytes = w.operand(i.c).lane[lane];
    if (!bytes)
      continue;
    auto from =
        locate(w, i, lane, uint8_t(i.imm), w.operand(i.b).lane[lane], bytes, 1);
    if (!from)
      return Step::Fault;
    auto to = locate(w, i, lane, i.space, w.operand(i.a).lane[lane], bytes, 1);
    if (!to)
      return Step::Fault;
    SharedMemory &shared = w.block->shared;
    if (from->space == Space::Shared)
      if (auto fault = shared.noteRead(accessor(w, lane), from->address, bytes))
        return report(w, i, lane, std::move(*fault));
    if (to->space == Space::Shared)
      if (auto fault =
              shared.noteWrite(accessor(w, lane), to->address, nullptr, bytes))
        return report(w, i, lane, std::move(*fault));
    std::memmove(to->host, from->host, bytes);
  }
  return Step::Next;
}

Step attn::sim::fillMemory(Warp &w, const Inst &i) {
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    uint64_t bytes = w.operand(i.c).lane[lane];
    if (!bytes)
      continue;
    auto to = locate(w, i, lane, i.space, w.operand(i.a).lane[lane], bytes, 1);
    if (!to)
      return Step::Fault;
    if (to->space == Space::Shared)
      if (auto fault = w.block->shared.noteWrite(accessor(w, lane), to->address,
                                                 nullptr, bytes))
        return report(w, i, lane, std::move(*fault));
    std::memset(to->host, int(w.operand(i.b).lane[lane] & 0xff), bytes);
  }
  return Step::Next;
}
