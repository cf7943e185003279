//===- DecomposeAsymmetricLsh.cpp - clusters of queries and keys ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.asymmetric_lsh_attention, dense: ranks by counting, the
// pairs that share a window in some round, and exact attention over those
// pairs. Its hashes serve the kernels too.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

namespace {
using LshOp = AsymmetricLshAttentionOp;

class AsymmetricLshBuilder {
public:
  AsymmetricLshBuilder(OpBuilder &builder, LshOp op);
  LshHashes buildHashes();
  SmallVector<Value> build();

private:
  /// Batch, head, query, key, head size, value size as in the operation; then
  /// round, another query or key, and a component of a direction.
  enum Dim : unsigned { kB, kH, kI, kJ, kD, kE, kR, kOther, kLift, kNumDims };
  /// Queries or keys.
  struct Side {
    Value tokens, valid, hash;
    AffineMap tokenMap, validMap;
    Dim position;
    int64_t lift; ///< the component of a direction that lifting adds
  };

  Value buildSquares(const Side &side);
  Value buildLargest(Value squares, const Side &side);
  Value buildProjections(const Side &side);
  Value buildLifted(Value projections, Value squares, Value limit,
                    const Side &side);
  Value convertHash(const Side &side);
  Value buildClusters(const Side &side, int64_t chunk);
  Value buildMet(Value queryClusters, Value keyClusters);
  void fillScoreMod(Region &region, Value met);

  AffineMap mapOf(ArrayRef<unsigned> dims, ArrayRef<bool> isOne = {});
  AffineMap widen(AffineMap map);
  AffineMap directionMap(AffineExpr component);
  Value directionPart(int64_t first, int64_t size);
  SmallVector<OpFoldResult> sizesOf(ArrayRef<unsigned> dims) {
    return llvm::map_to_vector(dims,
                               [&](unsigned dim) { return extents[dim]; });
  }
  Value empty(ArrayRef<unsigned> dims, Type element) {
    return tensor::EmptyOp::create(b, loc, sizesOf(dims), element);
  }
  Value real(double value) { return floatConstant(b, loc, type, value); }

  OpBuilder &b;
  LshOp op;
  Location loc;
  FloatType type;
  SmallVector<OpFoldResult> extents;
  Side query, key;
};
} // namespace

AsymmetricLshBuilder::AsymmetricLshBuilder(OpBuilder &builder, LshOp op)
    : b(builder), op(op), loc(op.getLoc()), type(op.getAccumulatorType()) {
  for (unsigned dim = 0; dim < LshOp::kNumDims; ++dim)
    extents.push_back(op.getExtent(b, loc, LshOp::Dim(dim)));
  extents.push_back(b.getIndexAttr(op.getRounds()));
  extents.append(2, b.getIndexAttr(1)); // kOther: as long as the side at hand
  int64_t size = op.getStaticExtent(LshOp::kHeadSize);
  auto hash = [&](unsigned side) {
    return op.getHashes().empty() ? Value() : Value(op.getHashes()[side]);
  };
  query = {op.getQuery(), op.getQueryValid(),
           hash(0),       widen(op.getQueryMap()),
           AffineMap(),   kI,
           size + 1};
  key = {op.getKey(), op.getKeyValid(),
         hash(1),     widen(op.getKeyMap()),
         AffineMap(), kJ,
         size};
  if (query.valid)
    query.validMap = widen(op.getQueryValidMap());
  if (key.valid)
    key.validMap = widen(op.getKeyValidMap());
}

/// A map of the operation's, over our domain, whose first dimensions are its.
AffineMap AsymmetricLshBuilder::widen(AffineMap map) {
  return AffineMap::get(kNumDims, 0, map.getResults(), b.getContext());
}

AffineMap AsymmetricLshBuilder::mapOf(ArrayRef<unsigned> dims,
                                      ArrayRef<bool> isOne) {
  SmallVector<AffineExpr> exprs;
  for (auto [number, dim] : llvm::enumerate(dims))
    exprs.push_back(number < isOne.size() && isOne[number]
                        ? b.getAffineConstantExpr(0)
                        : b.getAffineDimExpr(dim));
  return AffineMap::get(kNumDims, 0, exprs, b.getContext());
}

AffineMap AsymmetricLshBuilder::directionMap(AffineExpr component) {
  auto directions = cast<RankedTensorType>(op.getDirections().getType());
  AffineExpr head = directions.getDimSize(0) == 1 ? b.getAffineConstantExpr(0)
                                                  : b.getAffineDimExpr(kH);
  return AffineMap::get(kNumDims, 0, {head, b.getAffineDimExpr(kR), component},
                        b.getContext());
}

/// [H, R, size]: some components of the directions.
Value AsymmetricLshBuilder::directionPart(int64_t first, int64_t size) {
  auto type = cast<RankedTensorType>(op.getDirections().getType());
  SmallVector<OpFoldResult> offsets{b.getIndexAttr(0), b.getIndexAttr(0),
                                    b.getIndexAttr(first)},
      sizes{b.getIndexAttr(type.getDimSize(0)),
            b.getIndexAttr(type.getDimSize(1)), b.getIndexAttr(size)},
      strides(3, b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, loc, op.getDirections(), offsets,
                                        sizes, strides);
}

/// [B, H, position]: squared lengths, 0 of invalid tokens.
Value AsymmetricLshBuilder::buildSquares(const Side &side) {
  SmallVector<unsigned> dims{kB, kH, side.position};
  SmallVector<Value> inputs{side.tokens};
  SmallVector<AffineMap> maps{side.tokenMap};
  if (side.valid) {
    inputs.push_back(side.valid);
    maps.push_back(side.validMap);
  }
  maps.push_back(mapOf(dims));
  return buildGeneric(b, loc, {kB, kH, side.position, kD}, inputs, maps,
                      filledTensor(b, loc, sizesOf(dims), type, 0),
                      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
                        Value x = convertFloat(b, l, in[0], type);
                        Value square = arith::MulFOp::create(b, l, x, x);
                        if (side.valid)
                          square = arith::SelectOp::create(b, l, in[1], square,
                                                           real(0));
                        return arith::AddFOp::create(b, l, in.back(), square);
                      });
}

/// [B, H]: the largest of them.
Value AsymmetricLshBuilder::buildLargest(Value squares, const Side &side) {
  return buildGeneric(b, loc, {kB, kH, side.position}, squares,
                      {mapOf({kB, kH, side.position}), mapOf({kB, kH})},
                      filledTensor(b, loc, sizesOf({kB, kH}), type, 0),
                      [](OpBuilder &b, Location l, ValueRange in) -> Value {
                        return arith::MaximumFOp::create(b, l, in[1], in[0]);
                      });
}

/// [B, H, R, position]: products with the first components of the directions.
Value AsymmetricLshBuilder::buildProjections(const Side &side) {
  SmallVector<unsigned> dims{kB, kH, kR, side.position};
  return buildGeneric(
      b, loc, {kB, kH, kR, side.position, kD},
      {side.tokens, directionPart(0, op.getStaticExtent(LshOp::kHeadSize))},
      {side.tokenMap, directionMap(b.getAffineDimExpr(kD)), mapOf(dims)},
      filledTensor(b, loc, sizesOf(dims), type, 0),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value product =
            arith::MulFOp::create(b, l, convertFloat(b, l, in[0], type),
                                  convertFloat(b, l, in[1], type));
        return arith::AddFOp::create(b, l, in[2], product);
      });
}

/// The same with what lifting adds to a token's length. `limit` is the squared
/// length of all lifted tokens.
Value AsymmetricLshBuilder::buildLifted(Value projections, Value squares,
                                        Value limit, const Side &side) {
  SmallVector<unsigned> dims{kB, kH, kR, side.position};
  return buildGeneric(
      b, loc, dims, {projections, squares, limit, directionPart(side.lift, 1)},
      {mapOf(dims), mapOf({kB, kH, side.position}), mapOf({kB, kH}),
       directionMap(b.getAffineConstantExpr(0)), mapOf(dims)},
      empty(dims, type), [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value rest = arith::SubFOp::create(b, l, in[2], in[1]);
        Value lifted = math::SqrtOp::create(b, l, rest);
        Value direction = convertFloat(b, l, in[3], type);
        return arith::AddFOp::create(
            b, l, in[0], arith::MulFOp::create(b, l, direction, lifted));
      });
}

/// Hashes that are given, in the type of sums.
Value AsymmetricLshBuilder::convertHash(const Side &side) {
  SmallVector<unsigned> dims{kB, kH, kR, side.position};
  auto given = cast<RankedTensorType>(side.hash.getType());
  return buildGeneric(
      b, loc, dims, side.hash,
      {mapOf(dims, {given.getDimSize(0) == 1, given.getDimSize(1) == 1}),
       mapOf(dims)},
      empty(dims, type), [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        return convertFloat(b, l, in[0], type);
      });
}

LshHashes AsymmetricLshBuilder::buildHashes() {
  LshHashes made;
  made.querySquares = buildSquares(query);
  made.keySquares = buildSquares(key);
  made.largestKey = buildLargest(made.keySquares, key);
  if (!op.getDirections()) {
    made.query = convertHash(query), made.key = convertHash(key);
    return made;
  }
  Value largestQuery = buildLargest(made.querySquares, query);
  AffineMap map = mapOf({kB, kH});
  Value limit =
      buildGeneric(b, loc, {kB, kH}, {largestQuery, made.largestKey},
                   {map, map, map}, empty({kB, kH}, type),
                   [](OpBuilder &b, Location l, ValueRange in) -> Value {
                     return arith::AddFOp::create(b, l, in[0], in[1]);
                   });
  made.query =
      buildLifted(buildProjections(query), made.querySquares, limit, query);
  made.key = buildLifted(buildProjections(key), made.keySquares, limit, key);
  return made;
}

/// [B, H, R, position]: ranks over `chunk`; invalid tokens have the last ranks.
Value AsymmetricLshBuilder::buildClusters(const Side &side, int64_t chunk) {
  SmallVector<unsigned> dims{kB, kH, kR, side.position};
  SmallVector<unsigned> otherDims{kB, kH, kR, kOther};
  extents[kOther] = extents[side.position];
  Value hash = side.hash;
  if (side.valid)
    hash = buildGeneric(
        b, loc, dims, {side.hash, side.valid},
        {mapOf(dims), side.validMap, mapOf(dims)}, empty(dims, type),
        [&](OpBuilder &b, Location l, ValueRange in) -> Value {
          return arith::SelectOp::create(b, l, in[1], in[0], real(kInfinity));
        });
  Type i64 = b.getI64Type();
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 64);
  Value zeros =
      linalg::FillOp::create(b, loc, zero, empty(dims, i64)).getResult(0);
  Value ranks = buildGeneric(
      b, loc, {kB, kH, kR, side.position, kOther}, {hash, hash},
      {mapOf(dims), mapOf(otherDims), mapOf(dims)}, zeros,
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value isLess = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OLT,
                                             in[1], in[0]);
        Value isEqual = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                              in[1], in[0]);
        Value isEarlier = arith::CmpIOp::create(
            b, l, arith::CmpIPredicate::slt, linalg::IndexOp::create(b, l, 4),
            linalg::IndexOp::create(b, l, 3));
        isEqual = arith::AndIOp::create(b, l, isEqual, isEarlier);
        Value isBefore = arith::OrIOp::create(b, l, isLess, isEqual);
        Value one = arith::ExtUIOp::create(b, l, i64, isBefore);
        return arith::AddIOp::create(b, l, in[2], one);
      });
  Value size = arith::ConstantIntOp::create(b, loc, chunk, 64);
  return buildGeneric(b, loc, dims, ranks, {mapOf(dims), mapOf(dims)},
                      empty(dims, i64),
                      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
                        return arith::DivSIOp::create(b, l, in[0], size);
                      });
}

/// [B, H, i, j]: whether the window of the query's cluster holds the key in
/// some round.
Value AsymmetricLshBuilder::buildMet(Value queryClusters, Value keyClusters) {
  SmallVector<unsigned> dims{kB, kH, kI, kJ};
  SmallVector<Value> inputs{queryClusters, keyClusters};
  SmallVector<AffineMap> maps{mapOf({kB, kH, kR, kI}), mapOf({kB, kH, kR, kJ})};
  for (const Side *side : {&query, &key})
    if (side->valid) {
      inputs.push_back(side->valid);
      maps.push_back(side->validMap);
    }
  maps.push_back(mapOf(dims));
  Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
  Value init = linalg::FillOp::create(b, loc, no, empty(dims, b.getI1Type()))
                   .getResult(0);
  int64_t back = op.getLookBack(), ahead = op.getLookAhead();
  return buildGeneric(
      b, loc, {kB, kH, kI, kJ, kR}, inputs, maps, init,
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value distance = arith::SubIOp::create(b, l, in[1], in[0]);
        auto compare = [&](arith::CmpIPredicate predicate, int64_t limit) {
          Value bound = arith::ConstantIntOp::create(b, l, limit, 64);
          return arith::CmpIOp::create(b, l, predicate, distance, bound);
        };
        Value isMet = arith::AndIOp::create(
            b, l, compare(arith::CmpIPredicate::sge, -back),
            compare(arith::CmpIPredicate::sle, ahead));
        for (Value isValid : in.drop_front(2).drop_back())
          isMet = arith::AndIOp::create(b, l, isMet, isValid);
        return arith::OrIOp::create(b, l, in.back(), isMet);
      });
}

/// The operation's own score mod, and -inf for pairs that no round meets.
void AsymmetricLshBuilder::fillScoreMod(Region &region, Value met) {
  Type index = b.getIndexType();
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(),
                               TypeRange{type, index, index, index, index},
                               SmallVector<Location>(5, loc));
  Value score = block->getArgument(0);
  if (!op.getScoreMod().empty())
    score = inlineScalarRegion(b, op.getScoreMod(), block->getArguments());
  Value isMet = tensor::ExtractOp::create(b, loc, met,
                                          block->getArguments().drop_front());
  YieldOp::create(
      b, loc,
      arith::SelectOp::create(b, loc, isMet, score,
                              floatConstant(b, loc, type, -kInfinity)));
}

SmallVector<Value> AsymmetricLshBuilder::build() {
  checkAsymmetricLengths(b, op);
  LshHashes hashes = buildHashes();
  query.hash = hashes.query, key.hash = hashes.key;
  Value met = buildMet(buildClusters(query, op.getChunk()),
                       buildClusters(key, op.getKeyChunk()));
  SmallVector<AffineMap> maps{op.getQueryMap(), op.getKeyMap(),
                              op.getValueMap(), op.getOutputMap()};
  if (op.getLse())
    maps.push_back(op.getLseMap());
  MaskAttrInterface mask;
  if (op.getCausal())
    mask = cast<MaskAttrInterface>(
        Attribute(CausalAttr::get(b.getContext(), Alignment::TopLeft)));
  auto attention = AttentionOp::create(
      b, loc, op->getResultTypes(), op.getQuery(), op.getKey(), op.getValue(),
      Value(), Value(), op.getOutput(), op.getLse(),
      b.getAffineMapArrayAttr(maps), mask,
      b.getF64FloatAttr(op.getScaleValue()), FloatAttr());
  fillScoreMod(attention.getScoreMod(), met);
  SmallVector<Value> results = decomposeAttention(b, attention);
  attention.erase();
  return results;
}

void mlir::attn::checkAsymmetricLengths(OpBuilder &b, LshOp op) {
  Location loc = op.getLoc();
  int64_t n = op.getStaticExtent(LshOp::kQuery),
          m = op.getStaticExtent(LshOp::kKey);
  auto extent = [&](LshOp::Dim dim) {
    return getValueOrCreateConstantIndexOp(b, loc, op.getExtent(b, loc, dim));
  };
  auto check = [&](arith::CmpIPredicate predicate, Value x, Value y,
                   const Twine &message) {
    Value holds = arith::CmpIOp::create(b, loc, predicate, x, y);
    cf::AssertOp::create(b, loc, holds, message.str());
  };
  if (ShapedType::isDynamic(n))
    check(arith::CmpIPredicate::sge, extent(LshOp::kQuery),
          arith::ConstantIndexOp::create(b, loc, op.getChunk()),
          "expected at least one chunk of " + Twine(op.getChunk()) +
              " queries");
  if (ShapedType::isDynamic(n) || ShapedType::isDynamic(m))
    check(arith::CmpIPredicate::eq, extent(LshOp::kQuery), extent(LshOp::kKey),
          "expected as many queries as keys");
}

LshHashes mlir::attn::buildAsymmetricHashes(OpBuilder &builder, LshOp op) {
  return AsymmetricLshBuilder(builder, op).buildHashes();
}

SmallVector<Value> mlir::attn::decomposeAsymmetricLsh(OpBuilder &builder,
                                                      LshOp op) {
  return AsymmetricLshBuilder(builder, op).build();
}
