//===- Products.h - asynchronous products under way -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which registers and which shared memory belong to products of warp groups
// that nobody has waited for.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_PRODUCTS_H
#define ATTN_LIB_SIMULATOR_PRODUCTS_H

#include <cstdint>
#include <vector>

namespace attn::sim {

/// The warp's share of asynchronous products, by groups counted from 1.
struct Products {
  uint64_t committed = 0, completed = 0; // groups so far
  std::vector<uint64_t> group; // that a register belongs to, by cell; 0: none
  struct Operand {
    uint64_t group, address; // 16 bytes of shared memory that are read
  };
  std::vector<Operand> operands; // of groups under way, in order

  bool isUnderWay(uint32_t cell) const {
    return cell < group.size() && group[cell] > completed;
  }
  void assign(uint32_t cell, uint64_t number) {
    if (cell >= group.size())
      group.resize(cell + 1, 0);
    group[cell] = number;
  }
};

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_PRODUCTS_H
