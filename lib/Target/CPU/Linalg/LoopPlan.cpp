//===- LoopPlan.cpp - which dimension of a linalg.generic becomes lanes ---===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vector dimension is the one that makes the most operands contiguous; a
// reduction qualifies if its combination is known, since lanes are combined
// after the loop.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/BlockVectorizer.h"
#include "attn/Target/CPU/Linalg/GenericLoops.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn::cpu;

namespace {
std::optional<vector::CombiningKind> kindOf(Operation *combiner) {
  using Kind = vector::CombiningKind;
  using Result = std::optional<Kind>;
  return llvm::TypeSwitch<Operation *, Result>(combiner)
      .Case<arith::AddFOp, arith::AddIOp>([](auto) { return Kind::ADD; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return Kind::MUL; })
      .Case<arith::MaximumFOp>([](auto) { return Kind::MAXIMUMF; })
      .Case<arith::MinimumFOp>([](auto) { return Kind::MINIMUMF; })
      .Case<arith::MaxNumFOp>([](auto) { return Kind::MAXNUMF; })
      .Case<arith::MinNumFOp>([](auto) { return Kind::MINNUMF; })
      .Case<arith::MaxSIOp>([](auto) { return Kind::MAXSI; })
      .Case<arith::MinSIOp>([](auto) { return Kind::MINSI; })
      .Case<arith::MaxUIOp>([](auto) { return Kind::MAXUI; })
      .Case<arith::MinUIOp>([](auto) { return Kind::MINUI; })
      .Case<arith::AndIOp>([](auto) { return Kind::AND; })
      .Case<arith::OrIOp>([](auto) { return Kind::OR; })
      .Default([](Operation *) { return std::nullopt; });
}

/// The combination of every output, empty if one of them is not known.
SmallVector<vector::CombiningKind> combiningKinds(linalg::GenericOp op) {
  SmallVector<vector::CombiningKind> kinds;
  for (unsigned i = 0, end = op.getNumDpsInits(); i < end; ++i) {
    SmallVector<Operation *> combiners;
    if (!matchReduction(op.getRegionOutputArgs(), i, combiners) ||
        combiners.size() != 1 ||
        op.getBody()->getTerminator()->getOperand(i) !=
            combiners.front()->getResult(0))
      return {};
    std::optional<vector::CombiningKind> kind = kindOf(combiners.front());
    if (!kind)
      return {};
    kinds.push_back(*kind);
  }
  return kinds;
}

Access accessAlong(unsigned dim, Value operand, AffineMap map) {
  if (!map.isFunctionOfDim(dim))
    return Access::Uniform;
  auto type = dyn_cast<MemRefType>(operand.getType());
  if (!type || type.getElementTypeBitWidth() < 8 || type.getRank() == 0 ||
      !type.isLastDimUnitStride())
    return Access::Scattered;
  AffineExpr last = map.getResults().back();
  bool isElsewhere =
      llvm::any_of(map.getResults().drop_back(),
                   [&](AffineExpr e) { return e.isFunctionOfDim(dim); });
  if (isElsewhere || last != getAffineDimExpr(dim, map.getContext()))
    return Access::Scattered;
  return Access::Contiguous;
}

/// The number of lanes that fill a register with the narrowest float or integer
/// of the operands; wider ones take several registers.
int64_t lanesFor(linalg::GenericOp op, int64_t vectorBits) {
  unsigned narrowest = 64;
  for (Value operand : op->getOperands()) {
    Type element = getElementTypeOrSelf(operand.getType());
    if (element.isIntOrFloat())
      narrowest = std::min(narrowest, element.getIntOrFloatBitWidth());
  }
  return vectorBits / std::max(narrowest, 32u);
}

/// What the loads of the payload cost if `dim` is along the lanes: a last index
/// that goes up by one is one vector load, others are scattered.
int64_t costOfPayloadLoads(linalg::GenericOp op, unsigned dim) {
  int64_t cost = 0;
  op.getBody()->walk([&](memref::LoadOp load) {
    for (auto [i, value] : llvm::enumerate(load.getIndices())) {
      auto index = value.getDefiningOp<linalg::IndexOp>();
      bool isLast = i + 1 == load.getIndices().size();
      if (index && index.getDim() == dim && !isLast)
        cost += 8;
    }
  });
  return cost;
}

struct Candidate {
  int64_t cost;
  SmallVector<Access> access;
};

/// What it costs to have `dim` along the lanes, or nothing if that is not
/// possible.
std::optional<Candidate> rate(linalg::GenericOp op, unsigned dim, int64_t lanes,
                              bool canCombine) {
  int64_t extent = op.getStaticLoopRanges()[dim];
  bool isReduction =
      op.getIteratorTypesArray()[dim] == utils::IteratorType::reduction;
  if (extent == 1 || extent == 0 || (isReduction && !canCombine))
    return std::nullopt;
  Candidate candidate{isReduction ? 1 : 0, {}};
  if (!ShapedType::isDynamic(extent) && extent < lanes)
    candidate.cost += 2 * lanes / extent;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    Access how = accessAlong(dim, operand.get(), map);
    candidate.access.push_back(how);
    if (how != Access::Scattered)
      continue;
    if (op.isDpsInit(&operand))
      return std::nullopt;
    candidate.cost += 8;
  }
  candidate.cost += costOfPayloadLoads(op, dim);
  return candidate;
}
} // namespace

LoopPlan mlir::attn::cpu::planLoops(linalg::GenericOp op, int64_t vectorBits) {
  LoopPlan plan;
  unsigned numLoops = op.getNumLoops();
  if (isVectorizable(*op.getBody())) {
    int64_t lanes = lanesFor(op, vectorBits);
    SmallVector<vector::CombiningKind> kinds;
    if (op.getNumReductionLoops() > 0)
      kinds = combiningKinds(op);
    int64_t best = std::numeric_limits<int64_t>::max();
    for (unsigned dim = 0; dim < numLoops; ++dim) {
      std::optional<Candidate> found = rate(op, dim, lanes, !kinds.empty());
      if (!found || found->cost > best)
        continue;
      best = found->cost;
      plan.vectorDim = dim;
      plan.access = found->access;
    }
    plan.lanes = plan.vectorDim ? lanes : 1;
    if (plan.vectorDim && op.getNumReductionLoops() > 0) {
      // Four registers of accumulators hide the latency of their update.
      int64_t extent = op.getStaticLoopRanges()[*plan.vectorDim];
      if (ShapedType::isDynamic(extent) || extent >= 4 * lanes)
        plan.lanes *= 4;
      if (op.getIteratorTypesArray()[*plan.vectorDim] ==
          utils::IteratorType::reduction)
        plan.kinds = kinds;
    }
  }
  if (!plan.vectorDim)
    plan.access.assign(op->getNumOperands(), Access::Uniform);
  for (unsigned dim = 0; dim < numLoops; ++dim) {
    if (plan.vectorDim == dim)
      continue;
    bool isReduction =
        op.getIteratorTypesArray()[dim] == utils::IteratorType::reduction;
    (isReduction ? plan.reductions : plan.outer).push_back(dim);
  }
  return plan;
}
