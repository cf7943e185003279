//===- RowGroups.cpp - operations that share their rows -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation gets a stage: that of its row-wise producers with the same
// rows, one more than that of any other row-wise producer. Operations of one
// stage with the same rows then depend on each other only row by row.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/RowGroups.h"
#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
bool isTensorOfRank1(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= 1;
}

/// Whether a map's first result is the first dimension, and only the first.
bool hasRowsFirst(AffineMap map) {
  if (map.getNumResults() == 0 ||
      map.getResult(0) != getAffineDimExpr(0, map.getContext()))
    return false;
  return llvm::none_of(map.getResults().drop_front(),
                       [](AffineExpr e) { return e.isFunctionOfDim(0); });
}
} // namespace

bool mlir::attn::cpu::isRowOperand(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (auto rowWise = dyn_cast<RowWiseOpInterface>(op))
    return rowWise.isReadByRow(operand);
  return isTensorOfRank1(operand.get()) &&
         hasRowsFirst(
             cast<linalg::LinalgOp>(op).getMatchingIndexingMap(&operand));
}

bool mlir::attn::cpu::isRowWise(Operation *op) {
  if (isa<RowWiseOpInterface>(op))
    return cast<DestinationStyleOpInterface>(op).hasPureTensorSemantics();
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (!linalgOp || !isa<linalg::GenericOp, linalg::FillOp>(op) ||
      !linalgOp.hasPureTensorSemantics() || linalgOp.getNumLoops() == 0 ||
      linalgOp.getIteratorTypesArray().front() != utils::IteratorType::parallel)
    return false;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = linalgOp.getMatchingIndexingMap(&operand);
    bool isInit = linalgOp.isDpsInit(&operand);
    if (isInit ? !isRowOperand(operand)
               : map.isFunctionOfDim(0) && !isRowOperand(operand))
      return false;
  }
  return true;
}

int64_t mlir::attn::cpu::workPerRow(Operation *op) {
  auto known = [](int64_t extent) {
    return ShapedType::isDynamic(extent) ? 256 : extent;
  };
  // Register tiles do 16 multiplications where a payload does one step.
  if (auto rowWise = dyn_cast<RowWiseOpInterface>(op))
    return rowWise.getMultiplicationsPerRow() / 16;
  auto linalgOp = cast<linalg::LinalgOp>(op);
  int64_t work = llvm::range_size(*linalgOp.getBlock());
  for (int64_t extent : llvm::drop_begin(linalgOp.getStaticLoopRanges()))
    work *= known(extent);
  return work;
}

namespace {
/// A result whose rows have a dynamic size cannot live in a tile's scratch.
bool hasDynamicRow(Operation *op) {
  return llvm::any_of(op->getResultTypes(), [](Type type) {
    auto shaped = cast<RankedTensorType>(type);
    return llvm::any_of(shaped.getShape().drop_front(), ShapedType::isDynamic);
  });
}

class Grouper {
public:
  explicit Grouper(Block &block) : block(block) {}
  SmallVector<RowGroup> run();

private:
  /// Rows that are equal have the same key; alone for those that go alone.
  using Key = std::pair<int64_t, const void *>;

  void unify(Operation *op);
  Key keyOf(Operation *op);
  int64_t stageOf(Operation *op);
  void sink(Operation *op);
  SmallVector<RowGroup> reorder();

  Block &block;
  llvm::EquivalenceClasses<const void *> sizes;
  llvm::DenseMap<Operation *, int64_t> stages;
  llvm::DenseMap<Operation *, Key> keys;
  int64_t lastEffect = 0;
};

/// Values with the same first extent are in one class, with that extent's
/// value where it is known.
void Grouper::unify(Operation *op) {
  if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    if (isTensorOfRank1(empty) && empty.getType().isDynamicDim(0))
      sizes.unionSets(empty.getResult().getAsOpaquePointer(),
                      empty.getDynamicSizes().front().getAsOpaquePointer());
    return;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    if (dim.getConstantIndex() == 0)
      sizes.unionSets(dim.getSource().getAsOpaquePointer(),
                      dim.getResult().getAsOpaquePointer());
    return;
  }
  if (!isRowWise(op))
    return;
  for (OpOperand &operand : op->getOpOperands())
    if (isRowOperand(operand))
      for (Value result : op->getResults())
        sizes.unionSets(operand.get().getAsOpaquePointer(),
                        result.getAsOpaquePointer());
}

Grouper::Key Grouper::keyOf(Operation *op) {
  Value result = op->getResult(0);
  if (hasDynamicRow(op))
    return {ShapedType::kDynamic, op};
  int64_t extent = cast<RankedTensorType>(result.getType()).getDimSize(0);
  if (!ShapedType::isDynamic(extent))
    return {extent, nullptr};
  return {extent, sizes.getLeaderValue(result.getAsOpaquePointer())};
}

int64_t Grouper::stageOf(Operation *op) {
  int64_t stage = 0;
  auto follow = [&](Value value, bool isByRow) {
    Operation *producer = value.getDefiningOp();
    if (!producer)
      return;
    producer = block.findAncestorOpInBlock(*producer);
    if (!producer || !stages.contains(producer))
      return;
    bool joins = isByRow && keys.contains(producer) &&
                 keys.lookup(producer) == keys.lookup(op);
    bool isLater = keys.contains(producer) && !joins;
    stage = std::max(stage, stages.lookup(producer) + (isLater ? 1 : 0));
  };
  for (OpOperand &operand : op->getOpOperands())
    follow(operand.get(), keys.contains(op) && isRowOperand(operand));
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  for (Value value : captured)
    follow(value, false);
  if (!isMemoryEffectFree(op) && !keys.contains(op))
    stage = lastEffect = std::max(stage, lastEffect);
  return stage;
}

/// Moves an operation to the stage of its first user, so that its result need
/// not outlive a group.
void Grouper::sink(Operation *op) {
  int64_t latest = std::numeric_limits<int64_t>::max();
  for (OpOperand &use : op->getUses()) {
    Operation *user = block.findAncestorOpInBlock(*use.getOwner());
    if (!user || !stages.contains(user))
      return;
    bool joins = user == use.getOwner() && keys.contains(user) &&
                 keys.lookup(user) == keys.lookup(op) && isRowOperand(use);
    latest = std::min(latest, stages.lookup(user) - (joins ? 0 : 1));
  }
  if (!op->use_empty() && latest > stages.lookup(op))
    stages[op] = latest;
}

SmallVector<RowGroup> Grouper::reorder() {
  struct Stage {
    SmallVector<Operation *> others;
    llvm::MapVector<Key, RowGroup> groups;
  };
  std::map<int64_t, Stage> ordered;
  for (Operation &op : block.without_terminator()) {
    Stage &stage = ordered[stages.lookup(&op)];
    auto key = keys.find(&op);
    if (key == keys.end())
      stage.others.push_back(&op);
    else
      stage.groups[key->second].ops.push_back(&op);
  }
  SmallVector<RowGroup> groups;
  Operation *end = block.getTerminator();
  for (auto &[number, stage] : ordered) {
    for (Operation *op : stage.others)
      op->moveBefore(end);
    for (auto &[key, group] : stage.groups) {
      for (Operation *op : group.ops)
        op->moveBefore(end);
      auto type =
          cast<RankedTensorType>(group.ops.front()->getResult(0).getType());
      group.numRows = type.getDimSize(0);
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

SmallVector<RowGroup> Grouper::run() {
  for (Operation &op : block.without_terminator())
    unify(&op);
  for (Operation &op : block.without_terminator()) {
    if (isRowWise(&op))
      keys[&op] = keyOf(&op);
    stages[&op] = stageOf(&op);
  }
  for (Operation &op : llvm::reverse(block.without_terminator()))
    if (keys.contains(&op))
      sink(&op);
  return reorder();
}
} // namespace

SmallVector<RowGroup> mlir::attn::cpu::groupRows(Block &block) {
  return Grouper(block).run();
}
