//===- Attn.h - the attn dialect in C++ -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dialect, attributes and operations of attn. Their meaning is written in the
// .td files beside this header.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_ATTN_H
#define ATTN_DIALECT_ATTN_IR_ATTN_H

#include "attn/Analysis/Cost.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <optional>
#include <utility>

#include "attn/Dialect/Attn/IR/MaskScope.h"

#include "attn/Dialect/Attn/IR/AttnDialect.h.inc"
#include "attn/Dialect/Attn/IR/AttnEnums.h.inc"
#include "attn/Dialect/Attn/IR/AttnForms.h.inc"
#include "attn/Dialect/Attn/IR/AttnRowWise.h.inc"
namespace mlir::attn {
/// All queries as one range.
SmallVector<QueryRange> getAllQueries(OpBuilder &builder, Location loc,
                                      const MaskScope &scope, Attribute mask);
} // namespace mlir::attn

#include "attn/Dialect/Attn/IR/AttnInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.h.inc"

namespace mlir::attn {
/// Whether features are exponentials that estimate those of a softmax.
inline bool isSoftmaxMap(FeatureMap map) {
  return map == FeatureMap::SoftmaxPositive ||
         map == FeatureMap::SoftmaxHyperbolic;
}
} // namespace mlir::attn

namespace mlir::attn {
/// An operation on whole sequences: the phase tile lowers it.
template <typename ConcreteOp>
class SequenceLevel : public OpTrait::TraitBase<ConcreteOp, SequenceLevel> {};

/// An operation on tiles: nothing makes it before the phase tile.
template <typename ConcreteOp>
class TileLevel : public OpTrait::TraitBase<ConcreteOp, TileLevel> {};

/// An operation that runs as what it decomposes to.
template <typename ConcreteOp>
class Expandable : public OpTrait::TraitBase<ConcreteOp, Expandable> {};
} // namespace mlir::attn

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.h.inc"

namespace mlir::attn {

/// The discardable attributes that the dialect's description lists.
inline constexpr llvm::StringLiteral kLabelAttr = "attn.label";
inline constexpr llvm::StringLiteral kFormAttr = "attn.form";
/// Limits of the machine that estimates are for, on a module.
inline constexpr llvm::StringLiteral kMachineAttr = "attn.machine";
inline constexpr llvm::StringLiteral kRewrittenAttr = "attn.rewritten";

/// A form that the dialect has: its name on the command line and its keys.
struct FormInfo {
  llvm::StringRef name;
  llvm::SmallVector<llvm::StringRef> keys;
};

/// Every form, by name.
llvm::SmallVector<FormInfo> getForms();

/// Keys of the query's own block up to itself: `own_block` and `causal`.
MaskAttrInterface getOwnCausalMask(MLIRContext *context, int64_t size);
} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_IR_ATTN_H
