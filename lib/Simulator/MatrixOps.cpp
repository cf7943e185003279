//===- MatrixOps.cpp - mma.sync, ldmatrix and stmatrix --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "Warp-Level Matrix Instructions": which element of which
// matrix a lane's register holds. With g = lane / 4 and q = lane % 4.
//
// Products are exact in f32 (f64 for f64); each element of D starts from C and
// adds the products of k = 0, 1, … in this order, rounded to nearest after
// each; an f16 result is rounded once more, at the end. Hardware adds groups of
// products with a wider sum and other rounding: results differ in the last
// bits.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"
#include "Numbers.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

static Step checkWhole(Warp &w, const Inst &i, const char *what) {
  if (w.active == ~Mask(0))
    return Step::Next;
  return w.fail(i, FaultKind::Divergence, w.firstLane(),
                llvm::formatv("{0} by lanes {1:x8}, expected the whole warp",
                              what, w.active));
}

namespace {
struct Position {
  unsigned row, column;
};

/// Element `e` of A that a lane holds, low to high.
Position positionOfA(MmaInput input, unsigned lane, unsigned e) {
  unsigned g = lane / 4, q = lane % 4;
  switch (input) {
  case MmaInput::F16:
  case MmaInput::BF16:
    return {g + (e / 2 % 2) * 8, q * 2 + e % 2 + e / 4 * 8};
  case MmaInput::TF32:
    return {g + e % 2 * 8, q + e / 2 * 4};
  case MmaInput::F64:
    return {g, q};
  }
  return {0, 0};
}

Position positionOfB(MmaInput input, unsigned lane, unsigned e) {
  unsigned g = lane / 4, q = lane % 4;
  switch (input) {
  case MmaInput::F16:
  case MmaInput::BF16:
    return {q * 2 + e % 2 + e / 2 * 8, g};
  case MmaInput::TF32:
    return {q + e * 4, g};
  case MmaInput::F64:
    return {q, g};
  }
  return {0, 0};
}

/// C and D are the same for every input.
Position positionOfC(unsigned lane, unsigned e) {
  unsigned g = lane / 4, q = lane % 4;
  return {g + e / 2 * 8, q * 2 + e % 2};
}

struct Tile {
  unsigned m, n, k;
};

Tile tileOf(MmaShape shape) {
  switch (shape) {
  case MmaShape::M16N8K16:
    return {16, 8, 16};
  case MmaShape::M16N8K8:
    return {16, 8, 8};
  case MmaShape::M16N8K4:
    return {16, 8, 4};
  case MmaShape::M8N8K4:
    return {8, 8, 4};
  }
  return {0, 0, 0};
}

/// Reads operands one after the other: registers of two halves come as two
/// cells (<2 x half>) or as one (i32).
struct Operands {
  const Warp &w;
  uint32_t at;
  bool packed;

  uint64_t half(unsigned lane, unsigned e) const {
    if (!packed)
      return w.operand(at + e).lane[lane] & 0xffff;
    return w.operand(at + e / 2).lane[lane] >> (e % 2 * 16) & 0xffff;
  }
  uint64_t word(unsigned lane, unsigned e) const {
    return w.operand(at + e).lane[lane];
  }
};

template <typename T>
T element(MmaInput input, const Operands &from, unsigned lane, unsigned e) {
  switch (input) {
  case MmaInput::F16:
    return halfToFloat(uint16_t(from.half(lane, e)));
  case MmaInput::BF16:
    return bfloatToFloat(uint16_t(from.half(lane, e)));
  case MmaInput::TF32: // the low 13 bits do not take part
    return loadF32(from.word(lane, e) & ~uint64_t(0x1fff));
  case MmaInput::F64:
    return T(std::bit_cast<double>(from.word(lane, e)));
  }
  return T(0);
}

template <typename T> struct Matrices {
  T a[16][16], b[16][8], c[16][8];

  void multiply(Tile tile) {
    for (unsigned m = 0; m < tile.m; ++m)
      for (unsigned k = 0; k < tile.k; ++k)
        for (unsigned n = 0; n < tile.n; ++n)
          c[m][n] += a[m][k] * b[k][n];
  }
};

template <typename T>
void gather(const Warp &w, const Inst &i, MmaInput input, Tile tile,
            Matrices<T> &matrices) {
  bool narrow = input == MmaInput::F16 || input == MmaInput::BF16;
  bool packed = i.flags & 1, halfC = i.imm >> 16 & 1;
  unsigned aCount = tile.m * tile.k / kLanes, bCount = tile.n * tile.k / kLanes;
  unsigned cCount = tile.m * tile.n / kLanes;
  unsigned perCell = narrow && packed ? 2 : 1;
  Operands a{w, i.a, packed}, b{w, i.a + aCount / perCell, packed};
  Operands c{w, b.at + bCount / perCell, false};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned e = 0; e < aCount; ++e) {
      Position p = positionOfA(input, lane, e);
      matrices.a[p.row][p.column] = element<T>(input, a, lane, e);
    }
    for (unsigned e = 0; e < bCount; ++e) {
      Position p = positionOfB(input, lane, e);
      matrices.b[p.row][p.column] = element<T>(input, b, lane, e);
    }
    for (unsigned e = 0; e < cCount; ++e) {
      Position p = positionOfC(lane, e);
      uint64_t bits = c.word(lane, e);
      matrices.c[p.row][p.column] = input == MmaInput::F64
                                        ? T(std::bit_cast<double>(bits))
                                    : halfC ? T(halfToFloat(uint16_t(bits)))
                                            : T(loadF32(bits));
    }
  }
}

template <typename T>
void compute(Warp &w, const Inst &i, MmaInput input, Tile tile) {
  Matrices<T> matrices;
  gather(w, i, input, tile, matrices);
  matrices.multiply(tile);
  bool halfD = i.imm >> 17 & 1;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned e = 0; e < tile.m * tile.n / kLanes; ++e) {
      Position p = positionOfC(lane, e);
      T value = matrices.c[p.row][p.column];
      w.cells[i.dst + e].lane[lane] =
          input == MmaInput::F64 ? std::bit_cast<uint64_t>(double(value))
          : halfD                ? floatToHalf(float(value))
                                 : storeF32(float(value));
    }
}
} // namespace

Step attn::sim::mma(Warp &w, const Inst &i) {
  if (Step step = checkWhole(w, i, "mma"); step != Step::Next)
    return step;
  Tile tile = tileOf(MmaShape(i.imm & 0xff));
  auto input = MmaInput(i.imm >> 8 & 0xff);
  ++w.launch->counts.mma;
  Counts &counts = w.launch->counts;
  uint64_t flops = 2ull * tile.m * tile.n * tile.k;
  counts.mmaFlops += flops;
  (input == MmaInput::F64    ? counts.mmaF64
   : input == MmaInput::TF32 ? counts.mmaTf32
                             : counts.mmaHalf) += flops;
  if (input == MmaInput::F64)
    compute<double>(w, i, input, tile);
  else
    compute<float>(w, i, input, tile);
  return Step::Next;
}

/// The checked rows of 16 bytes whose addresses lanes 0 to rows - 1 hold.
static Step locateRows(Warp &w, const Inst &i, unsigned rows, Place *places) {
  const Cell &address = w.operand(i.a);
  for (unsigned row = 0; row < rows; ++row) {
    auto place = locate(w, i, row, i.space, address.lane[row], 16, 16);
    if (!place)
      return Step::Fault;
    if (place->space != Space::Shared)
      return w.fail(i, FaultKind::OutOfBounds, row,
                    "expected an address in shared memory");
    places[row] = *place;
  }
  return Step::Next;
}

static void countMatrices(Warp &w, AccessCounts &counts, unsigned rows,
                          const Place *places) {
  uint64_t addresses[kLanes];
  for (unsigned row = 0; row < rows; ++row)
    addresses[row] = places[row].address;
  countRows(counts, addresses, rows);
  ++w.launch->counts.ldmatrix;
}

/// Row and byte of half `h` of a lane's register of an 8 x 8 matrix.
static Position positionInRows(unsigned lane, unsigned h, bool transposed) {
  unsigned g = lane / 4, q = lane % 4;
  return transposed ? Position{q * 2 + h, g * 2} : Position{g, q * 4 + h * 2};
}

Step attn::sim::ldmatrix(Warp &w, const Inst &i) {
  if (Step step = checkWhole(w, i, "ldmatrix"); step != Step::Next)
    return step;
  Place places[kLanes];
  unsigned rows = i.count * 8u;
  if (Step step = locateRows(w, i, rows, places); step != Step::Next)
    return step;
  bool transposed = i.flags & 1;
  for (unsigned m = 0; m < i.count; ++m)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint64_t value = 0;
      for (unsigned h = 0; h < 2; ++h) {
        Position p = positionInRows(lane, h, transposed);
        const Place &place = places[m * 8 + p.row];
        if (auto fault = w.block->shared.noteRead(accessor(w, lane),
                                                  place.address + p.column, 2))
          return report(w, i, lane, std::move(*fault));
        uint16_t half;
        std::memcpy(&half, place.host + p.column, 2);
        value |= uint64_t(half) << (h * 16);
      }
      w.cells[i.dst + m].lane[lane] = value;
    }
  countMatrices(w, w.launch->counts.sharedLoads, rows, places);
  return Step::Next;
}

Step attn::sim::stmatrix(Warp &w, const Inst &i) {
  if (Step step = checkWhole(w, i, "stmatrix"); step != Step::Next)
    return step;
  Place places[kLanes];
  unsigned rows = i.count * 8u;
  if (Step step = locateRows(w, i, rows, places); step != Step::Next)
    return step;
  bool transposed = i.flags & 1;
  for (unsigned m = 0; m < i.count; ++m)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned h = 0; h < 2; ++h) {
        Position p = positionInRows(lane, h, transposed);
        const Place &place = places[m * 8 + p.row];
        auto half = uint16_t(w.operand(i.b + m).lane[lane] >> (h * 16));
        const auto *bytes = reinterpret_cast<const uint8_t *>(&half);
        if (auto fault = w.block->shared.noteWrite(
                accessor(w, lane), place.address + p.column, bytes, 2))
          return report(w, i, lane, std::move(*fault));
        std::memcpy(place.host + p.column, bytes, 2);
      }
  countMatrices(w, w.launch->counts.sharedStores, rows, places);
  return Step::Next;
}
