//===- Buffers.cpp - who reads and writes buffers -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the IR alone shows; nothing is assumed of operations that are not known.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/NVVM/Buffers.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

Value attn::nvvm::rootOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  return memref;
}

SmallVector<Operation *> attn::nvvm::usersOf(Value root) {
  SmallVector<Operation *> users;
  SmallVector<Value> work{root};
  while (!work.empty())
    for (Operation *user : work.pop_back_val().getUsers()) {
      if (isa<ViewLikeOpInterface>(user))
        work.push_back(user->getResult(0));
      else
        users.push_back(user);
    }
  return users;
}

/// Whether an operation that uses the buffer at most reads it.
static bool onlyReads(Operation *op, Value root) {
  if (isa<memref::LoadOp, memref::DeallocOp>(op))
    return true;
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return rootOf(copy.getTarget()) != root;
  auto generic = dyn_cast<linalg::LinalgOp>(op);
  return generic && llvm::none_of(generic.getDpsInits(), [&](Value init) {
           return rootOf(init) == root;
         });
}

/// The last operation before another of its block that writes a buffer; nothing
/// if it is not seen.
static Operation *lastWriter(Value root, Operation *before) {
  Operation *last = nullptr;
  for (Operation *user : usersOf(root)) {
    Operation *own = before->getBlock()->findAncestorOpInBlock(*user);
    if (!own || !own->isBeforeInBlock(before) || onlyReads(user, root))
      continue;
    if (own != user)
      return nullptr;
    if (!last || last->isBeforeInBlock(own))
      last = own;
  }
  return last;
}

/// Whether nobody uses the buffer between two operations, but for copies that
/// are gone.
static bool isUntouched(Value root, Operation *after, Operation *before,
                        function_ref<bool(Operation *)> isGone) {
  return llvm::all_of(usersOf(root), [&](Operation *user) {
    Operation *own = before->getBlock()->findAncestorOpInBlock(*user);
    return own == after || own == before ||
           (isa_and_nonnull<memref::CopyOp>(own) && isGone(own)) ||
           (own &&
            (own->isBeforeInBlock(after) || before->isBeforeInBlock(own)));
  });
}

std::optional<FilledWith>
attn::nvvm::findFill(Value memref, Operation *before,
                     function_ref<bool(Operation *)> isGone) {
  Value root = rootOf(memref);
  Operation *writer = lastWriter(root, before);
  if (!writer)
    return std::nullopt;
  Operation *own = isUntouched(root, writer, before, isGone) ? writer : nullptr;
  if (auto fill = dyn_cast<linalg::FillOp>(writer)) {
    Attribute value;
    if (fill.getOutputs()[0] != memref ||
        !matchPattern(fill.getInputs()[0], m_Constant(&value)) ||
        !isa<TypedAttr>(value))
      return std::nullopt;
    return FilledWith{cast<TypedAttr>(value), own, {}};
  }
  auto copy = dyn_cast<memref::CopyOp>(writer);
  if (!copy || copy.getTarget() != memref || copy.getSource() == memref)
    return std::nullopt;
  std::optional<FilledWith> result = findFill(copy.getSource(), copy, isGone);
  if (!result)
    return std::nullopt;
  Operation *further = lastWriter(rootOf(copy.getSource()), copy);
  result->perhapsDead.push_back(further);
  result->own = own;
  return result;
}

bool attn::nvvm::touchesOnly(Operation *op, function_ref<bool(Value)> mayRead,
                             function_ref<bool(Value)> mayWrite) {
  if (isa<ViewLikeOpInterface, memref::AllocOp>(op) || isMemoryEffectFree(op))
    return true;
  auto interface = dyn_cast<MemoryEffectOpInterface>(op);
  if (!interface || (op->getNumRegions() != 0 && !isa<linalg::LinalgOp>(op)))
    return false;
  SmallVector<MemoryEffects::EffectInstance> effects;
  interface.getEffects(effects);
  return llvm::all_of(effects, [&](const auto &effect) {
    Value value = effect.getValue();
    if (!value || !isa<MemRefType>(value.getType()))
      return false;
    return isa<MemoryEffects::Read>(effect.getEffect())
               ? mayRead(rootOf(value))
               : mayWrite(rootOf(value));
  });
}

void attn::nvvm::eraseUnreadFills(ArrayRef<Operation *> fills) {
  for (Operation *op : fills) {
    auto fill = dyn_cast<linalg::FillOp>(op);
    if (!fill)
      continue;
    Value root = rootOf(fill.getOutputs()[0]);
    if (root.getDefiningOp<memref::AllocOp>() &&
        llvm::all_of(usersOf(root), [&](Operation *user) {
          return user == op || isa<memref::DeallocOp>(user);
        }))
      op->erase();
  }
}
