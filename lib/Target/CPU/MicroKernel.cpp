//===- MicroKernel.cpp - the register-tile matrix product -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The accumulators are loop-carried vectors, so that they stay in registers
// whatever the memory around them does.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/MicroKernel.h"
#include "attn/Target/CPU/CpuTarget.h"

#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"

using namespace mlir;
using namespace mlir::attn::cpu;

namespace {
/// The indices of an element `row + rows` rows and `column + columns` columns
/// from the tile's first.
SmallVector<Value> offsetIndices(KernelBuilder &k, const TileRef &tile,
                                 Value row, int64_t rows, Value column,
                                 int64_t columns) {
  SmallVector<Value> at = tile.at;
  unsigned last = at.size() - 1;
  at[last - 1] = k.add(row ? k.add(at[last - 1], row) : at[last - 1], rows);
  at[last] = k.add(column ? k.add(at[last], column) : at[last], columns);
  return at;
}

/// One step of the depth: a vector of B per column vector, a broadcast of A per
/// row, their products.
SmallVector<Value> emitStep(KernelBuilder &k, MicroKernelShape shape,
                            const TileRef &a, const TileRef &b, Value step,
                            ValueRange accumulators) {
  Type element = cast<MemRefType>(b.memref.getType()).getElementType();
  Type accumulator = getElementTypeOrSelf(accumulators.front().getType());
  bool isPaired =
      cast<MemRefType>(a.memref.getType()).getElementType() != accumulator;
  auto load = [&](ArrayRef<Value> at, VectorType type) -> Value {
    Value loaded = k.load(type, b.memref, at);
    // Narrow elements beside wide ones of A are widened on the way.
    if (isPaired || element == accumulator)
      return loaded;
    return arith::ExtFOp::create(k.b, k.loc, type.clone(accumulator), loaded);
  };
  int64_t width = isPaired ? 2 * shape.lanes : shape.lanes;
  auto type = k.vectorOf(width, element);
  SmallVector<Value> columns, result(accumulators.size());
  for (int64_t v = 0; v < shape.vectors; ++v)
    columns.push_back(
        load(offsetIndices(k, b, step, 0, Value(), v * width), type));
  if (shape.prefetchSteps > 0)
    for (int64_t v = 0; v < shape.vectors; ++v)
      memref::PrefetchOp::create(
          k.b, k.loc, b.memref,
          offsetIndices(k, b, k.add(step, shape.prefetchSteps), 0, Value(),
                        v * width),
          /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
  Value column = isPaired ? k.mul(step, 2) : step;
  for (int64_t r = 0; r < shape.rows; ++r) {
    SmallVector<Value> at = a.isTransposed
                                ? offsetIndices(k, a, column, 0, Value(), r)
                                : offsetIndices(k, a, Value(), r, column, 0);
    Value broadcast;
    if (isPaired) {
      // Two neighbours of a row are one 32-bit word, repeated to all lanes.
      Value pair = k.load(k.vectorOf(2, element), a.memref, at);
      Value word = vector::BitCastOp::create(k.b, k.loc,
                                             k.vectorOf(1, accumulator), pair);
      Value scalar = vector::ExtractOp::create(k.b, k.loc, word, 0);
      broadcast = vector::BitCastOp::create(
          k.b, k.loc, type,
          k.broadcast(k.vectorOf(shape.lanes, accumulator), scalar));
    } else {
      broadcast = k.broadcast(type.clone(accumulator), k.load(a.memref, at));
    }
    for (int64_t v = 0; v < shape.vectors; ++v) {
      Value old = accumulators[r * shape.vectors + v];
      result[r * shape.vectors + v] =
          isPaired ? x86vector::DotBF16Op::create(k.b, k.loc, old.getType(),
                                                  old, broadcast, columns[v])
                         .getResult()
                   : k.fma(broadcast, columns[v], old);
    }
  }
  return result;
}
} // namespace

SmallVector<Value> attn::cpu::emitProduct(KernelBuilder &k,
                                          MicroKernelShape shape, TileRef a,
                                          TileRef b, DepthRange depth,
                                          ValueRange accumulators) {
  return k.forLoop(depth.from, depth.to, 1, accumulators,
                   [&](Value step, ValueRange carried) {
                     return emitStep(k, shape, a, b, step, carried);
                   });
}

/// The product through AMX: `rows` / 16 times `vectors` tiles of C stay in tile
/// registers, of which there are 8; two by two of them leave room for those of
/// A and B.
static void emitAmxKernel(KernelBuilder &k, MicroKernelShape shape,
                          const TileRef &a, const TileRef &b, const TileRef &c,
                          DepthRange depth, bool accumulate) {
  constexpr int64_t unit = CpuTarget::amxRows;
  Type single = k.b.getF32Type();
  auto sums = amx::TileType::get({unit, unit}, single),
       pairs = amx::TileType::get({unit, 2 * unit}, k.b.getBF16Type());
  int64_t tiles = shape.rows / unit;
  auto load = [&](amx::TileType type, const TileRef &from, Value row,
                  int64_t rows, Value column, int64_t columns) -> Value {
    return amx::TileLoadOp::create(
        k.b, k.loc, type, from.memref,
        offsetIndices(k, from, row, rows, column, columns));
  };
  SmallVector<Value> initial;
  for (int64_t r = 0; r < tiles; ++r)
    for (int64_t v = 0; v < shape.vectors; ++v)
      initial.push_back(
          accumulate ? load(sums, c, Value(), r * unit, Value(), v * unit)
                     : amx::TileZeroOp::create(k.b, k.loc, sums).getResult());
  SmallVector<Value> result = k.forLoop(
      depth.from, depth.to, unit, initial, [&](Value step, ValueRange carried) {
        SmallVector<Value> rows, columns, next;
        for (int64_t r = 0; r < tiles; ++r)
          rows.push_back(load(pairs, a, Value(), r * unit, k.mul(step, 2), 0));
        for (int64_t v = 0; v < shape.vectors; ++v)
          columns.push_back(load(pairs, b, step, 0, Value(), v * 2 * unit));
        for (int64_t r = 0; r < tiles; ++r)
          for (int64_t v = 0; v < shape.vectors; ++v)
            next.push_back(
                amx::TileMulFOp::create(k.b, k.loc, sums, rows[r], columns[v],
                                        carried[r * shape.vectors + v]));
        return next;
      });
  for (int64_t r = 0; r < tiles; ++r)
    for (int64_t v = 0; v < shape.vectors; ++v)
      amx::TileStoreOp::create(
          k.b, k.loc, c.memref,
          offsetIndices(k, c, Value(), r * unit, Value(), v * unit),
          result[r * shape.vectors + v]);
}

void attn::cpu::emitMicroKernel(KernelBuilder &k, MicroKernelShape shape,
                                TileRef a, TileRef b, TileRef c,
                                DepthRange depth, bool accumulate) {
  if (shape.isAmx)
    return emitAmxKernel(k, shape, a, b, c, depth, accumulate);
  auto type = k.vectorOf(shape.lanes,
                         cast<MemRefType>(c.memref.getType()).getElementType());
  SmallVector<Value> initial;
  for (int64_t r = 0; r < shape.rows; ++r)
    for (int64_t v = 0; v < shape.vectors; ++v)
      initial.push_back(accumulate
                            ? k.load(type, c.memref,
                                     offsetIndices(k, c, Value(), r, Value(),
                                                   v * shape.lanes))
                            : k.constant(type, 0));
  SmallVector<Value> result = emitProduct(k, shape, a, b, depth, initial);
  for (int64_t r = 0; r < shape.rows; ++r)
    for (int64_t v = 0; v < shape.vectors; ++v)
      k.store(result[r * shape.vectors + v], c.memref,
              offsetIndices(k, c, Value(), r, Value(), v * shape.lanes));
}

void attn::cpu::emitStrips(KernelBuilder &k, Value memref, int64_t dim,
                           int64_t height,
                           function_ref<void(Value, int64_t)> strip) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t extent = type.getDimSize(dim);
  bool isStatic = !type.isDynamicDim(dim);
  Value rows = k.dim(memref, dim);
  Value whole = k.mul(
      k.b.createOrFold<arith::DivUIOp>(k.loc, rows, k.index(height)), height);
  if (!isStatic || extent >= height)
    k.forLoop(k.index(0), whole, height,
              [&](Value row) { strip(row, height); });
  Value row = whole, rest = k.sub(rows, whole);
  for (int64_t size = llvm::bit_floor<uint64_t>(height - 1); size >= 1;
       size /= 2) {
    if (isStatic) {
      if (extent % height & size)
        strip(row, size);
      row = k.add(row, extent % height & size);
      continue;
    }
    Value part = k.b.createOrFold<arith::AndIOp>(k.loc, rest, k.index(size));
    k.ifThen(k.less(k.index(0), part), [&] { strip(row, size); });
    row = k.add(row, part);
  }
}
