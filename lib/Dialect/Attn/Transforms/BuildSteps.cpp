//===- BuildSteps.cpp - the pass attn-build-steps -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A step is the same function on the positions that are new. What it must know
// of those before is in buffers that it reads and writes in place: keys and
// values of exact attention, the state of linear attention.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"

#define DEBUG_TYPE "attn-build-steps"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNBUILDSTEPSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Builds the step of one function, which is a copy already.
class StepBuilder {
public:
  StepBuilder(func::FuncOp step, int64_t capacity)
      : step(step), b(step.getContext()), capacity(capacity) {}

  LogicalResult run();

private:
  LogicalResult convert(AttentionOp op);
  LogicalResult convert(LinearAttentionOp op);
  Value addBuffer(ArrayRef<int64_t> shape, Type element, const Twine &name);
  Value open(Location loc, Value buffer);
  void close(Location loc, Value tensor, Value buffer);
  void checkRoom(Location loc, Value added);
  std::pair<Value, AffineMap> append(AttentionOp op, OpOperand &operand,
                                     AffineMap map, StringRef name);

  func::FuncOp step;
  OpBuilder b;
  int64_t capacity;
  /// Positions that the caches hold before the step.
  Value length;
  int64_t number = 0;
};

struct BuildSteps : attn::impl::AttnBuildStepsPassBase<BuildSteps> {
  using AttnBuildStepsPassBase::AttnBuildStepsPassBase;

  void runOnOperation() override;
};
} // namespace

/// A buffer of the caller's, as a last argument.
Value StepBuilder::addBuffer(ArrayRef<int64_t> shape, Type element,
                             const Twine &name) {
  unsigned position = step.getNumArguments();
  auto attributes =
      b.getDictionaryAttr(b.getNamedAttr("attn.name", b.getStringAttr(name)));
  (void)step.insertArgument(position, MemRefType::get(shape, element),
                            attributes, step.getLoc());
  return step.getArgument(position);
}

Value StepBuilder::open(Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  return bufferization::ToTensorOp::create(
      b, loc, RankedTensorType::get(type.getShape(), type.getElementType()),
      buffer, /*restrict=*/true, /*writable=*/true);
}

void StepBuilder::close(Location loc, Value tensor, Value buffer) {
  auto op = bufferization::MaterializeInDestinationOp::create(b, loc, Type(),
                                                              tensor, buffer);
  op.setRestrict(true);
  op.setWritable(true);
}

/// A step past the end is an error before anything has been written.
void StepBuilder::checkRoom(Location loc, Value added) {
  using Predicate = arith::CmpIPredicate;
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value all = arith::ConstantIndexOp::create(b, loc, capacity);
  Value last = arith::SubIOp::create(b, loc, all, added);
  Value begins = arith::CmpIOp::create(b, loc, Predicate::sge, length, zero);
  Value ends = arith::CmpIOp::create(b, loc, Predicate::sle, length, last);
  Value holds = arith::AndIOp::create(b, loc, begins, ends);
  cf::AssertOp::create(b, loc, holds,
                       "expected a step within the cache's capacity of " +
                           std::to_string(capacity) + " positions");
}

/// The operand behind what its cache holds, as a tensor and its map. A cache
/// has the dimensions b, h, j, d of its operand in this order, so that the keys
/// of a head are one stretch of memory.
std::pair<Value, AffineMap> StepBuilder::append(AttentionOp op,
                                                OpOperand &operand,
                                                AffineMap map, StringRef name) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(operand.get().getType());
  // Positions of the operand's dimensions, in the order of the domain.
  SmallVector<std::pair<unsigned, unsigned>> order;
  for (auto [position, result] : llvm::enumerate(map.getResults())) {
    unsigned dim = AttentionOp::kHead; // also for h floordiv g
    if (auto plain = dyn_cast<AffineDimExpr>(result))
      dim = plain.getPosition();
    order.push_back({dim, position});
  }
  llvm::sort(order);
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> results, loops(order.size());
  SmallVector<OpFoldResult> sizes;
  unsigned along = 0;
  for (auto [number, one] : llvm::enumerate(order)) {
    auto [dim, position] = one;
    bool isKey = dim == AttentionOp::kKey;
    along = isKey ? number : along;
    shape.push_back(isKey ? capacity : type.getDimSize(position));
    results.push_back(map.getResult(position));
    loops[position] = b.getAffineDimExpr(number);
    sizes.push_back(tensor::getMixedSize(b, loc, operand.get(), position));
  }
  unsigned rank = order.size();
  Value added = getValueOrCreateConstantIndexOp(b, loc, sizes[along]);
  checkRoom(loc, added);
  Value buffer = addBuffer(shape, type.getElementType(),
                           Twine(name) + "_cache" + Twine(number));
  // The new rows in the cache's order.
  Value init = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
  SmallVector<AffineMap> maps = {AffineMap::get(rank, 0, loops, b.getContext()),
                                 b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  Value rows = linalg::GenericOp::create(
                   b, loc, init.getType(), operand.get(), init, maps, iterators,
                   [](OpBuilder &nested, Location l, ValueRange arguments) {
                     linalg::YieldOp::create(nested, l, arguments[0]);
                   })
                   .getResult(0);
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)),
      strides(rank, b.getIndexAttr(1));
  offsets[along] = length;
  Value whole = tensor::InsertSliceOp::create(b, loc, rows, open(loc, buffer),
                                              offsets, sizes, strides);
  close(loc, whole, buffer);
  offsets[along] = b.getIndexAttr(0);
  sizes[along] = arith::AddIOp::create(b, loc, length, added).getResult();
  Value seen =
      tensor::ExtractSliceOp::create(b, loc, whole, offsets, sizes, strides);
  return {seen, AffineMap::get(map.getNumDims(), 0, results, b.getContext())};
}

LogicalResult StepBuilder::convert(AttentionOp op) {
  auto causal = dyn_cast_or_null<CausalAttr>(op.getMaskAttr());
  if (!causal || !op.getSegments().empty() || op.getBias() ||
      op.getKeyValid() || op.getRelative())
    return op.emitError("expected causal attention without bias, key_valid, "
                        "segments and relative positions for a step");
  if (!ShapedType::isDynamic(op.getStaticExtent(AttentionOp::kQuery)))
    return op.emitError("expected a dynamic length for a step");
  for (OpOperand *operand : {&op.getKeyMutable(), &op.getValueMutable()}) {
    auto type = cast<RankedTensorType>(operand->get().getType());
    if (type.getNumDynamicDims() != 1)
      return op.emitError("expected nothing but the length to be dynamic for a "
                          "step, got ")
             << type;
  }
  b.setInsertionPoint(op);
  SmallVector<Attribute> maps(op.getIndexingMaps().begin(),
                              op.getIndexingMaps().end());
  auto replace = [&](OpOperand &operand, AffineMap map, StringRef name) {
    auto [value, newMap] = append(op, operand, map, name);
    operand.set(value);
    maps[operand.getOperandNumber()] = AffineMapAttr::get(newMap);
  };
  AffineMap keyMap = op.getKeyMap(), valueMap = op.getValueMap();
  replace(op.getKeyMutable(), keyMap, "key");
  replace(op.getValueMutable(), valueMap, "value");
  op.setIndexingMapsAttr(b.getArrayAttr(maps));
  op.setMaskAttr(CausalAttr::get(b.getContext(), Alignment::BottomRight));
  ++number;
  return success();
}

LogicalResult StepBuilder::convert(LinearAttentionOp op) {
  if (!op.getCausal() || op.hasState() || op.getKeyValid())
    return op.emitError("expected causal linear attention without a state and "
                        "key_valid for a step");
  Location loc = op.getLoc();
  b.setInsertionPoint(op);
  SmallVector<int64_t> leading;
  for (auto dim :
       {LinearAttentionOp::Dim::kBatch, LinearAttentionOp::Dim::kHead})
    if (op.getOutputMap().isFunctionOfDim(dim))
      leading.push_back(op.getStaticExtent(dim));
  if (llvm::any_of(leading, ShapedType::isDynamic))
    return op.emitError("expected nothing but the length to be dynamic for a "
                        "step");
  SmallVector<int64_t> norm(leading);
  norm.push_back(op.getNumFeatures());
  SmallVector<int64_t> sum(norm);
  sum.push_back(op.getStaticExtent(LinearAttentionOp::Dim::kValueSize));
  SmallVector<SmallVector<int64_t>> shapes = {sum, norm};
  if (op.hasSoftmaxMap())
    shapes.push_back(leading);
  SmallVector<Value> buffers, initial, final;
  Type element = op.getAccumulatorType();
  for (auto [part, shape] : llvm::enumerate(shapes)) {
    StringRef name = part == 0 ? "sum" : part == 1 ? "norm" : "reference";
    buffers.push_back(
        addBuffer(shape, element, Twine(name) + "_state" + Twine(number)));
    initial.push_back(open(loc, buffers.back()));
    final.push_back(tensor::EmptyOp::create(b, loc, shape, element));
  }
  SmallVector<Type> types(op->getResultTypes());
  llvm::append_range(types, ValueRange(final).getTypes());
  auto stateful = LinearAttentionOp::create(
      b, loc, types, op.getFeatureMap(), op.getQuery(), op.getKey(),
      op.getValue(), op.getProjection(), /*key_valid=*/Value(), initial,
      op.getOutput(), final, op.getIndexingMapsAttr(), op.getCausalAttr(),
      op.getScaleAttr(), op.getFeatureEpsAttr(), op.getDenominatorEpsAttr(),
      op.getChunkAttr());
  stateful->getRegion(0).takeBody(op->getRegion(0));
  op.getResult(0).replaceAllUsesWith(stateful->getResult(0));
  for (auto [part, buffer] : llvm::enumerate(buffers))
    close(loc, stateful->getResult(part + 1), buffer);
  op.erase();
  ++number;
  return success();
}

LogicalResult StepBuilder::run() {
  unsigned position = step.getNumArguments();
  auto name = b.getDictionaryAttr(
      b.getNamedAttr("attn.name", b.getStringAttr("length")));
  (void)step.insertArgument(position, b.getIndexType(), name, step.getLoc());
  length = step.getArgument(position);
  SmallVector<Operation *> ops;
  step.walk([&](Operation *op) {
    if (isa<AttentionOp, LinearAttentionOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    auto attention = dyn_cast<AttentionOp>(op);
    if (failed(attention ? convert(attention)
                         : convert(cast<LinearAttentionOp>(op))))
      return failure();
  }
  return success();
}

void BuildSteps::runOnOperation() {
  if (capacity < 1) {
    getOperation()->emitError()
        << "expected a positive capacity, got " << int64_t(capacity);
    return signalPassFailure();
  }
  SmallVector<func::FuncOp> functions;
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    bool attends = function
                       .walk([](Operation *op) {
                         return isa<AttentionOp, LinearAttentionOp>(op)
                                    ? WalkResult::interrupt()
                                    : WalkResult::advance();
                       })
                       .wasInterrupted();
    if (function.isPublic() && !function.isDeclaration() && attends)
      functions.push_back(function);
  }
  SymbolTable symbols(getOperation());
  for (func::FuncOp function : functions) {
    func::FuncOp step = function.clone();
    step.setSymName((function.getSymName() + "_step").str());
    // What was recorded of the function is not so of its step.
    step->removeAttr("attn.signature");
    symbols.insert(step, std::next(Block::iterator(function)));
    if (failed(StepBuilder(step, capacity).run()))
      return signalPassFailure();
    ++numBuilt;
  }
}
