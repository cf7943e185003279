//===- Peel.cpp - the element of a tensor through its defining op ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Unfolds one access by one operation: structured operations become scalar
// expressions of accesses to their operands, reshapes and slices become index
// arithmetic. Everything else stays an opaque access.
//
//===----------------------------------------------------------------------===//

#include "TensorExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn::raise;

namespace {
/// Turns the body of a structured operation, or of tensor.generate, into an
/// expression.
class BodyReader {
public:
  BodyReader(ExprContext &context, linalg::LinalgOp op,
             SmallVector<AffineExpr> loops)
      : context(context), op(op), loops(std::move(loops)) {}

  NodeRef read(Value value) {
    auto [entry, inserted] = cache.try_emplace(value, nullptr);
    if (!inserted)
      return entry->second;
    NodeRef node = readUncached(value);
    cache[value] = node;
    return node;
  }

private:
  NodeRef readUncached(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (!op || argument.getOwner() != op.getBlock())
        return scalarOf(value);
      OpOperand &operand = op->getOpOperand(argument.getArgNumber());
      if (!isa<ShapedType>(operand.get().getType()))
        return read(operand.get());
      SmallVector<AffineExpr> indices;
      for (AffineExpr result : op.getMatchingIndexingMap(&operand).getResults())
        indices.push_back(result.replaceDims(loops));
      return context.access(operand.get(), indices);
    }
    return readOp(value.getDefiningOp(), value);
  }

  NodeRef readOp(Operation *defining, Value value) {
    Attribute constant;
    if (matchPattern(value, m_Constant(&constant)))
      if (auto typed = dyn_cast<TypedAttr>(constant);
          typed && isa<FloatAttr, IntegerAttr>(constant))
        return context.constant(typed);
    if (auto index = dyn_cast<linalg::IndexOp>(defining))
      if (op && index->getBlock() == op.getBlock())
        return context.index(loops[index.getDim()]);
    if (auto extract = dyn_cast<tensor::ExtractOp>(defining)) {
      SmallVector<NodeRef> indices;
      for (Value index : extract.getIndices())
        indices.push_back(read(index));
      if (llvm::is_contained(indices, nullptr))
        return nullptr;
      for (NodeRef &index : indices)
        index = known(index);
      return context.access(extract.getTensor(), indices);
    }
    if (!isa<arith::ArithDialect, math::MathDialect>(defining->getDialect()) ||
        defining->getNumResults() != 1 || defining->getNumRegions() != 0)
      return scalarOf(value);
    SmallVector<NodeRef> operands;
    for (Value operand : defining->getOperands()) {
      operands.push_back(read(operand));
      if (!operands.back())
        return nullptr;
      operands.back() = known(operands.back());
    }
    return context.apply(defining->getName().getStringRef(), value.getType(),
                         attributesOf(defining), operands);
  }

  /// Integers that are a function of the indices, rather than a read of a
  /// tensor that holds them: positions are often tensors.
  NodeRef known(NodeRef node) {
    if (node->kind != Kind::Access || !node->type.isIntOrIndex())
      return node;
    NodeRef head = context.head(node);
    return head->kind == Kind::Index || head->kind == Kind::Constant ? head
                                                                     : node;
  }

  /// The attributes that matter for the meaning of a scalar operation, or null.
  static Attribute attributesOf(Operation *op) {
    if (auto compare = dyn_cast<arith::CmpIOp>(op))
      return IntegerAttr::get(IntegerType::get(op->getContext(), 64),
                              static_cast<int64_t>(compare.getPredicate()));
    if (auto compare = dyn_cast<arith::CmpFOp>(op))
      return IntegerAttr::get(IntegerType::get(op->getContext(), 64),
                              static_cast<int64_t>(compare.getPredicate()));
    return {};
  }

  /// A scalar from outside of the body; what is computed inside must not leak
  /// out.
  NodeRef scalarOf(Value value) {
    if (op && op->isProperAncestor(value.getParentBlock()->getParentOp()))
      return nullptr;
    if (op && value.getParentBlock()->getParentOp() == op.getOperation())
      return nullptr;
    return context.scalar(value);
  }

  ExprContext &context;
  linalg::LinalgOp op;
  SmallVector<AffineExpr> loops;
  DenseMap<Value, NodeRef> cache;
};
} // namespace

/// Linear index of a group of a reshape; null if an inner extent that matters
/// is dynamic.
static AffineExpr linearize(ArrayRef<AffineExpr> indices,
                            ArrayRef<int64_t> shape, MLIRContext *context) {
  AffineExpr result = getAffineConstantExpr(0, context);
  for (auto [index, extent] : llvm::zip_equal(indices, shape)) {
    if (auto constant = dyn_cast<AffineConstantExpr>(result);
        constant && constant.getValue() == 0)
      result = index;
    else if (ShapedType::isDynamic(extent))
      return {};
    else
      result = result * extent + index;
  }
  return result;
}

/// Indices of a group of a reshape from a linear index; false if more than the
/// first non-unit extent is dynamic.
static bool delinearize(AffineExpr linear, ArrayRef<int64_t> shape,
                        SmallVectorImpl<AffineExpr> &indices) {
  MLIRContext *context = linear.getContext();
  SmallVector<AffineExpr> reversed;
  bool done = false; // the outermost extent takes the whole quotient
  for (size_t position = shape.size(); position-- > 0;) {
    int64_t extent = shape[position];
    bool outermost = llvm::all_of(shape.take_front(position),
                                  [](int64_t outer) { return outer == 1; });
    if (extent == 1 || done) {
      reversed.push_back(getAffineConstantExpr(0, context));
    } else if (outermost) {
      reversed.push_back(linear);
      done = true;
    } else if (ShapedType::isDynamic(extent)) {
      return false;
    } else {
      reversed.push_back(linear % extent);
      linear = linear.floorDiv(extent);
    }
  }
  indices.append(reversed.rbegin(), reversed.rend());
  return true;
}

/// Affine index expressions of an access, or failure if an index is computed
/// from data.
static FailureOr<SmallVector<AffineExpr>> affineIndices(NodeRef access) {
  SmallVector<AffineExpr> result;
  for (NodeRef operand : access->operands) {
    if (operand->kind != Kind::Index)
      return failure();
    result.push_back(operand->index);
  }
  return result;
}

static NodeRef peelReshape(ExprContext &context, NodeRef access, Value source,
                           ArrayRef<ReassociationIndices> groups,
                           bool expanding) {
  auto indices = affineIndices(access);
  if (failed(indices))
    return nullptr;
  auto type = cast<RankedTensorType>(access->value.getType());
  auto sourceType = cast<RankedTensorType>(source.getType());
  SmallVector<AffineExpr> result;
  for (auto [position, group] : llvm::enumerate(groups)) {
    if (expanding) {
      AffineExpr linear =
          linearize(ArrayRef(*indices).slice(group.front(), group.size()),
                    type.getShape().slice(group.front(), group.size()),
                    context.getContext());
      if (!linear)
        return nullptr;
      result.push_back(linear);
    } else if (!delinearize(
                   (*indices)[position],
                   sourceType.getShape().slice(group.front(), group.size()),
                   result)) {
      return nullptr;
    }
  }
  if (!expanding && groups.empty()) // to rank 0: every extent is 1
    result.assign(sourceType.getRank(),
                  getAffineConstantExpr(0, context.getContext()));
  return context.access(source, result);
}

static NodeRef peelSlice(ExprContext &context, NodeRef access,
                         tensor::ExtractSliceOp slice) {
  auto indices = affineIndices(access);
  if (failed(indices))
    return nullptr;
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  SmallVector<AffineExpr> result;
  unsigned next = 0;
  for (int64_t dim = 0; dim < slice.getSourceType().getRank(); ++dim) {
    std::optional<int64_t> offset =
        getConstantIntValue(slice.getMixedOffsets()[dim]);
    std::optional<int64_t> stride =
        getConstantIntValue(slice.getMixedStrides()[dim]);
    if (!offset || !stride)
      return nullptr;
    AffineExpr base = getAffineConstantExpr(*offset, context.getContext());
    result.push_back(dropped.test(dim) ? base
                                       : (*indices)[next++] * *stride + base);
  }
  return context.access(slice.getSource(), result);
}

/// The operand that an index of a concatenation falls into.
static NodeRef peelConcat(ExprContext &context, NodeRef access,
                          tensor::ConcatOp concat) {
  auto indices = affineIndices(access);
  if (failed(indices))
    return nullptr;
  uint64_t dim = concat.getDim();
  AffineExpr offset = getAffineConstantExpr(0, context.getContext());
  NodeRef result = nullptr;
  SmallVector<std::pair<NodeRef, AffineExpr>>
      parts; // an operand's element, where the operand ends
  for (Value input : concat.getInputs()) {
    SmallVector<AffineExpr> inner = *indices;
    inner[dim] = inner[dim] - offset;
    int64_t extent = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    if (ShapedType::isDynamic(extent) && input != concat.getInputs().back())
      return nullptr;
    offset = offset + extent;
    parts.push_back({context.access(input, inner), offset});
  }
  auto less = IntegerAttr::get(IntegerType::get(context.getContext(), 64),
                               static_cast<int64_t>(arith::CmpIPredicate::slt));
  for (auto [element, end] : llvm::reverse(parts)) {
    if (!result) {
      result = element;
      continue;
    }
    NodeRef before = context.apply(
        "arith.cmpi", IntegerType::get(context.getContext(), 1), less,
        {context.index((*indices)[dim]), context.index(end)});
    // Simplified only when unfolded: whether both parts agree is seen in their
    // values.
    result =
        context.apply("arith.select", access->type, {},
                      {before, context.head(element), context.head(result)});
  }
  return result;
}

/// Loop expressions of a structured operation for an element of a result; empty
/// if the output map hides a loop.
static SmallVector<AffineExpr> solveLoops(ExprContext &context,
                                          linalg::LinalgOp op, AffineMap map,
                                          ArrayRef<AffineExpr> indices,
                                          SmallVectorImpl<unsigned> &bound) {
  SmallVector<int64_t, 4> ranges = op.getStaticLoopRanges();
  SmallVector<AffineExpr> loops(op.getNumLoops());
  for (auto [result, index] : llvm::zip_equal(map.getResults(), indices)) {
    if (auto dim = dyn_cast<AffineDimExpr>(result))
      loops[dim.getPosition()] = index;
    else if (!isa<AffineConstantExpr>(result))
      return {};
  }
  for (auto [position, loop] : llvm::enumerate(loops)) {
    if (loop)
      continue;
    if (op.getIteratorTypesArray()[position] !=
            utils::IteratorType::reduction &&
        ranges[position] != 1)
      return {};
    loop = context.loopOf(op, position, ranges[position]);
    if (auto dim = dyn_cast<AffineDimExpr>(loop))
      bound.push_back(dim.getPosition());
  }
  return loops;
}

/// The value that a reduction combines with its accumulator, and how; null if
/// the body is no such thing.
static std::pair<Value, StringRef> matchCombiner(Value yielded,
                                                 BlockArgument accumulator) {
  Operation *op = yielded.getDefiningOp();
  if (!op || op->getNumResults() != 1)
    return {};
  if (auto select = dyn_cast<arith::SelectOp>(
          op)) { // a comparison written out: x > acc ? x : acc
    auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>();
    if (!compare || compare.getLhs() != select.getTrueValue() ||
        compare.getRhs() != select.getFalseValue())
      return {};
    bool greater = llvm::is_contained(
        {arith::CmpFPredicate::OGT, arith::CmpFPredicate::UGT,
         arith::CmpFPredicate::OGE, arith::CmpFPredicate::UGE},
        compare.getPredicate());
    if (greater && compare.getRhs() == accumulator)
      return {compare.getLhs(), "arith.maximumf"};
    if (greater && compare.getLhs() == accumulator)
      return {compare.getRhs(), "arith.maximumf"};
    return {};
  }
  if (!isa<arith::AddFOp, arith::AddIOp, arith::MaximumFOp, arith::MaxNumFOp,
           arith::AndIOp, arith::OrIOp, arith::MaxSIOp, arith::MaxUIOp,
           arith::MinSIOp, arith::MinUIOp, arith::MulFOp, arith::MinimumFOp>(
          op))
    return {};
  StringRef name = isa<arith::MaxNumFOp>(op) ? "arith.maximumf"
                                             : op->getName().getStringRef();
  if (op->getOperand(1) == accumulator && op->getOperand(0) != accumulator)
    return {op->getOperand(0), name};
  if (op->getOperand(0) == accumulator && op->getOperand(1) != accumulator)
    return {op->getOperand(1), name};
  return {};
}

/// Whether `init` is the neutral element of a combiner.
static bool isNeutral(ExprContext &context, NodeRef init, StringRef combiner) {
  init = context.head(init);
  if (combiner == "arith.addf" || combiner == "arith.addi")
    return getFloat(init) == 0.0 || getInteger(init) == 0;
  if (combiner == "arith.maximumf") // a maximum only shifts the exponents, so
                                    // the lowest finite value will do
    return isMinusInfinityLike(init);
  if (combiner == "arith.andi")
    return getInteger(init) == 1 || getInteger(init) == -1;
  if (combiner == "arith.ori")
    return getInteger(init) == 0;
  return false;
}

static NodeRef peelLinalg(ExprContext &context, NodeRef access,
                          linalg::LinalgOp op) {
  auto indices = affineIndices(access);
  if (failed(indices))
    return nullptr;
  unsigned number = cast<OpResult>(access->value).getResultNumber();
  OpOperand *init = op.getDpsInitOperand(number);
  SmallVector<unsigned> bound;
  SmallVector<AffineExpr> loops =
      solveLoops(context, op, op.getMatchingIndexingMap(init), *indices, bound);
  if (loops.empty() && op.getNumLoops() != 0)
    return nullptr;
  BodyReader reader(context, op, loops);
  Value yielded = op.getBlock()->getTerminator()->getOperand(number);
  bool reduces = op.getNumReductionLoops() != 0;
  if (!reduces)
    return reader.read(yielded);
  BlockArgument accumulator = op.getMatchingBlockArgument(init);
  auto [combined, name] = matchCombiner(yielded, accumulator);
  if (!combined)
    return nullptr;
  NodeRef body = reader.read(combined);
  if (!body || !isNeutral(context, context.access(init->get(), *indices), name))
    return nullptr;
  return context.reduce(name, access->type, bound, body);
}

/// linalg.softmax, written out.
static NodeRef peelSoftmax(ExprContext &context, NodeRef access,
                           linalg::SoftmaxOp op) {
  auto indices = affineIndices(access);
  if (failed(indices))
    return nullptr;
  int64_t dim = op.getDimension();
  AffineExpr loop =
      context.loopOf(op, dim, op.getInputOperandType().getDimSize(dim));
  SmallVector<AffineExpr> inner = *indices;
  inner[dim] = loop;
  Type type = access->type;
  SmallVector<unsigned> bound;
  if (auto variable = dyn_cast<AffineDimExpr>(loop))
    bound.push_back(variable.getPosition());
  NodeRef outer = context.access(op.getInput(), *indices),
          each = context.access(op.getInput(), inner);
  NodeRef exponential = context.apply("math.exp", type, {}, {outer});
  NodeRef sum = context.reduce("arith.addf", type, bound,
                               context.apply("math.exp", type, {}, {each}));
  return context.apply("arith.divf", type, {}, {exponential, sum});
}

static NodeRef peelConstant(ExprContext &context, NodeRef access,
                            arith::ConstantOp op) {
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!elements || !elements.isSplat())
    return nullptr;
  auto value = dyn_cast<TypedAttr>(elements.getSplatValue<Attribute>());
  return value ? context.constant(value) : nullptr;
}

NodeRef ExprContext::peelUncached(NodeRef access) {
  Operation *op = access->value.getDefiningOp();
  if (!op)
    return nullptr;
  return llvm::TypeSwitch<Operation *, NodeRef>(op)
      .Case<linalg::LinalgOp>(
          [&](auto linalgOp) { return peelLinalg(*this, access, linalgOp); })
      .Case<linalg::SoftmaxOp>(
          [&](auto softmax) { return peelSoftmax(*this, access, softmax); })
      .Case<tensor::ExpandShapeOp>([&](auto reshape) {
        return peelReshape(*this, access, reshape.getSrc(),
                           reshape.getReassociationIndices(), true);
      })
      .Case<tensor::CollapseShapeOp>([&](auto reshape) {
        return peelReshape(*this, access, reshape.getSrc(),
                           reshape.getReassociationIndices(), false);
      })
      .Case<tensor::CastOp>([&](auto cast) -> NodeRef {
        if (!isa<RankedTensorType>(cast.getSource().getType()))
          return nullptr;
        return this->access(cast.getSource(), access->operands);
      })
      .Case<tensor::ExtractSliceOp>(
          [&](auto slice) { return peelSlice(*this, access, slice); })
      .Case<tensor::ConcatOp>(
          [&](auto concat) { return peelConcat(*this, access, concat); })
      .Case<tensor::SplatOp>([&](auto splat) {
        return BodyReader(*this, nullptr, {}).read(splat.getInput());
      })
      .Case<tensor::FromElementsOp>([&](auto from) -> NodeRef {
        return from.getElements().size() == 1
                   ? BodyReader(*this, nullptr, {}).read(from.getElements()[0])
                   : nullptr;
      })
      .Case<arith::ConstantOp>(
          [&](auto constant) { return peelConstant(*this, access, constant); })
      .Default([](Operation *) -> NodeRef { return nullptr; });
}
