//===- ProductEpilogue.h - what becomes of a product's sums -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The element-wise operations behind a product, on the sums that a lane holds,
// and the stores of what they give.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_PRODUCTEPILOGUE_H
#define ATTN_LIB_TARGET_NVVM_PRODUCTEPILOGUE_H

#include "ProductPanel.h"

#include "llvm/ADT/MapVector.h"

#include <array>
#include <map>

namespace mlir::attn::nvvm {

/// Two sums of columns that follow each other, the first even.
struct SumPair {
  Value column, sum, nextSum;
  Value second, nextSecond; ///< of the second product, if there is one
};

class ProductEpilogue {
public:
  ProductEpilogue(FragmentBuilder &f, const ProductGroup &group,
                  const ProductPlace &place);

  /// All sums of a row, of fragments side by side. Places are flat indices, in
  /// bounds or not.
  void emit(Value row, ArrayRef<SumPair> sums);

private:
  using Point = SmallVector<Value>;
  /// Of two columns that follow each other.
  using Points = std::array<Point, 2>;
  using Pair = std::array<Value, 2>;

  /// A row or a column: its dimensions' indices, in bounds, and whether it
  /// exists; null: it does.
  struct Line {
    Point digits;
    Value exists;
  };

  /// What is to be stored.
  struct Pending {
    Line column;
    Point at;
    SmallVector<Value, 4> values;
  };

  /// `together` places, of as many of which the tile is made, stay in bounds.
  Line lineAt(Value flat, ArrayRef<unsigned> dims, int64_t tile,
              int64_t together);
  Line rowAt(Value flat);
  std::pair<Line, Line> columnsAt(Value flat);
  Point domainPoint(const Line &row, const Line &column) const;
  Point follow(Operation *view, const Point &at);
  Point expand(memref::ExpandShapeOp op, const Point &at);
  Point collapse(memref::CollapseShapeOp op, const Point &at);
  Point stepPoint(const EpilogueStep &step, Point at);
  Pair load(Value memref, AffineMap map, const Points &points);
  Value loadOne(Value memref, ValueRange at);
  Pair loadNeighbours(Value memref, ValueRange at);
  Pair applyStep(const EpilogueStep &step, const Points &points,
                 const Pair &carried, const Pair &second);
  Value applyBody(linalg::LinalgOp op, const Point &point,
                  ArrayRef<Value> inputs);
  std::pair<Pair, Points> finish(const Line &row, const Line &first,
                                 const Line &next, const Pair &sums,
                                 Pair second);
  void store(const Line &row, const Line &column, const Point &at,
             ArrayRef<Value> values);
  /// Whether a buffer would hold the second product's sums.
  bool isSecond(Value memref) const {
    return group.second && group.second->out.memref == memref;
  }
  Point placeOf(const Line &row, const Line &column);
  Pending exchange(const Line &row, Value column, const Pair &left,
                   const Pair &right);
  int64_t countNeighbours() const;

  FragmentBuilder &f;
  const ProductGroup &group;
  const ProductPlace &place;
  /// Whether two columns, or four of 16 bits, are stored at once.
  bool inPairs, inFours;
  llvm::MapVector<Value, GlobalBuffer> buffers;
  using Place = std::pair<void *, SmallVector<void *>>;
  std::map<Place, Value> loaded;
  std::map<Place, Pair> loadedPairs;
  std::map<std::tuple<void *, int64_t, void *>, Point> expanded;
  llvm::MapVector<Value, Line> rows;
  llvm::MapVector<Value, std::pair<Line, Line>> columns;
  llvm::MapVector<Value, Line> fourColumns;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_PRODUCTEPILOGUE_H
