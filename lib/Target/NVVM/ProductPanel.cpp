//===- ProductPanel.cpp - a factor of a product in shared memory ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies of up to 16 bytes into either of two layouts, after the way the factor
// lies in memory, and the operands that `ldmatrix` makes of both.
//
//===----------------------------------------------------------------------===//

#include "ProductPanel.h"

#include "Launch.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

//===----------------------------------------------------------------------===//
// Places in global memory
//===----------------------------------------------------------------------===//

/// The largest power of two that divides `x` and is at most `most`.
static int64_t powerIn(int64_t x, int64_t most) {
  if (ShapedType::isDynamic(x))
    return 1;
  while (x % most != 0)
    most /= 2;
  return most;
}

/// A power of two, at most `most`, that divides where a memref begins, counted
/// in elements.
static int64_t alignedOffset(Value memref, int64_t most) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t offset;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)))
    return 1;
  auto view = memref.getDefiningOp<memref::SubViewOp>();
  if (!ShapedType::isDynamic(offset))
    return powerIn(offset, most);
  if (!view)
    return 1;
  most = alignedOffset(view.getSource(), most);
  if (failed(view.getSourceType().getStridesAndOffset(strides, offset)))
    return 1;
  for (auto [from, stride] : llvm::zip_equal(view.getStaticOffsets(), strides))
    if (ShapedType::isDynamic(from))
      most = powerIn(stride, most);
    else if (from != 0)
      most =
          powerIn(ShapedType::isDynamic(stride) ? stride : from * stride, most);
  return most;
}

int64_t attn::nvvm::alignedElements(Value memref, unsigned position) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t offset, most = 128 / type.getElementTypeBitWidth();
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      strides[position] != 1)
    return 0;
  for (auto [i, stride] : llvm::enumerate(strides))
    if (i != position && type.getDimSize(i) != 1)
      most = powerIn(stride, most);
  return alignedOffset(memref, most);
}

GlobalBuffer::GlobalBuffer(FragmentBuilder &f, Value memref)
    : type(cast<MemRefType>(memref.getType())) {
  int64_t offset;
  SmallVector<int64_t> known;
  (void)type.getStridesAndOffset(known, offset);
  auto metadata = memref::ExtractStridedMetadataOp::create(f.b, f.loc, memref);
  for (auto [i, stride] : llvm::enumerate(known))
    strides.push_back(ShapedType::isDynamic(stride) ? metadata.getStrides()[i]
                                                    : f.index(stride));
  base = memref::ExtractAlignedPointerAsIndexOp::create(f.b, f.loc, memref);
  Value from =
      ShapedType::isDynamic(offset) ? metadata.getOffset() : f.index(offset);
  base = f.add(base, f.mul(from, elementBytes()));
}

Value GlobalBuffer::pointer(FragmentBuilder &f, ValueRange indices) const {
  Value elements = f.index(0);
  for (auto [one, stride] : llvm::zip_equal(indices, strides))
    elements = f.add(elements, f.mul(one, stride));
  return toGlobalPointer(f, f.add(base, f.mul(elements, elementBytes())));
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

ProductPanel::ProductPanel(FragmentBuilder &f, const ProductPlace &place,
                           const Factor &factor, ArrayRef<unsigned> lines,
                           int64_t lineCount, Value firstLine, Value numLines)
    : f(f), place(place), factor(factor), lines(lines), lineCount(lineCount),
      firstLine(firstLine), numLines(numLines), element(factor.element()),
      compute(place.product->compute()), buffer(f, factor.memref) {
  chooseLayout();
  preparePieces();
}

/// Neighbours along the depth or across it, whichever longer copies can bring.
void ProductPanel::chooseLayout() {
  auto alongDim = [&](unsigned dim) -> int64_t {
    std::optional<unsigned> at =
        factor.map.getResultPosition(getAffineDimExpr(dim, f.b.getContext()));
    return at ? alignedElements(factor.memref, *at) : 0;
  };
  int64_t depth = alongDim(innerDepth()), across = 0;
  if (!lines.empty()) {
    across = alongDim(lines.back());
    // A copy must not go over the end of the last of several dimensions.
    if (across > 1 && lines.size() > 1)
      across = powerIn(place.product->extents[lines.back()], across);
  }
  alongDepth = depth >= across;
  chunk = std::max<int64_t>(1, std::max(depth, across));
}

Value ProductPanel::strideOf(unsigned dim) const {
  auto at =
      factor.map.getResultPosition(getAffineDimExpr(dim, f.b.getContext()));
  return at ? buffer.strides[*at] : f.index(0);
}

SharedTile ProductPanel::tileAt(Value base) const {
  int64_t depth = place.tile->depth;
  if (alongDepth)
    return {base, lineCount, depth, element};
  // Elements of 32 bits are read one by one: the same line of four depths next
  // to each other is to be 8 banks apart.
  int64_t extra = element.isF32() ? 4 : 0;
  return {base, depth, lineCount + extra, element};
}

/// Pieces of a row follow each other. With rows of four pieces, of an odd pitch
/// in pieces, rows r and r + 4 are in different banks: a quarter of a warp
/// writes these.
ProductPanel::Piece ProductPanel::makePiece(Value number) {
  int64_t perRow = (alongDepth ? place.tile->depth : lineCount) / chunk,
          rows = alongDepth ? lineCount : place.tile->depth;
  auto quotient = [&](Value x, int64_t y) {
    return f.b.createOrFold<arith::DivUIOp>(f.loc, x, f.index(y));
  };
  auto rest = [&](Value x, int64_t y) {
    return f.b.createOrFold<arith::RemUIOp>(f.loc, x, f.index(y));
  };
  int64_t bytes = buffer.elementBytes();
  Value row = quotient(number, perRow), at = f.mul(rest(number, perRow), chunk);
  if (perRow == 4 && rows % 8 == 0 && chunk * bytes == 16) {
    Value inEight = rest(row, 8);
    row = f.add(f.add(f.mul(quotient(row, 8), 8), quotient(inEight, 2)),
                f.mul(rest(inEight, 2), 4));
  }
  Piece piece;
  piece.inShared = f.add(f.mul(row, tileAt({}).pitch()), f.mul(at, bytes));
  Value line = f.add(firstLine, alongDepth ? row : at);
  piece.depthAt = alongDepth ? at : row;
  Value left = f.sub(numLines, line);
  left = f.min(f.max(left, f.index(0)), f.index(alongDepth ? 1 : chunk));
  piece.present = f.toI32(f.mul(left, alongDepth ? chunk * bytes : bytes));
  if (!isAsync())
    line = f.min(line, f.sub(numLines, f.index(1)));
  SmallVector<Value> extents;
  for (unsigned dim : lines)
    extents.push_back(place.extents[dim]);
  Value elements = f.index(0);
  auto move = [&](unsigned dim, Value by) {
    elements = f.add(elements, f.mul(by, strideOf(dim)));
  };
  for (auto [dim, digit] :
       llvm::zip_equal(lines, delinearise(f, line, extents)))
    move(dim, digit);
  for (auto [dim, digit] : llvm::zip_equal(place.product->batch, place.batch))
    move(dim, digit);
  if (isAsync())
    move(innerDepth(), piece.depthAt);
  piece.address = f.add(buffer.base, f.mul(elements, bytes));
  return piece;
}

/// What does not change from step to step. The threads share the pieces.
void ProductPanel::preparePieces() {
  if (!isAsync())
    return;
  int64_t count = lineCount * place.tile->depth / chunk,
          threads = f.at.threads();
  for (int64_t done = 0; done < count; done += threads) {
    Value number = f.add(f.at.thread, done);
    pieces.push_back(makePiece(number));
    if (done + threads > count)
      pieces.back().isDealt = f.less(number, f.index(count));
  }
}

/// How far in memory, in bytes, a step is from the beginning of the depth.
Value ProductPanel::stepOffset(const DepthPosition &at) {
  Value elements = f.mul(at.first, strideOf(innerDepth()));
  for (auto [dim, digit] :
       llvm::zip_equal(ArrayRef(place.product->depth).drop_back(), at.outer))
    elements = f.add(elements, f.mul(digit, strideOf(dim)));
  return f.mul(elements, buffer.elementBytes());
}

/// How many bytes of a piece exist, as i32.
Value ProductPanel::presentBytes(const Piece &piece, const DepthPosition &at) {
  int64_t known = place.product->extents[innerDepth()];
  if (!ShapedType::isDynamic(known) && known % place.tile->depth == 0)
    return piece.present;
  Value left =
      f.sub(f.sub(place.extents[innerDepth()], at.first), piece.depthAt);
  if (!alongDepth)
    return f.select(f.less(f.index(0), left), piece.present, f.i32(0));
  left = f.min(f.max(left, f.index(0)), f.index(chunk));
  return f.min(f.toI32(f.mul(left, buffer.elementBytes())), piece.present);
}

void ProductPanel::stage(Value base, const DepthPosition &at) {
  if (!isAsync())
    return stageElements(base, at);
  Value offset = stepOffset(at);
  int64_t bytes = chunk * buffer.elementBytes();
  auto kind = bytes == 16 ? NVVM::LoadCacheModifierKind::CG
                          : NVVM::LoadCacheModifierKind::CA;
  for (const Piece &piece : pieces) {
    auto copy = [&] {
      NVVM::CpAsyncOp::create(f.b, f.loc, f.offset(base, piece.inShared),
                              toGlobalPointer(f, f.add(piece.address, offset)),
                              bytes, kind, presentBytes(piece, at));
    };
    if (piece.isDealt)
      f.ifThen(piece.isDealt, copy);
    else
      copy();
  }
}

/// Loads instead of copies, of addresses that exist in any case.
void ProductPanel::stageElements(Value base, const DepthPosition &at) {
  int64_t count = lineCount * place.tile->depth;
  auto loop = scf::ForOp::create(f.b, f.loc, f.at.thread, f.index(count),
                                 f.index(f.at.threads()));
  OpBuilder::InsertionGuard guard(f.b);
  f.b.setInsertionPointToStart(loop.getBody());
  Piece piece = makePiece(loop.getInductionVar());
  Value last = f.sub(place.extents[innerDepth()], f.index(1)),
        wanted = f.add(at.first, piece.depthAt);
  DepthPosition inBounds{at.outer, f.min(wanted, last)};
  Value from = f.add(piece.address, stepOffset(inBounds));
  Value loaded =
      LLVM::LoadOp::create(f.b, f.loc, element, toGlobalPointer(f, from));
  Value isThere =
      f.both(f.lessOrEqual(wanted, last), f.less(f.i32(0), piece.present));
  Value zero = arith::ConstantOp::create(f.b, f.loc, f.b.getZeroAttr(element));
  LLVM::StoreOp::create(f.b, f.loc, f.select(isThere, loaded, zero),
                        f.offset(base, piece.inShared));
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

SharedTile ProductPanel::warpTile(Value base, Value warpLine) const {
  SharedTile tile = tileAt(base);
  int64_t bytes = alongDepth ? tile.pitch() : tile.elementBytes();
  tile.base = f.offset(base, f.mul(warpLine, bytes));
  return tile;
}

Value ProductPanel::sliceAt(Value base, Value depth) const {
  SharedTile tile = tileAt(base);
  int64_t bytes = alongDepth ? tile.elementBytes() : tile.pitch();
  return f.offset(base, f.mul(depth, bytes));
}

/// An operand of f32, element by element: `ldmatrix` transposes elements of 16
/// bits only, and does not widen them.
Operand ProductPanel::loadElements(const SharedTile &tile, int64_t depth,
                                   ArrayRef<int64_t> linesAt) {
  int64_t bytes = tile.elementBytes(), pitch = tile.pitch();
  int64_t depthBytes = alongDepth ? bytes : pitch,
          lineBytes = alongDepth ? pitch : bytes;
  Value pointer = f.offset(tile.base, f.add(f.mul(f.at.quad, depthBytes),
                                            f.mul(f.at.group, lineBytes)));
  SmallVector<Value> registers;
  for (int64_t half : {0, 4})
    for (int64_t line : linesAt) {
      Value one = f.loadShared(
          f.offset(pointer, (depth + half) * depthBytes + line * lineBytes),
          element);
      registers.push_back(
          LLVM::BitcastOp::create(f.b, f.loc, f.b.getI32Type(), f.extend(one)));
    }
  // What was narrow is exact in tf32.
  return isWidened() ? Operand{{registers.begin(), registers.end()}, {}}
                     : f.split(registers, compute);
}

Operand ProductPanel::loadLeft(Value base, Value warpLine, int64_t line,
                               int64_t step) {
  SharedTile tile = warpTile(base, warpLine);
  int64_t depth = step * FragmentBuilder::depthOf(compute);
  if (isWidened() || (!alongDepth && element.isF32()))
    return loadElements(tile, depth, {line, line + 8});
  if (alongDepth)
    return f.loadLeft(tile, f.index(line), step);
  // Matrices: lines 0-7 and 8-15 of depths 0-7, then of depths 8-15.
  Value lane = f.at.lane;
  auto quotient = [&](int64_t by) {
    return f.b.createOrFold<arith::DivUIOp>(f.loc, lane, f.index(by));
  };
  auto rest = [&](Value x, int64_t by) {
    return f.b.createOrFold<arith::RemUIOp>(f.loc, x, f.index(by));
  };
  Value row = f.add(rest(lane, 8), f.mul(quotient(16), 8)),
        chunkAt = rest(quotient(8), 2);
  Value pointer =
      f.offset(tile.base, f.add(f.mul(row, tile.pitch()), f.mul(chunkAt, 16)));
  pointer = f.offset(pointer, depth * tile.pitch() + 2 * line);
  return f.split(f.loadMatrices(pointer, /*isTransposed=*/true), element);
}

SmallVector<Operand> ProductPanel::loadRight(Value base, Value warpLine,
                                             int64_t line, int64_t step) {
  SharedTile tile = warpTile(base, warpLine);
  int64_t depth = step * FragmentBuilder::depthOf(compute);
  if (isWidened() || (!alongDepth && element.isF32()))
    return {loadElements(tile, depth, {line}),
            loadElements(tile, depth, {line + 8})};
  return alongDepth ? f.loadRight(tile, line, step)
                    : f.loadRightByRows(tile, depth, line);
}
