//===- Staging.cpp - rows from global to shared memory --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Asynchronous copies of 16 bytes, which fill with zeros what is not there; for
// layouts that these cannot read, one element after the other.
//
//===----------------------------------------------------------------------===//

#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn::nvvm;

/// Whether a memref is part of one without gaps whose rows are whole chunks:
/// then so are all distances between rows, known or not.
static bool isPartOfWideRows(Value memref) {
  while (auto part = memref.getDefiningOp<memref::SubViewOp>())
    memref = part.getSource();
  auto type = cast<MemRefType>(memref.getType());
  return type.getLayout().isIdentity() && type.getRank() > 0 &&
         !type.isDynamicDim(type.getRank() - 1) &&
         type.getShape().back() * type.getElementTypeBitWidth() % 128 == 0;
}

/// Whether columns are cut off in front that are no whole chunks.
static bool beginsInsideOfChunk(Value memref) {
  while (auto part = memref.getDefiningOp<memref::SubViewOp>()) {
    unsigned width = part.getSourceType().getElementTypeBitWidth();
    std::optional<int64_t> offset;
    if (part.getSourceType().getRank() > 0)
      offset = getConstantIntValue(part.getMixedOffsets().back());
    if (offset && *offset * width % 128 != 0)
      return true;
    memref = part.getSource();
  }
  return false;
}

bool attn::nvvm::hasWideRows(Value memref, unsigned columnPosition) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t offset, bytes = type.getElementTypeBitWidth() / 8;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      strides[columnPosition] != 1 ||
      type.getDimSize(columnPosition) * bytes % 16 != 0)
    return false;
  if (beginsInsideOfChunk(memref))
    return false;
  if (isPartOfWideRows(memref))
    return true;
  for (auto [position, stride] : llvm::enumerate(strides))
    // Rows of one dimension of extent 1 are one row.
    if (position != columnPosition && type.getDimSize(position) != 1 &&
        (ShapedType::isDynamic(stride) || stride * bytes % 16 != 0))
      return false;
  return true;
}

GlobalRows::GlobalRows(FragmentBuilder &f, Value memref,
                       unsigned columnPosition)
    : f(f), memref(memref), type(cast<MemRefType>(memref.getType())),
      columnPosition(columnPosition),
      async(hasWideRows(memref, columnPosition)) {
  int64_t staticOffset, bytes = type.getElementTypeBitWidth() / 8;
  SmallVector<int64_t> staticStrides;
  (void)type.getStridesAndOffset(staticStrides, staticOffset);
  auto metadata = memref::ExtractStridedMetadataOp::create(f.b, f.loc, memref);
  for (auto [position, stride] : llvm::enumerate(staticStrides)) {
    bool isKnown = !ShapedType::isDynamic(stride);
    strides.push_back(isKnown ? f.index(stride)
                              : metadata.getStrides()[position]);
  }
  Value aligned =
      memref::ExtractAlignedPointerAsIndexOp::create(f.b, f.loc, memref);
  base = f.add(aligned, f.mul(metadata.getOffset(), bytes));
}

std::optional<int64_t> GlobalRows::getRowBytes() const {
  if (strides.size() != 2)
    return std::nullopt;
  std::optional<int64_t> stride =
      getConstantIntValue(strides[1 - columnPosition]);
  if (!stride)
    return std::nullopt;
  return *stride * type.getElementTypeBitWidth() / 8;
}

Value GlobalRows::rowAddress(ValueRange indices) const {
  Value elements = f.index(0);
  unsigned next = 0;
  for (unsigned position = 0; position < strides.size(); ++position)
    if (position != columnPosition)
      elements = f.add(elements, f.mul(indices[next++], strides[position]));
  return f.add(base, f.mul(elements, type.getElementTypeBitWidth() / 8));
}

Value GlobalRows::load(ValueRange indices, Value column) const {
  SmallVector<Value> at(indices);
  at.insert(at.begin() + columnPosition, column);
  return memref::LoadOp::create(f.b, f.loc, memref, at);
}

Value attn::nvvm::toGlobalPointer(FragmentBuilder &f, Value address) {
  Value wide =
      arith::IndexCastOp::create(f.b, f.loc, f.b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(
      f.b, f.loc, LLVM::LLVMPointerType::get(f.b.getContext(), 1), wide);
}

namespace {
/// The threads share `count` pieces of work, piece after piece, without a loop
/// unless one is asked for or they are many.
void deal(FragmentBuilder &f, int64_t count, bool isLoop,
          function_ref<void(Value)> body) {
  constexpr int64_t many = 8;
  int64_t threads = f.at.threads();
  if (isLoop || count > many * threads) {
    auto loop = scf::ForOp::create(f.b, f.loc, f.at.thread, f.index(count),
                                   f.index(threads));
    OpBuilder::InsertionGuard guard(f.b);
    f.b.setInsertionPointToStart(loop.getBody());
    return body(loop.getInductionVar());
  }
  for (int64_t done = 0; done < count; done += threads) {
    Value piece = f.add(f.at.thread, done);
    if (done + threads <= count)
      body(piece);
    else
      f.ifThen(f.less(piece, f.index(count)), [&] { body(piece); });
  }
}

void stageAsync(FragmentBuilder &f, const SharedTile &tile,
                const GlobalRows &source,
                function_ref<RowOrigin(Value row)> origin, bool isLoop) {
  int64_t chunks = tile.columns * tile.elementBytes() / 16,
          given = source.getColumns() * tile.elementBytes() / 16;
  deal(f, tile.rows * chunks, isLoop, [&](Value piece) {
    Value row = f.b.createOrFold<arith::DivUIOp>(f.loc, piece, f.index(chunks)),
          chunk =
              f.b.createOrFold<arith::RemUIOp>(f.loc, piece, f.index(chunks));
    RowOrigin from = origin(row);
    Value isThere = from.isThere;
    if (given < chunks)
      isThere = f.both(isThere, f.less(chunk, f.index(given)));
    // An address in bounds even where nothing is read.
    Value column = given < chunks ? f.min(chunk, f.index(given - 1)) : chunk;
    Value address = f.add(source.rowAddress(from.indices), f.mul(column, 16));
    Value to =
        f.offset(tile.base, f.add(f.mul(row, tile.pitch()), f.mul(chunk, 16)));
    Value size = f.select(isThere, f.i32(16), f.i32(0));
    NVVM::CpAsyncOp::create(f.b, f.loc, to, toGlobalPointer(f, address), 16,
                            NVVM::LoadCacheModifierKind::CG, size);
  });
}

/// Whether every thread copies the same column of rows that are equally far
/// apart.
bool isDealtEvenly(FragmentBuilder &f, const SharedTile &tile,
                   const GlobalRows &source) {
  int64_t chunks = tile.columns * tile.elementBytes() / 16;
  return source.isAsync() && source.hasOneRowDimension() &&
         source.getColumns() == tile.columns && f.at.threads() % chunks == 0 &&
         tile.rows % (f.at.threads() / chunks) == 0;
}

void stageEvenly(FragmentBuilder &f, const SharedTile &tile,
                 const GlobalRows &source, Value first, Value end) {
  int64_t chunks = tile.columns * tile.elementBytes() / 16,
          step = f.at.threads() / chunks;
  Value chunk = f.mul(f.b.createOrFold<arith::RemUIOp>(f.loc, f.at.thread,
                                                       f.index(chunks)),
                      16),
        row = f.b.createOrFold<arith::DivUIOp>(f.loc, f.at.thread,
                                               f.index(chunks));
  Value to = f.offset(tile.base, f.add(f.mul(row, tile.pitch()), chunk));
  std::optional<int64_t> rowBytes = source.getRowBytes();
  Value distance = rowBytes ? f.index(*rowBytes)
                            : f.sub(source.rowAddress({f.index(1)}),
                                    source.rowAddress({f.index(0)}));
  // What is the thread's alone does not change from tile to tile.
  Value from =
      f.offset(toGlobalPointer(f, f.add(source.rowAddress({row}), chunk)),
               f.mul(first, distance));
  auto copy = [&](bool isWhole) {
    // Fewer rows than the tile has: 32 bits, and nothing that is kept.
    Value rest = isWhole ? Value() : f.toI32(f.sub(end, first)),
          number = isWhole ? Value() : f.toI32(row);
    for (int64_t at = 0; at < tile.rows; at += step) {
      Value source = rowBytes ? f.offset(from, at * *rowBytes)
                              : f.offset(from, f.mul(distance, at));
      // A copy of no bytes needs no address in bounds.
      Value size;
      if (!isWhole)
        size = f.select(f.less(f.add(number, f.i32(at)), rest), f.i32(16),
                        f.i32(0));
      NVVM::CpAsyncOp::create(f.b, f.loc, f.offset(to, at * tile.pitch()),
                              source, 16, NVVM::LoadCacheModifierKind::CG,
                              size);
    }
  };
  auto branch =
      scf::IfOp::create(f.b, f.loc, f.lessOrEqual(f.add(first, tile.rows), end),
                        /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(f.b);
  for (bool isWhole : {true, false}) {
    f.b.setInsertionPointToStart(isWhole ? branch.thenBlock()
                                         : branch.elseBlock());
    copy(isWhole);
  }
}

void stageElements(FragmentBuilder &f, const SharedTile &tile,
                   const GlobalRows &source,
                   function_ref<RowOrigin(Value row)> origin) {
  int64_t count = tile.rows * tile.columns, threads = f.at.threads();
  Value zero =
      arith::ConstantOp::create(f.b, f.loc, f.b.getZeroAttr(tile.element));
  auto loop = scf::ForOp::create(f.b, f.loc, f.at.thread, f.index(count),
                                 f.index(threads));
  OpBuilder::InsertionGuard guard(f.b);
  f.b.setInsertionPointToStart(loop.getBody());
  Value piece = loop.getInductionVar();
  Value row = f.b.createOrFold<arith::DivUIOp>(f.loc, piece,
                                               f.index(tile.columns)),
        column = f.b.createOrFold<arith::RemUIOp>(f.loc, piece,
                                                  f.index(tile.columns));
  RowOrigin from = origin(row);
  Value isThere =
      f.both(from.isThere, f.less(column, f.index(source.getColumns())));
  Value element = f.ifElse(isThere, zero, [&] {
    return SmallVector<Value>{source.load(from.indices, column)};
  })[0];
  Value to = f.offset(tile.base, f.add(f.mul(row, tile.pitch()),
                                       f.mul(column, tile.elementBytes())));
  LLVM::StoreOp::create(f.b, f.loc, element, to);
}
} // namespace

void attn::nvvm::stage(FragmentBuilder &f, const SharedTile &tile,
                       const GlobalRows &source,
                       function_ref<RowOrigin(Value row)> origin, bool isLoop) {
  if (source.isAsync())
    stageAsync(f, tile, source, origin, isLoop);
  else
    stageElements(f, tile, source, origin);
}

void attn::nvvm::stageConsecutive(FragmentBuilder &f, const SharedTile &tile,
                                  const GlobalRows &source, Value first,
                                  Value end) {
  if (isDealtEvenly(f, tile, source))
    return stageEvenly(f, tile, source, first, end);
  Value last = f.sub(end, f.index(1));
  stage(f, tile, source, [&](Value row) {
    Value own = f.add(first, row);
    return RowOrigin{f.less(own, end), {f.min(own, last)}};
  });
}

void attn::nvvm::stageWords(FragmentBuilder &f, Value to, int64_t count,
                            function_ref<WordOrigin(Value word)> origin) {
  deal(f, count, /*isLoop=*/false, [&](Value word) {
    WordOrigin from = origin(word);
    Value size = f.select(from.isThere, f.i32(4), f.i32(0));
    NVVM::CpAsyncOp::create(f.b, f.loc, f.offset(to, f.mul(word, 4)),
                            toGlobalPointer(f, from.address), 4,
                            NVVM::LoadCacheModifierKind::CA, size);
  });
}

void attn::nvvm::unstage(FragmentBuilder &f, const SharedTile &tile,
                         Value first, int64_t count, const GlobalRows &target,
                         function_ref<RowOrigin(Value row)> place) {
  int64_t chunks = target.getColumns() * tile.elementBytes() / 16;
  auto words = VectorType::get({4}, f.b.getI32Type());
  for (int64_t done = 0; done < count * chunks; done += f.lanes) {
    Value piece = f.add(f.at.lane, done);
    Value row = f.add(first, f.b.createOrFold<arith::DivUIOp>(f.loc, piece,
                                                              f.index(chunks))),
          chunk =
              f.b.createOrFold<arith::RemUIOp>(f.loc, piece, f.index(chunks));
    RowOrigin to = place(row);
    Value isThere = to.isThere;
    if (done + f.lanes > count * chunks)
      isThere = f.both(isThere, f.less(piece, f.index(count * chunks)));
    f.ifThen(isThere, [&] {
      Value from = f.offset(tile.base,
                            f.add(f.mul(row, tile.pitch()), f.mul(chunk, 16)));
      Value address = f.add(target.rowAddress(to.indices), f.mul(chunk, 16));
      LLVM::StoreOp::create(f.b, f.loc, f.loadShared(from, words),
                            toGlobalPointer(f, address));
    });
  }
}

void attn::nvvm::commitStaging(FragmentBuilder &f) {
  NVVM::CpAsyncCommitGroupOp::create(f.b, f.loc);
}

void attn::nvvm::finishStaging(FragmentBuilder &f) {
  NVVM::CpAsyncWaitGroupOp::create(f.b, f.loc, 0);
}

SmallVector<Value>
attn::nvvm::walkTiles(FragmentBuilder &f, Value from, Value to, int64_t step,
                      int64_t stageBytes, ValueRange carried,
                      function_ref<void(Value first, Value base)> stageNext,
                      function_ref<SmallVector<Value>(Value first, Value base,
                                                      ValueRange carried)>
                          body) {
  SmallVector<Value> values(carried);
  values.push_back(f.index(0)); // where the stage to read begins
  values = f.forLoop(from, to, step, values, [&](Value first, ValueRange old) {
    Value at = old.back(), other = f.sub(f.index(stageBytes), at);
    finishStaging(f);
    f.barrier();
    Value next = f.add(first, step);
    f.ifThen(f.less(next, to),
             [&] { stageNext(next, f.offset(f.at.shared, other)); });
    SmallVector<Value> after =
        body(first, f.offset(f.at.shared, at), old.drop_back());
    after.push_back(other);
    return after;
  });
  values.pop_back();
  return values;
}
