//===- Program.h - kernels as the interpreter runs them ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel decoded once: instructions with their handler, operands as numbers
// of cells, branches as edges with the copies that PHIs ask for.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_PROGRAM_H
#define ATTN_LIB_SIMULATOR_PROGRAM_H

#include "attn/Simulator/Simulator.h"

#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace attn::sim {

constexpr unsigned kLanes = 32;
using Mask = uint32_t;

/// One scalar of all lanes. Integers and pointers are zero-extended to 64 bits,
/// floats are their bits; a vector or structure is a list of cells.
struct alignas(64) Cell {
  uint64_t lane[kLanes];
};

/// Calls `function(lane)` for every lane of `mask`, ascending.
template <typename F> inline void forLanes(Mask mask, F function) {
  if (mask == ~Mask(0)) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      function(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    function(unsigned(std::countr_zero(mask)));
}

enum class Kind : uint8_t { Int, Pointer, F16, BF16, F32, F64 };

/// What an instruction adds to Counts.
enum class Tally : uint8_t { Other, Float, Integer, Special, Last };

/// Which of a multiprocessor's pipes an instruction keeps busy.
enum class Pipe : uint8_t { Other, Fma, Alu, Convert, Special, Last };

enum class Step : uint8_t {
  Next,  // go on with the warp
  Yield, // go on, but let other warps run first
  Wait,  // until a barrier completes
  Exit,  // every lane is done
  Fault  // the launch has failed
};

struct Warp;
struct Inst;
using Handler = Step (*)(Warp &, const Inst &);

/// One predecoded instruction. `a`, `b`, `c` are positions in Function::pool,
/// where operands' cells are listed; `dst` is the first of `count` cells.
struct Inst {
  Handler run = nullptr;
  uint64_t imm = 0;
  uint32_t dst = 0, a = 0, b = 0, c = 0;
  uint32_t extra = 0;  // position in a side table, or a further number
  uint32_t source = 0; // position in Function::sources
  uint16_t count = 1;  // elements
  uint16_t bits = 64;  // width of integer elements of the result (or operands)
  uint16_t from = 64;  // width of the source of a conversion; alignment
  uint8_t space = 0;   // address space of a memory access
  uint8_t flags = 0;
  Tally tally = Tally::Other;
  Pipe pipe = Pipe::Other;
  uint8_t slots = 0; // warp instructions of the machine, about
};

/// One scalar of a type in memory.
struct Field {
  uint32_t offset, bytes;
};

struct Move {
  uint32_t to, from; // cell, pool-style operand
};

/// A branch to `target` and the copies of its PHIs, which happen at once.
struct Edge {
  uint32_t target = 0, first = 0, moves = 0;
  bool buffered = false; // a copy's source is another's destination
};

constexpr uint32_t kConstant = uint32_t(1) << 31; // operand in the constants

struct Function {
  std::string name;
  std::vector<Inst> code;
  std::vector<uint32_t> blocks; // first instruction of each, in run order
  std::vector<uint32_t> pool;
  std::vector<Cell> constants;
  std::vector<Field> fields;
  std::vector<Edge> edges;
  std::vector<Move> moves;
  std::vector<uint64_t> cases;
  std::vector<std::string> sources;
  uint32_t cells = 0;      // registers of one warp
  uint32_t parameters = 0; // they come first among the cells
  uint32_t localBytes = 0; // private memory of one lane
};

/// One parameter of a kernel.
struct Parameter {
  size_t bytes = 0;
  uint32_t cell = 0;
  std::vector<Field> fields; // empty for byval: the cell gets an address
  bool byval = false;
};

struct Program {
  KernelInfo info;
  std::deque<Function> functions; // the kernel first; addresses are stable
  std::vector<Parameter> parameters;
  uint64_t dynamicSharedOffset = 0; // where dynamic shared memory starts
};

// Where a module's own variables are, and the windows of generic addresses;
// global memory is everything else.
constexpr uint64_t kVariables = uint64_t(4) << 56;
constexpr uint64_t kSharedWindow = uint64_t(2) << 56;
constexpr uint64_t kLocalWindow = uint64_t(3) << 56;
constexpr uint64_t kWindowBytes = uint64_t(1) << 32;

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_PROGRAM_H
