//===- TileLsh.cpp - LSH attention as hash, sort and gathered chunks ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile-lsh. Operands are brought into the form that the kernels read,
// which for the usual layouts and types costs nothing. What the kernels do not
// cover is computed in the dense form that is the operation's meaning.
//
//===----------------------------------------------------------------------===//

#include "TokenTensors.h"

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
  LshTiler(LshAttentionOp op, OpBuilder &builder,
           const AttnTileLshPassOptions &options)
      : op(op), b(builder), loc(op.getLoc()), element(op.getAccumulatorType()),
        tensors(builder, loc, op.getAccumulatorType(), options.columnAlign,
                options.narrow),
        wideCodes(options.wideCodes) {}

  /// What the kernels do not cover, or nothing.
  std::optional<StringRef> findObstacle();
  SmallVector<Value> tile();
  /// The dense form, whose buckets nevertheless come from the kernel.
  SmallVector<Value> tileDensely();

private:
  void checkLengths();
  OpFoldResult extent(D dim) { return op.getExtent(b, loc, dim); }
  Value empty(ArrayRef<OpFoldResult> sizes, Type type) {
    return tensors.empty(sizes, type);
  }
  Value buildRotations();
  std::pair<Value, Value> buildHash(Value x, AffineMap map);
  void buildSort(Value buckets);
  Type codeType();

  LshAttentionOp op;
  OpBuilder &b;
  Location loc;
  Type element;
  TokenTensors tensors;
  bool wideCodes;
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

/// [H, D, R, S] as [H, R, S, D].
Value LshTiler::buildRotations() {
  auto type = cast<RankedTensorType>(op.getRotations().getType());
  SmallVector<OpFoldResult> sizes;
  for (int64_t i : {0, 2, 3, 1})
    sizes.push_back(b.getIndexAttr(type.getDimSize(i)));
  AffineMap map = AffineMap::getPermutationMap(ArrayRef<unsigned>{0, 3, 1, 2},
                                               b.getContext());
  return tensors.gather(sizes, map, op.getRotations(), element);
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
  if (wideCodes || ShapedType::isDynamic(n))
    return b.getI32Type();
  int64_t largest =
      llvm::divideCeil(n, op.getChunk()) + stride * op.getNumBuckets() + window;
  return b.getIntegerType(largest < (1 << 16) ? 16 : 32);
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
      b, loc, types, buckets, tensors.flags({op.getValid(), op.getValidMap()}),
      orderInit, firstInit, endInit, codeInit,
      b.getI64IntegerAttr(op.getNumBuckets()), op.getChunkAttr(),
      b.getI64IntegerAttr(op.getSameBucket() ? window : 0));
  unsigned next = 0;
  order = sort.getResult(next++);
  first = firstInit ? Value(sort.getResult(next++)) : Value();
  end = endInit ? Value(sort.getResult(next++)) : Value();
  code = codeInit ? Value(sort.getResult(next++)) : Value();
}

SmallVector<Value> LshTiler::tile() {
  checkLengths();
  auto [x, xMap] = tensors.readable({op.getX(), op.getXMap()}, D::kHeadSize);
  auto [value, valueMap] =
      tensors.readable({op.getValue(), op.getValueMap()}, D::kValueSize);
  auto [unit, buckets] = buildHash(x, xMap);
  buildSort(buckets);
  TokenTensors::Operand destination{op.getOutput(), op.getOutputMap()};
  auto [output, outputMap] = tensors.writable(destination);
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
      b, loc, types, x, value, unit, order, first, end, code,
      tensors.count({op.getValid(), op.getValidMap()}, extent(D::kBatch)),
      /*key=*/Value(), /*key_order=*/Value(), /*key_code=*/Value(),
      /*key_count=*/Value(), output, state, op.getLse(),
      b.getAffineMapArrayAttr(maps), op.getChunkAttr(),
      b.getI64IntegerAttr(op.getLookBack()),
      b.getI64IntegerAttr(op.getLookAhead()), op.getScaleAttr(),
      op.getCausalAttr(), /*key_chunk=*/IntegerAttr());
  chunks.getScoreMod().takeBody(op.getScoreMod());
  SmallVector<Value> results{
      tensors.finish({chunks.getResult(0), outputMap}, destination)};
  if (op.getLse())
    results.push_back(chunks.getResult(2));
  return results;
}

SmallVector<Value> LshTiler::tileDensely() {
  if (!op.getRotations())
    return decomposeLsh(b, op);
  auto [x, map] = tensors.readable({op.getX(), op.getXMap()}, D::kHeadSize);
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
    if (failed(verifyColumnAlign(getOperation(), columnAlign)))
      return signalPassFailure();
    SmallVector<LshAttentionOp> ops;
    getOperation().walk([&](LshAttentionOp op) { ops.push_back(op); });
    for (LshAttentionOp op : ops) {
      IRRewriter rewriter(op);
      LshTiler tiler(op, rewriter, {columnAlign, narrow, wideCodes});
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
