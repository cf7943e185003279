//===- EvaluateAttention.cpp - one attention by loops ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For every query: its scores, their maximum, the exponentials, their sum, and
// the weighted sum of the values over the keys that are allowed. It shares no
// code with the decomposition to linalg, so that each checks the other.
//
//===----------------------------------------------------------------------===//

#include "ScalarInterpreter.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::reference;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Dim = AttentionOp::Dim;

/// A point of the domain (b, h, i, j, d, e), and its relative position.
using Position = std::array<int64_t, AttentionOp::kRelative + 1>;

/// An array read or written through an operand's map.
class View {
public:
  View() = default;
  View(AffineMap map, const Array &array) {
    int64_t stride = 1;
    for (int64_t r = static_cast<int64_t>(array.shape.size()) - 1; r >= 0;
         --r) {
      AffineExpr expr = map.getResult(r);
      unsigned dim = AttentionOp::getDimOf(expr);
      int64_t divisor = 1;
      if (auto shared = dyn_cast<AffineBinaryOpExpr>(expr);
          shared && dim != Dim::kRelative)
        divisor = cast<AffineConstantExpr>(shared.getRHS()).getValue();
      axes.push_back({dim, divisor, stride, array.shape[r]});
      stride *= array.shape[r];
    }
  }
  int64_t offset(const Position &at) const {
    int64_t sum = 0;
    for (const Axis &axis : axes)
      sum += at[axis.dim] / axis.divisor * axis.stride;
    return sum;
  }
  /// Whether the element is there: relative positions may lie beyond the end.
  bool contains(const Position &at) const {
    return llvm::all_of(axes, [&](const Axis &axis) {
      return axis.dim != Dim::kRelative || at[axis.dim] < axis.extent;
    });
  }
  int64_t extentOf(unsigned dim) const {
    for (const Axis &axis : axes)
      if (axis.dim == dim)
        return axis.extent;
    return 1;
  }
  /// Merges the extents into those of the domain, but for that of j where it is
  /// a part's; false if they disagree.
  bool addExtents(Position &extents, bool isPart) const {
    for (const Axis &axis : axes) {
      if (axis.dim == Dim::kRelative || (isPart && axis.dim == Dim::kKey))
        continue;
      int64_t &extent = extents[axis.dim], own = axis.extent * axis.divisor;
      if (extent >= 0 && extent != own)
        return false;
      extent = own;
    }
    return true;
  }

private:
  struct Axis {
    unsigned dim;
    int64_t divisor, stride, extent;
  };
  SmallVector<Axis> axes;
};

class Evaluator {
public:
  Evaluator(AttentionOp op, ArrayRef<Array> operands,
            const llvm::DenseMap<Value, Array> &captures, RowFilter wanted)
      : op(op), operands(operands), interpreter(captures), wanted(wanted) {}
  FailureOr<std::vector<Array>> run();

private:
  LogicalResult setUp();
  LogicalResult addKeys();
  unsigned numberOf(Value operand) const {
    return std::distance(op->operand_begin(),
                         llvm::find(op->getOperands(), operand));
  }
  double read(unsigned operand, const Position &at) const {
    return operands[operand].values[views[operand].offset(at)];
  }
  /// An element by relative position, 0 beyond the end.
  double readRelative(unsigned operand, Position at) const {
    at[Dim::kRelative] =
        at[Dim::kKey] - at[Dim::kQuery] + extents[Dim::kQuery] - 1;
    return views[operand].contains(at) ? read(operand, at) : 0;
  }
  /// An element of the key (1) or value (2) that position j has in its part.
  double readPart(unsigned operand, Position at) const {
    for (unsigned part = 0;; ++part) {
      unsigned own =
          part == 0 ? operand : firstSegment + 2 * part + operand - 3;
      int64_t extent = views[own].extentOf(Dim::kKey);
      if (at[Dim::kKey] < extent)
        return read(own, at);
      at[Dim::kKey] -= extent;
    }
  }
  bool allows(const Position &at) const;
  FailureOr<double> score(Position at);
  LogicalResult evaluateRow(Position at);

  AttentionOp op;
  ArrayRef<Array> operands;
  ScalarInterpreter interpreter;
  RowFilter wanted;
  SmallVector<View> views;
  Position extents;
  std::optional<unsigned> bias, keyValid, relative;
  unsigned output = 0, firstSegment = 0;
  std::vector<Array> results;
};

/// The keys of all parts; a part's key and value agree.
LogicalResult Evaluator::addKeys() {
  int64_t keys = 0;
  std::optional<int64_t> last;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<unsigned> part = op.getKeyPartOf(operand);
    if (!part)
      continue;
    int64_t own = views[operand.getOperandNumber()].extentOf(Dim::kKey);
    if (last && *last != own)
      return op.emitOpError() << "expected extents that agree, got others in "
                                 "operand "
                              << operand.getOperandNumber();
    keys += last ? 0 : own;
    last = last ? std::nullopt : std::optional<int64_t>(own);
  }
  if (extents[Dim::kKey] >= 0 && extents[Dim::kKey] != keys)
    return op.emitOpError()
           << "expected " << keys << " keys in all, got " << extents[Dim::kKey];
  extents[Dim::kKey] = keys;
  return success();
}

LogicalResult Evaluator::setUp() {
  if (operands.size() != op->getNumOperands())
    return op.emitOpError() << "expected " << op->getNumOperands()
                            << " arrays, got " << operands.size();
  extents.fill(-1);
  for (OpOperand &operand : op->getOpOperands()) {
    const Array &array = operands[operand.getOperandNumber()];
    AffineMap map = op.getMapOf(operand);
    if (array.shape.size() != map.getNumResults())
      return op.emitOpError()
             << "expected an array of rank " << map.getNumResults()
             << " for operand " << operand.getOperandNumber() << ", got "
             << array.shape.size();
    views.emplace_back(map, array);
    if (!views.back().addExtents(extents, op.getKeyPartOf(operand).has_value()))
      return op.emitOpError()
             << "expected extents that agree, got others in operand "
             << operand.getOperandNumber();
  }
  if (failed(addKeys()))
    return failure();
  for (int64_t &extent : extents)
    extent = extent < 0 ? 1 : extent;
  unsigned next = 3;
  if (op.getBias())
    bias = next++;
  if (op.getKeyValid())
    keyValid = next++;
  output = next;
  next += op.getLse() ? 2 : 1;
  if (op.getRelative()) {
    relative = next;
    next += 2;
  }
  firstSegment = next;
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    results.emplace_back(operands[output + i].shape);
  if (wanted)
    for (Array &result : results)
      llvm::fill(result.values, std::numeric_limits<double>::quiet_NaN());
  return success();
}

bool Evaluator::allows(const Position &at) const {
  if (keyValid && read(*keyValid, at) == 0)
    return false;
  std::optional<MaskAttrInterface> mask = AttentionOp(op).getMask();
  return !mask || mask->allows(at[Dim::kHead], at[Dim::kQuery], at[Dim::kKey],
                               extents[Dim::kQuery], extents[Dim::kKey]);
}

/// Scale, softcap, score mod, bias.
FailureOr<double> Evaluator::score(Position at) {
  double sum = 0;
  for (int64_t &d = at[Dim::kHeadSize] = 0; d < extents[Dim::kHeadSize]; ++d)
    sum += read(0, at) * readPart(1, at);
  for (int64_t &d = at[Dim::kHeadSize] = 0;
       relative && d < extents[Dim::kHeadSize]; ++d)
    sum += read(*relative + 1, at) * readRelative(*relative, at);
  double score = op.getEffectiveScale() * sum;
  if (op.getSoftcap()) {
    double softcap = op.getSoftcap()->convertToDouble();
    score = softcap * std::tanh(score / softcap);
  }
  if (!op.getScoreMod().empty()) {
    Scalar arguments[] = {Scalar::of(score), Scalar::of(at[Dim::kBatch]),
                          Scalar::of(at[Dim::kHead]),
                          Scalar::of(at[Dim::kQuery]),
                          Scalar::of(at[Dim::kKey])};
    FailureOr<double> modified =
        interpreter.run(op.getScoreMod().front(), arguments);
    if (failed(modified))
      return failure();
    score = *modified;
  }
  return bias ? score + readRelative(*bias, at) : score;
}

/// The softmax of one query.
LogicalResult Evaluator::evaluateRow(Position at) {
  std::vector<std::pair<int64_t, double>> terms; // key, score
  double max = -kInfinity;
  for (int64_t &j = at[Dim::kKey] = 0; j < extents[Dim::kKey]; ++j) {
    if (!allows(at))
      continue;
    FailureOr<double> one = score(at);
    if (failed(one))
      return failure();
    if (*one == -kInfinity)
      continue;
    terms.emplace_back(j, *one);
    max = std::isnan(*one) ? *one : std::isnan(max) ? max : std::max(max, *one);
  }
  double total = 0;
  for (auto &[key, weight] : terms)
    total += weight = std::exp(weight - max);
  for (int64_t &e = at[Dim::kValueSize] = 0; e < extents[Dim::kValueSize];
       ++e) {
    double sum = 0;
    for (auto [key, weight] : terms) {
      at[Dim::kKey] = key;
      sum += weight * readPart(2, at);
    }
    results[0].values[views[output].offset(at)] =
        terms.empty() ? 0 : sum / total;
  }
  if (op.getLse())
    results[1].values[views[output + 1].offset(at)] =
        terms.empty() ? -kInfinity : max + std::log(total);
  return success();
}

FailureOr<std::vector<Array>> Evaluator::run() {
  if (failed(setUp()))
    return failure();
  Position at{};
  for (int64_t &b = at[Dim::kBatch] = 0; b < extents[Dim::kBatch]; ++b)
    for (int64_t &h = at[Dim::kHead] = 0; h < extents[Dim::kHead]; ++h)
      for (int64_t &i = at[Dim::kQuery] = 0; i < extents[Dim::kQuery]; ++i)
        if ((!wanted || wanted(b, h, i)) && failed(evaluateRow(at)))
          return failure();
  return std::move(results);
}
} // namespace

Array::Array(ArrayRef<int64_t> shape)
    : shape(shape.begin(), shape.end()),
      values(std::accumulate(shape.begin(), shape.end(), int64_t(1),
                             std::multiplies<>())) {}

FailureOr<std::vector<Array>> mlir::attn::reference::evaluateAttention(
    AttentionOp op, ArrayRef<Array> operands,
    const llvm::DenseMap<Value, Array> &captures, RowFilter wanted) {
  return Evaluator(op, operands, captures, wanted).run();
}
