//===- SplitDocuments.cpp - one attention for each document ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Documents that lie one after the other in a sequence do not see each other,
// so that each is an attention of its own on slices: what is hidden is never
// visited, and every mask keeps its loop bounds.
//
//===----------------------------------------------------------------------===//

#include "SplitDocuments.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;

class DocumentSplitter {
public:
  DocumentSplitter(OpBuilder &builder, AttentionOp op, DocumentLowering lower)
      : b(builder), op(op), loc(op.getLoc()), lower(lower),
        hasBatch(op.getDocumentsMap().isFunctionOfDim(D::kBatch)) {}
  SmallVector<Value> split();

private:
  struct Slice {
    SmallVector<OpFoldResult> offsets, sizes, strides;
  };

  Value extent(D dim) {
    return getValueOrCreateConstantIndexOp(b, loc, op.getExtent(b, loc, dim));
  }
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  SmallVector<Value> splitBatch(ValueRange outputs);
  SmallVector<Value> withExtents(SmallVector<Value> results);
  Value isEnd(Value position, Value next);
  Value idAt(Value position);
  SmallVector<Value> attend(Value end, ValueRange outputs);
  Slice sliceOf(Value source, AffineMap map);
  Value read(Value source, AffineMap map);

  OpBuilder &b;
  AttentionOp op;
  Location loc;
  DocumentLowering lower;
  bool hasBatch;                     ///< batches differ in their documents
  Value batch, tokens, begin, count; ///< of the document
};
} // namespace

Value DocumentSplitter::idAt(Value position) {
  SmallVector<Value> at;
  for (AffineExpr expr : op.getDocumentsMap().getResults())
    at.push_back(AttentionOp::getDimOf(expr) == D::kBatch ? batch : position);
  return tensor::ExtractOp::create(b, loc, op.getDocuments(), at);
}

/// Whether a document ends with the position before `next`.
Value DocumentSplitter::isEnd(Value position, Value next) {
  Value isLast =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, next, tokens);
  Value inside = arith::SelectOp::create(b, loc, isLast, position, next);
  Value differs = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                        idAt(position), idAt(inside));
  return arith::OrIOp::create(b, loc, isLast, differs);
}

/// The part of an operand that belongs to the document.
DocumentSplitter::Slice DocumentSplitter::sliceOf(Value source, AffineMap map) {
  Slice slice;
  slice.sizes = tensor::getMixedSizes(b, loc, source);
  slice.offsets.assign(slice.sizes.size(), b.getIndexAttr(0));
  slice.strides.assign(slice.sizes.size(), b.getIndexAttr(1));
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    unsigned dim = AttentionOp::getDimOf(expr);
    if (dim == D::kQuery || dim == D::kKey) {
      slice.offsets[position] = begin;
      slice.sizes[position] = count;
    } else if (dim == D::kBatch && hasBatch) {
      slice.offsets[position] = batch;
      slice.sizes[position] = b.getIndexAttr(1);
    }
  }
  return slice;
}

Value DocumentSplitter::read(Value source, AffineMap map) {
  if (!source)
    return Value();
  Slice slice = sliceOf(source, map);
  return tensor::ExtractSliceOp::create(b, loc, source, slice.offsets,
                                        slice.sizes, slice.strides);
}

/// Attention of the document, in its rows of the outputs.
SmallVector<Value> DocumentSplitter::attend(Value end, ValueRange outputs) {
  count = arith::SubIOp::create(b, loc, end, begin);
  SmallVector<AffineMap> outputMaps{op.getOutputMap(), op.getLseMap()};
  SmallVector<Value> inits;
  for (auto [output, map] : llvm::zip(outputs, outputMaps))
    inits.push_back(read(output, map));
  SmallVector<Attribute> maps(op.getIndexingMaps().getValue().drop_back());
  auto made = AttentionOp::create(
      b, loc, TypeRange(ValueRange(inits)),
      read(op.getQuery(), op.getQueryMap()), read(op.getKey(), op.getKeyMap()),
      read(op.getValue(), op.getValueMap()),
      read(op.getBias(), op.getBiasMap()),
      read(op.getKeyValid(), op.getKeyValidMap()), inits[0],
      op.getLse() ? inits[1] : Value(), b.getArrayAttr(maps), op.getMaskAttr(),
      op.getScaleAttr(), op.getSoftcapAttr());
  SmallVector<Value> results;
  for (auto [result, output, map] :
       llvm::zip(lower(b, made), outputs, outputMaps)) {
    Slice slice = sliceOf(output, map);
    results.push_back(tensor::InsertSliceOp::create(
        b, loc, result, output, slice.offsets, slice.sizes, slice.strides));
  }
  return results;
}

SmallVector<Value> DocumentSplitter::splitBatch(ValueRange outputs) {
  SmallVector<Value> carried{index(0)};
  llvm::append_range(carried, outputs);
  auto loop = scf::ForOp::create(b, loc, index(0), tokens, index(1), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value position = loop.getInductionVar();
  Value next = arith::AddIOp::create(b, loc, position, index(1));
  begin = loop.getRegionIterArgs().front();
  ValueRange old = loop.getRegionIterArgs().drop_front();
  Value ends = isEnd(position, next);
  auto branch = scf::IfOp::create(b, loc, TypeRange(old), ends,
                                  /*withElseRegion=*/true);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, loc, attend(next, old));
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, old);
  b.setInsertionPointAfter(branch);
  SmallVector<Value> yielded{
      arith::SelectOp::create(b, loc, ends, next, begin)};
  llvm::append_range(yielded, branch.getResults());
  scf::YieldOp::create(b, loc, yielded);
  return SmallVector<Value>(loop.getResults().drop_front());
}

/// A loop does not say that its results are as large as what it starts from,
/// which callers have to know: where types do not say it either, a copy does.
SmallVector<Value> DocumentSplitter::withExtents(SmallVector<Value> results) {
  for (auto [result, init] : llvm::zip_equal(results, op.getDpsInits())) {
    auto type = cast<RankedTensorType>(init.getType());
    if (type.hasStaticShape())
      continue;
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, init),
                              offsets(sizes.size(), b.getIndexAttr(0)),
                              strides(sizes.size(), b.getIndexAttr(1));
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
    result = tensor::InsertSliceOp::create(b, loc, result, empty, offsets,
                                           sizes, strides);
  }
  return results;
}

SmallVector<Value> DocumentSplitter::split() {
  tokens = extent(D::kQuery);
  if (ShapedType::isDynamic(op.getStaticExtent(D::kQuery)) ||
      ShapedType::isDynamic(op.getStaticExtent(D::kKey))) {
    Value holds = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                        tokens, extent(D::kKey));
    cf::AssertOp::create(b, loc, holds,
                         "expected as many queries as keys beside documents");
  }
  SmallVector<Value> outputs(op.getDpsInits());
  if (!hasBatch)
    return withExtents(splitBatch(outputs));
  auto loop = scf::ForOp::create(b, loc, index(0), extent(D::kBatch), index(1),
                                 outputs);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    batch = loop.getInductionVar();
    scf::YieldOp::create(b, loc, splitBatch(loop.getRegionIterArgs()));
  }
  return withExtents(SmallVector<Value>(loop.getResults()));
}

SmallVector<Value> mlir::attn::splitDocuments(OpBuilder &builder,
                                              AttentionOp op,
                                              DocumentLowering lower) {
  return DocumentSplitter(builder, op, lower).split();
}
