//===- BuildSteps.cpp - the pass attn-build-steps -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A step is the same function on the positions that are new. What it must know
// of those before is in buffers that it reads and writes in place: keys and
// values of exact attention, the state of linear attention.
//
//===----------------------------------------------------------------------===//

#include "StepBuilder.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MathExtras.h"

#define DEBUG_TYPE "attn-build-steps"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNBUILDSTEPSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct BuildSteps : attn::impl::AttnBuildStepsPassBase<BuildSteps> {
  using AttnBuildStepsPassBase::AttnBuildStepsPassBase;

  void runOnOperation() override;

private:
  LogicalResult settleLengths(func::FuncOp token);
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

Value StepBuilder::open(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  return bufferization::ToTensorOp::create(
      b, loc, RankedTensorType::get(type.getShape(), type.getElementType()),
      buffer, /*restrict=*/true, /*writable=*/true);
}

void StepBuilder::close(Value tensor, Value buffer) {
  auto op = bufferization::MaterializeInDestinationOp::create(b, loc, Type(),
                                                              tensor, buffer);
  op.setRestrict(true);
  op.setWritable(true);
}

/// Queries and keys have one length, so that an offset says nothing yet.
LogicalResult StepBuilder::Past::restrict(Attribute mask) {
  if (isa_and_nonnull<CausalAttr>(mask)) {
    isCausal = true;
    return success();
  }
  if (auto list = dyn_cast_or_null<AllOfAttr>(mask)) {
    for (Attribute one : list.getMasks())
      if (failed(restrict(one)))
        return failure();
    return success();
  }
  auto own = dyn_cast_or_null<WindowAttr>(mask);
  if (!own || own.dependsOnHead() || own.getDilationOf(0) != 1)
    return failure();
  int64_t seen = own.getBefore() + 1;
  window = window ? std::min(*window, seen) : seen;
  isCausal |= own.getAfter() == 0;
  return success();
}

/// What a step of exact attention can be made of.
LogicalResult StepBuilder::check(AttentionOp op, Past &past) {
  if (failed(past.restrict(op.getMaskAttr())) || !past.isCausal ||
      !op.getSegments().empty() || op.getBias() || op.getKeyValid() ||
      op.getRelative() || op.getDocuments())
    return op.emitError(
        "expected causal attention, of all positions or of a window of them, "
        "without bias, key_valid, segments, documents and relative positions "
        "for a step");
  if (past.window && *past.window > options.capacity)
    past.window.reset();
  if (past.window && !op.getScoreMod().empty())
    return op.emitError("expected no score mod where positions are in a ring");
  if (options.isToken)
    return success(); // that NAME_step is there says the rest
  if (!ShapedType::isDynamic(op.getStaticExtent(AttentionOp::kQuery)))
    return op.emitError("expected a dynamic length for a step");
  for (OpOperand *operand : {&op.getKeyMutable(), &op.getValueMutable()}) {
    auto type = cast<RankedTensorType>(operand->get().getType());
    if (type.getNumDynamicDims() != 1)
      return op.emitError("expected nothing but the length to be dynamic for a "
                          "step, got ")
             << type;
  }
  return success();
}

/// A score mod speaks of positions of the whole sequence.
void StepBuilder::shiftPositions(AttentionOp op) {
  if (op.getScoreMod().empty())
    return;
  Block &body = op.getScoreMod().front();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&body);
  BlockArgument query = body.getArgument(3);
  auto shifted = arith::AddIOp::create(b, loc, query, length);
  query.replaceAllUsesExcept(shifted, shifted);
}

LogicalResult StepBuilder::convert(AttentionOp op) {
  Past past;
  if (failed(check(op, past)))
    return failure();
  SmallVector<Attribute> maps(op.getIndexingMaps().begin(),
                              op.getIndexingMaps().end());
  SmallVector<OpOperand *> operands{&op.getKeyMutable(), &op.getValueMutable()};
  SmallVector<Rows> rows{arrange(op, *operands[0], "key"),
                         arrange(op, *operands[1], "value")};
  Attribute mask = CausalAttr::get(b.getContext(), Alignment::BottomRight);
  if (past.window)
    mask = WindowAttr::get(b.getContext(), *past.window - 1, 0, 1,
                           Alignment::BottomRight);
  for (auto [operand, one] : llvm::zip_equal(operands, rows)) {
    maps[operand->getOperandNumber()] = AffineMapAttr::get(one.map);
    if (past.window && !options.isToken)
      continue;
    if (past.window)
      operand->set(appendToRing(one, *past.window));
    else if (options.pageSize == 0)
      operand->set(append(one));
    else if (succeeded(addTable(one)))
      operand->set(appendPages(one));
    else
      return failure();
  }
  op.setIndexingMapsAttr(b.getArrayAttr(maps));
  // One position sees all that is there.
  if (options.isToken)
    op.removeMaskAttr();
  else
    op.setMaskAttr(cast<MaskAttrInterface>(mask));
  if (past.window && !options.isToken)
    useRings(op, rows, *past.window);
  shiftPositions(op);
  ++number;
  return success();
}

/// Linear attention over the positions that are new, from a state and to it.
LogicalResult StepBuilder::convert(LinearAttentionOp op) {
  if (!op.getCausal() || op.hasState() || op.getKeyValid())
    return op.emitError("expected causal linear attention without a state and "
                        "key_valid for a step");
  checkLength(op.getExtent(b, loc, LinearAttentionOp::Dim::kKey));
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
  SmallVector<Value> buffers, initial;
  Type element = op.getAccumulatorType();
  for (auto [part, shape] : llvm::enumerate(shapes)) {
    StringRef name = part == 0 ? "sum" : part == 1 ? "norm" : "reference";
    buffers.push_back(
        addBuffer(shape, element, Twine(name) + "_state" + Twine(number)));
    initial.push_back(open(buffers.back()));
  }
  Operation *stateful = buildToken(op, initial);
  if (!stateful)
    stateful = buildPiece(op, initial);
  for (auto [part, buffer] : llvm::enumerate(buffers))
    close(stateful->getResult(part + 1), buffer);
  op.erase();
  ++number;
  return success();
}

/// The same over any number of positions.
LinearAttentionOp StepBuilder::buildPiece(LinearAttentionOp op,
                                          ValueRange state) {
  SmallVector<Value> final;
  SmallVector<Type> types(op->getResultTypes());
  for (Type type : state.getTypes()) {
    auto tensor = cast<RankedTensorType>(type);
    final.push_back(tensor::EmptyOp::create(b, op.getLoc(), tensor.getShape(),
                                            tensor.getElementType()));
    types.push_back(type);
  }
  auto made = LinearAttentionOp::create(
      b, op.getLoc(), types, op.getFeatureMap(), op.getQuery(), op.getKey(),
      op.getValue(), op.getProjection(), /*key_valid=*/Value(), state,
      op.getOutput(), final, op.getIndexingMapsAttr(), op.getCausalAttr(),
      op.getScaleAttr(), op.getFeatureEpsAttr(), op.getDenominatorEpsAttr(),
      op.getChunkAttr());
  made->getRegion(0).takeBody(op->getRegion(0));
  op.getResult(0).replaceAllUsesWith(made->getResult(0));
  return made;
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
    Past past;
    if (auto attention = dyn_cast<AttentionOp>(op))
      hasFullCache |=
          failed(past.restrict(attention.getMaskAttr())) ||
          past.window.value_or(options.capacity + 1) > options.capacity;
  });
  for (Operation *op : ops) {
    loc = op->getLoc();
    b.setInsertionPoint(op);
    auto attention = dyn_cast<AttentionOp>(op);
    if (failed(attention ? convert(attention)
                         : convert(cast<LinearAttentionOp>(op))))
      return failure();
  }
  checkPages();
  return success();
}

LogicalResult BuildSteps::settleLengths(func::FuncOp token) {
  setLengthsToOne(token);
  OpPassManager manager(func::FuncOp::getOperationName());
  // What one round makes static lets the next see more.
  for (int round = 0; round < 2; ++round) {
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
  }
  RewritePatternSet patterns(&getContext());
  populateTokenPatterns(patterns);
  if (failed(runPipeline(manager, token)) ||
      failed(applyPatternsGreedily(token, std::move(patterns))) ||
      failed(runPipeline(manager, token)))
    return failure();
  settleResults(token);
  return success();
}

void BuildSteps::runOnOperation() {
  if (capacity < 1) {
    getOperation()->emitError()
        << "expected a positive capacity, got " << int64_t(capacity);
    return signalPassFailure();
  }
  if (pageSize < 0 || (pageSize > 0 && !llvm::isPowerOf2_64(pageSize))) {
    getOperation()->emitError()
        << "expected a page size that is a power of two, got "
        << int64_t(pageSize);
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
  for (func::FuncOp function : functions) {
    // The step of one position comes last, as what is a copy of a copy.
    func::FuncOp previous = function;
    for (StringRef suffix : {"_step", "_token"}) {
      func::FuncOp step = function.clone();
      step.setSymName((function.getSymName() + suffix).str());
      // What was recorded of the function is not so of its step.
      step->removeAttr("attn.signature");
      SymbolTable(getOperation())
          .insert(step, std::next(Block::iterator(previous)));
      StepOptions options{capacity, pageSize, suffix == "_token"};
      if (options.isToken && failed(settleLengths(step)))
        return signalPassFailure();
      if (failed(StepBuilder(step, options).run()))
        return signalPassFailure();
      previous = step;
      ++numBuilt;
    }
  }
}
