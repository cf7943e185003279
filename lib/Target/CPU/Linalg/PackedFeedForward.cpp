//===- PackedFeedForward.cpp - two products in one ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The hidden values of a few rows and columns stay in the second-level cache
// between the products. The output collects, so it begins with its bias.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/PackedFeedForward.h"
#include "attn/Target/CPU/Linalg/Functions.h"
#include "attn/Target/CPU/Linalg/PackedMatmul.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
class FeedForwardEmitter {
public:
  FeedForwardEmitter(KernelBuilder &k, PackedFeedForwardOp op,
                     const CpuTarget &target)
      : k(k), op(op), target(target),
        output(cast<MemRefType>(op.getOutput().getType())),
        width(cast<MemRefType>(op.getDown().getType()).getDimSize(2)),
        type(k.vectorOf(target.lanes(output.getElementTypeBitWidth()),
                        output.getElementType())) {}

  void emit();

private:
  /// A memref's part that begins at `offsets`; extents equal to the source's
  /// where `sizes` does not say otherwise.
  Value view(Value source, ArrayRef<OpFoldResult> offsets,
             ArrayRef<OpFoldResult> sizes);
  OpFoldResult attr(int64_t value) { return k.b.getIndexAttr(value); }
  OpFoldResult extent(Value memref, int64_t position) {
    return memref::getMixedSize(k.b, k.loc, memref, position);
  }

  bool isCritical(Value memref);
  void emitRows(Value input, Value result);
  Value emitCopy(Value input);
  void emitBias(Value result);
  void emitTile(Value input, Value result, Value firstPanel, int64_t columns);
  void emitPanel(Value input, Value panel, Value hidden);
  Value withBias(Value sum, Value bias, Value column);
  int64_t tileColumns();

  KernelBuilder &k;
  PackedFeedForwardOp op;
  const CpuTarget &target;
  MemRefType output;
  int64_t width; ///< columns of a panel
  VectorType type;
  /// Hidden values of a tile, and the gate's values of a panel.
  Value hidden, gate;
  /// The input's rows at a distance that suits the cache, if theirs does not.
  Value apart;
};

Value FeedForwardEmitter::view(Value source, ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> strides(offsets.size(), attr(1));
  return memref::SubViewOp::create(k.b, k.loc, source, offsets, sizes, strides);
}

/// Columns of a tile: as many as `hidden_tile` allows, fewer if then all tiles
/// have the same size.
int64_t FeedForwardEmitter::tileColumns() {
  int64_t all = llvm::alignTo(op.getHiddenSize(), width);
  int64_t most = std::min<int64_t>(op.getHiddenTile(), all);
  for (int64_t columns = most; columns >= most / 2; columns -= width)
    if (columns > 0 && all % columns == 0)
      return columns;
  return most;
}

void FeedForwardEmitter::emit() {
  int64_t chunk = op.getRows(), rows = output.getDimSize(0);
  bool isOneTile = !ShapedType::isDynamic(rows) && rows <= chunk;
  int64_t most = isOneTile ? rows : chunk, columns = tileColumns();
  // Rows of scratch a power of two apart compete for the same cache sets.
  int64_t line = 64 * 8 / output.getElementTypeBitWidth();
  hidden = k.scratch({most, columns + line}, output.getElementType());
  if (op.getGate())
    gate = k.scratch({most, width}, output.getElementType());
  if (isCritical(op.getInput()))
    apart = k.scratch(
        {most, cast<MemRefType>(op.getInput().getType()).getDimSize(1) + line},
        output.getElementType());
  if (isOneTile) {
    emitRows(op.getInput(), op.getOutput());
  } else {
    Value all = k.dim(op.getOutput(), 0);
    k.forLoop(k.index(0), all, chunk, [&](Value first) {
      OpFoldResult size = k.min(k.index(chunk), k.sub(all, first));
      auto part = [&](Value whole) {
        return view(whole, {first, attr(0)}, {size, extent(whole, 1)});
      };
      emitRows(part(op.getInput()), part(op.getOutput()));
    });
  }
  for (Value scratch : {hidden, gate, apart})
    if (scratch)
      memref::DeallocOp::create(k.b, k.loc, scratch);
}

/// Whether rows are so far apart that those of a register tile compete for the
/// same sets of the first-level cache.
bool FeedForwardEmitter::isCritical(Value memref) {
  auto memrefType = cast<MemRefType>(memref.getType());
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(memrefType.getStridesAndOffset(strides, offset)) ||
      ShapedType::isDynamic(strides[0]))
    return false;
  int64_t bytes = strides[0] * output.getElementTypeBitWidth() / 8;
  return bytes % CpuTarget::criticalStride == 0 &&
         memrefType.getDimSize(1) % type.getNumElements() == 0;
}

Value FeedForwardEmitter::emitCopy(Value input) {
  OpFoldResult columns = extent(input, 1);
  Value copy = view(apart, {attr(0), attr(0)}, {extent(input, 0), columns});
  k.forLoop(k.index(0), k.dim(input, 0), 1, [&](Value row) {
    k.forLoop(
        k.index(0), k.dim(input, 1), type.getNumElements(), [&](Value column) {
          k.store(k.load(type, input, {row, column}), copy, {row, column});
        });
  });
  return copy;
}

void FeedForwardEmitter::emitRows(Value input, Value result) {
  if (apart)
    input = emitCopy(input);
  emitBias(result);
  int64_t columns = tileColumns(), panels = columns / width;
  int64_t whole = op.getHiddenSize() / columns;
  if (whole > 0)
    k.forLoop(k.index(0), k.index(whole * panels), panels,
              [&](Value panel) { emitTile(input, result, panel, columns); });
  if (int64_t rest = op.getHiddenSize() % columns)
    emitTile(input, result, k.index(whole * panels), rest);
}

/// The output begins as its bias, or as zero.
void FeedForwardEmitter::emitBias(Value result) {
  int64_t columns = output.getDimSize(1), lanes = type.getNumElements();
  Value zero = k.constant(type, 0), bias = op.getDownBias();
  k.forLoop(k.index(0), k.dim(result, 0), 1, [&](Value row) {
    int64_t whole = columns / lanes * lanes;
    k.forLoop(k.index(0), k.index(whole), lanes, [&](Value column) {
      k.store(bias ? k.load(type, bias, {column}) : zero, result,
              {row, column});
    });
    if (whole == columns)
      return;
    Value mask = k.maskBelow(lanes, k.index(columns - whole));
    Value column = k.index(whole), value = zero;
    if (bias)
      value = vector::MaskedLoadOp::create(k.b, k.loc, type, bias,
                                           ValueRange{column}, mask, zero);
    vector::MaskedStoreOp::create(k.b, k.loc, result, ValueRange{row, column},
                                  mask, value);
  });
}

/// Makes `columns` hidden values of all rows, then uses them.
void FeedForwardEmitter::emitTile(Value input, Value result, Value firstPanel,
                                  int64_t columns) {
  OpFoldResult rows = extent(result, 0);
  int64_t panels = llvm::divideCeil(columns, width);
  k.forLoop(k.index(0), k.index(panels), 1, [&](Value number) {
    Value panel = k.add(firstPanel, number);
    Value part =
        view(hidden, {attr(0), k.mul(number, width)}, {rows, attr(width)});
    emitPanel(input, panel, part);
  });
  Value made = view(hidden, {attr(0), attr(0)}, {rows, attr(columns)});
  Value down = op.getDown();
  Value used = view(down, {attr(0), k.mul(firstPanel, width), attr(0)},
                    {extent(down, 0), attr(columns), attr(width)});
  emitPanelProduct(k, {made, used, result, /*accumulate=*/true}, target);
}

/// The hidden values of one panel: one product or two, then bias and
/// activation on the columns just made.
void FeedForwardEmitter::emitPanel(Value input, Value panel, Value part) {
  auto product = [&](Value panels, Value into) {
    Value own = view(panels, {panel, attr(0), attr(0)},
                     {attr(1), extent(panels, 1), attr(width)});
    emitPanelProduct(k, {input, own, into}, target);
  };
  product(op.getUp(), part);
  Value gated;
  if (gate) {
    gated = view(gate, {attr(0), attr(0)}, {extent(part, 0), attr(width)});
    product(op.getGate(), gated);
  }
  int64_t lanes = type.getNumElements();
  k.forLoop(k.index(0), k.dim(part, 0), 1, [&](Value row) {
    for (int64_t from = 0; from < width; from += lanes) {
      Value column = k.add(k.mul(panel, width), from);
      SmallVector<Value> at = {row, k.index(from)};
      Value up = withBias(k.load(type, part, at), op.getUpBias(), column);
      if (!gate) {
        k.store(emitActivation(k, op.getActivation(), up), part, at);
        continue;
      }
      Value opened =
          withBias(k.load(type, gated, at), op.getGateBias(), column);
      opened = emitActivation(k, op.getActivation(), opened);
      k.store(k.mulf(opened, up), part, at);
    }
  });
}

/// Adds a bias, whose last vector may be incomplete.
Value FeedForwardEmitter::withBias(Value sum, Value bias, Value column) {
  if (!bias)
    return sum;
  int64_t size = op.getHiddenSize(), lanes = type.getNumElements();
  if (size % width == 0)
    return k.addf(sum, k.load(type, bias, {column}));
  // Beyond the last element a masked load reads nothing, wherever it points.
  Value mask = k.maskBelow(lanes, k.sub(k.index(size), column));
  return k.addf(sum, vector::MaskedLoadOp::create(k.b, k.loc, type, bias,
                                                  ValueRange{column}, mask,
                                                  k.constant(type, 0)));
}
} // namespace

void mlir::attn::cpu::emitPackedFeedForward(KernelBuilder &k,
                                            PackedFeedForwardOp op,
                                            const CpuTarget &target) {
  FeedForwardEmitter(k, op, target).emit();
}
