//===- AtomicOps.cpp - atomic operations ----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes act one after the other, in an order that the seed decides.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"
#include "Numbers.h"

#include "llvm/IR/Instructions.h"

#include <cstring>

using namespace attn::sim;
using llvm::AtomicRMWInst;

static uint64_t combine(uint64_t op, uint64_t a, uint64_t b, unsigned bits) {
  int64_t x = signExtend(a, bits), y = signExtend(b, bits);
  switch (op) {
  case AtomicRMWInst::Xchg:
    return b;
  case AtomicRMWInst::Add:
    return a + b;
  case AtomicRMWInst::Sub:
    return a - b;
  case AtomicRMWInst::And:
    return a & b;
  case AtomicRMWInst::Nand:
    return ~(a & b);
  case AtomicRMWInst::Or:
    return a | b;
  case AtomicRMWInst::Xor:
    return a ^ b;
  case AtomicRMWInst::Max:
    return x > y ? a : b;
  case AtomicRMWInst::Min:
    return x < y ? a : b;
  case AtomicRMWInst::UMax:
    return std::max(a, b);
  case AtomicRMWInst::UMin:
    return std::min(a, b);
  case AtomicRMWInst::UIncWrap:
    return a >= b ? 0 : a + 1;
  case AtomicRMWInst::UDecWrap:
    return a == 0 || a > b ? b : a - 1;
  }
  return a;
}

template <Kind K>
static uint64_t combineReal(uint64_t op, uint64_t a, uint64_t b) {
  using R = Real<K>;
  auto x = R::load(a), y = R::load(b);
  switch (op) {
  case AtomicRMWInst::FAdd:
    return R::store(x + y);
  case AtomicRMWInst::FSub:
    return R::store(x - y);
  case AtomicRMWInst::FMax:
    return R::store(std::fmax(x, y));
  case AtomicRMWInst::FMin:
    return R::store(std::fmin(x, y));
  }
  return a;
}

static bool isReal(uint64_t op) {
  return op == AtomicRMWInst::FAdd || op == AtomicRMWInst::FSub ||
         op == AtomicRMWInst::FMax || op == AtomicRMWInst::FMin;
}

/// Calls `change(lane, host)` for every active lane at its checked place.
template <typename F> static Step forPlaces(Warp &w, const Inst &i, F change) {
  const Cell &address = w.operand(i.a);
  ++w.launch->counts.atomics;
  for (unsigned lane : w.launch->laneOrder()) {
    if (!(w.active >> lane & 1))
      continue;
    auto place =
        locate(w, i, lane, i.space, address.lane[lane], i.bits / 8, i.bits / 8);
    if (!place)
      return Step::Fault;
    if (place->space == Space::Shared)
      if (auto fault = w.block->shared.noteAtomic(accessor(w, lane),
                                                  place->address, i.bits / 8))
        return report(w, i, lane, std::move(*fault));
    change(lane, place->host);
  }
  return Step::Next;
}

Step attn::sim::atomic(Warp &w, const Inst &i) {
  const Cell &operand = w.operand(i.b);
  Cell &d = w.cells[i.dst];
  return forPlaces(w, i, [&](unsigned lane, uint8_t *host) {
    uint64_t old = 0, value = operand.lane[lane];
    std::memcpy(&old, host, i.bits / 8);
    uint64_t updated =
        isReal(i.imm) ? dispatchReal(Kind(i.flags),
                                     [&]<Kind K>() {
                                       return combineReal<K>(i.imm, old, value);
                                     })
                      : combine(i.imm, old, value, i.bits) & widthMask(i.bits);
    std::memcpy(host, &updated, i.bits / 8);
    d.lane[lane] = old;
  });
}

Step attn::sim::compareExchange(Warp &w, const Inst &i) {
  const Cell &expected = w.operand(i.b), &desired = w.operand(i.c);
  Cell &d = w.cells[i.dst], &success = w.cells[i.dst + 1];
  Step step = forPlaces(w, i, [&](unsigned lane, uint8_t *host) {
    uint64_t old = 0;
    std::memcpy(&old, host, i.bits / 8);
    bool equal = old == expected.lane[lane];
    if (equal)
      std::memcpy(host, &desired.lane[lane], i.bits / 8);
    d.lane[lane] = old;
    if (i.count > 1) // an intrinsic has the old value only
      success.lane[lane] = equal;
  });
  // Lanes that spin must let others release what they wait for.
  return step == Step::Next ? Step::Yield : step;
}
