//===- FoldPackedConstants.cpp - weights packed by the compiler -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A constant matrix that is packed into panels becomes a constant of panels, so
// that a model's weights lie in the library as the kernels read them.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/PatternMatch.h"

#include "llvm/ADT/APFloat.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNFOLDPACKEDCONSTANTSPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "attn-fold-packed-constants"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// The elements of a constant tensor as T; empty if they cannot be had.
template <typename T> SmallVector<T, 0> elementsOf(ElementsAttr attr) {
  SmallVector<T, 0> values;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    size_t count = resource.getType().getNumElements();
    if (!blob || blob->getData().size() != count * sizeof(T))
      return values;
    values.resize(count);
    std::memcpy(values.data(), blob->getData().data(), count * sizeof(T));
    return values;
  }
  auto dense = dyn_cast<DenseFPElementsAttr>(attr);
  if (!dense)
    return values;
  for (const APFloat &value : dense.getValues<APFloat>()) {
    if constexpr (std::is_same_v<T, double>)
      values.push_back(value.convertToDouble());
    else if constexpr (std::is_same_v<T, float>)
      values.push_back(value.convertToFloat());
    else
      values.push_back(value.bitcastToAPInt().getZExtValue());
  }
  return values;
}

/// The elements as T, converted from half precision if need be.
template <typename T> SmallVector<T, 0> convertedElements(ElementsAttr attr) {
  Type element = attr.getElementType();
  if ((element.isF32() && std::is_same_v<T, float>) ||
      (element.isF64() && std::is_same_v<T, double>))
    return elementsOf<T>(attr);
  SmallVector<T, 0> values;
  if (!element.isF16() && !element.isBF16())
    return values;
  const llvm::fltSemantics &semantics =
      cast<FloatType>(element).getFloatSemantics();
  for (uint16_t bits : elementsOf<uint16_t>(attr)) {
    APFloat value(semantics, APInt(16, bits));
    values.push_back(static_cast<T>(value.convertToDouble()));
  }
  return values;
}

/// The panels [row / NR][depth][row % NR] of a matrix, as a new resource.
template <typename T>
TypedAttr packPanels(PackOp op, ElementsAttr attr, RankedTensorType type) {
  SmallVector<T, 0> source = convertedElements<T>(attr);
  if (source.empty())
    return {};
  auto sourceType = cast<RankedTensorType>(attr.getType());
  bool isRowMajor =
      op.getMap().getResult(0) == getAffineDimExpr(1, op.getContext());
  int64_t extent0 = sourceType.getDimSize(0),
          extent1 = sourceType.getDimSize(1);
  int64_t rows = isRowMajor ? extent0 : extent1;
  int64_t depth = isRowMajor ? extent1 : extent0;
  int64_t rowStride = isRowMajor ? extent1 : 1;
  int64_t depthStride = isRowMajor ? 1 : extent1;
  int64_t destDepth = type.getDimSize(1), width = type.getDimSize(2);
  T scale = static_cast<T>(op.getScale().convertToDouble());

  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(
      type.getNumElements() * sizeof(T), /*align=*/64, /*dataIsMutable=*/true);
  auto *dest = reinterpret_cast<T *>(blob.getMutableData().data());
  std::fill_n(dest, type.getNumElements(), T(0));
  for (int64_t first = 0; first < rows; first += width)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t row = first, end = std::min(rows, first + width); row < end;
           ++row)
        dest[(first / width * destDepth + k) * width + row - first] =
            scale * source[row * rowStride + k * depthStride];
  return DenseResourceElementsAttr::get(type, "attn_packed", std::move(blob));
}

struct AttnFoldPackedConstantsPass
    : public mlir::attn::cpu::impl::AttnFoldPackedConstantsPassBase<
          AttnFoldPackedConstantsPass> {
  using AttnFoldPackedConstantsPassBase::AttnFoldPackedConstantsPassBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    // A matrix that several products share is packed once.
    llvm::DenseMap<std::tuple<Attribute, AffineMap, Type>, TypedAttr> packed;
    getOperation()->walk([&](PackOp op) {
      auto constant = op.getSource().getDefiningOp<arith::ConstantOp>();
      auto type = dyn_cast<RankedTensorType>(op.getDest().getType());
      if (!constant || !type || !type.hasStaticShape() || op.getValid() ||
          op.getLayout() != PackLayout::Panels || type.getRank() != 3 ||
          op.getMap().getNumResults() != 2)
        return;
      auto source = dyn_cast<ElementsAttr>(constant.getValue());
      if (!source)
        return;
      TypedAttr &attr = packed[{source, op.getMap(), type}];
      if (!attr || !op.getScale().isExactlyValue(1.0)) {
        if (type.getElementType().isF32())
          attr = packPanels<float>(op, source, type);
        else if (type.getElementType().isF64())
          attr = packPanels<double>(op, source, type);
      }
      if (!attr)
        return;
      rewriter.setInsertionPoint(op);
      auto folded =
          arith::ConstantOp::create(rewriter, op.getLoc(), type, attr);
      rewriter.replaceOp(op, folded.getResult());
      if (constant->use_empty())
        rewriter.eraseOp(constant);
      ++numFolded;
    });
  }
};
} // namespace
