//===- WgmmaWaits.cpp - fences, groups and waits of products --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "Asynchronous Warpgroup Level Matrix Instructions": a
// product's registers belong to it until its group was waited for, and so do
// its operands in shared memory, which are read once more, for races only, when
// that happens. setmaxnreg and the proxy fence are here too.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"

#include "llvm/Support/FormatVariadic.h"

using namespace attn::sim;

Step attn::sim::passRegisters(Warp &w, const Inst &i) {
  for (unsigned k = 0; k < i.count; ++k) {
    w.cells[i.dst + k] = w.operand(i.a + k);
    uint32_t from = w.pool[i.a + k];
    bool isCell = !(from & kConstant) && from < w.products.group.size();
    w.products.assign(i.dst + k, isCell ? w.products.group[from] : 0);
  }
  return Step::Next;
}

Step attn::sim::commitProducts(Warp &w, const Inst &) {
  ++w.products.committed;
  return Step::Next;
}

Step attn::sim::waitForProducts(Warp &w, const Inst &i) {
  Products &products = w.products;
  uint64_t done =
      products.committed > i.imm ? products.committed - i.imm : uint64_t(0);
  products.completed = std::max(products.completed, done);
  auto &operands = products.operands;
  size_t count = 0;
  Accessor who = accessor(w, 0);
  who.byProxy = true;
  for (; count < operands.size() && operands[count].group <= done; ++count)
    if (auto fault =
            w.block->shared.noteRead(who, operands[count].address, 16)) {
      fault->text += ", while a wgmma was under way that reads it";
      return report(w, i, 0, std::move(*fault));
    }
  operands.erase(operands.begin(), operands.begin() + long(count));
  return passRegisters(w, i);
}

Step attn::sim::checkRegisters(Warp &w, const Inst &i) {
  for (uint64_t k = 0; k < i.imm; ++k) {
    uint32_t cell = w.pool[i.a + k];
    if (!(cell & kConstant) && w.products.isUnderWay(cell))
      return w.fail(i, FaultKind::ReadBeforeWait, w.firstLane(),
                    "read of an accumulator of a wgmma that was not waited "
                    "for");
  }
  return Step::Next;
}

void attn::sim::moveProducts(Warp &w, const Edge &edge) {
  const Move *moves = w.frame->function->moves.data() + edge.first;
  auto groupOf = [&](uint32_t cell) -> uint64_t {
    bool isKnown = !(cell & kConstant) && cell < w.products.group.size();
    return isKnown ? w.products.group[cell] : 0;
  };
  std::vector<uint64_t> groups(edge.moves);
  for (uint32_t k = 0; k < edge.moves; ++k)
    groups[k] = groupOf(moves[k].from);
  for (uint32_t k = 0; k < edge.moves; ++k)
    if (groups[k] || groupOf(moves[k].to))
      w.products.assign(moves[k].to, groups[k]);
}

Step attn::sim::fenceProxy(Warp &w, const Inst &) {
  size_t half = w.clock.size() / 2;
  for (size_t k = 0; k < half; ++k)
    w.clock[half + k] = std::max(w.clock[half + k], w.clock[k]);
  ++w.clock[w.index];
  return Step::Next;
}

Step attn::sim::setRegisters(Warp &w, const Inst &i) {
  constexpr uint64_t kOfMultiprocessor = 65536;
  if (w.active != ~Mask(0))
    return w.fail(
        i, FaultKind::Divergence, w.firstLane(),
        llvm::formatv("setmaxnreg by lanes {0:x8}, expected all", w.active));
  w.registers = uint32_t(i.imm);
  uint64_t sum = 0;
  bool all = true;
  for (const Warp &warp : w.block->warps) {
    all &= warp.registers != 0;
    sum += uint64_t(warp.registers) * kLanes;
  }
  if (all && sum > kOfMultiprocessor)
    return w.fail(i, FaultKind::Deadlock, 0,
                  llvm::formatv("setmaxnreg asks for {0} registers of a block, "
                                "and there are {1}",
                                sum, kOfMultiprocessor));
  return Step::Next;
}
