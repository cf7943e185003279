//===- IndexEvaluator.cpp - numbers from index expressions ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small interpreter of scalar operations in double precision; integers of
// masks and positions fit exactly.
//
//===----------------------------------------------------------------------===//

#include "IndexEvaluator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn::raise;

std::optional<double>
IndexEvaluator::evaluate(NodeRef node,
                         ArrayRef<std::pair<unsigned, int64_t>> values) {
  MLIRContext *mlirContext = context.getContext();
  dims.assign(context.getExtents().size(), AffineExpr());
  for (auto [position, expr] : llvm::enumerate(dims))
    expr = context.dim(position);
  for (auto [var, value] : values)
    dims[var] = getAffineConstantExpr(value, mlirContext);
  cache.clear();
  return visit(node);
}

std::optional<double> IndexEvaluator::visit(NodeRef node) {
  NodeRef &head = heads[node];
  if (!head)
    head = context.head(node);
  node = head;
  auto known = cache.find(node);
  if (known != cache.end())
    return known->second;
  std::optional<double> value;
  if (node->kind == Kind::Index) {
    if (auto constant =
            dyn_cast<AffineConstantExpr>(node->index.replaceDims(dims)))
      value = constant.getValue();
  } else if (node->kind == Kind::Constant) {
    if (auto number = getFloat(node))
      value = number;
    else if (auto integer = getInteger(node))
      value = *integer;
  } else if (node->kind == Kind::Access) {
    value = visitAccess(node);
  } else if (node->kind == Kind::Apply) {
    value = visitApply(node);
  }
  cache[node] = value;
  return value;
}

/// The element of a constant at a position.
static std::optional<double> readElement(Attribute attribute, ShapedType type,
                                         int64_t position) {
  if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    if (type.getElementType().isInteger(1))
      return dense.getValues<bool>()[position];
    if (isa<IntegerType>(type.getElementType()))
      return dense.getValues<APInt>()[position].getSExtValue();
    if (isa<FloatType>(type.getElementType())) {
      APFloat value = dense.getValues<APFloat>()[position];
      bool lost;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      return value.convertToDouble();
    }
    return std::nullopt;
  }
  auto resource = dyn_cast<DenseResourceElementsAttr>(attribute);
  AsmResourceBlob *blob =
      resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob)
    return std::nullopt;
  auto read = [&]<typename T>(T) -> std::optional<double> {
    ArrayRef<char> data = blob->getData();
    if (data.size() != type.getNumElements() * sizeof(T))
      return std::nullopt;
    T value;
    std::memcpy(&value, data.data() + position * sizeof(T), sizeof(T));
    return static_cast<double>(value);
  };
  if (type.getElementType().isF32())
    return read(float());
  if (type.getElementType().isInteger(64))
    return read(int64_t());
  if (type.getElementType().isInteger(8) || type.getElementType().isInteger(1))
    return read(int8_t());
  return std::nullopt;
}

std::optional<double> IndexEvaluator::visitAccess(NodeRef node) {
  Attribute attribute;
  auto type = cast<ShapedType>(node->value.getType());
  if (!type.hasStaticShape() ||
      !matchPattern(node->value, m_Constant(&attribute)))
    return std::nullopt;
  int64_t position = 0;
  for (auto [operand, extent] :
       llvm::zip_equal(node->operands, type.getShape())) {
    std::optional<double> index = visit(operand);
    if (!index || *index < 0 || *index >= extent)
      return std::nullopt;
    position = position * extent + static_cast<int64_t>(*index);
  }
  return readElement(attribute, type, position);
}

std::optional<double> IndexEvaluator::compare(NodeRef node, double lhs,
                                              double rhs) {
  int64_t predicate = cast<IntegerAttr>(node->constant).getInt();
  if (node->isApply("arith.cmpf"))
    return arith::applyCmpPredicate(
        static_cast<arith::CmpFPredicate>(predicate), APFloat(lhs),
        APFloat(rhs));
  using P = arith::CmpIPredicate;
  switch (static_cast<P>(predicate)) {
  case P::eq:
    return lhs == rhs;
  case P::ne:
    return lhs != rhs;
  case P::slt:
    return lhs < rhs;
  case P::sle:
    return lhs <= rhs;
  case P::sgt:
    return lhs > rhs;
  case P::sge:
    return lhs >= rhs;
  default:
    return std::nullopt;
  }
}

std::optional<double> IndexEvaluator::visitApply(NodeRef node) {
  StringRef name = node->name;
  if (name == "arith.select") {
    std::optional<double> condition = visit(node->operands[0]);
    return condition ? visit(node->operands[*condition != 0 ? 1 : 2])
                     : std::nullopt;
  }
  SmallVector<double, 2> values;
  for (NodeRef operand : node->operands) {
    std::optional<double> value = visit(operand);
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  if (name == "arith.cmpi" || name == "arith.cmpf")
    return compare(node, values[0], values[1]);
  bool truth = node->type.isInteger(1);
  if (values.size() == 1) {
    if (name == "arith.extf" || name == "arith.extsi" ||
        name == "arith.extui" || name == "arith.index_cast" ||
        name == "arith.sitofp" || name == "arith.uitofp")
      return values[0];
    if (name == "arith.truncf")
      return FloatAttr::get(node->type, values[0]).getValueAsDouble();
    if (name == "arith.negf")
      return -values[0];
    return std::nullopt;
  }
  double a = values[0], b = values[1];
  if (name == "arith.andi" && truth)
    return a != 0 && b != 0;
  if (name == "arith.ori" && truth)
    return a != 0 || b != 0;
  if (name == "arith.xori" && truth)
    return (a != 0) != (b != 0);
  if (name == "arith.addf" || name == "arith.addi")
    return a + b;
  if (name == "arith.subf" || name == "arith.subi")
    return a - b;
  if (name == "arith.mulf" || name == "arith.muli")
    return a * b;
  if (name == "arith.divf")
    return a / b;
  if (name == "arith.maximumf" || name == "arith.maxsi")
    return std::max(a, b);
  if (name == "arith.minimumf" || name == "arith.minsi")
    return std::min(a, b);
  if (name == "arith.remsi" && b != 0)
    return std::fmod(a, b);
  return std::nullopt;
}
