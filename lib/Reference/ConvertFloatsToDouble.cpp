//===- ConvertFloatsToDouble.cpp - every float as f64 ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The exact model: the same operations, without the rounding of narrow types.
// Constants keep the values that they have, so weights stay those of the model.
//
//===----------------------------------------------------------------------===//

#include "attn/Reference/Reference.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
double toDouble(APFloat number) {
  bool loses = false;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
  return number.convertToDouble();
}

/// The numbers of a blob of `type`, or nothing if it is no float type or the
/// blob is missing.
std::optional<std::vector<double>> readBlob(DenseResourceElementsAttr attribute,
                                            FloatType type) {
  AsmResourceBlob *blob = attribute.getRawHandle().getBlob();
  if (!blob || type.getWidth() % 8 != 0)
    return std::nullopt;
  ArrayRef<char> data = blob->getData();
  int64_t count = attribute.getType().getNumElements(),
          size = type.getWidth() / 8;
  if (static_cast<int64_t>(data.size()) < count * size)
    return std::nullopt;
  std::vector<double> numbers(count);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, data.data() + i * size, size);
    APFloat number(type.getFloatSemantics(), APInt(type.getWidth(), bits));
    // Never an attribute an element: a model has millions, kept for ever.
    numbers[i] = toDouble(number);
  }
  return numbers;
}

std::optional<std::pair<Attribute, WalkResult>>
convertElements(ElementsAttr attribute) {
  auto type = dyn_cast<FloatType>(attribute.getElementType());
  if (!type || type.isF64())
    return std::nullopt;
  auto shape = cast<ShapedType>(attribute.getType())
                   .clone(Float64Type::get(attribute.getContext()));
  std::vector<double> numbers;
  if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    if (dense.isSplat())
      numbers.push_back(toDouble(dense.getSplatValue<APFloat>()));
    else
      for (APFloat number : dense.getValues<APFloat>())
        numbers.push_back(toDouble(number));
  } else if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    std::optional<std::vector<double>> read = readBlob(resource, type);
    if (!read)
      return std::nullopt;
    numbers = std::move(*read);
  } else {
    return std::nullopt;
  }
  return std::pair(Attribute(DenseElementsAttr::get(shape, ArrayRef(numbers))),
                   WalkResult::skip());
}

/// Conversions between float types have become conversions from f64 to f64.
LogicalResult dropConversions(Operation *root) {
  SmallVector<Operation *> conversions;
  WalkResult walk =
      root->walk([&](Operation *op) {
        if (isa<arith::ExtFOp, arith::TruncFOp>(op))
          conversions.push_back(op);
        if (auto cast = dyn_cast<arith::BitcastOp>(op);
            cast && isa<FloatType>(getElementTypeOrSelf(cast.getIn())) !=
                        isa<FloatType>(getElementTypeOrSelf(cast.getOut()))) {
          op->emitOpError()
              << "expected no view of a float's bits, which f64 does not have";
          return WalkResult::interrupt();
        }
        if (auto constant = dyn_cast<arith::ConstantOp>(op);
            constant && constant.getValue().getType() != constant.getType()) {
          op->emitOpError() << "expected a constant whose data are there";
          return WalkResult::interrupt();
        }
        return WalkResult::advance();
      });
  for (Operation *op : conversions) {
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
  }
  return failure(walk.wasInterrupted());
}
} // namespace

LogicalResult mlir::attn::reference::convertFloatsToDouble(Operation *root) {
  Type f64 = Float64Type::get(root->getContext());
  AttrTypeReplacer replacer;
  replacer.addReplacement(
      [f64](FloatType) -> std::optional<Type> { return f64; });
  replacer.addReplacement(
      [f64](FloatAttr attribute) -> std::optional<Attribute> {
        return FloatAttr::get(f64, attribute.getValueAsDouble());
      });
  replacer.addReplacement(
      [](ElementsAttr attribute)
          -> std::optional<std::pair<Attribute, WalkResult>> {
        return convertElements(attribute);
      });
  replacer.recursivelyReplaceElementsIn(root, /*replaceAttrs=*/true,
                                        /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  return dropConversions(root);
}
