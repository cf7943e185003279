//===- Elementwise.h - lane by lane, element by element ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loops that all arithmetic handlers share.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_ELEMENTWISE_H
#define ATTN_LIB_SIMULATOR_ELEMENTWISE_H

#include "Machine.h"

namespace attn::sim {

template <typename F> inline Step unary(Warp &w, const Inst &i, F f) {
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k);
    Cell &d = w.cells[i.dst + k];
    forLanes(w.active, [&](unsigned l) { d.lane[l] = f(a.lane[l]); });
  }
  return Step::Next;
}

template <typename F> inline Step binary(Warp &w, const Inst &i, F f) {
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k), &b = w.operand(i.b + k);
    Cell &d = w.cells[i.dst + k];
    forLanes(w.active,
             [&](unsigned l) { d.lane[l] = f(a.lane[l], b.lane[l]); });
  }
  return Step::Next;
}

template <typename F> inline Step ternary(Warp &w, const Inst &i, F f) {
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k), &b = w.operand(i.b + k),
               &c = w.operand(i.c + k);
    Cell &d = w.cells[i.dst + k];
    forLanes(w.active, [&](unsigned l) {
      d.lane[l] = f(a.lane[l], b.lane[l], c.lane[l]);
    });
  }
  return Step::Next;
}

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_ELEMENTWISE_H
