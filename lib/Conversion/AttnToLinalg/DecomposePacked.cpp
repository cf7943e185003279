//===- DecomposePacked.cpp - packed operations as linalg ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.pack, element by element, and of attn.online_packed: its
// operands unpacked, and attn.online_attention on them. What attn.pack leaves
// unspecified is zero here.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

#include <numbers>

using namespace mlir;
using namespace mlir::attn;

namespace {
using ElementBody = function_ref<Value(OpBuilder &, ValueRange)>;

FloatType elementOf(Value tensor) {
  return cast<FloatType>(
      cast<RankedTensorType>(tensor.getType()).getElementType());
}

/// A tensor in the place of `destination`, each element from its indices.
Value buildElements(OpBuilder &builder, Location loc, Value destination,
                    ElementBody body) {
  auto type = cast<RankedTensorType>(destination.getType());
  SmallVector<AffineMap> maps{builder.getMultiDimIdentityMap(type.getRank())};
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, type, ValueRange(), destination, maps, iterators,
      [&](OpBuilder &b, Location l, ValueRange) {
        SmallVector<Value> indices;
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          indices.push_back(linalg::IndexOp::create(b, l, dim));
        linalg::YieldOp::create(b, l, body(b, indices));
      });
  return generic.getResult(0);
}

/// Index arithmetic by constants.
struct Indices {
  OpBuilder &b;
  Location loc;

  Value constant(int64_t number) {
    return arith::ConstantIndexOp::create(b, loc, number);
  }
  Value times(Value x, int64_t number) {
    return b.createOrFold<arith::MulIOp>(loc, x, constant(number));
  }
  Value plus(Value x, Value y) {
    return b.createOrFold<arith::AddIOp>(loc, x, y);
  }
  Value over(Value x, int64_t number) {
    return b.createOrFold<arith::DivUIOp>(loc, x, constant(number));
  }
  Value modulo(Value x, int64_t number) {
    return b.createOrFold<arith::RemUIOp>(loc, x, constant(number));
  }
  Value isBelow(Value x, Value end) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x, end);
  }
};

/// Head, row and depth of the source that an element of the destination holds.
struct PackedElement {
  Value group, row, depth;
};

PackedElement locate(OpBuilder &b, PackOp op, ValueRange indices) {
  Indices at{b, op.getLoc()};
  auto type = cast<RankedTensorType>(op.getDest().getType());
  bool isPanels = op.getLayout() == PackLayout::Panels,
       hasGroup = op.getMap().isFunctionOfDim(0);
  unsigned plainRank = (isPanels ? 3 : 2) + (hasGroup ? 1 : 0);
  bool isPaired = type.getRank() > plainRank;
  PackedElement element;
  unsigned next = 0;
  if (hasGroup)
    element.group = indices[next++];
  element.row = indices[next++];
  element.depth = indices[next++];
  if (isPanels) {
    int64_t width = type.getDimSize(next);
    element.row = at.plus(at.times(element.row, width), indices[next++]);
  }
  if (isPaired) {
    Value &paired = isPanels ? element.depth : element.row;
    paired = at.plus(at.times(paired, 2), indices[next]);
  }
  return element;
}
} // namespace

SmallVector<Value> mlir::attn::decomposePack(OpBuilder &builder, PackOp op) {
  Location loc = op.getLoc();
  FloatType from = elementOf(op.getSource()), to = elementOf(op.getDest());
  bool isWide = from.isF64() || to.isF64();
  FloatType wide = isWide ? FloatType(builder.getF64Type())
                          : FloatType(builder.getF32Type());
  AffineMap map = op.getMap();
  SmallVector<Value> extents(3);
  for (unsigned position = 0; position < map.getNumResults(); ++position)
    extents[map.getDimPosition(position)] =
        tensor::DimOp::create(builder, loc, op.getSource(), position);
  auto element = [&](OpBuilder &b, ValueRange indices) -> Value {
    Indices at{b, loc};
    PackedElement packed = locate(b, op, indices);
    SmallVector<Value> place{packed.group, packed.row, packed.depth}, read;
    for (unsigned position = 0; position < map.getNumResults(); ++position)
      read.push_back(place[map.getDimPosition(position)]);
    Value isThere =
        arith::AndIOp::create(b, loc, at.isBelow(packed.row, extents[1]),
                              at.isBelow(packed.depth, extents[2]));
    auto zero = [&](OpBuilder &inner, Location l) {
      scf::YieldOp::create(inner, l, floatConstant(inner, l, to, 0));
    };
    auto choose = [&](OpBuilder &outer, Value condition,
                      function_ref<Value(OpBuilder &)> then) -> Value {
      return scf::IfOp::create(
                 outer, loc, condition,
                 [&](OpBuilder &inner, Location l) {
                   scf::YieldOp::create(inner, l, then(inner));
                 },
                 zero)
          .getResult(0);
    };
    auto convert = [&](OpBuilder &inner) -> Value {
      Value value = tensor::ExtractOp::create(inner, loc, op.getSource(), read);
      value = convertFloat(inner, loc, value, wide);
      double scale = op.getScale().convertToDouble();
      if (scale != 1)
        value = arith::MulFOp::create(inner, loc, value,
                                      floatConstant(inner, loc, wide, scale));
      return convertFloat(inner, loc, value, to);
    };
    return choose(b, isThere, [&](OpBuilder &inner) -> Value {
      if (!op.getValid())
        return convert(inner);
      Value flag =
          tensor::ExtractOp::create(inner, loc, op.getValid(), packed.row);
      return choose(inner, flag, convert);
    });
  };
  return {buildElements(builder, loc, op.getDest(), element)};
}

namespace {
/// The operands of attn.online_packed as plain matrices of the accumulator's
/// type.
class Unpacker {
public:
  Unpacker(OpBuilder &builder, OnlinePackedOp op)
      : b(builder), op(op), loc(op.getLoc()), type(elementOf(op.getAcc())) {}

  /// Rows [G, `rows`, D].
  Value unpackQuery(Value query) {
    auto from = cast<RankedTensorType>(query.getType());
    return unpack(
        {b.getIndexAttr(from.getDimSize(0)), op.getRows(),
         b.getIndexAttr(from.getDimSize(2))},
        query, [](Indices, ValueRange at) { return SmallVector<Value>(at); });
  }

  /// The first `count` rows of panels, of panels of pairs, or of rows.
  Value unpackKey(Value key, Value count) {
    auto from = cast<RankedTensorType>(key.getType());
    bool isPaired = from.getRank() == 4, isRows = from.getRank() == 2;
    int64_t depth = from.getDimSize(1) * (isPaired ? 2 : 1);
    return unpack({count, b.getIndexAttr(depth)}, key,
                  [=](Indices to, ValueRange at) {
                    if (isRows)
                      return SmallVector<Value>(at);
                    int64_t width = from.getDimSize(2);
                    SmallVector<Value> read{to.over(at[0], width), at[1],
                                            to.modulo(at[0], width)};
                    if (isPaired) {
                      read[1] = to.over(at[1], 2);
                      read.push_back(to.modulo(at[1], 2));
                    }
                    return read;
                  });
  }

  /// The first rows of rows, or of pairs of rows.
  Value unpackValue(Value value) {
    auto from = cast<RankedTensorType>(value.getType());
    bool isPaired = from.getRank() == 3;
    return unpack({op.getKeys(), b.getIndexAttr(from.getDimSize(1))}, value,
                  [=](Indices to, ValueRange at) {
                    if (!isPaired)
                      return SmallVector<Value>(at);
                    return SmallVector<Value>{to.over(at[0], 2), at[1],
                                              to.modulo(at[0], 2)};
                  });
  }

private:
  Value unpack(ArrayRef<OpFoldResult> sizes, Value packed,
               function_ref<SmallVector<Value>(Indices, ValueRange)> place) {
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type);
    return buildElements(
        b, loc, empty, [&](OpBuilder &inner, ValueRange at) -> Value {
          Value value = tensor::ExtractOp::create(
              inner, loc, packed, place(Indices{inner, loc}, at));
          return convertFloat(inner, loc, value, type);
        });
  }

  OpBuilder &b;
  OnlinePackedOp op;
  Location loc;
  FloatType type;
};
} // namespace

SmallVector<Value> mlir::attn::decomposeOnlinePacked(OpBuilder &builder,
                                                     OnlinePackedOp op) {
  using O = OnlineAttentionOp::Dim;
  Location loc = op.getLoc();
  Unpacker unpacker(builder, op);
  Value query = unpacker.unpackQuery(op.getQuery()),
        key = unpacker.unpackKey(op.getKey(), op.getKeys()),
        value = unpacker.unpackValue(op.getValue()), relative, relativeQuery;
  auto map = [&](ArrayRef<AffineExpr> results) -> Attribute {
    return AffineMapAttr::get(
        AffineMap::get(O::kNumDims, 0, results, builder.getContext()));
  };
  auto d = [&](unsigned dim) { return builder.getAffineDimExpr(dim); };
  SmallVector<Attribute> maps{
      map({d(O::kGroup), d(O::kQuery), d(O::kHeadSize)}),
      map({d(O::kKey), d(O::kHeadSize)}), map({d(O::kKey), d(O::kValueSize)})};
  if (op.getBias())
    maps.push_back(op.getBiasMapAttr());
  if (op.getKeyValid())
    maps.push_back(map({d(O::kKey)}));
  if (op.getRelative()) {
    relative = unpacker.unpackKey(op.getRelative(), op.getPositions());
    relativeQuery = unpacker.unpackQuery(op.getRelativeQuery());
    maps.push_back(map({d(O::kKey) - d(O::kQuery), d(O::kHeadSize)}));
  }
  // Scores that nothing happens to are packed in units of log2.
  double scale = op.getScale() ? op.getScale()->convertToDouble() : 1;
  if (!op.getSoftcap() && op.getScoreMod().empty() && !op.getBias())
    scale *= std::numbers::ln2;
  auto online = OnlineAttentionOp::create(
      builder, loc, op.getResultTypes(), query, key, value, op.getBias(),
      op.getKeyValid(), op.getAcc(), op.getMax(), op.getSum(), op.getBatch(),
      op.getHead(), op.getFirstQuery(), op.getFirstKey(), op.getNumQueries(),
      op.getNumKeys(), relative, relativeQuery, builder.getArrayAttr(maps),
      builder.getF64FloatAttr(scale), op.getSoftcapAttr(), op.getMaskAttr());
  IRMapping mapping;
  op.getScoreMod().cloneInto(&online.getScoreMod(), mapping);
  SmallVector<Value> results = decomposeOnlineAttention(builder, online);
  online.erase();
  return results;
}
