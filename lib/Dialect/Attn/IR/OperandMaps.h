//===- OperandMaps.h - operands read through maps ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every attention on whole sequences reads its operands through indexing maps
// over one domain. What the maps may say, which extents follow and which types
// go together is checked and asked here for all of them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_OPERANDMAPS_H
#define ATTN_LIB_DIALECT_ATTN_IR_OPERANDMAPS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "llvm/ADT/SmallBitVector.h"

namespace mlir::attn {

/// The dimension that a map's result reads, and the divisor of `h floordiv g`
/// (1 without).
struct MapResult {
  unsigned dim;
  int64_t divisor;
};

/// Dimensions of a domain. Batch and head are the first two of every domain.
struct Domain {
  ArrayRef<StringRef> names;
  /// The number that stands for `j - i`, where an operand may have it.
  std::optional<unsigned> relative = std::nullopt;

  static constexpr unsigned kBatch = 0, kHead = 1;

  unsigned getNumDims() const { return names.size() - (relative ? 1 : 0); }
  /// A dimension, `h floordiv g` with g > 0, or `j - i` of attn.attention.
  std::optional<MapResult> match(AffineExpr expr) const;
};

/// Whether a map may have `h floordiv g`: not at all, with the g of all others
/// that may, or with that and also plain h.
enum class HeadSharing { None, Same, SameOrOwn };

/// An operand, its map, and what the map has to use and may use besides.
struct MappedOperand {
  StringRef name;
  Value value;
  AffineMap map;
  SmallVector<unsigned> required;
  SmallVector<unsigned> allowed;
  HeadSharing headSharing = HeadSharing::None;
  /// An output has the batch and the heads that any other operand has.
  bool isOutput = false;
  /// A dimension of which this operand's extent is not that of the domain.
  std::optional<unsigned> ownExtent = std::nullopt;
};

/// The numbers that an operation gives to the constraints checked here.
struct MapConstraints {
  StringRef count, results, uses, extents, sizes;
};

class OperandMaps {
public:
  OperandMaps(Operation *op, Domain domain, SmallVector<MappedOperand> operands)
      : op(op), domain(domain), operands(std::move(operands)) {}

  /// As many dimensions and results as they need; distinct dimensions of those
  /// that are allowed; all that are required.
  LogicalResult verify(const MapConstraints &constraints) const;
  /// Extents agree between operands, and those of `sizes` lie in [1, 1024]. On
  /// success `extents` are those known, ShapedType::kDynamic where none is.
  LogicalResult verifyExtents(const MapConstraints &constraints,
                              ArrayRef<unsigned> sizes,
                              SmallVectorImpl<int64_t> &extents) const;

  /// Static extent of a dimension, ShapedType::kDynamic if unknown, none if no
  /// operand has it.
  std::optional<int64_t> findStaticExtent(unsigned dim) const;
  /// The same, and 1 if no operand has it.
  int64_t getStaticExtent(unsigned dim) const {
    return findStaticExtent(dim).value_or(1);
  }
  /// Extent of a dimension, read from an operand that has it; some operand has
  /// to.
  OpFoldResult getExtent(OpBuilder &builder, Location loc, unsigned dim) const;
  /// How many heads share one of an operand's with the map.
  int64_t getGroupSize(AffineMap map) const;

private:
  LogicalResult verifyOne(const MappedOperand &operand,
                          const MapConstraints &constraints,
                          llvm::SmallBitVector &used) const;

  Operation *op;
  Domain domain;
  SmallVector<MappedOperand> operands;
};

/// One indexing map for each of `numOperands`.
LogicalResult verifyMapCount(Operation *op, ArrayAttr maps,
                             unsigned numOperands, StringRef constraint);

/// A static extent within [1, limit].
LogicalResult verifySize(Operation *op, StringRef dim, int64_t extent,
                         int64_t limit, StringRef limitText,
                         StringRef constraint);

/// Query, key, value and output have one floating-point type, lse that of
/// sums, key_valid i1; lse and key_valid may be null.
LogicalResult verifyElementTypes(Operation *op, ValueRange sequences, Value lse,
                                 Value keyValid, StringRef constraint);

/// Results have the types of the destinations.
LogicalResult verifyResultTypes(Operation *op, ValueRange inits, StringRef what,
                                StringRef constraint);

/// The operands that are read through maps.
OperandMaps getOperandMaps(AsymmetricLshAttentionOp op);
OperandMaps getOperandMaps(AttentionOp op);
OperandMaps getOperandMaps(LinearAttentionOp op);
OperandMaps getOperandMaps(LowRankAttentionOp op);
OperandMaps getOperandMaps(LshAttentionOp op);

/// f64 if `sequence` has that element type, else f32.
FloatType getSumType(Value sequence);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_OPERANDMAPS_H
