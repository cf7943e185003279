//===- SplitDilation.cpp - dilated windows as strided slices --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With a dilation, queries and keys meet only within a class of positions of
// the same remainder. Each class is a sequence of its own with a plain window,
// so reading it with a stride visits the keys that count and no others, where a
// mask visits all in between and compares.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

#define DEBUG_TYPE "attn-split-dilation"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNSPLITDILATIONPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

using D = AttentionOp::Dim;

namespace {
/// Query heads of one dilation.
struct Heads {
  int64_t first, count, dilation;
};

class DilationSplitter {
public:
  DilationSplitter(RewriterBase &builder, AttentionOp op, int64_t leastSkipped)
      : b(builder), op(op), loc(op.getLoc()), leastSkipped(leastSkipped) {}

  /// Whether the op can be split; decides which dimension the remainder is.
  bool plan();
  SmallVector<Value> split();

private:
  bool planWindow();
  bool planOrder();
  SmallVector<OpOperand *> mappedOperands();
  Value sliceHeads(Value source, AffineMap map, const Heads &part);
  SmallVector<ReassociationIndices> joinBatch(AffineMap map);
  SmallVector<ReassociationIndices> splitPositions(AffineMap map);
  AffineMap newMap(AffineMap map);
  Value toClasses(Value source, AffineMap map, int64_t dilation);
  Value fromClasses(Value source, AffineMap map, Value like);
  SmallVector<Value> splitPart(const Heads &part, ValueRange outputs);

  RewriterBase &b;
  AttentionOp op;
  Location loc;
  int64_t leastSkipped;
  WindowAttr window;
  bool isCausal = false;
  unsigned remainder = D::kBatch, other = D::kHead;
  SmallVector<Heads> parts;
};
} // namespace

SmallVector<OpOperand *> DilationSplitter::mappedOperands() {
  SmallVector<OpOperand *> operands{&op.getQueryMutable(), &op.getKeyMutable(),
                                    &op.getValueMutable()};
  if (op.getKeyValid())
    operands.push_back(&*op.getKeyValidMutable().begin());
  operands.push_back(&op.getOutputMutable());
  if (op.getLse())
    operands.push_back(&*op.getLseMutable().begin());
  return operands;
}

/// The window, and the heads that each of its dilations is for.
bool DilationSplitter::planWindow() {
  Attribute mask = op.getMaskAttr();
  window = dyn_cast_or_null<WindowAttr>(mask);
  if (auto all = dyn_cast_or_null<AllOfAttr>(mask))
    for (Attribute one : all.getMasks()) {
      isCausal |= isa<CausalAttr>(one);
      if (auto found = dyn_cast<WindowAttr>(one); found && !window)
        window = found;
      else if (!isa<CausalAttr>(one))
        return false;
    }
  int64_t n = op.getStaticExtent(D::kQuery);
  if (!window || ShapedType::isDynamic(n) || n == 0 ||
      n != op.getStaticExtent(D::kKey))
    return false;
  ArrayRef<int64_t> dilations = window.getDilation();
  for (auto [head, dilation] : llvm::enumerate(dilations)) {
    if (n % dilation != 0)
      return false;
    if (parts.empty() || parts.back().dilation != dilation)
      parts.push_back({static_cast<int64_t>(head), 1, dilation});
    else
      ++parts.back().count;
  }
  // Keys between those of a window that a mask would visit.
  int64_t reach = window.getBefore() + (isCausal ? 0 : window.getAfter());
  return llvm::any_of(dilations, [&](int64_t one) {
    return one > 1 && std::min(reach, n) * (one - 1) >= leastSkipped;
  });
}

/// A batch joins the heads that follow it, and the remainder takes the free
/// place of the two: the first of them in a tensor has to be b, since a tile's
/// slice drops b, and upstream drops the first of two unit dimensions.
bool DilationSplitter::planOrder() {
  bool isUnit = op.getStaticExtent(D::kBatch) == 1;
  if (parts.size() > 1 && !isUnit)
    return false;
  std::optional<bool> isFirst;
  for (OpOperand *operand : mappedOperands()) {
    AffineMap map = op.getMapOf(*operand);
    std::optional<unsigned> batch, head, position;
    for (auto [at, result] : llvm::enumerate(map.getResults())) {
      unsigned dim = AttentionOp::getDimOf(result);
      if (dim == D::kBatch)
        batch = at;
      else if (dim == D::kHead)
        head = at;
      else if (dim == D::kQuery || dim == D::kKey)
        position = at;
    }
    if (!position || (parts.size() > 1 && !head && map != op.getKeyValidMap()))
      return false;
    if (!isUnit && (!batch || !head || *batch + 1 != *head))
      return false;
    if (head && isFirst.value_or(*head < *position) != (*head < *position))
      return false;
    if (head)
      isFirst = *head < *position;
  }
  if (isFirst.value_or(false))
    std::swap(remainder, other);
  return !(op.getKeyValid() && remainder == D::kHead);
}

bool DilationSplitter::plan() {
  return op.getSegments().empty() && !op.getDocuments() && !op.getBias() &&
         !op.getRelative() && op.getScoreMod().empty() &&
         op.getGroupSize() == 1 && planWindow() && planOrder();
}

/// The heads of a part, where the op has more.
Value DilationSplitter::sliceHeads(Value source, AffineMap map,
                                   const Heads &part) {
  std::optional<unsigned> head =
      map.getResultPosition(b.getAffineDimExpr(D::kHead));
  if (parts.size() == 1 || !head)
    return source;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, source),
                            offsets(sizes.size(), b.getIndexAttr(0)),
                            strides(sizes.size(), b.getIndexAttr(1));
  offsets[*head] = b.getIndexAttr(part.first);
  sizes[*head] = b.getIndexAttr(part.count);
  return tensor::ExtractSliceOp::create(b, loc, source, offsets, sizes,
                                        strides);
}

/// Every dimension by itself, but the batch with the one behind it.
SmallVector<ReassociationIndices> DilationSplitter::joinBatch(AffineMap map) {
  SmallVector<ReassociationIndices> groups;
  bool joins = false;
  for (auto [at, result] : llvm::enumerate(map.getResults())) {
    if (joins)
      groups.back().push_back(at);
    else
      groups.push_back({static_cast<int64_t>(at)});
    joins = AttentionOp::getDimOf(result) == D::kBatch;
  }
  return groups;
}

/// Of the dimensions without a batch, the positions as two.
SmallVector<ReassociationIndices>
DilationSplitter::splitPositions(AffineMap map) {
  SmallVector<ReassociationIndices> groups;
  int64_t next = 0;
  for (AffineExpr result : map.getResults()) {
    unsigned dim = AttentionOp::getDimOf(result);
    if (dim == D::kBatch)
      continue;
    groups.push_back({next++});
    if (dim == D::kQuery || dim == D::kKey)
      groups.back().push_back(next++);
  }
  return groups;
}

AffineMap DilationSplitter::newMap(AffineMap map) {
  SmallVector<AffineExpr> results;
  for (AffineExpr result : map.getResults()) {
    unsigned dim = AttentionOp::getDimOf(result);
    if (dim == D::kBatch)
      continue;
    results.push_back(b.getAffineDimExpr(dim == D::kHead ? other : dim));
    if (dim == D::kQuery || dim == D::kKey)
      results.push_back(b.getAffineDimExpr(remainder));
  }
  return AffineMap::get(D::kNumDims, 0, results, b.getContext());
}

/// [..., N, ...] as [..., N / dilation, dilation, ...].
Value DilationSplitter::toClasses(Value source, AffineMap map,
                                  int64_t dilation) {
  if (SmallVector<ReassociationIndices> groups = joinBatch(map);
      groups.size() != map.getNumResults())
    source = tensor::CollapseShapeOp::create(b, loc, source, groups);
  SmallVector<ReassociationIndices> groups = splitPositions(map);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, source), to;
  for (auto [size, group] : llvm::zip_equal(sizes, groups)) {
    if (group.size() == 1) {
      to.push_back(size);
      continue;
    }
    to.push_back(b.getIndexAttr(*getConstantIntValue(size) / dilation));
    to.push_back(b.getIndexAttr(dilation));
  }
  SmallVector<int64_t> shape;
  for (OpFoldResult size : to)
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  auto type = RankedTensorType::get(
      shape, cast<RankedTensorType>(source.getType()).getElementType());
  return tensor::ExpandShapeOp::create(b, loc, type, source, groups, to);
}

/// The other way round, with the shape of `like`.
Value DilationSplitter::fromClasses(Value source, AffineMap map, Value like) {
  Value joined =
      tensor::CollapseShapeOp::create(b, loc, source, splitPositions(map));
  SmallVector<ReassociationIndices> groups = joinBatch(map);
  if (groups.size() == map.getNumResults())
    return joined;
  return tensor::ExpandShapeOp::create(
      b, loc, cast<RankedTensorType>(like.getType()), joined, groups,
      tensor::getMixedSizes(b, loc, like));
}

/// `outputs` with the heads of a part computed.
SmallVector<Value> DilationSplitter::splitPart(const Heads &part,
                                               ValueRange outputs) {
  bool isPlain = part.dilation == 1;
  SmallVector<Value> operands;
  SmallVector<Attribute> maps;
  SmallVector<Value> slices;
  SmallVector<AffineMap> outputMaps;
  for (OpOperand *operand : mappedOperands()) {
    AffineMap map = op.getMapOf(*operand);
    Value source = operand->get();
    bool isOutput = op.isDpsInit(operand);
    if (isOutput)
      source = outputs[slices.size()];
    source = sliceHeads(source, map, part);
    if (isOutput) {
      slices.push_back(source);
      outputMaps.push_back(map);
    }
    operands.push_back(isPlain ? source
                               : toClasses(source, map, part.dilation));
    maps.push_back(AffineMapAttr::get(isPlain ? map : newMap(map)));
  }
  unsigned next = 0;
  auto take = [&](bool isThere) {
    return isThere ? operands[next++] : Value();
  };
  Value query = take(true), key = take(true), value = take(true),
        valid = take(bool(op.getKeyValid())), output = take(true),
        lse = take(bool(op.getLse()));
  SmallVector<Type> types{output.getType()};
  if (lse)
    types.push_back(lse.getType());
  auto mask = WindowAttr::get(b.getContext(), window.getBefore(),
                              isCausal ? 0 : window.getAfter(), /*dilation=*/1,
                              window.getAlignment());
  auto attention = AttentionOp::create(
      b, loc, types, query, key, value, /*bias=*/Value(), valid, output, lse,
      b.getArrayAttr(maps), mask, op.getScaleAttr(), op.getSoftcapAttr());
  SmallVector<Value> results;
  for (auto [result, map, slice, whole] :
       llvm::zip_equal(attention.getResults(), outputMaps, slices, outputs)) {
    Value rows = isPlain ? Value(result) : fromClasses(result, map, slice);
    if (parts.size() > 1) {
      SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, slice),
                                offsets(sizes.size(), b.getIndexAttr(0)),
                                strides(sizes.size(), b.getIndexAttr(1));
      offsets[*map.getResultPosition(b.getAffineDimExpr(D::kHead))] =
          b.getIndexAttr(part.first);
      rows = tensor::InsertSliceOp::create(b, loc, rows, whole, offsets, sizes,
                                           strides);
    }
    results.push_back(rows);
  }
  return results;
}

SmallVector<Value> DilationSplitter::split() {
  SmallVector<Value> outputs(op.getDpsInits());
  for (const Heads &part : parts)
    outputs = splitPart(part, outputs);
  return outputs;
}

namespace {
struct SplitDilation : attn::impl::AttnSplitDilationPassBase<SplitDilation> {
  using AttnSplitDilationPassBase::AttnSplitDilationPassBase;

  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation()->walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops) {
      IRRewriter rewriter(op);
      DilationSplitter splitter(rewriter, op, leastSkipped);
      if (!splitter.plan())
        continue;
      rewriter.replaceOp(op, splitter.split());
      ++numSplit;
    }
  }
};
} // namespace
