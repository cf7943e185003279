//===- AsyncOps.cpp - cp.async --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "Data Movement and Conversion Instructions": cp.async,
// cp.async.commit_group, cp.async.wait_group, cp.async.wait_all. A copy poisons
// its target with 0xff bytes until the lane that issued it has waited.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

/// Reads the source, zero-filled past what is asked for, into `data`.
static Step readSource(Warp &w, const Inst &i, unsigned lane, uint64_t bytes,
                       std::array<uint8_t, 16> &data, Traffic &traffic) {
  data.fill(0);
  if (!bytes)
    return Step::Next;
  auto from = locate(w, i, lane, /*space=*/1, w.operand(i.b).lane[lane], bytes,
                     /*alignment=*/1);
  if (!from)
    return Step::Fault;
  if (from->address % i.imm)
    return w.fail(i, FaultKind::Misaligned, lane,
                  llvm::formatv("cp.async of {0} bytes from address {1:x}",
                                i.imm, from->address));
  std::memcpy(data.data(), from->host, bytes);
  traffic.add(lane, *from);
  return Step::Next;
}

Step attn::sim::copyAsync(Warp &w, const Inst &i) {
  Traffic source, target;
  ++w.launch->counts.cpAsync;
  for (Mask rest = w.active; rest; rest &= rest - 1) {
    unsigned lane = unsigned(std::countr_zero(rest));
    auto to = locate(w, i, lane, /*space=*/3, w.operand(i.a).lane[lane], i.imm,
                     i.imm);
    if (!to)
      return Step::Fault;
    uint64_t bytes = i.flags ? w.operand(i.c).lane[lane] : i.imm;
    if (bytes > i.imm)
      return w.fail(i, FaultKind::OutOfBounds, lane,
                    llvm::formatv("cp.async of {0} bytes, expected at most "
                                  "{1}",
                                  bytes, i.imm));
    AsyncLane &async = w.async[lane];
    PendingCopy copy{to->address, async.committed, uint8_t(i.imm), {}};
    if (Step step = readSource(w, i, lane, bytes, copy.data, source);
        step != Step::Next)
      return step;
    if (auto fault =
            w.block->shared.beginCopy(accessor(w, lane), to->address, i.imm))
      return report(w, i, lane, std::move(*fault));
    async.pending.push_back(copy);
    target.add(lane, *to);
  }
  Counts &counts = w.launch->counts;
  uint64_t before = counts.globalLoads.units;
  countAccess(w, source, i.imm, i.imm, /*isStore=*/false);
  counts.asyncSectors += counts.globalLoads.units - before;
  countAccess(w, target, i.imm, i.imm, /*isStore=*/true);
  return Step::Next;
}

Step attn::sim::commitGroup(Warp &w, const Inst &) {
  forLanes(w.active, [&](unsigned l) { ++w.async[l].committed; });
  return Step::Next;
}

Step attn::sim::waitGroup(Warp &w, const Inst &i) {
  forLanes(w.active, [&](unsigned l) {
    AsyncLane &async = w.async[l];
    auto done = [&](const PendingCopy &copy) {
      return i.imm == ~uint64_t(0) || copy.group + i.imm < async.committed;
    };
    auto &pending = async.pending;
    size_t kept = 0;
    for (PendingCopy &copy : pending)
      if (done(copy))
        w.block->shared.endCopy(accessor(w, l), copy.shared, copy.data.data(),
                                copy.bytes);
      else
        pending[kept++] = copy;
    pending.resize(kept);
  });
  return Step::Next;
}
