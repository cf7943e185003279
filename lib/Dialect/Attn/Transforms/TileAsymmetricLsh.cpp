//===- TileAsymmetricLsh.cpp - clusters as hash, sorts and chunks ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile-asymmetric-lsh. Hashes are plain linear algebra; the sorts and
// the chunks are kernels, the latter that of attn.lsh_attention.
//
//===----------------------------------------------------------------------===//

#include "TokenTensors.h"

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

#define DEBUG_TYPE "attn-tile-asymmetric-lsh"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTILEASYMMETRICLSHPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
using A = AsymmetricLshAttentionOp;
using D = LshAttentionOp::Dim;

class AsymmetricLshTiler {
public:
  AsymmetricLshTiler(A op, OpBuilder &builder,
                     const AttnTileAsymmetricLshPassOptions &options)
      : op(op), b(builder), loc(op.getLoc()), element(op.getAccumulatorType()),
        tensors(builder, loc, element, options.columnAlign, options.narrow),
        wideCodes(options.wideCodes), keyChunk(op.getKeyChunk()) {}
  SmallVector<Value> tile();

private:
  /// A sorted side: ranks to positions, and clusters of positions.
  struct Order {
    Value ranks, code, count;
  };

  OpFoldResult extent(A::Dim dim) { return op.getExtent(b, loc, dim); }
  TokenTensors::Operand token(Value tensor, AffineMap map);
  Type codeType(A::Dim position, int64_t chunk);
  Order buildOrder(Value hash, A::Dim position, int64_t chunk,
                   TokenTensors::Operand valid);
  Value buildUnits(const LshHashes &hashes);

  A op;
  OpBuilder &b;
  Location loc;
  FloatType element;
  TokenTensors tensors;
  bool wideCodes;
  int64_t keyChunk;
};
} // namespace

/// From (b, h, i, j, d, e) to (b, h, i, d, e): a query and a key are tokens.
TokenTensors::Operand AsymmetricLshTiler::token(Value tensor, AffineMap map) {
  if (!tensor)
    return {};
  SmallVector<AffineExpr> exprs;
  for (unsigned dim : {D::kBatch, D::kHead, D::kPosition, D::kPosition,
                       D::kHeadSize, D::kValueSize})
    exprs.push_back(b.getAffineDimExpr(dim));
  return {tensor, map.replaceDimsAndSymbols(exprs, {}, D::kNumDims, 0)};
}

/// 16 bits, if no code needs more.
Type AsymmetricLshTiler::codeType(A::Dim position, int64_t chunk) {
  int64_t n = op.getStaticExtent(position);
  int64_t window = 1 + op.getLookBack() + op.getLookAhead();
  bool isShort = !wideCodes && !ShapedType::isDynamic(n) &&
                 llvm::divideCeil(n, chunk) + window < (1 << 16);
  return b.getIntegerType(isShort ? 16 : 32);
}

AsymmetricLshTiler::Order
AsymmetricLshTiler::buildOrder(Value hash, A::Dim position, int64_t chunk,
                               TokenTensors::Operand valid) {
  OpFoldResult rounds = b.getIndexAttr(op.getRounds());
  SmallVector<OpFoldResult> sizes{extent(A::kBatch), extent(A::kHead), rounds,
                                  extent(position)};
  Value order = tensors.empty(sizes, b.getI32Type());
  Value workspace = tensors.empty(sizes, b.getI32Type()), code;
  SmallVector<Type> types{order.getType(), workspace.getType()};
  if (op.getRounds() > 1) {
    // Codes of both sides are compared, so they have one type.
    Type type = codeType(A::kQuery, op.getChunk()).isInteger(16) &&
                        codeType(A::kKey, keyChunk).isInteger(16)
                    ? b.getI16Type()
                    : b.getI32Type();
    code = tensors.empty({sizes[0], sizes[1], sizes[3], rounds}, type);
    types.push_back(code.getType());
  }
  auto sort =
      RankSortOp::create(b, loc, types, hash, tensors.flags(valid), order,
                         workspace, code, b.getI64IntegerAttr(chunk));
  return {sort.getResult(0), code ? Value(sort.getResult(2)) : Value(),
          tensors.count(valid, extent(A::kBatch))};
}

/// [B, H, n]: 1 over the largest product that a query can have with a key.
Value AsymmetricLshTiler::buildUnits(const LshHashes &hashes) {
  AffineMap identity = b.getMultiDimIdentityMap(3);
  Value init = tensors.empty(
      {extent(A::kBatch), extent(A::kHead), extent(A::kQuery)}, element);
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(),
             ValueRange{hashes.querySquares, hashes.largestKey}, init,
             ArrayRef{identity, identity.getMajorSubMap(2), identity},
             iterators,
             [&](OpBuilder &inner, Location l, ValueRange in) {
               Value bound = math::SqrtOp::create(
                   inner, l, arith::MulFOp::create(inner, l, in[0], in[1]));
               Value one = arith::ConstantOp::create(
                   inner, l, inner.getFloatAttr(element, 1));
               Value unit = arith::DivFOp::create(inner, l, one, bound);
               linalg::YieldOp::create(inner, l, unit);
             })
      .getResult(0);
}

SmallVector<Value> AsymmetricLshTiler::tile() {
  checkAsymmetricLengths(b, op);
  LshHashes hashes = buildAsymmetricHashes(b, op);
  Order queries = buildOrder(hashes.query, A::kQuery, op.getChunk(),
                             token(op.getQueryValid(), op.getQueryValidMap()));
  Order keys = buildOrder(hashes.key, A::kKey, keyChunk,
                          token(op.getKeyValid(), op.getKeyValidMap()));
  auto query =
      tensors.readable(token(op.getQuery(), op.getQueryMap()), D::kHeadSize);
  auto key = tensors.readable(token(op.getKey(), op.getKeyMap()), D::kHeadSize);
  auto value =
      tensors.readable(token(op.getValue(), op.getValueMap()), D::kValueSize);
  TokenTensors::Operand destination = token(op.getOutput(), op.getOutputMap());
  TokenTensors::Operand output = tensors.writable(destination);
  Value state = tensors.empty({b.getIndexAttr(2), extent(A::kBatch),
                               extent(A::kHead), extent(A::kQuery)},
                              element);
  SmallVector<Type> types{output.tensor.getType(), state.getType()};
  SmallVector<AffineMap> maps{query.map, value.map, output.map};
  if (op.getLse()) {
    types.push_back(op.getLse().getType());
    maps.push_back(token(op.getLse(), op.getLseMap()).map);
  }
  maps.push_back(key.map);
  auto chunks = LshChunksOp::create(
      b, loc, types, query.tensor, value.tensor, buildUnits(hashes),
      queries.ranks, /*first=*/Value(), /*end=*/Value(), queries.code,
      queries.count, key.tensor, keys.ranks, keys.code, keys.count,
      output.tensor, state, op.getLse(), b.getAffineMapArrayAttr(maps),
      op.getChunkAttr(), b.getI64IntegerAttr(op.getLookBack()),
      b.getI64IntegerAttr(op.getLookAhead()),
      b.getF64FloatAttr(op.getScaleValue()), op.getCausalAttr(),
      b.getI64IntegerAttr(keyChunk));
  chunks.getScoreMod().takeBody(op.getScoreMod());
  SmallVector<Value> results{
      tensors.finish({chunks.getResult(0), output.map}, destination)};
  if (op.getLse())
    results.push_back(chunks.getResult(2));
  return results;
}

namespace {
struct TileAsymmetricLshPass
    : attn::impl::AttnTileAsymmetricLshPassBase<TileAsymmetricLshPass> {
  using AttnTileAsymmetricLshPassBase::AttnTileAsymmetricLshPassBase;

  void runOnOperation() override {
    if (failed(verifyColumnAlign(getOperation(), columnAlign)))
      return signalPassFailure();
    SmallVector<A> ops;
    getOperation().walk([&](A op) { ops.push_back(op); });
    for (A op : ops) {
      IRRewriter rewriter(op);
      rewriter.replaceOp(
          op, AsymmetricLshTiler(op, rewriter, {columnAlign, narrow, wideCodes})
                  .tile());
      ++numTiled;
    }
  }
};
} // namespace
