//===- MemoryPlan.cpp - when buffers live, and where ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lifetimes by following aliases, and offsets by a greedy search.
//
//===----------------------------------------------------------------------===//

#include "MemoryPlan.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn::cpu;

namespace {

/// Follows everything that may point into one allocation.
class AliasWalk {
public:
  explicit AliasWalk(memref::AllocOp alloc) : alloc(alloc) {
    follow(alloc.getMemref());
  }

  /// Whether all uses are known and stay within one run of the allocation's
  /// block.
  bool stays() const { return !escapes; }
  ArrayRef<Operation *> users() const { return uses; }

private:
  void follow(Value value);
  void followYield(OpOperand &use);
  /// Whether `op` is below the block in which the allocation stands.
  bool isWithinBlock(Operation *op) {
    return alloc->getBlock()->findAncestorOpInBlock(*op) != nullptr;
  }

  memref::AllocOp alloc;
  SmallVector<Operation *> uses;
  llvm::SmallPtrSet<Value, 8> seen;
  bool escapes = false;
};

} // namespace

void AliasWalk::followYield(OpOperand &use) {
  Operation *parent = use.getOwner()->getParentOp();
  unsigned number = use.getOperandNumber();
  if (isa<scf::IfOp, scf::ExecuteRegionOp, scf::IndexSwitchOp>(parent))
    return follow(parent->getResult(number));
  auto loop = dyn_cast<scf::ForOp>(parent);
  // What a loop allocates and hands to its next turn lives longer than a turn.
  if (!loop || !isWithinBlock(loop)) {
    escapes = true;
    return;
  }
  follow(loop.getResult(number));
  follow(loop.getRegionIterArg(number));
}

void AliasWalk::follow(Value value) {
  if (!seen.insert(value).second)
    return;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    uses.push_back(user);
    if (isa<scf::YieldOp>(user)) {
      followYield(use);
    } else if (user->hasTrait<OpTrait::IsTerminator>()) {
      escapes = true;
    } else if (auto loop = dyn_cast<scf::ForOp>(user)) {
      unsigned number = use.getOperandNumber() - loop.getNumControlOperands();
      follow(loop.getRegionIterArg(number));
      follow(loop.getResult(number));
    } else if (isa<LoopLikeOpInterface>(user) && user->getNumResults() > 0) {
      escapes = true;
    } else if (isa<memref::LoadOp, memref::DimOp>(user)) {
      continue;
    } else {
      if (isa<memref::ExtractAlignedPointerAsIndexOp>(user) ||
          llvm::any_of(user->getResultTypes(),
                       llvm::IsaPred<MemRefType, UnrankedMemRefType>))
        for (Value result : user->getResults())
          follow(result);
      if (isa<UnrealizedConversionCastOp>(user))
        escapes = true;
    }
  }
}

static bool isPlannable(MemRefType type) {
  return type.getLayout().isIdentity() && !type.getMemorySpace() &&
         type.getElementType().isIntOrIndexOrFloat();
}

static int64_t elementBytes(Type type) {
  return type.isIndex() ? 8 : llvm::divideCeil(type.getIntOrFloatBitWidth(), 8);
}

SmallVector<Buffer> mlir::attn::cpu::collectBuffers(
    Operation *root, llvm::function_ref<bool(memref::AllocOp)> filter) {
  // An operation spans the positions from its own to that of its last nested
  // one: a use inside a loop keeps the buffer until the loop's end.
  llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> span;
  SmallVector<memref::AllocOp> allocs;
  int64_t position = 0;
  auto number = [&](auto &self, Operation *op) -> void {
    int64_t first = position++;
    if (auto alloc = dyn_cast<memref::AllocOp>(op))
      allocs.push_back(alloc);
    for (Region &region : op->getRegions())
      for (Operation &nested : region.getOps())
        self(self, &nested);
    span[op] = {first, position - 1};
  };
  number(number, root);

  SmallVector<Buffer> buffers;
  for (memref::AllocOp alloc : allocs) {
    MemRefType type = alloc.getType();
    if (!isPlannable(type) || !filter(alloc))
      continue;
    AliasWalk aliases(alloc);
    if (!aliases.stays())
      continue;
    Buffer buffer{alloc, alloc, span[alloc].first, span[alloc].second, 0, {}};
    buffer.bytes = elementBytes(type.getElementType());
    for (int64_t extent : type.getShape())
      if (!ShapedType::isDynamic(extent))
        buffer.bytes *= extent;
    llvm::append_range(buffer.extents, alloc.getDynamicSizes());
    llvm::sort(buffer.extents, [](Value a, Value b) {
      return a.getAsOpaquePointer() < b.getAsOpaquePointer();
    });
    // Nothing is in the buffer before its first use.
    int64_t firstUse = std::numeric_limits<int64_t>::max();
    for (Operation *user : aliases.users()) {
      Operation *top = alloc->getBlock()->findAncestorOpInBlock(*user);
      if (!top || isa<memref::DeallocOp>(user))
        continue;
      firstUse = std::min(firstUse, span[top].first);
      if (span[top].second > buffer.end) {
        buffer.end = span[top].second;
        buffer.lastUse = top;
      }
    }
    if (buffer.lastUse != alloc)
      buffer.begin = firstUse;
    buffers.push_back(std::move(buffer));
  }
  return buffers;
}

int64_t mlir::attn::cpu::planOffsets(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> order =
      llvm::to_vector(llvm::make_pointer_range(buffers));
  llvm::stable_sort(order, [](const Buffer *a, const Buffer *b) {
    return a->bytes > b->bytes;
  });
  int64_t total = 0;
  SmallVector<Buffer *> placed;
  for (Buffer *buffer : order) {
    // Those in the way, by where they start; the gaps between are candidates.
    SmallVector<Buffer *> inTheWay = llvm::filter_to_vector(
        placed, [&](Buffer *other) { return other->overlaps(*buffer); });
    llvm::stable_sort(inTheWay, [](const Buffer *a, const Buffer *b) {
      return a->offset < b->offset;
    });
    buffer->offset = 0;
    for (Buffer *other : inTheWay) {
      if (buffer->offset + buffer->bytes <= other->offset)
        break;
      int64_t after =
          llvm::alignTo(other->offset + other->bytes, kBufferAlignment);
      buffer->offset = std::max(buffer->offset, after);
    }
    placed.push_back(buffer);
    total = std::max(total, buffer->offset + buffer->bytes);
  }
  return llvm::alignTo(total, kBufferAlignment);
}

void mlir::attn::cpu::replaceByView(const Buffer &buffer, Value memory) {
  memref::AllocOp alloc = buffer.alloc;
  OpBuilder builder(alloc);
  Value offset =
      arith::ConstantIndexOp::create(builder, alloc.getLoc(), buffer.offset);
  Value view = memref::ViewOp::create(builder, alloc.getLoc(), alloc.getType(),
                                      memory, offset, alloc.getDynamicSizes());
  for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
    if (isa<memref::DeallocOp>(user))
      user->erase();
  alloc.replaceAllUsesWith(view);
  alloc.erase();
}
