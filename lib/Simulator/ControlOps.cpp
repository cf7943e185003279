//===- ControlOps.cpp - branches, calls and what a lane is ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks are numbered so that a loop's come together and before its exits: the
// lanes at the lowest number run first, and the others join them there.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"

#include <algorithm>

using namespace attn::sim;

/// The copies of the PHIs at the end of an edge, for the lanes that take it.
static void move(Warp &w, const Edge &edge, Mask mask) {
  const Move *moves = w.frame->function->moves.data() + edge.first;
  if (!w.products.group.empty())
    moveProducts(w, edge);
  if (!edge.buffered) {
    for (uint32_t k = 0; k < edge.moves; ++k) {
      const Cell &from = w.source(moves[k].from);
      Cell &to = w.cells[moves[k].to];
      forLanes(mask, [&](unsigned l) { to.lane[l] = from.lane[l]; });
    }
    return;
  }
  std::vector<Cell> &scratch = w.launch->scratch;
  if (scratch.size() < edge.moves)
    scratch.resize(edge.moves);
  for (uint32_t k = 0; k < edge.moves; ++k)
    scratch[k] = w.source(moves[k].from);
  for (uint32_t k = 0; k < edge.moves; ++k) {
    Cell &to = w.cells[moves[k].to];
    forLanes(mask, [&](unsigned l) { to.lane[l] = scratch[k].lane[l]; });
  }
}

static const Edge &edge(const Warp &w, uint32_t at) {
  return w.frame->function->edges[at];
}

/// All active lanes take one edge.
static Step take(Warp &w, const Edge &edge) {
  if (edge.moves)
    move(w, edge, w.active);
  if (w.active == w.frame->alive) {
    const Function &f = *w.frame->function;
    w.pc = f.code.data() + f.blocks[edge.target];
    return Step::Next;
  }
  forLanes(w.active, [&](unsigned l) { w.frame->next[l] = edge.target; });
  return w.reschedule();
}

/// The lanes of `mask` take an edge while others take another.
static void takeSome(Warp &w, const Edge &edge, Mask mask) {
  if (edge.moves)
    move(w, edge, mask);
  forLanes(mask, [&](unsigned l) { w.frame->next[l] = edge.target; });
}

Step Warp::reschedule() {
  uint32_t lowest = ~uint32_t(0);
  forLanes(frame->alive,
           [&](unsigned l) { lowest = std::min(lowest, frame->next[l]); });
  active = 0;
  forLanes(frame->alive, [&](unsigned l) {
    if (frame->next[l] == lowest)
      active |= Mask(1) << l;
  });
  const Function &f = *frame->function;
  pc = f.code.data() + f.blocks[lowest];
  return Step::Next;
}

Step attn::sim::branch(Warp &w, const Inst &i) {
  return take(w, edge(w, i.extra));
}

Step attn::sim::condBranch(Warp &w, const Inst &i) {
  const Cell &condition = w.operand(i.a);
  Mask taken = 0;
  forLanes(w.active,
           [&](unsigned l) { taken |= Mask(condition.lane[l] & 1) << l; });
  if (taken == w.active)
    return take(w, edge(w, i.extra));
  if (!taken)
    return take(w, edge(w, i.extra + 1));
  takeSome(w, edge(w, i.extra), taken);
  takeSome(w, edge(w, i.extra + 1), w.active & ~taken);
  return w.reschedule();
}

Step attn::sim::switchBranch(Warp &w, const Inst &i) {
  const Cell &value = w.operand(i.a);
  const uint64_t *cases = w.frame->function->cases.data() + i.c;
  Mask rest = w.active;
  for (uint64_t k = 0; k < i.imm && rest; ++k) {
    Mask match = 0;
    forLanes(rest, [&](unsigned l) {
      match |= Mask(value.lane[l] == cases[k]) << l;
    });
    if (match == w.active)
      return take(w, edge(w, i.extra + 1 + uint32_t(k)));
    if (match)
      takeSome(w, edge(w, i.extra + 1 + uint32_t(k)), match);
    rest &= ~match;
  }
  if (rest == w.active)
    return take(w, edge(w, i.extra));
  if (rest)
    takeSome(w, edge(w, i.extra), rest);
  return w.reschedule();
}

/// Goes on where lanes are left: in this activation or the one that called it.
static Step resume(Warp &w) {
  while (!w.frame->alive) {
    w.pop();
    if (!w.depth)
      return Step::Exit;
  }
  return w.active ? Step::Next : w.reschedule();
}

Step attn::sim::returnValue(Warp &w, const Inst &i) {
  if (w.depth > 1) {
    Frame &caller = *w.frames[w.depth - 2];
    for (unsigned k = 0; k < i.count; ++k) {
      const Cell &from = w.operand(i.a + k);
      Cell &to = caller.cells[w.frame->call->dst + k];
      forLanes(w.active, [&](unsigned l) { to.lane[l] = from.lane[l]; });
    }
  } else {
    w.alive &= ~w.active;
  }
  w.frame->alive &= ~w.active;
  w.active = 0;
  return resume(w);
}

Step attn::sim::exitLanes(Warp &w, const Inst &) {
  Mask gone = w.active;
  w.alive &= ~gone;
  for (unsigned d = 0; d < w.depth; ++d) {
    w.frames[d]->alive &= ~gone;
    w.frames[d]->active &= ~gone;
  }
  w.active = 0;
  return resume(w);
}

Step attn::sim::unreachable(Warp &w, const Inst &i) {
  return w.fail(i, FaultKind::Trap, w.firstLane(),
                i.imm ? "trap" : "unreachable code was reached");
}

Step attn::sim::call(Warp &w, const Inst &i) {
  const auto &callee = *reinterpret_cast<const Function *>(i.imm);
  const Function &caller = *w.frame->function;
  if (!w.push(callee, w.active, &i))
    return w.fail(i, FaultKind::StepLimit, w.firstLane(),
                  "calls nest too deeply");
  const Frame &from = *w.frames[w.depth - 2];
  for (uint32_t k = 0; k < callee.parameters; ++k) {
    uint32_t at = caller.pool[i.a + k];
    w.cells[k] =
        at & kConstant ? caller.constants[at & ~kConstant] : from.cells[at];
  }
  return Step::Next;
}

static uint64_t specialOfLane(const Warp &w, Special which, unsigned lane,
                              Dim3 thread) {
  const Launch &launch = *w.launch;
  const Dim3 &size = launch.block, &id = w.block->id, &grid = launch.grid;
  Mask bit = Mask(1) << lane;
  switch (which) {
  case Special::TidX:
    return thread.x;
  case Special::TidY:
    return thread.y;
  case Special::TidZ:
    return thread.z;
  case Special::NtidX:
    return size.x;
  case Special::NtidY:
    return size.y;
  case Special::NtidZ:
    return size.z;
  case Special::CtaidX:
    return id.x;
  case Special::CtaidY:
    return id.y;
  case Special::CtaidZ:
    return id.z;
  case Special::NctaidX:
    return grid.x;
  case Special::NctaidY:
    return grid.y;
  case Special::NctaidZ:
    return grid.z;
  case Special::LaneId:
    return lane;
  case Special::WarpId:
    return w.index;
  case Special::WarpCount:
    return w.block->warps.size();
  case Special::WarpSize:
    return kLanes;
  case Special::Zero:
    return 0;
  case Special::One:
    return 1;
  case Special::Steps:
    return launch.steps;
  case Special::MaskEq:
    return bit;
  case Special::MaskLt:
    return bit - 1;
  case Special::MaskLe:
    return bit | (bit - 1);
  case Special::MaskGt:
    return ~(bit | (bit - 1));
  case Special::MaskGe:
    return ~(bit - 1);
  case Special::DynamicShared:
    return launch.dynamicSharedBytes;
  case Special::TotalShared:
    return launch.sharedBytes;
  }
  return 0;
}

Step attn::sim::specialRegister(Warp &w, const Inst &i) {
  Cell &d = w.cells[i.dst];
  forLanes(w.active, [&](unsigned l) {
    d.lane[l] =
        specialOfLane(w, Special(i.imm), l, w.block->coordinates(w.thread(l))) &
        (i.bits == 64 ? ~uint64_t(0) : 0xffffffff);
  });
  return Step::Next;
}

Step attn::sim::activeMask(Warp &w, const Inst &i) {
  Cell &d = w.cells[i.dst];
  forLanes(w.active, [&](unsigned l) { d.lane[l] = w.active; });
  return Step::Next;
}

Step attn::sim::nothing(Warp &, const Inst &) { return Step::Next; }
Step attn::sim::yieldWarp(Warp &, const Inst &) { return Step::Yield; }
