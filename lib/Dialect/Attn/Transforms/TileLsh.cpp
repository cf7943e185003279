//===- TileLsh.cpp - LSH attention as hash, sort and gathered chunks ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile-lsh. Operands are brought into the form that the kernels read,
// which for the usual layouts and types costs nothing. What the kernels do not
// cover is computed in the dense form that is the operation's meaning.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

#define DEBUG_TYPE "attn-tile-lsh"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTILELSHPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = LshAttentionOp::Dim;
/// Below this the own position's score leaves nothing of its weight.
constexpr double kNegligibleScore = -1000;

class LshTiler {
public:
  LshTiler(LshAttentionOp op, OpBuilder &builder, int64_t columnAlign)
      : op(op), b(builder), loc(op.getLoc()), columnAlign(columnAlign),
        element(op.getAccumulatorType()) {}

  /// What the kernels do not cover, or nothing.
  std::optional<StringRef> findObstacle();
  SmallVector<Value> tile();
  /// The dense form, whose buckets nevertheless come from the kernel.
  SmallVector<Value> tileDensely();

private:
  void checkLengths();
  OpFoldResult extent(D dim) { return op.getExtent(b, loc, dim); }
  Value empty(ArrayRef<OpFoldResult> sizes, Type type) {
    return tensor::EmptyOp::create(b, loc, sizes, type);
  }
  Value convert(OpBuilder &builder, Value value, Type to);
  Value generic(ArrayRef<OpFoldResult> sizes, AffineMap map, Value source,
                Type to);
  AffineMap innermostLast(AffineMap map);
  std::pair<Value, AffineMap> readable(Value source, AffineMap map, D inner);
  Value buildRotations();
  Value buildCount();
  Value buildValid();
  std::pair<Value, Value> buildHash(Value x, AffineMap map);
  void buildSort(Value buckets);
  std::pair<Value, AffineMap> buildDestination();
  Value writeOutput(Value result, AffineMap map);
  Type codeType();

  LshAttentionOp op;
  OpBuilder &b;
  Location loc;
  int64_t columnAlign;
  Type element;
  Value order, first, end, code; ///< of the sort
};
} // namespace

std::optional<StringRef> LshTiler::findObstacle() {
  double own = op.getSelfValue().convertToDouble();
  LshSelf self = op.getSelfMode();
  if (op.getWrap())
    return "the rolled axis of chunks";
  if (op.getValid() && (!op.getMaskQuery() || !op.getPadBucket()))
    return "invalid tokens that attend or hash";
  if (self == LshSelf::Overwrite && op.getValid())
    return "invalid tokens that see themselves";
  // A query that sees only itself gives its own value in every mode.
  if (self == LshSelf::Subtract)
    own = -std::abs(own);
  if (self != LshSelf::Exclude && (op.getLse() || own > kNegligibleScore))
    return "the weight of the own position";
  if (op.getDup() == LshDuplicates::Lr && element.isF64())
    return "dup lr in f64";
  return std::nullopt;
}

/// Lengths that the types leave open must agree when the program runs.
void LshTiler::checkLengths() {
  auto check = [&](arith::CmpIPredicate predicate, OpFoldResult left,
                   OpFoldResult right, const Twine &message) {
    if (getConstantIntValue(left) && getConstantIntValue(right))
      return;
    Value holds = arith::CmpIOp::create(
        b, loc, predicate, getValueOrCreateConstantIndexOp(b, loc, left),
        getValueOrCreateConstantIndexOp(b, loc, right));
    cf::AssertOp::create(b, loc, holds, message.str());
  };
  check(arith::CmpIPredicate::sge, extent(D::kPosition),
        b.getIndexAttr(op.getChunk()), getLshLengthMessage(op));
  constexpr StringLiteral names[] = {"batches", "heads", "tokens"};
  for (OpOperand *operand : op.getMappedOperands()) {
    AffineMap map = op.getMapOf(*operand);
    for (unsigned i = 0; i < map.getNumResults(); ++i)
      if (unsigned dim = map.getDimPosition(i); dim <= D::kPosition)
        check(arith::CmpIPredicate::eq,
              tensor::getMixedSize(b, loc, operand->get(), i), extent(D(dim)),
              "expected as many " + names[dim] +
                  " in all operands of LSH "
                  "attention");
  }
  if (Value injected = op.getInjected())
    check(arith::CmpIPredicate::eq, tensor::getMixedSize(b, loc, injected, 3),
          extent(D::kPosition),
          "expected as many buckets a round as tokens in LSH attention");
}

Value LshTiler::convert(OpBuilder &builder, Value value, Type to) {
  Type from = value.getType();
  if (from == to)
    return value;
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, to, value);
  return arith::TruncFOp::create(builder, loc, to, value);
}

/// A tensor of `sizes` whose element at (d0, d1, ...) is that of `source` at
/// `map`, converted.
Value LshTiler::generic(ArrayRef<OpFoldResult> sizes, AffineMap map,
                        Value source, Type to) {
  Value init = empty(sizes, to);
  SmallVector<utils::IteratorType> iterators(sizes.size(),
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), source, init,
             ArrayRef{map, b.getMultiDimIdentityMap(sizes.size())}, iterators,
             [&](OpBuilder &inner, Location, ValueRange in) {
               linalg::YieldOp::create(inner, loc, convert(inner, in[0], to));
             })
      .getResult(0);
}

/// The same dimensions as `map` with the innermost of x or value last.
AffineMap LshTiler::innermostLast(AffineMap map) {
  SmallVector<AffineExpr> exprs;
  for (unsigned dim = 0; dim < D::kNumDims; ++dim)
    if (map.isFunctionOfDim(dim))
      exprs.push_back(b.getAffineDimExpr(dim));
  return AffineMap::get(D::kNumDims, 0, exprs, b.getContext());
}

/// The operand with its vectors contiguous, in whole registers, in the type of
/// sums.
std::pair<Value, AffineMap> LshTiler::readable(Value source, AffineMap map,
                                               D inner) {
  auto type = cast<RankedTensorType>(source.getType());
  int64_t size = op.getStaticExtent(inner);
  AffineMap own = innermostLast(map);
  bool isLast = map.getDimPosition(map.getNumResults() - 1) == inner;
  if (isLast && type.getElementType() == element && size % columnAlign == 0)
    return {source, map};
  SmallVector<OpFoldResult> sizes;
  SmallVector<AffineExpr> positions(D::kNumDims, b.getAffineConstantExpr(0));
  for (unsigned i = 0; i < own.getNumResults(); ++i) {
    positions[own.getDimPosition(i)] = b.getAffineDimExpr(i);
    sizes.push_back(extent(D(own.getDimPosition(i))));
  }
  AffineMap read =
      map.replaceDimsAndSymbols(positions, {}, own.getNumResults(), 0);
  Value copy = generic(sizes, read, source, element);
  if (size % columnAlign == 0)
    return {copy, own};
  SmallVector<OpFoldResult> padded(sizes),
      offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  padded.back() = b.getIndexAttr(llvm::alignTo(size, columnAlign));
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  Value filled =
      linalg::FillOp::create(b, loc, zero, empty(padded, element)).getResult(0);
  return {tensor::InsertSliceOp::create(b, loc, copy, filled, offsets, sizes,
                                        strides),
          own};
}

/// [H, D, R, S] as [H, R, S, D].
Value LshTiler::buildRotations() {
  auto type = cast<RankedTensorType>(op.getRotations().getType());
  SmallVector<OpFoldResult> sizes;
  for (int64_t i : {0, 2, 3, 1})
    sizes.push_back(b.getIndexAttr(type.getDimSize(i)));
  AffineMap map = AffineMap::getPermutationMap(ArrayRef<unsigned>{0, 3, 1, 2},
                                               b.getContext());
  return generic(sizes, map, op.getRotations(), element);
}

std::pair<Value, Value> LshTiler::buildHash(Value x, AffineMap map) {
  SmallVector<OpFoldResult> sizes{extent(D::kBatch), extent(D::kHead),
                                  extent(D::kPosition)};
  Value unit = empty(sizes, element), bucket, rotations;
  SmallVector<Type> types{unit.getType()};
  if (op.getRotations()) {
    sizes.insert(sizes.begin() + 2, b.getIndexAttr(op.getRounds()));
    rotations = buildRotations();
    bucket = empty(sizes, b.getI32Type());
    types.push_back(bucket.getType());
  }
  double eps =
      op.getKeyEps().convertToDouble() * op.getStaticExtent(D::kHeadSize);
  auto hash = HashOp::create(b, loc, types, x, rotations, unit, bucket,
                             AffineMapAttr::get(map), op.getBucketsAttr(),
                             b.getF64FloatAttr(eps));
  return {hash.getResult(0),
          bucket ? Value(hash.getResult(1)) : op.getInjected()};
}

/// 16 bits, if no code needs more.
Type LshTiler::codeType() {
  int64_t n = op.getStaticExtent(D::kPosition);
  int64_t window = 1 + op.getLookBack() + op.getLookAhead();
  int64_t stride = op.getSameBucket() ? window : 0;
  if (ShapedType::isDynamic(n))
    return b.getI32Type();
  int64_t largest =
      llvm::divideCeil(n, op.getChunk()) + stride * op.getNumBuckets() + window;
  return b.getIntegerType(largest < (1 << 16) ? 16 : 32);
}

/// valid as [N] or [B, N].
Value LshTiler::buildValid() {
  if (!op.getValid())
    return Value();
  AffineMap map = op.getValidMap();
  if (map.getDimPosition(map.getNumResults() - 1) == D::kPosition)
    return op.getValid();
  return generic(
      {extent(D::kBatch), extent(D::kPosition)},
      AffineMap::getPermutationMap(ArrayRef<unsigned>{1, 0}, b.getContext()),
      op.getValid(), b.getI1Type());
}

/// [B]: valid tokens.
Value LshTiler::buildCount() {
  if (!op.getValid())
    return Value();
  Type i32 = b.getI32Type();
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 32);
  Value init =
      linalg::FillOp::create(b, loc, zero, empty({extent(D::kBatch)}, i32))
          .getResult(0);
  AffineExpr batch = b.getAffineDimExpr(0), token = b.getAffineDimExpr(1);
  AffineMap map = op.getValidMap().replaceDimsAndSymbols(
      {batch, b.getAffineConstantExpr(0), token, b.getAffineConstantExpr(0),
       b.getAffineConstantExpr(0)},
      {}, 2, 0);
  return linalg::GenericOp::create(
             b, loc, init.getType(), op.getValid(), init,
             ArrayRef{map, AffineMap::get(2, 0, batch)},
             ArrayRef{utils::IteratorType::parallel,
                      utils::IteratorType::reduction},
             [&](OpBuilder &inner, Location, ValueRange in) {
               Value one = arith::ExtUIOp::create(inner, loc, i32, in[0]);
               Value sum = arith::AddIOp::create(inner, loc, in[1], one);
               linalg::YieldOp::create(inner, loc, sum);
             })
      .getResult(0);
}

void LshTiler::buildSort(Value buckets) {
  OpFoldResult rounds = b.getIndexAttr(op.getRounds());
  SmallVector<OpFoldResult> sizes{extent(D::kBatch), extent(D::kHead), rounds,
                                  extent(D::kPosition)};
  auto ranks = [&] { return empty(sizes, b.getI32Type()); };
  Value orderInit = ranks(), firstInit, endInit, codeInit;
  if (op.getSameBucket())
    firstInit = ranks();
  if (op.getSameBucket() && !op.getCausal())
    endInit = ranks();
  if (op.getRounds() > 1 && op.getDup() != LshDuplicates::None)
    codeInit = empty({sizes[0], sizes[1], sizes[3], rounds}, codeType());
  SmallVector<Type> types;
  for (Value init : {orderInit, firstInit, endInit, codeInit})
    if (init)
      types.push_back(init.getType());
  int64_t window = 1 + op.getLookBack() + op.getLookAhead();
  auto sort = BucketSortOp::create(
      b, loc, types, buckets, buildValid(), orderInit, firstInit, endInit,
      codeInit, b.getI64IntegerAttr(op.getNumBuckets()), op.getChunkAttr(),
      b.getI64IntegerAttr(op.getSameBucket() ? window : 0));
  unsigned next = 0;
  order = sort.getResult(next++);
  first = firstInit ? Value(sort.getResult(next++)) : Value();
  end = endInit ? Value(sort.getResult(next++)) : Value();
  code = codeInit ? Value(sort.getResult(next++)) : Value();
}

/// Where rounds add up: the output itself, where it has the form that kernels
/// write.
std::pair<Value, AffineMap> LshTiler::buildDestination() {
  AffineMap map = op.getOutputMap();
  auto type = cast<RankedTensorType>(op.getOutput().getType());
  int64_t size = op.getStaticExtent(D::kValueSize);
  if (map.getDimPosition(map.getNumResults() - 1) == D::kValueSize &&
      type.getElementType() == element && size % columnAlign == 0)
    return {op.getOutput(), map};
  AffineMap own = innermostLast(map);
  SmallVector<OpFoldResult> sizes;
  for (unsigned i = 0; i < own.getNumResults(); ++i)
    sizes.push_back(extent(D(own.getDimPosition(i))));
  sizes.back() = b.getIndexAttr(llvm::alignTo(size, columnAlign));
  return {empty(sizes, element), own};
}

Value LshTiler::writeOutput(Value result, AffineMap map) {
  if (result.getType() == op.getOutput().getType() && map == op.getOutputMap())
    return result;
  AffineMap to = op.getOutputMap();
  unsigned rank = to.getNumResults();
  SmallVector<AffineExpr> positions(D::kNumDims, b.getAffineConstantExpr(0));
  for (unsigned i = 0; i < rank; ++i)
    positions[to.getDimPosition(i)] = b.getAffineDimExpr(i);
  AffineMap read = map.replaceDimsAndSymbols(positions, {}, rank, 0);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, result),
                            offsets(rank, b.getIndexAttr(0)),
                            strides(rank, b.getIndexAttr(1));
  sizes.back() = b.getIndexAttr(op.getStaticExtent(D::kValueSize));
  Value source =
      tensor::ExtractSliceOp::create(b, loc, result, offsets, sizes, strides);
  Type target =
      cast<RankedTensorType>(op.getOutput().getType()).getElementType();
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, op.getOutput().getType(), source, op.getOutput(),
             ArrayRef{read, b.getMultiDimIdentityMap(rank)}, iterators,
             [&](OpBuilder &inner, Location, ValueRange in) {
               linalg::YieldOp::create(inner, loc,
                                       convert(inner, in[0], target));
             })
      .getResult(0);
}

SmallVector<Value> LshTiler::tile() {
  checkLengths();
  auto [x, xMap] = readable(op.getX(), op.getXMap(), D::kHeadSize);
  auto [value, valueMap] =
      readable(op.getValue(), op.getValueMap(), D::kValueSize);
  auto [unit, buckets] = buildHash(x, xMap);
  buildSort(buckets);
  auto [output, outputMap] = buildDestination();
  Value state = empty({b.getIndexAttr(2), extent(D::kBatch), extent(D::kHead),
                       extent(D::kPosition)},
                      element);
  SmallVector<Type> types{output.getType(), state.getType()};
  SmallVector<AffineMap> maps{xMap, valueMap, outputMap};
  if (op.getLse()) {
    types.push_back(op.getLse().getType());
    maps.push_back(op.getLseMap());
  }
  auto chunks = LshChunksOp::create(
      b, loc, types, x, value, unit, order, first, end, code, buildCount(),
      output, state, op.getLse(), b.getAffineMapArrayAttr(maps),
      op.getChunkAttr(), b.getI64IntegerAttr(op.getLookBack()),
      b.getI64IntegerAttr(op.getLookAhead()), op.getScaleAttr(),
      op.getCausalAttr());
  chunks.getScoreMod().takeBody(op.getScoreMod());
  SmallVector<Value> results{writeOutput(chunks.getResult(0), outputMap)};
  if (op.getLse())
    results.push_back(chunks.getResult(2));
  return results;
}

SmallVector<Value> LshTiler::tileDensely() {
  if (!op.getRotations())
    return decomposeLsh(b, op);
  auto [x, map] = readable(op.getX(), op.getXMap(), D::kHeadSize);
  Value buckets = buildHash(x, map).second;
  auto hashed = cast<LshAttentionOp>(b.clone(*op));
  hashed.getRotationsMutable().clear();
  hashed.getInjectedMutable().assign(buckets);
  SmallVector<Value> results = decomposeLsh(b, hashed);
  hashed.erase();
  return results;
}

namespace {
struct TileLshPass : attn::impl::AttnTileLshPassBase<TileLshPass> {
  using AttnTileLshPassBase::AttnTileLshPassBase;

  void runOnOperation() override {
    if (columnAlign < 8 || columnAlign % 8 != 0) {
      getOperation().emitError()
          << "expected column-align to be a multiple of 8, got "
          << columnAlign.getValue();
      return signalPassFailure();
    }
    SmallVector<LshAttentionOp> ops;
    getOperation().walk([&](LshAttentionOp op) { ops.push_back(op); });
    for (LshAttentionOp op : ops) {
      IRRewriter rewriter(op);
      LshTiler tiler(op, rewriter, columnAlign);
      std::optional<StringRef> obstacle = tiler.findObstacle();
      if (obstacle)
        remark::missed(op.getLoc(), remark::RemarkOpts::name("Dense")
                                        .category(DEBUG_TYPE)
                                        .function(getOperation().getName()))
            << remark::reason("computed over all pairs: no kernel for {0}",
                              *obstacle);
      rewriter.replaceOp(op, obstacle ? tiler.tileDensely() : tiler.tile());
      ++(obstacle ? numDense : numTiled);
    }
  }
};
} // namespace
