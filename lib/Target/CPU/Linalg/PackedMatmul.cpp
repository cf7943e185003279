//===- PackedMatmul.cpp - rows times panels -------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A panel meets all rows before the next one is read: the rows of a tile stay
// in the second-level cache, a block of the panel in the first.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/PackedMatmul.h"
#include "attn/Target/CPU/MicroKernel.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Depth of a block of a panel. Accumulators pass through memory between
/// blocks, so it is not shorter than the cache asks for.
constexpr int64_t kDepthBlock = 512;
/// Panels come from the last cache or from memory, and hardware prefetchers
/// stop at the end of a page: 6 KiB ahead is further than either is slow.
constexpr int64_t kPrefetchSteps = 48;

class MatmulEmitter {
public:
  MatmulEmitter(KernelBuilder &k, const PanelProduct &product,
                const CpuTarget &target)
      : k(k), product(product), target(target),
        panels(cast<MemRefType>(product.panels.getType())),
        output(cast<MemRefType>(product.output.getType())),
        lanes(target.lanes(output.getElementTypeBitWidth())) {}

  void emit();

private:
  void emitPanel(Value panel, int64_t columns);
  void emitRows(llvm::function_ref<void(Value, int64_t)> strip) {
    emitStrips(k, product.output, 0, target.tileRows(), strip);
  }
  void emitStrip(Value panel, Value row, int64_t rows, int64_t columns,
                 int64_t from, int64_t depth);
  void emitPartialStrip(Value panel, Value row, int64_t rows, int64_t columns);

  KernelBuilder &k;
  const PanelProduct &product;
  const CpuTarget &target;
  MemRefType panels, output;
  int64_t lanes;
};

void MatmulEmitter::emit() {
  int64_t width = panels.getDimSize(2), columns = output.getDimSize(1);
  int64_t whole = columns / width;
  if (whole > 0)
    k.forLoop(k.index(0), k.index(whole), 1,
              [&](Value panel) { emitPanel(panel, width); });
  if (columns % width != 0)
    emitPanel(k.index(whole), columns % width);
}

void MatmulEmitter::emitPanel(Value panel, int64_t columns) {
  if (columns % lanes != 0) {
    emitRows([&](Value row, int64_t rows) {
      emitPartialStrip(panel, row, rows, columns);
    });
    return;
  }
  int64_t depth = panels.getDimSize(1);
  int64_t numBlocks = llvm::divideCeil(depth, kDepthBlock);
  int64_t block = llvm::divideCeil(depth, numBlocks);
  for (int64_t from = 0; from < depth; from += block)
    emitRows([&](Value row, int64_t rows) {
      emitStrip(panel, row, rows, columns, from, std::min(block, depth - from));
    });
}

void MatmulEmitter::emitStrip(Value panel, Value row, int64_t rows,
                              int64_t columns, int64_t from, int64_t depth) {
  Value zero = k.index(0), column = k.mul(panel, panels.getDimSize(2));
  emitMicroKernel(
      k, {rows, columns / lanes, lanes, /*isAmx=*/false, kPrefetchSteps},
      {product.lhs, {row, zero}}, {product.panels, {panel, zero, zero}},
      {product.output, {row, column}}, {k.index(from), k.index(from + depth)},
      product.accumulate || from > 0);
}

/// A strip whose columns do not fill vectors: computed beside the output, then
/// copied, or added, under a mask.
void MatmulEmitter::emitPartialStrip(Value panel, Value row, int64_t rows,
                                     int64_t columns) {
  int64_t width = llvm::alignTo(columns, lanes);
  Value zero = k.index(0), first = k.mul(panel, panels.getDimSize(2));
  Value scratch = k.scratch({rows, width}, output.getElementType());
  emitMicroKernel(k, {rows, width / lanes, lanes}, {product.lhs, {row, zero}},
                  {product.panels, {panel, zero, zero}},
                  {scratch, {zero, zero}},
                  {zero, k.index(panels.getDimSize(1))},
                  /*accumulate=*/false);
  VectorType type = k.vectorOf(lanes, output.getElementType());
  k.forLoop(zero, k.index(rows), 1, [&](Value r) {
    for (int64_t c = 0; c < columns; c += lanes) {
      Value vector = k.load(type, scratch, {r, k.index(c)});
      Value mask = k.maskBelow(lanes, k.index(columns - c));
      SmallVector<Value> at = {k.add(row, r), k.add(first, c)};
      if (product.accumulate)
        vector = k.addf(vector::MaskedLoadOp::create(k.b, k.loc, type,
                                                     product.output, at, mask,
                                                     k.constant(type, 0)),
                        vector);
      vector::MaskedStoreOp::create(k.b, k.loc, product.output, at, mask,
                                    vector);
    }
  });
  memref::DeallocOp::create(k.b, k.loc, scratch);
}
} // namespace

void mlir::attn::cpu::emitPanelProduct(KernelBuilder &k,
                                       const PanelProduct &product,
                                       const CpuTarget &target) {
  MatmulEmitter(k, product, target).emit();
}
