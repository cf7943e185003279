//===- Pack.cpp - tiles into the layouts that register tiles read ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.pack. Rows are copied by vectors; panels are transposed in
// registers, a square of rows at a time, so that packing a tile of keys costs
// about 1 % of using it for a tile of queries.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Words of a panel's depth up to which its squares are unrolled.
constexpr int64_t kMostUnrolled = 256;

class PackEmitter {
public:
  PackEmitter(KernelBuilder &k, PackOp op, const CpuTarget &target)
      : k(k), op(op), source(cast<MemRefType>(op.getSource().getType())),
        dest(cast<MemRefType>(op.getDest().getType())) {
    hasGroup = op.getMap().isFunctionOfDim(0);
    int64_t plainRank =
        (op.getLayout() == PackLayout::Panels ? 3 : 2) + (hasGroup ? 1 : 0);
    isPaired = dest.getRank() != plainRank;
    // A pair of bf16 moves as one 32-bit word.
    word = isPaired ? k.b.getF32Type() : dest.getElementType();
    lanes = target.lanes(word.getIntOrFloatBitWidth());
    depth = source.getDimSize(positionOf(2));
    hasUnitStride =
        positionOf(2) + 1 == source.getRank() && source.isLastDimUnitStride();
  }

  void emit();

private:
  unsigned positionOf(unsigned dim) {
    return *op.getMap().getResultPosition(
        getAffineDimExpr(dim, op.getContext()));
  }
  Value loadVector(Value group, Value row, Value inRange, int64_t column,
                   int64_t width, Value base = Value());
  Value loadStrided(ArrayRef<Value> at, int64_t count, int64_t width);
  Value isRowThere(Value row);
  SmallVector<Value> destIndices(Value group, ArrayRef<Value> rest);
  void emitRows(Value group);
  void emitPairedRows(Value group);
  void emitPanels(Value group);
  void emitSquares(Value group, Value panel, Value firstRow, int64_t lane,
                   bool isWhole);
  void emitSquare(Value group, Value panel, Value firstRow, int64_t lane,
                  bool isWhole, Value base, int64_t column);
  void emitCopiedPanels(Value group);

  KernelBuilder &k;
  PackOp op;
  MemRefType source, dest;
  Type word;
  int64_t lanes, depth;
  bool hasGroup, isPaired, hasUnitStride;
  Value rows; ///< rows of the source
  Value flat; ///< the destination with pairs as one dimension
};
} // namespace

void attn::cpu::emitTranspose(KernelBuilder &k,
                              SmallVectorImpl<Value> &square) {
  int64_t lanes = square.size();
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    for (int64_t row = 0; row < lanes; ++row) {
      if (row & half)
        continue;
      std::tie(square[row], square[row + half]) =
          k.butterfly(square[row], square[row + half], half);
    }
  }
}

SmallVector<Value> PackEmitter::destIndices(Value group, ArrayRef<Value> rest) {
  SmallVector<Value> at;
  if (hasGroup)
    at.push_back(group);
  llvm::append_range(at, rest);
  return at;
}

/// `width` elements of a row from `column` on, in the destination's element
/// type and scaled; zero beyond the source. From `base` on, if that is given,
/// where the source has all of them.
Value PackEmitter::loadVector(Value group, Value row, Value inRange,
                              int64_t column, int64_t width, Value base) {
  Type to = isPaired ? source.getElementType() : dest.getElementType();
  auto resultType = k.vectorOf(width, to),
       type = k.vectorOf(width, source.getElementType());
  int64_t count = base ? width : std::min(width, depth - column);
  if (count <= 0)
    return k.constant(resultType, 0);
  SmallVector<Value> at(source.getRank());
  for (unsigned position = 0; position < at.size(); ++position) {
    unsigned dim = op.getMap().getDimPosition(position);
    at[position] = dim == 0   ? group
                   : dim == 1 ? row
                   : base     ? base
                              : k.index(column);
  }
  Value value;
  if (!hasUnitStride) {
    value = loadStrided(at, count, width);
  } else if (count == width) {
    value = k.load(type, op.getSource(), at);
  } else {
    Value mask = k.maskBelow(width, k.index(count));
    value = vector::MaskedLoadOp::create(k.b, k.loc, type, op.getSource(), at,
                                         mask, k.constant(type, 0));
  }
  if (type.getElementTypeBitWidth() < resultType.getElementTypeBitWidth())
    value = arith::ExtFOp::create(k.b, k.loc, resultType, value);
  if (double scale = op.getScale().convertToDouble(); scale != 1.0)
    value = k.mulf(value, k.constant(value.getType(), scale));
  if (getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth() >
      to.getIntOrFloatBitWidth())
    value = arith::TruncFOp::create(k.b, k.loc, resultType, value);
  return inRange ? k.select(inRange, value, k.constant(resultType, 0)) : value;
}

/// Lane by lane, for sources whose rows are not contiguous.
Value PackEmitter::loadStrided(ArrayRef<Value> first, int64_t count,
                               int64_t width) {
  Value result = k.constant(k.vectorOf(width, source.getElementType()), 0);
  SmallVector<Value> at(first);
  for (int64_t lane = 0; lane < count; ++lane) {
    at[positionOf(2)] = k.add(first[positionOf(2)], lane);
    result = vector::InsertOp::create(k.b, k.loc, k.load(op.getSource(), at),
                                      result, lane);
  }
  return result;
}

/// Null if every row is valid, else the row's flag.
Value PackEmitter::isRowThere(Value row) {
  return op.getValid() ? k.load(op.getValid(), {row}) : Value();
}

void PackEmitter::emitRows(Value group) {
  int64_t width = dest.getShape().back();
  auto storeRow = [&](Value row, function_ref<Value(int64_t)> load) {
    for (int64_t column = 0; column < width; column += lanes) {
      SmallVector<Value> at = destIndices(group, {row, k.index(column)});
      Value value = load(column);
      if (column + lanes <= width)
        k.store(value, op.getDest(), at);
      else
        vector::MaskedStoreOp::create(
            k.b, k.loc, op.getDest(), at,
            k.maskBelow(lanes, k.index(width - column)), value);
    }
  };
  k.forLoop(k.index(0), rows, 1, [&](Value row) {
    Value isThere = isRowThere(row);
    storeRow(row, [&](int64_t column) {
      return loadVector(group, row, isThere, column, lanes);
    });
  });
  if (op.getAlign() == 1)
    return;
  Value align = k.index(op.getAlign());
  Value end = k.mul(k.ceilDiv(rows, op.getAlign()), align);
  Value zero = k.constant(k.vectorOf(lanes, dest.getElementType()), 0);
  k.forLoop(rows, end, 1,
            [&](Value row) { storeRow(row, [&](int64_t) { return zero; }); });
}

/// Two rows interleaved: lane 2c of a destination row is column c of the even
/// row, lane 2c + 1 of the odd one.
void PackEmitter::emitPairedRows(Value group) {
  int64_t width = dest.getShape().drop_back().back();
  auto emitPair = [&](Value pair, bool hasOdd) {
    Value even = k.mul(pair, 2), odd = k.add(even, 1);
    for (int64_t column = 0; column < width; column += lanes) {
      Value first = loadVector(group, even, isRowThere(even), column, lanes);
      Value second =
          hasOdd ? loadVector(group, odd, isRowThere(odd), column, lanes)
                 : k.constant(first.getType(), 0);
      k.store(vector::InterleaveOp::create(k.b, k.loc, first, second), flat,
              destIndices(group, {pair, k.index(2 * column)}));
    }
  };
  Value whole = k.b.createOrFold<arith::DivUIOp>(k.loc, rows, k.index(2));
  k.forLoop(k.index(0), whole, 1, [&](Value pair) { emitPair(pair, true); });
  k.ifThen(k.less(k.mul(whole, 2), rows), [&] { emitPair(whole, false); });
  if (op.getAlign() == 1)
    return;
  int64_t align = llvm::divideCeil(op.getAlign(), 2);
  Value first = k.ceilDiv(rows, 2),
        end = k.mul(k.ceilDiv(first, align), k.index(align));
  Value zero = k.constant(k.vectorOf(2 * lanes, dest.getElementType()), 0);
  k.forLoop(first, end, 1, [&](Value pair) {
    for (int64_t column = 0; column < width; column += lanes)
      k.store(zero, flat, destIndices(group, {pair, k.index(2 * column)}));
  });
}

/// `lanes` rows from `firstRow` on become lanes [lane, lane + lanes) of a
/// panel: a loop over squares where there are many, then the rest.
void PackEmitter::emitSquares(Value group, Value panel, Value firstRow,
                              int64_t lane, bool isWhole) {
  int64_t words = dest.getDimSize((hasGroup ? 1 : 0) + 1), column = 0;
  if (words > kMostUnrolled) {
    column = depth / (isPaired ? 2 : 1) / lanes * lanes;
    k.forLoop(k.index(0), k.index(column), lanes, [&](Value base) {
      emitSquare(group, panel, firstRow, lane, isWhole, base, 0);
    });
  }
  for (; column < words; column += lanes)
    emitSquare(group, panel, firstRow, lane, isWhole, Value(), column);
}

/// One square of `emitSquares`, from `base` or else from `column` on.
void PackEmitter::emitSquare(Value group, Value panel, Value firstRow,
                             int64_t lane, bool isWhole, Value base,
                             int64_t column) {
  int64_t perWord = isPaired ? 2 : 1,
          words = dest.getDimSize((hasGroup ? 1 : 0) + 1);
  auto wordType = k.vectorOf(lanes, word),
       stored = k.vectorOf(lanes * perWord, dest.getElementType());
  SmallVector<Value> square;
  for (int64_t r = 0; r < lanes; ++r) {
    Value row = k.add(firstRow, r),
          isThere = isWhole ? isRowThere(row) : Value();
    if (!isWhole) { // a row beyond the last is read as the last one, and
                    // dropped
      Value inside = k.less(row, rows), last = k.sub(rows, k.index(1));
      row = k.min(row, last);
      isThere = isRowThere(row);
      isThere =
          isThere
              ? arith::AndIOp::create(k.b, k.loc, inside, isThere).getResult()
              : inside;
    }
    Value value =
        loadVector(group, row, isThere, column * perWord, lanes * perWord,
                   base ? k.mul(base, perWord) : base);
    square.push_back(
        isPaired
            ? vector::BitCastOp::create(k.b, k.loc, wordType, value).getResult()
            : value);
  }
  emitTranspose(k, square);
  for (int64_t r = 0; r < std::min(lanes, words - column); ++r) {
    Value value = isPaired
                      ? vector::BitCastOp::create(k.b, k.loc, stored, square[r])
                            .getResult()
                      : square[r];
    k.store(
        value, flat,
        destIndices(group, {panel, base ? k.add(base, r) : k.index(column + r),
                            k.index(lane * perWord)}));
  }
}

/// Panels of a source whose rows are its contiguous dimension: a step of the
/// depth is a copy.
void PackEmitter::emitCopiedPanels(Value group) {
  int64_t columns = dest.getShape().back();
  VectorType type = k.vectorOf(lanes, word);
  Value zero = k.constant(type, 0);
  k.forLoop(k.index(0), k.ceilDiv(rows, columns), 1, [&](Value panel) {
    Value firstRow = k.mul(panel, columns);
    SmallVector<Value> masks;
    for (int64_t lane = 0; lane < columns; lane += lanes)
      masks.push_back(k.maskBelow(lanes, k.sub(rows, k.add(firstRow, lane))));
    k.forLoop(k.index(0), k.index(depth), 1, [&](Value step) {
      SmallVector<Value> at(source.getRank(), group);
      at[positionOf(2)] = step;
      for (auto [i, mask] : llvm::enumerate(masks)) {
        at[positionOf(1)] = k.add(firstRow, i * lanes);
        Value value = vector::MaskedLoadOp::create(
            k.b, k.loc, type, op.getSource(), at, mask, zero);
        if (double scale = op.getScale().convertToDouble(); scale != 1.0)
          value = k.mulf(value, k.constant(type, scale));
        k.store(value, op.getDest(),
                destIndices(group, {panel, step, k.index(i * lanes)}));
      }
    });
  });
}

void PackEmitter::emitPanels(Value group) {
  int64_t columns = dest.getShape().drop_back(isPaired ? 1 : 0).back();
  k.forLoop(k.index(0), k.ceilDiv(rows, columns), 1, [&](Value panel) {
    Value firstRow = k.mul(panel, columns);
    Value isWhole = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::sle,
                                          k.add(firstRow, columns), rows);
    auto branch =
        scf::IfOp::create(k.b, k.loc, isWhole, /*withElseRegion=*/true);
    for (bool whole : {true, false}) {
      OpBuilder::InsertionGuard guard(k.b);
      k.b.setInsertionPointToStart(whole ? branch.thenBlock()
                                         : branch.elseBlock());
      for (int64_t lane = 0; lane < columns; lane += lanes)
        emitSquares(group, panel, k.add(firstRow, lane), lane, whole);
    }
  });
}

void PackEmitter::emit() {
  rows = k.dim(op.getSource(), positionOf(1));
  flat = op.getDest();
  if (isPaired) {
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i + 1 < dest.getRank(); ++i)
      groups.push_back({i});
    groups.back().push_back(dest.getRank() - 1);
    flat = memref::CollapseShapeOp::create(k.b, k.loc, flat, groups);
  }
  auto body = [&](Value group) {
    bool isCopy = !isPaired && !op.getValid() &&
                  source.getElementType() == dest.getElementType() &&
                  positionOf(1) + 1 == source.getRank() &&
                  source.isLastDimUnitStride();
    if (op.getLayout() == PackLayout::Panels)
      isCopy ? emitCopiedPanels(group) : emitPanels(group);
    else if (isPaired)
      emitPairedRows(group);
    else
      emitRows(group);
  };
  if (hasGroup)
    k.forLoop(k.index(0), k.dim(op.getSource(), positionOf(0)), 1, body);
  else
    body(Value());
}

void attn::cpu::emitPack(KernelBuilder &k, PackOp op, const CpuTarget &target) {
  PackEmitter(k, op, target).emit();
}
