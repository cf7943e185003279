//===- GenericLoops.cpp - linalg.generic as loops over vectors ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits the planned loop nest: operands that do not move along the lanes are
// loaded before the loop over them, reductions carry their accumulators as
// values, and the last lanes of a row are masked.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/GenericLoops.h"
#include "attn/Target/CPU/KernelBuilder.h"
#include "attn/Target/CPU/Linalg/BlockVectorizer.h"

#include "mlir/Dialect/Affine/Utils.h"

using namespace mlir;
using namespace mlir::attn::cpu;

namespace {
using Kind = vector::CombiningKind;

/// The value x with kind(x, y) = y for all y.
TypedAttr neutralElement(OpBuilder &b, Kind kind, Type type) {
  if (auto floatType = dyn_cast<FloatType>(type)) {
    bool isMax = kind == Kind::MAXIMUMF || kind == Kind::MAXNUMF;
    if (isMax || kind == Kind::MINIMUMF || kind == Kind::MINNUMF)
      return b.getFloatAttr(
          type, APFloat::getInf(floatType.getFloatSemantics(), isMax));
    return b.getFloatAttr(type, kind == Kind::MUL ? 1 : 0);
  }
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  switch (kind) {
  case Kind::MUL:
    return b.getIntegerAttr(type, APInt(width, 1));
  case Kind::AND:
  case Kind::MINUI:
    return b.getIntegerAttr(type, APInt::getAllOnes(width));
  case Kind::MAXSI:
    return b.getIntegerAttr(type, APInt::getSignedMinValue(width));
  case Kind::MINSI:
    return b.getIntegerAttr(type, APInt::getSignedMaxValue(width));
  default:
    return b.getIntegerAttr(type, APInt(width, 0));
  }
}

class LoopEmitter {
public:
  LoopEmitter(OpBuilder &builder, linalg::GenericOp op, const LoopPlan &plan)
      : k(builder, op.getLoc()), op(op), plan(plan), ivs(op.getNumLoops()),
        loaded(op->getNumOperands()) {
    for (Range range : cast<linalg::LinalgOp>(op.getOperation())
                           .createLoopRanges(builder, op.getLoc()))
      bounds.push_back(
          getValueOrCreateConstantIndexOp(builder, op.getLoc(), range.size));
  }

  void emit() { nest(plan.outer); }

private:
  using Values = SmallVector<Value>;
  using Carried = llvm::function_ref<Values(ValueRange)>;

  void nest(ArrayRef<unsigned> dims);
  Values nest(ArrayRef<unsigned> dims, ValueRange initial, Carried body);
  Values loop(unsigned dim, Value to, int64_t step, ValueRange initial,
              Carried body);
  void emitInner();
  void emitTile();
  void emitLaneReduction();
  Values laneLoop(ValueRange initial, Carried body);
  Values payload(ValueRange accumulators);
  void loadWhere(llvm::function_ref<bool(unsigned)> select);
  bool dependsOn(unsigned operand, ArrayRef<unsigned> dims);
  bool isRead(OpOperand &operand);
  Values indices(unsigned operand, Value lane = Value());
  Value load(unsigned operand);
  void store(unsigned operand, Value value);

  KernelBuilder k;
  linalg::GenericOp op;
  const LoopPlan &plan;
  Values ivs, bounds;
  /// Operands that are loaded already; null for the others.
  Values loaded;
  Value mask;
};

void LoopEmitter::nest(ArrayRef<unsigned> dims) {
  if (dims.empty())
    return emitInner();
  k.forLoop(k.index(0), bounds[dims.front()], 1, [&](Value iv) {
    ivs[dims.front()] = iv;
    nest(dims.drop_front());
  });
}

LoopEmitter::Values LoopEmitter::nest(ArrayRef<unsigned> dims,
                                      ValueRange initial, Carried body) {
  if (dims.empty())
    return body(initial);
  return loop(dims.front(), bounds[dims.front()], 1, initial,
              [&](ValueRange carried) {
                return nest(dims.drop_front(), carried, body);
              });
}

/// A loop over a dimension from 0, with carried values if there are any.
LoopEmitter::Values LoopEmitter::loop(unsigned dim, Value to, int64_t step,
                                      ValueRange initial, Carried body) {
  if (!initial.empty())
    return k.forLoop(k.index(0), to, step, initial,
                     [&](Value iv, ValueRange carried) {
                       ivs[dim] = iv;
                       return body(carried);
                     });
  k.forLoop(k.index(0), to, step, [&](Value iv) {
    ivs[dim] = iv;
    body({});
  });
  return {};
}

bool LoopEmitter::dependsOn(unsigned operand, ArrayRef<unsigned> dims) {
  AffineMap map = op.getMatchingIndexingMap(&op->getOpOperand(operand));
  return llvm::any_of(dims, [&](unsigned d) { return map.isFunctionOfDim(d); });
}

bool LoopEmitter::isRead(OpOperand &operand) {
  return op.payloadUsesValueFromOperand(&operand);
}

LoopEmitter::Values LoopEmitter::indices(unsigned operand, Value lane) {
  AffineMap map = op.getMatchingIndexingMap(&op->getOpOperand(operand));
  Values at = ivs;
  if (lane)
    at[*plan.vectorDim] = lane;
  // Dimensions that the map does not use may have no value here.
  for (Value &value : at)
    if (!value)
      value = k.index(0);
  return *affine::expandAffineMap(k.b, k.loc, map, at);
}

Value LoopEmitter::load(unsigned operand) {
  Value source = op->getOperand(operand);
  auto type = dyn_cast<MemRefType>(source.getType());
  if (!type)
    return source;
  if (plan.access[operand] == Access::Uniform)
    return k.load(source, indices(operand));
  if (plan.access[operand] == Access::Scattered) {
    unsigned dim = *plan.vectorDim;
    return loadLanes(k.b, k.loc, source, plan.lanes, [&](int64_t lane) {
      Value at = k.add(ivs[dim], lane);
      return indices(operand, mask ? k.min(at, k.add(bounds[dim], -1)) : at);
    });
  }
  VectorType vector = k.vectorOf(plan.lanes, type.getElementType());
  if (!mask)
    return k.load(vector, source, indices(operand));
  Value zero = arith::ConstantOp::create(k.b, k.loc, k.b.getZeroAttr(vector));
  return vector::MaskedLoadOp::create(k.b, k.loc, vector, source,
                                      indices(operand), mask, zero);
}

void LoopEmitter::store(unsigned operand, Value value) {
  Value target = op->getOperand(operand);
  if (isa<VectorType>(value.getType()) && mask)
    vector::MaskedStoreOp::create(k.b, k.loc, target, indices(operand), mask,
                                  value);
  else
    k.store(value, target, indices(operand));
}

/// Loads the inputs, and the outputs that the payload reads, that a caller
/// selects and that are not loaded yet.
void LoopEmitter::loadWhere(llvm::function_ref<bool(unsigned)> select) {
  for (OpOperand &operand : op->getOpOperands()) {
    unsigned i = operand.getOperandNumber();
    if (!loaded[i] && isRead(operand) && select(i))
      loaded[i] = load(i);
  }
}

/// One point of the iteration space, or `lanes` of them: the payload's results.
LoopEmitter::Values LoopEmitter::payload(ValueRange accumulators) {
  Values before = loaded;
  unsigned numInputs = op.getNumDpsInputs();
  for (auto [i, value] : llvm::enumerate(accumulators))
    loaded[numInputs + i] = value;
  loadWhere([](unsigned) { return true; });
  BlockVectorizer vectorizer(k.b, plan.lanes, mask);
  for (auto [argument, value] :
       llvm::zip_equal(op.getBody()->getArguments(), loaded))
    if (value)
      vectorizer.map(argument, value);
  loaded = before;
  return vectorizer.run(
      *op.getBody(),
      [&](uint64_t dim) { return std::pair(ivs[dim], plan.vectorDim == dim); },
      plan.vectorDim.has_value());
}

/// What stands inside the loops over outer dimensions.
void LoopEmitter::emitInner() {
  Values before = loaded;
  SmallVector<unsigned> inner = plan.reductions;
  if (plan.vectorDim)
    inner.push_back(*plan.vectorDim);
  unsigned numInputs = op.getNumDpsInputs();
  loadWhere([&](unsigned i) { return i < numInputs && !dependsOn(i, inner); });
  if (plan.reducesLanes())
    emitLaneReduction();
  else if (plan.vectorDim)
    laneLoop({}, [&](ValueRange) {
      emitTile();
      return Values();
    });
  else
    emitTile();
  loaded = before;
}

/// One vector (or scalar) of every output: the reductions over it, the store.
void LoopEmitter::emitTile() {
  Values before = loaded;
  unsigned numInputs = op.getNumDpsInputs();
  Values initial;
  if (!plan.reductions.empty()) {
    loadWhere([&](unsigned i) {
      return i < numInputs && !dependsOn(i, plan.reductions);
    });
    for (unsigned i = 0, end = op.getNumDpsInits(); i < end; ++i)
      initial.push_back(load(numInputs + i));
  }
  Values results = nest(plan.reductions, initial,
                        [&](ValueRange carried) { return payload(carried); });
  for (auto [i, value] : llvm::enumerate(results)) {
    unsigned operand = numInputs + i;
    if (plan.access[operand] == Access::Uniform &&
        isa<VectorType>(value.getType()))
      value = vector::ExtractOp::create(k.b, k.loc, value, 0);
    store(operand, value);
  }
  loaded = before;
}

/// Outputs that all lanes contribute to: partial results per lane, combined
/// after the loops.
void LoopEmitter::emitLaneReduction() {
  Values initial;
  for (auto [kind, init] : llvm::zip_equal(plan.kinds, op.getDpsInits())) {
    Type element = getElementTypeOrSelf(init.getType());
    auto neutral = neutralElement(k.b, kind, element);
    initial.push_back(arith::ConstantOp::create(
        k.b, k.loc,
        DenseElementsAttr::get(k.vectorOf(plan.lanes, element),
                               Attribute(neutral))));
  }
  Values results = nest(plan.reductions, initial, [&](ValueRange outer) {
    return laneLoop(outer, [&](ValueRange carried) {
      Values next = payload(carried);
      if (mask)
        for (auto [value, old] : llvm::zip_equal(next, carried))
          value = k.select(mask, value, old);
      return next;
    });
  });
  for (auto [i, value] : llvm::enumerate(results)) {
    unsigned operand = op.getNumDpsInputs() + i;
    Value old = k.load(op->getOperand(operand), indices(operand));
    auto flags = arith::FastMathFlags::reassoc;
    Value sum =
        vector::ReductionOp::create(k.b, k.loc, plan.kinds[i], value, flags);
    store(operand,
          vector::makeArithReduction(k.b, k.loc, plan.kinds[i], sum, old));
  }
}

/// A loop over the vector dimension: full vectors, then the rest under a mask.
LoopEmitter::Values LoopEmitter::laneLoop(ValueRange initial, Carried body) {
  unsigned dim = *plan.vectorDim;
  int64_t extent = op.getStaticLoopRanges()[dim], lanes = plan.lanes;
  bool isStatic = !ShapedType::isDynamic(extent);
  Values carried(initial);
  Value bound = bounds[dim], end = k.alignDown(bound, lanes);
  if (!isStatic || extent >= lanes)
    carried = loop(dim, end, lanes, initial, body);
  if (isStatic && extent % lanes == 0)
    return carried;

  auto tail = [&] {
    ivs[dim] = end;
    mask = k.maskBelow(lanes, k.sub(bound, end));
    Values result = body(carried);
    mask = Value();
    return result;
  };
  if (isStatic)
    return tail();
  if (carried.empty()) {
    k.ifThen(k.less(end, bound), [&] { tail(); });
    return carried;
  }
  auto branch = scf::IfOp::create(k.b, k.loc, ValueRange(carried).getTypes(),
                                  k.less(end, bound), /*withElse=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToEnd(&branch.getThenRegion().front());
  scf::YieldOp::create(k.b, k.loc, tail());
  k.b.setInsertionPointToEnd(&branch.getElseRegion().front());
  scf::YieldOp::create(k.b, k.loc, carried);
  return llvm::to_vector_of<Value>(branch.getResults());
}
} // namespace

void mlir::attn::cpu::emitLoops(OpBuilder &builder, linalg::GenericOp op,
                                const LoopPlan &plan) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  LoopEmitter(builder, op, plan).emit();
}
