//===- WarpGroups.cpp - what sm_90a runs instead of a kernel --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decides whether specialised warp groups can run a loop's body, and emits the
// body twice, for those who copy and for those who multiply.
//
//===----------------------------------------------------------------------===//

#include "WarpGroups.h"

#include "SoftmaxUpdate.h"

#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// What a block may ask for on sm_90.
constexpr int64_t kSharedLimit = 227 * 1024;
/// What a multiprocessor has, of which every block takes a part for itself.
constexpr int64_t kSharedOfAll = 228 * 1024, kSharedOfSystem = 1024;
/// Registers of a lane of the producer, of one of two consumers in a block, and
/// of the only consumer of one of two blocks.
struct RegisterPlan {
  int64_t producer, consumer, onlyConsumer;
};
/// A multiprocessor has 512 for a lane of all its warp groups. Copies through
/// tensor maps take few; with many ranges, where these begin and end is more.
constexpr RegisterPlan kRegisters = {56, 224, 200},
                       kRegistersWithMaps = {24, 240, 232},
                       kRegistersOfManyRanges = {40, 232, 216};
constexpr int64_t kMostColumns = 256, kMostStages = 3;
/// Fewer rows leave a warp group with less to do than four warps of mma.sync.
constexpr int64_t kFewestRows = 49;

using D = OnlineAttentionOp;

AffineMap mapOf(OnlineAttentionOp op, unsigned index) {
  return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
}

bool isWide(Value memref, AffineMap map, unsigned columns) {
  return hasWideRows(memref, SoftmaxUpdate::positionOf(map, columns));
}

using Ranges = SmallVector<OnlineAttentionOp>;

/// The reason why `ops` are no streaming softmax over one range of keys after
/// the other, if there is one.
std::string findObstacle(ArrayRef<Operation *> ops, Ranges &ranges) {
  for (Operation *op : ops) {
    if (!isa<scf::ForallOp>(op->getParentOp()))
      return "control flow around operations on tiles";
    if (auto one = dyn_cast<OnlineAttentionOp>(op)) {
      if (!ranges.empty() &&
          (one.getQuery() != ranges.front().getQuery() ||
           one.getAcc() != ranges.front().getAcc() ||
           one.getIndexingMaps() != ranges.front().getIndexingMaps()))
        return "ranges of keys that differ in more than keys and values";
      ranges.push_back(one);
      continue;
    }
    auto fill = dyn_cast<linalg::FillOp>(op);
    auto copy = dyn_cast<memref::CopyOp>(op);
    auto alloc = dyn_cast<memref::AllocOp>(op);
    if (!isa<FinalizeOp>(op) && !(fill && isStatePart(fill.getOutputs()[0])) &&
        !(copy && isIdle(copy)) && !(alloc && isStatePart(alloc)))
      return ("'" + op->getName().getStringRef() + "' in the kernel").str();
  }
  return ranges.empty() ? "no softmax" : "";
}

std::string findObstacle(OnlineAttentionOp op) {
  Type element = getElementTypeOrSelf(op.getKey().getType());
  if (!element.isF16() && !element.isBF16())
    return "elements other than f16 and bf16";
  if (getElementTypeOrSelf(op.getQuery().getType()) != element ||
      getElementTypeOrSelf(op.getValue().getType()) != element)
    return "queries, keys and values of different types";
  if (op.getRelative())
    return "a relative operand";
  if (op->hasAttr(kPagedAttr))
    return "keys in pages";
  if (!isWide(op.getQuery(), mapOf(op, 0), D::kHeadSize) ||
      !isWide(op.getKey(), mapOf(op, 1), D::kHeadSize) ||
      !isWide(op.getValue(), mapOf(op, 2), D::kValueSize))
    return "rows that are not whole chunks of 16 bytes";
  return "";
}

/// All but the rows of a tile of keys.
void planCopies(const Ranges &ranges, WarpGroupPlan &plan) {
  OnlineAttentionOp op = ranges.front();
  Operation *kernel = op->getParentOp();
  auto planOne = [&](OperandCopies &copies, Value operand) {
    if (copies.obstacle.empty())
      copies.obstacle = findMapObstacle(operand, copies.shape, kernel);
  };
  auto position = [&](unsigned index, unsigned dim) {
    return SoftmaxUpdate::positionOf(mapOf(op, index), dim);
  };
  auto acc = cast<MemRefType>(op.getAcc().getType());
  int64_t groups = acc.getDimSize(0), rows = plan.queryTile({}).rows;
  TileShape &queries = plan.queryCopies.shape;
  queries = {position(0, D::kHeadSize), position(0, D::kQuery), std::nullopt,
             groups > 1 ? acc.getDimSize(1) : rows, groups};
  if (mapOf(op, 0).isFunctionOfDim(D::kGroup))
    queries.groupPosition = position(0, D::kGroup);
  if (queries.rows * queries.groups != rows)
    plan.queryCopies.obstacle =
        llvm::formatv("{0} groups of {1} rows are no tile of {2}", groups,
                      queries.rows, rows);
  planOne(plan.queryCopies, op.getQuery());
  plan.keyCopies.shape.columnPosition = position(1, D::kHeadSize);
  plan.keyCopies.shape.rowPosition = position(1, D::kKey);
  plan.valueCopies.shape.columnPosition = position(2, D::kValueSize);
  plan.valueCopies.shape.rowPosition = position(2, D::kKey);
  for (OnlineAttentionOp range : ranges) {
    planOne(plan.keyCopies, range.getKey());
    if (range.getKeyValid())
      plan.valueCopies.obstacle =
          "values of keys that are not valid become zero";
    planOne(plan.valueCopies, range.getValue());
  }
}

/// 128 keys, where registers last for their scores beside the accumulators and
/// there are not many ranges, which are short then.
int64_t chooseKeyTile(OnlineAttentionOp op, const WarpGroupPlan &plan) {
  if (auto given = op->getAttrOfType<IntegerAttr>(kKeyTileAttr))
    return given.getInt();
  constexpr int64_t fewColumns = 64, manyColumns = 128;
  if (plan.hasManyRanges() || hasTableBias(op))
    return 64;
  bool hasRoom = plan.useMaps() && plan.ranges == 1;
  bool isCrowded = plan.blocks > 1 || (op.getBias() && !hasRoom) ||
                   op.getKeyValid() ||
                   (op.getMaskAttr() && !op.getMaskAttr().isContiguous());
  return plan.columns() <= (isCrowded ? fewColumns : manyColumns) ? 128 : 64;
}

void planKeyTile(const Ranges &ranges, WarpGroupPlan &plan) {
  plan.keyTile = chooseKeyTile(ranges.front(), plan);
  for (OnlineAttentionOp range : llvm::drop_begin(ranges))
    plan.keyTile = std::min(plan.keyTile, chooseKeyTile(range, plan));
  plan.keyCopies.shape.rows = plan.valueCopies.shape.rows = plan.keyTile;
}

/// As many stages as shared memory has room for; false if that is one.
bool chooseStages(WarpGroupPlan &plan) {
  int64_t limit =
      std::min(kSharedLimit, kSharedOfAll / plan.blocks - kSharedOfSystem);
  plan.stages = kMostStages;
  while (plan.stages > 1 && plan.sharedBytes() > limit)
    --plan.stages;
  return plan.stages > 1;
}
} // namespace

std::optional<WarpGroupPlan>
attn::nvvm::planWarpGroups(ArrayRef<Operation *> ops, std::string &reason) {
  Ranges ranges;
  reason = findObstacle(ops, ranges);
  for (OnlineAttentionOp range : ranges)
    if (reason.empty())
      reason = findObstacle(range);
  if (!reason.empty())
    return std::nullopt;
  OnlineAttentionOp op = ranges.front();
  auto acc = cast<MemRefType>(op.getAcc().getType());
  int64_t rows = acc.getDimSize(0) * acc.getDimSize(1);
  auto keyType = cast<MemRefType>(op.getKey().getType());
  int64_t position = SoftmaxUpdate::positionOf(mapOf(op, 1), D::kHeadSize);
  WarpGroupPlan plan;
  plan.headSize =
      llvm::alignTo(keyType.getDimSize(position), WarpGroupBuilder::depth);
  plan.valueSize = acc.getDimSize(2);
  plan.consumers = llvm::divideCeil(rows, WarpGroupBuilder::rows);
  if (rows < kFewestRows || plan.consumers > 2) {
    reason = llvm::formatv("tiles of {0} rows", rows);
    return std::nullopt;
  }
  if (plan.columns() > kMostColumns) {
    reason = llvm::formatv("head size {0}", plan.columns());
    return std::nullopt;
  }
  // Two blocks have what two consumers of one block have: softmax of one
  // beside products of the other.
  plan.blocks = plan.consumers == 1 ? 2 : 1;
  plan.ranges = int64_t(ranges.size());
  planCopies(ranges, plan);
  planKeyTile(ranges, plan);
  if (chooseStages(plan))
    return plan;
  plan.blocks = 1;
  if (chooseStages(plan))
    return plan;
  reason = "too little shared memory for two tiles of keys and values";
  return std::nullopt;
}

SmallVector<std::string> WarpGroupPlan::describeOtherCopies() const {
  SmallVector<std::string> texts;
  auto add = [&](StringRef name, const OperandCopies &copies) {
    if (!copies.useMap())
      texts.push_back(llvm::formatv("sm_90a copies {0} by cp.async instead of "
                                    "a tensor map: {1}",
                                    name, copies.obstacle));
  };
  add("queries", queryCopies);
  add("keys", keyCopies);
  add("values", valueCopies);
  return texts;
}

/// A map for every range, or the one of a range before.
static void createMaps(OpBuilder &host, ArrayRef<Value> operands,
                       OperandCopies &copies) {
  if (!copies.useMap())
    return;
  SmallVector<TensorPart> parts;
  for (Value operand : operands) {
    TensorPart part = TensorPart::find(operand);
    auto same = llvm::find_if(parts, [&](const TensorPart &other) {
      return part.hasMapOf(other, copies.shape.columnPosition);
    });
    copies.maps.push_back(same == parts.end()
                              ? createMap(host, operand, copies.shape)
                              : copies.maps[same - parts.begin()]);
    parts.push_back(std::move(part));
  }
}

void attn::nvvm::createMaps(OpBuilder &host, ArrayRef<Operation *> ops,
                            WarpGroupPlan &plan) {
  SmallVector<Value> queries, keys, values;
  for (Operation *op : ops)
    if (auto range = dyn_cast<OnlineAttentionOp>(op)) {
      queries.push_back(range.getQuery());
      keys.push_back(range.getKey());
      values.push_back(range.getValue());
    }
  ::createMaps(host, queries, plan.queryCopies);
  ::createMaps(host, keys, plan.keyCopies);
  ::createMaps(host, values, plan.valueCopies);
}

namespace {
/// Emits one role's code.
class RoleEmitter {
public:
  RoleEmitter(OpBuilder &b, Location loc, Block &body,
              const WarpGroupPlan &plan)
      : b(b), loc(loc), body(body), plan(plan) {}

  void emitProducer(ThreadPosition at) {
    Kernel kernel;
    kernel.at = at;
    setRegisters(kernel, registers().producer, /*isMore=*/false);
    RingPosition position = beginRing(kernel);
    for (Operation *op : copyBody()) {
      OpBuilder builder(op);
      if (auto online = dyn_cast<OnlineAttentionOp>(op))
        attn::nvvm::emitProducer(builder, online, kernel, plan, position);
    }
    erase();
  }

  void emitConsumer(ThreadPosition at, OpBuilder &entry) {
    Kernel kernel;
    kernel.at = at;
    setRegisters(kernel,
                 plan.consumers > 1 ? registers().consumer
                                    : registers().onlyConsumer,
                 /*isMore=*/true);
    RingPosition position = beginRing(kernel);
    SmallVector<Operation *> ops = copyBody();
    for (Operation *op : ops)
      if (auto alloc = dyn_cast<memref::AllocOp>(op))
        keepInRegisters(entry, alloc, kernel);
    for (Operation *op : ops) {
      OpBuilder builder(op);
      if (auto online = dyn_cast<OnlineAttentionOp>(op))
        attn::nvvm::emitConsumer(builder, online, kernel, plan, position);
      else
        emitTileOp(builder, op, kernel);
    }
    erase();
  }

private:
  const RegisterPlan &registers() const {
    return !plan.useMaps()        ? kRegisters
           : plan.hasManyRanges() ? kRegistersOfManyRanges
                                  : kRegistersWithMaps;
  }
  RingPosition beginRing(const Kernel &kernel) {
    FragmentBuilder f(b, loc, kernel.at);
    RingPosition position;
    position.stage = f.index(0);
    position.parity = f.i32(0);
    return position;
  }
  void setRegisters(Kernel &kernel, int64_t count, bool isMore) {
    // The only consumer of the only block has all registers from the start.
    if (plan.consumers == 1 && plan.blocks == 1)
      return;
    FragmentBuilder f(b, loc, kernel.at);
    WarpGroupBuilder(f).setRegisters(count, isMore);
  }

  /// A copy of the body at the insertion point, and its operations on tiles.
  SmallVector<Operation *> copyBody() {
    IRMapping mapping;
    for (Operation &op : body)
      if (!op.hasTrait<OpTrait::IsTerminator>()) {
        Operation *clone = b.clone(op, mapping);
        if (isa<FinalizeOp, OnlineAttentionOp, linalg::FillOp, memref::CopyOp,
                memref::AllocOp>(clone))
          copies.push_back(clone);
      }
    return copies;
  }

  void erase() {
    for (Operation *op : llvm::reverse(copies))
      op->erase();
  }

  OpBuilder &b;
  Location loc;
  Block &body;
  const WarpGroupPlan &plan;
  SmallVector<Operation *> copies;
};

/// Shared memory from the first multiple of the swizzle's pattern on.
Value alignShared(FragmentBuilder &f) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(f.b, f.loc, f.b.getI64IntegerAttr(value));
  };
  Value address =
      LLVM::PtrToIntOp::create(f.b, f.loc, f.b.getI64Type(), f.at.shared);
  // 2^n - (a mod 2^n), mod 2^n
  Value missing = arith::AndIOp::create(
      f.b, f.loc, arith::SubIOp::create(f.b, f.loc, constant(0), address),
      constant(SwizzledTile::alignment - 1));
  return LLVM::GEPOp::create(f.b, f.loc, f.at.shared.getType(), f.b.getI8Type(),
                             f.at.shared, ArrayRef<LLVM::GEPArg>{missing});
}

/// Whether the block has as many threads as the plan says; for the emitter,
/// with what a launch on sm_90a needs.
Value isPlanned(FragmentBuilder &f, const WarpGroupPlan &plan) {
  auto size =
      mlir::gpu::BlockDimOp::create(f.b, f.loc, mlir::gpu::Dimension::x);
  auto launch = f.b.getDictionaryAttr(
      {f.b.getNamedAttr("blocks", f.b.getI64IntegerAttr(plan.blocks)),
       f.b.getNamedAttr("shared", f.b.getI64IntegerAttr(plan.sharedBytes())),
       f.b.getNamedAttr("sm", f.b.getStringAttr("90a")),
       f.b.getNamedAttr("threads", f.b.getI64IntegerAttr(plan.threads()))});
  size->setAttr(kVariantAttr, launch);
  return f.compare(arith::CmpIPredicate::eq, size, f.index(plan.threads()));
}
} // namespace

scf::IfOp attn::nvvm::emitWarpGroups(OpBuilder &b, Location loc, Block &body,
                                     const ThreadPosition &at,
                                     const WarpGroupPlan &plan) {
  FragmentBuilder f(b, loc, at);
  auto branch =
      scf::IfOp::create(b, loc, isPlanned(f, plan), /*withElseRegion=*/true);
  OpBuilder entry(branch);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  ThreadPosition own = at;
  own.shared = alignShared(f);
  own.warps = plan.consumers * WarpGroupBuilder::warps;
  {
    FragmentBuilder all(b, loc, own);
    initBarriers(all, plan);
  }
  Value isConsumer = f.less(at.thread, f.index(own.threads()));
  auto roles = scf::IfOp::create(b, loc, isConsumer, /*withElseRegion=*/true);
  b.setInsertionPointToStart(roles.thenBlock());
  RoleEmitter(b, loc, body, plan).emitConsumer(own, entry);
  b.setInsertionPointToStart(roles.elseBlock());
  own.thread = f.sub(at.thread, f.index(own.threads()));
  own.warps = WarpGroupBuilder::warps;
  RoleEmitter(b, loc, body, plan).emitProducer(own);
  return branch;
}
