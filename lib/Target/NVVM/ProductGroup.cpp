//===- ProductGroup.cpp - what follows a product in registers -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// On buffers: finds the element-wise operations that can work on the sums while
// a kernel has them, and the value that the sums start from.
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "attn/Target/NVVM/Buffers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
class Gatherer {
public:
  Gatherer(const Product &product, llvm::SmallPtrSetImpl<Operation *> &taken)
      : group{product, {}, {}, 0, {}, {}, {}}, taken(taken) {
    reads.insert(rootOf(product.left.memref));
    reads.insert(rootOf(product.right.memref));
  }

  ProductGroup gather() {
    findInitial();
    while (addStep())
      if (group.steps.size() == 1)
        findSecond();
    return std::move(group);
  }

private:
  Operation *current() {
    return group.steps.empty() ? group.product.op : group.steps.back().op;
  }
  void findInitial();
  bool addStep();
  void findSecond();
  bool isSecond(const Product &other, OpOperand &read);
  bool canCross(Operation *op, Value carried);
  bool isElementwise(linalg::LinalgOp op);
  std::optional<EpilogueStep> stepOf(linalg::LinalgOp op, Value carried);
  bool isDeadBeyond(Value root, Operation *op);

  ProductGroup group;
  llvm::SmallPtrSetImpl<Operation *> &taken;
  llvm::SmallPtrSet<Value, 8> reads; ///< buffers that the group reads
};
} // namespace

void Gatherer::findInitial() {
  std::optional<FilledWith> fill =
      findFill(group.product.out.memref, group.product.op,
               [&](Operation *op) { return taken.contains(op); });
  auto value = fill ? dyn_cast<FloatAttr>(fill->value) : FloatAttr();
  if (!value)
    return;
  group.initial = value.getValueAsDouble();
  if (fill->own) {
    group.replaced.push_back(fill->own);
    taken.insert(fill->own);
  }
  group.perhapsDead = fill->perhapsDead;
}

bool Gatherer::isElementwise(linalg::LinalgOp op) {
  if (op.getNumReductionLoops() != 0 || op.getNumDpsInits() != 1 ||
      !op.hasPureBufferSemantics() ||
      !op.getMatchingBlockArgument(op.getDpsInitOperand(0)).use_empty())
    return false;
  AffineMap out = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  for (auto [dim, extent] : llvm::enumerate(op.getStaticLoopRanges()))
    if (extent != 1 && !out.isFunctionOfDim(dim))
      return false;
  for (Operation &nested : op.getBlock()->without_terminator())
    if (nested.getNumRegions() != 0 ||
        (!isa<arith::ArithDialect, math::MathDialect>(nested.getDialect()) &&
         !isa<linalg::IndexOp>(nested)))
      return false;
  return true;
}

/// Every dimension of the loops must be one of the carried buffer's, and be
/// read nowhere else in it.
std::optional<EpilogueStep> Gatherer::stepOf(linalg::LinalgOp op,
                                             Value carried) {
  EpilogueStep step{op, nullptr, {}};
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!isa<MemRefType>(input->get().getType()) ||
        rootOf(input->get()) != rootOf(carried))
      continue;
    if (step.carried && (step.carried->get() != input->get() ||
                         op.getMatchingIndexingMap(step.carried) !=
                             op.getMatchingIndexingMap(input)))
      return std::nullopt;
    if (!step.carried)
      step.carried = input;
  }
  if (!step.carried)
    return std::nullopt;
  for (Value view = step.carried->get(); view != carried;) {
    Operation *op = view.getDefiningOp();
    if (!isa_and_nonnull<memref::ExpandShapeOp, memref::CollapseShapeOp,
                         memref::CastOp>(op))
      return std::nullopt;
    step.views.insert(step.views.begin(), op);
    view = op->getOperand(0);
  }
  AffineMap map = op.getMatchingIndexingMap(step.carried);
  for (AffineExpr result : map.getResults())
    if (!isa<AffineDimExpr>(result) && !isa<AffineConstantExpr>(result))
      return std::nullopt;
  for (auto [dim, extent] : llvm::enumerate(op.getStaticLoopRanges()))
    if (extent != 1 && !map.isFunctionOfDim(dim))
      return std::nullopt;
  return step;
}

/// Whether the product may happen after `op` instead of before.
bool Gatherer::canCross(Operation *op, Value carried) {
  Value own = rootOf(carried);
  return touchesOnly(
      op, [&](Value root) { return root != own; },
      [&](Value root) { return root != own && !reads.contains(root); });
}

/// Whether nobody reads the buffer after `op`.
bool Gatherer::isDeadBeyond(Value root, Operation *op) {
  if (!root.getDefiningOp<memref::AllocOp>() ||
      root.getParentBlock() != op->getBlock())
    return false;
  return llvm::all_of(usersOf(root), [&](Operation *user) {
    Operation *own = op->getBlock()->findAncestorOpInBlock(*user);
    return isa<memref::DeallocOp>(user) ||
           (own && (own == op || own->isBeforeInBlock(op)));
  });
}

bool Gatherer::addStep() {
  Value carried = group.destination();
  Operation *next = nullptr;
  for (Operation *op = current()->getNextNode(); op; op = op->getNextNode()) {
    if (auto one = dyn_cast<linalg::LinalgOp>(op);
        one && llvm::any_of(one.getDpsInputs(), [&](Value input) {
          return isa<MemRefType>(input.getType()) &&
                 rootOf(input) == rootOf(carried);
        })) {
      next = op;
      break;
    }
    if (!canCross(op, carried))
      return false;
  }
  auto op = dyn_cast_or_null<linalg::LinalgOp>(next);
  if (!op || taken.contains(op) || !isElementwise(op))
    return false;
  std::optional<EpilogueStep> step = stepOf(op, carried);
  Value to = op.getDpsInits()[0];
  if (!step || reads.contains(rootOf(to)) ||
      (rootOf(to) == rootOf(carried) ? to != step->carried->get()
                                     : !isDeadBeyond(rootOf(carried), op)))
    return false;
  for (OpOperand *input : op.getDpsInputOperands())
    if (isa<MemRefType>(input->get().getType()) &&
        rootOf(input->get()) != rootOf(carried) &&
        rootOf(input->get()) != rootOf(to))
      reads.insert(rootOf(input->get()));
  group.steps.push_back(*step);
  taken.insert(op);
  return true;
}

/// Whether another product gives the first step sums of the same rows and
/// columns, and may happen where that is.
bool Gatherer::isSecond(const Product &other, OpOperand &read) {
  const Product &own = group.product;
  const EpilogueStep &step = group.steps.front();
  linalg::LinalgOp op = step.op;
  Value root = rootOf(other.out.memref);
  AffineMap places = op.getMatchingIndexingMap(&read);
  OpOperand *init = op.getDpsInitOperand(0);
  bool isOverwritten = init->get() == other.out.memref &&
                       op.getMatchingIndexingMap(init) == places;
  if (read.get() != other.out.memref || !step.views.empty() ||
      places != op.getMatchingIndexingMap(step.carried) ||
      !(isOverwritten || isDeadBeyond(root, op)))
    return false;
  if (other.left.memref != own.left.memref || other.left.map != own.left.map ||
      other.right.element() != own.right.element() ||
      other.out.map != own.out.map || other.extents != own.extents ||
      other.batch != own.batch || other.rows != own.rows ||
      other.columns != own.columns || other.depth != own.depth)
    return false;
  for (Operation *one = linalg::LinalgOp(other.op)->getNextNode(); one != op;
       one = one->getNextNode())
    if (!touchesOnly(
            one, [&](Value other) { return other != root; },
            [&, right = rootOf(other.right.memref)](Value other) {
              return other != root && other != right && !reads.contains(other);
            }))
      return false;
  return true;
}

void Gatherer::findSecond() {
  linalg::LinalgOp step = group.steps.front().op;
  linalg::LinalgOp first = group.product.op;
  for (Operation *op = first->getNextNode(); op != step;
       op = op->getNextNode()) {
    auto candidate = dyn_cast<linalg::LinalgOp>(op);
    std::string reason;
    std::optional<Product> other;
    if (candidate && !taken.contains(op))
      other = matchProduct(candidate, reason);
    if (!other)
      continue;
    for (OpOperand *input : step.getDpsInputOperands()) {
      if (!isSecond(*other, *input))
        continue;
      std::optional<FilledWith> fill =
          findFill(other->out.memref, op,
                   [&](Operation *one) { return taken.contains(one); });
      auto value = fill ? dyn_cast<FloatAttr>(fill->value) : FloatAttr();
      if (!value)
        continue;
      group.second = other;
      group.secondInitial = value.getValueAsDouble();
      reads.insert(rootOf(other->right.memref));
      taken.insert(op);
      if (fill->own) {
        group.replaced.push_back(fill->own);
        taken.insert(fill->own);
      }
      group.perhapsDead.append(fill->perhapsDead);
      return;
    }
  }
}

ProductGroup
attn::nvvm::gatherGroup(const Product &product,
                        llvm::SmallPtrSetImpl<Operation *> &taken) {
  return Gatherer(product, taken).gather();
}
