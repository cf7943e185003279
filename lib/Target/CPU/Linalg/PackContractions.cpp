//===- PackContractions.cpp - products with a shared matrix, packed -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A contraction whose right-hand side is the same for all rows, whatever
// transposes and broadcasts stand before it, becomes a packed product on rows.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/Linalg/Packing.h"
#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNPACKCONTRACTIONSPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "attn-pack-contractions"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// A value and how the contraction's dimensions index it.
struct Source {
  Value value;
  AffineMap map;
};

/// Looks through transposes, broadcasts and copies.
Source lookThrough(Source source) {
  while (auto producer = source.value.getDefiningOp<linalg::LinalgOp>()) {
    if (producer.getNumDpsInputs() != 1 || producer.getNumDpsInits() != 1 ||
        producer.getNumParallelLoops() != producer.getNumLoops())
      break;
    Block *body = producer.getBlock();
    AffineMap in = producer.getIndexingMapsArray().front();
    AffineMap out = producer.getIndexingMapsArray().back();
    Value input = producer.getDpsInputs().front();
    if (body->getTerminator()->getOperand(0) != body->getArgument(0) ||
        !isa<RankedTensorType>(input.getType()) || !out.isPermutation() ||
        !in.isProjectedPermutation())
      break;
    source.map = in.compose(inversePermutation(out)).compose(source.map);
    source.value = input;
  }
  return source;
}

/// A contraction output[rows..., n] += lhs[rows..., k] * source[n, k].
struct RowProduct {
  linalg::LinalgOp op;
  Value lhs;
  Source rhs;
  unsigned n, k;
};

bool isDims(AffineMap map, ArrayRef<unsigned> dims) {
  if (map.getNumResults() != dims.size())
    return false;
  for (auto [result, dim] : llvm::zip_equal(map.getResults(), dims))
    if (result != getAffineDimExpr(dim, map.getContext()))
      return false;
  return true;
}

FailureOr<RowProduct> matchRowProduct(linalg::LinalgOp op) {
  if (!op.hasPureTensorSemantics() || !linalg::isaContractionOpInterface(op))
    return failure();
  FailureOr<linalg::ContractionDimensions> dims =
      linalg::inferContractionDims(op);
  if (failed(dims) || dims->n.size() != 1 || dims->k.size() != 1)
    return failure();
  RowProduct product{op, op.getDpsInputs()[0], {}, dims->n[0], dims->k[0]};
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  product.rhs = lookThrough({op.getDpsInputs()[1], maps[1]});
  AffineMap rhs = product.rhs.map;
  if (!isDims(rhs, {product.n, product.k}) &&
      !isDims(rhs, {product.k, product.n}))
    return failure();
  SmallVector<unsigned> rows;
  for (AffineExpr result : maps[2].getResults().drop_back())
    if (auto dim = dyn_cast<AffineDimExpr>(result))
      rows.push_back(dim.getPosition());
  SmallVector<unsigned> left = rows, out = rows;
  left.push_back(product.k);
  out.push_back(product.n);
  if (rows.empty() || !isDims(maps[0], left) || !isDims(maps[2], out))
    return failure();
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  if (ranges[product.n] <= 0 || ranges[product.k] <= 0)
    return failure();
  for (Value operand : op->getOperands()) {
    Type type = getElementTypeOrSelf(operand.getType());
    if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
      return failure();
  }
  return product;
}

class Packer {
public:
  Packer(RewriterBase &rewriter, const CpuTarget &target)
      : b(rewriter), target(target) {}
  void rewrite(const RowProduct &product);

private:
  RewriterBase &b;
  const CpuTarget &target;
};

void Packer::rewrite(const RowProduct &product) {
  linalg::LinalgOp op = product.op;
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  Value init = op.getDpsInits()[0];
  auto type = mlir::cast<RankedTensorType>(init.getType());
  // Sums are in f32 whatever the operands are, except for f64.
  Type element =
      type.getElementType().isF64() ? b.getF64Type() : b.getF32Type();
  int64_t columns = op.getStaticLoopRanges()[product.n];
  int64_t depth = op.getStaticLoopRanges()[product.k];

  int64_t rank = type.getRank();
  SmallVector<ReassociationIndices> rows(2);
  rows[0] = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  rows[1] = {rank - 1};
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, loc, product.lhs);
  shape.back() = b.getIndexAttr(columns);
  Value lhs = castTensor(b, loc, product.lhs, element);
  if (rank > 2)
    lhs = tensor::CollapseShapeOp::create(b, loc, lhs, rows);
  OpFoldResult numRows = tensor::getMixedSize(b, loc, lhs, 0);
  Value output = tensor::EmptyOp::create(
      b, loc, {numRows, b.getIndexAttr(columns)}, element);
  bool isDepthFirst = product.rhs.map.getResult(0) ==
                      getAffineDimExpr(product.k, b.getContext());
  Value panels =
      packPanels(b, loc, {product.rhs.value, columns, depth, isDepthFirst},
                 element, target);
  Value result =
      PackedMatmulOp::create(b, loc, output.getType(), lhs, panels, output)
          ->getResult(0);
  if (rank > 2)
    result = tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(type.getShape(), element), result, rows,
        shape);

  auto fill = init.getDefiningOp<linalg::FillOp>();
  bool isZero = fill && (matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) ||
                         matchPattern(fill.getInputs()[0], m_Zero()));
  if (!isZero)
    result = buildElementwise(
        b, loc, {result, init}, type.getElementType(),
        [&](OpBuilder &nested, Location loc, ValueRange args) -> Value {
          Value old =
              convertScalarToDtype(nested, loc, args[1], element, false);
          Value sum = arith::AddFOp::create(nested, loc, args[0], old);
          return convertScalarToDtype(nested, loc, sum, type.getElementType(),
                                      false);
        });
  b.replaceOp(op, castTensor(b, loc, result, type.getElementType()));
}

struct AttnPackContractionsPass
    : public mlir::attn::cpu::impl::AttnPackContractionsPassBase<
          AttnPackContractionsPass> {
  using AttnPackContractionsPassBase::AttnPackContractionsPassBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    CpuTarget target;
    target.vectorBits = vectorBits;
    Packer packer(rewriter, target);
    SmallVector<linalg::LinalgOp> ops;
    getOperation()->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      FailureOr<RowProduct> product = matchRowProduct(op);
      if (failed(product))
        continue;
      packer.rewrite(*product);
      ++numPacked;
    }
  }
};
} // namespace
