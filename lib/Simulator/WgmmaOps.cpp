//===- WgmmaOps.cpp - products of warp groups -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the PTX ISA's "Asynchronous Warpgroup Level Matrix Instructions". Each
// of the four warps owns 16 rows of the result and computes them by itself,
// when the instruction is issued: the wait for the group is not checked.
//
// A descriptor has the start (bits 0-13), the leading (16-29) and the stride
// (32-45) byte offsets in units of 16 bytes, and the swizzle (62-63). Matrices
// are made of groups of eight rows of 16 << swizzle bytes along the contiguous
// dimension; a swizzle of B bytes exclusive-ors the 16-byte chunk's number with
// bits 7 and up of the address.
//
//===----------------------------------------------------------------------===//

#include "Handlers.h"
#include "Memory.h"
#include "Numbers.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

namespace {
struct Descriptor {
  uint64_t start, leading, stride;
  unsigned span; // 16-byte chunks of a row of a group: 1, 2, 4, 8

  explicit Descriptor(uint64_t bits)
      : start((bits & 0x3fff) << 4), leading((bits >> 16 & 0x3fff) << 4),
        stride((bits >> 32 & 0x3fff) << 4) {
    constexpr unsigned kSpans[] = {1, 8, 4, 2};
    span = kSpans[bits >> 62];
  }

  /// The address of an element, `outer` along rows of A or columns of B, `k`
  /// along the sum, of `size` bytes.
  uint64_t address(uint64_t outer, uint64_t k, uint64_t size,
                   bool transposed) const {
    uint64_t each = 16 / size, at = start;
    if (!transposed) { // k is contiguous
      at += outer % 8 * 16 * span + outer / 8 * stride + k % each * size;
      at += k / each * (span == 1 ? leading : 16);
    } else { // outer is contiguous
      uint64_t row = each * span;
      at += outer % row * size + k % 8 * 16 * span;
      at += outer / row * (span == 1 ? stride : leading);
      at += k / 8 * (span == 1 ? leading : stride);
    }
    return at ^ ((at >> 7 & (span - 1)) << 4);
  }
};

float widen(MmaInput input, uint32_t bits) {
  switch (input) {
  case MmaInput::F16:
    return halfToFloat(uint16_t(bits));
  case MmaInput::BF16:
    return bfloatToFloat(uint16_t(bits));
  default:
    return loadF32(bits & ~uint32_t(0x1fff));
  }
}

/// What a warp reads by a descriptor, 16 bytes at a time; faults name the
/// first lane.
struct Reader {
  Warp &w;
  const Inst &i;
  MmaInput input;

  /// Elements side by side from (outer, k) on, along k or, transposed, outer.
  bool read(uint64_t descriptor, uint64_t outer, uint64_t k, bool transposed,
            float *values) {
    constexpr uint64_t kBytes = 16;
    uint64_t size = input == MmaInput::TF32 ? 4 : 2;
    uint64_t at = Descriptor(descriptor).address(outer, k, size, transposed);
    auto place = locate(w, i, 0, /*space=*/3, at, kBytes, kBytes);
    if (!place)
      return false;
    Accessor who = accessor(w, 0);
    who.byProxy = true;
    if (auto fault = w.block->shared.noteRead(who, at, kBytes)) {
      report(w, i, 0, std::move(*fault));
      return false;
    }
    w.products.operands.push_back({w.products.committed + 1, at});
    for (uint64_t e = 0; e < kBytes / size; ++e) {
      uint32_t bits = 0;
      std::memcpy(&bits, place->host + e * size, size);
      values[e] = widen(input, bits);
    }
    return true;
  }

  /// `outers` by `depth` elements from row or column `first` on, to
  /// to[outer * 16 + k].
  bool readAll(uint64_t descriptor, uint64_t first, unsigned outers,
               unsigned depth, bool transposed, float *to) {
    unsigned each = input == MmaInput::TF32 ? 4 : 8;
    float values[8];
    unsigned stepOuter = transposed ? each : 1, stepK = transposed ? 1 : each;
    for (unsigned outer = 0; outer < outers; outer += stepOuter)
      for (unsigned k = 0; k < depth; k += stepK) {
        if (!read(descriptor, first + outer, k, transposed, values))
          return false;
        for (unsigned e = 0; e < each; ++e)
          if (transposed)
            to[(outer + e) * 16 + k] = values[e];
          else
            to[outer * 16 + k + e] = values[e];
      }
    return true;
  }
};
} // namespace

/// The 16 rows of A that the warp owns.
static bool readA(Reader &reader, float (&a)[16][16], unsigned depth) {
  Warp &w = reader.w;
  const Inst &i = reader.i;
  bool wide = reader.input == MmaInput::TF32;
  if (!(i.flags & kRegistersA))
    return reader.readAll(w.operand(i.a).lane[0], w.index % 4 * 16, 16, depth,
                          i.flags & kTransposedA, &a[0][0]);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned r = 0; r < 4; ++r) {
      uint64_t bits = w.operand(i.a + r).lane[lane];
      unsigned row = lane / 4 + r % 2 * 8, q = lane % 4;
      if (wide)
        a[row][q + r / 2 * 4] = widen(reader.input, uint32_t(bits));
      else
        for (unsigned h = 0; h < 2; ++h)
          a[row][q * 2 + r / 2 * 8 + h] =
              widen(reader.input, uint32_t(bits >> (16 * h)) & 0xffff);
    }
  return true;
}

/// Faults that need no operand.
static Step checkProduct(Warp &w, const Inst &i) {
  if (w.active != ~Mask(0) || w.block->threads % 128)
    return w.fail(i, FaultKind::Divergence, w.firstLane(),
                  llvm::formatv("wgmma by lanes {0:x8} in a block of {1} "
                                "threads, expected whole groups of 128",
                                w.active, w.block->threads));
  if (i.flags & kUnfenced)
    return w.fail(i, FaultKind::Race, 0,
                  "wgmma on registers that were written after the last "
                  "wgmma.fence, or without any");
  unsigned count = i.flags & kRegistersA ? 4 : 0;
  for (unsigned r = 0; r < count; ++r)
    if (uint32_t cell = w.pool[i.a + r];
        !(cell & kConstant) && w.products.isUnderWay(cell))
      return w.fail(i, FaultKind::ReadBeforeWait, 0,
                    "wgmma on an operand in registers that another wgmma is "
                    "still writing");
  return Step::Next;
}

Step attn::sim::wgmma(Warp &w, const Inst &i) {
  if (Step step = checkProduct(w, i); step != Step::Next)
    return step;
  auto input = MmaInput(i.imm >> 16);
  unsigned n = i.imm & 0xffff, depth = input == MmaInput::TF32 ? 8 : 16;
  Reader reader{w, i, input};
  float a[16][16], b[256][16];
  if (!readA(reader, a, depth))
    return Step::Fault;
  uint32_t second = i.a + (i.flags & kRegistersA ? 4 : 1);
  uint64_t descriptor = w.operand(second).lane[0];
  if (!reader.readAll(descriptor, 0, n, depth, i.flags & kTransposedB,
                      &b[0][0]))
    return Step::Fault;
  float sign = bool(i.flags & kNegateA) != bool(i.flags & kNegateB) ? -1 : 1;
  bool add = !(i.flags & kWithoutC) && w.operand(i.c).lane[0] != 0;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned e = 0; e < n / 2; ++e) {
      unsigned row = lane / 4 + e / 2 % 2 * 8;
      unsigned column = e / 4 * 8 + lane % 4 * 2 + e % 2;
      float sum = add ? loadF32(w.operand(i.b + e).lane[lane]) : 0;
      for (unsigned k = 0; k < depth; ++k)
        sum += sign * a[row][k] * b[column][k];
      w.cells[i.dst + e].lane[lane] = storeF32(sum);
    }
  for (unsigned e = 0; e < n / 2; ++e)
    w.products.assign(i.dst + e, w.products.committed + 1);
  Counts &counts = w.launch->counts;
  ++counts.wgmma;
  uint64_t flops = 2ull * 16 * n * depth; // a quarter of the group
  counts.mmaFlops += flops;
  (input == MmaInput::TF32 ? counts.wgmmaTf32 : counts.wgmmaHalf) += flops;
  return Step::Next;
}
