//===- ProductEpilogue.cpp - what becomes of a product's sums -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The bodies of the element-wise operations are copied for every sum. Loads
// are of places in bounds, so that they need no branch; what depends on the
// row or on the column alone is loaded once.
//
//===----------------------------------------------------------------------===//

#include "ProductEpilogue.h"

#include "Launch.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

ProductEpilogue::ProductEpilogue(FragmentBuilder &f, const ProductGroup &group,
                                 const ProductPlace &place)
    : f(f), group(group), place(place) {
  auto add = [&](Value memref) {
    if (isa<MemRefType>(memref.getType()) && !buffers.contains(memref))
      buffers.insert({memref, GlobalBuffer(f, memref)});
  };
  if (!group.initial)
    add(group.product.out.memref);
  for (const EpilogueStep &step : group.steps)
    for (OpOperand *input : linalg::LinalgOp(step.op).getDpsInputOperands())
      if (input->get() != step.carried->get() && !isSecond(input->get()))
        add(input->get());
  add(group.destination());
  int64_t neighbours = countNeighbours();
  inPairs = neighbours >= 2;
  inFours = neighbours >= 4 &&
            buffers.find(group.destination())->second.elementBytes() == 2;
}

/// How many columns, 1, 2 or 4, always lie side by side where they are stored,
/// aligned to all of them.
int64_t ProductEpilogue::countNeighbours() const {
  const Product &p = group.product;
  if (p.columns.empty())
    return 1;
  int64_t most = 4;
  auto divide = [&](int64_t extent) {
    while (ShapedType::isDynamic(extent) ? most > 1 : extent % most != 0)
      most /= 2;
  };
  divide(p.extents[p.columns.back()]);
  // The last column dimension must be the last one of every buffer on the way.
  auto isLast = [](AffineMap map, unsigned dim) {
    return map.getNumResults() != 0 &&
           map.getResults().back() == getAffineDimExpr(dim, map.getContext());
  };
  if (!isLast(p.out.map, p.columns.back()))
    return 1;
  for (const EpilogueStep &step : group.steps) {
    for (Operation *view : step.views)
      divide(cast<MemRefType>(view->getResult(0).getType()).getShape().back());
    linalg::LinalgOp op = step.op;
    auto last = dyn_cast<AffineDimExpr>(
        op.getMatchingIndexingMap(step.carried).getResults().back());
    if (!last || !isLast(op.getMatchingIndexingMap(op.getDpsInitOperand(0)),
                         last.getPosition()))
      return 1;
  }
  Value to = group.destination();
  unsigned position = cast<MemRefType>(to.getType()).getRank() - 1;
  return std::max<int64_t>(1, std::min(most, alignedElements(to, position)));
}

ProductEpilogue::Line ProductEpilogue::lineAt(Value flat,
                                              ArrayRef<unsigned> dims,
                                              int64_t tile, int64_t together) {
  Line line;
  SmallVector<Value> extents;
  Value count = f.index(1);
  for (unsigned dim : dims) {
    extents.push_back(place.extents[dim]);
    count = f.mul(count, place.extents[dim]);
  }
  int64_t known = group.product.count(dims);
  if (ShapedType::isDynamic(known) || known % tile != 0) {
    line.exists = f.less(flat, count);
    flat = f.min(flat, f.sub(count, f.index(together)));
  }
  line.digits = delinearise(f, flat, extents);
  return line;
}

ProductEpilogue::Line ProductEpilogue::rowAt(Value flat) {
  auto found = rows.find(flat);
  if (found == rows.end())
    found = rows.insert({flat,
                         lineAt(flat, group.product.rows, place.tile->rows, 1)})
                .first;
  return found->second;
}

std::pair<ProductEpilogue::Line, ProductEpilogue::Line>
ProductEpilogue::columnsAt(Value flat) {
  auto found = columns.find(flat);
  if (found == columns.end()) {
    ArrayRef<unsigned> dims = group.product.columns;
    int64_t tile = place.tile->columns;
    Line first = lineAt(flat, dims, tile, inPairs ? 2 : 1), second = first;
    if (inPairs)
      second.digits.back() = f.add(second.digits.back(), 1);
    else
      second = lineAt(f.add(flat, 1), dims, tile, 1);
    found = columns.insert({flat, {first, second}}).first;
  }
  return found->second;
}

ProductEpilogue::Point ProductEpilogue::domainPoint(const Line &row,
                                                    const Line &column) const {
  const Product &p = group.product;
  Point point(p.extents.size());
  for (auto [dim, digit] : llvm::zip_equal(p.batch, place.batch))
    point[dim] = digit;
  if (!p.rows.empty())
    for (auto [dim, digit] : llvm::zip_equal(p.rows, row.digits))
      point[dim] = digit;
  if (!p.columns.empty())
    for (auto [dim, digit] : llvm::zip_equal(p.columns, column.digits))
      point[dim] = digit;
  for (Value &one : point)
    if (!one)
      one = f.index(0); // of extent 1, or of the depth, which no map has
  return point;
}

/// Digits of an index that were asked for before are the same values, so that
/// loads at the same place are found to be one.
ProductEpilogue::Point ProductEpilogue::expand(memref::ExpandShapeOp op,
                                               const Point &at) {
  Point result(op.getResultType().getRank());
  for (auto [number, indices] : llvm::enumerate(op.getReassociationIndices())) {
    auto key =
        std::make_tuple(static_cast<void *>(op.getOperation()), int64_t(number),
                        at[number].getAsOpaquePointer());
    auto found = expanded.find(key);
    if (found == expanded.end()) {
      SmallVector<Value> extents;
      SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
      for (int64_t i : indices)
        extents.push_back(
            getValueOrCreateConstantIndexOp(f.b, f.loc, sizes[i]));
      found = expanded.insert({key, delinearise(f, at[number], extents)}).first;
    }
    for (auto [i, digit] : llvm::zip_equal(indices, found->second))
      result[i] = digit;
  }
  return result;
}

ProductEpilogue::Point ProductEpilogue::collapse(memref::CollapseShapeOp op,
                                                 const Point &at) {
  Point result;
  for (const ReassociationIndices &indices : op.getReassociationIndices()) {
    Value flat = f.index(0);
    for (int64_t i : indices) {
      int64_t extent = op.getSrcType().getDimSize(i);
      Value size =
          ShapedType::isDynamic(extent)
              ? memref::DimOp::create(f.b, f.loc, op.getSrc(), i).getResult()
              : f.index(extent);
      if (extent != 1)
        flat = f.add(f.mul(flat, size), at[i]);
    }
    result.push_back(flat);
  }
  return result;
}

ProductEpilogue::Point ProductEpilogue::follow(Operation *view,
                                               const Point &at) {
  if (auto op = dyn_cast<memref::ExpandShapeOp>(view))
    return expand(op, at);
  if (auto op = dyn_cast<memref::CollapseShapeOp>(view))
    return collapse(op, at);
  return at; // a cast
}

/// The iteration of a step that reads what its predecessor has at `at`.
ProductEpilogue::Point ProductEpilogue::stepPoint(const EpilogueStep &step,
                                                  Point at) {
  for (Operation *view : step.views)
    at = follow(view, at);
  linalg::LinalgOp op = step.op;
  Point point(op.getNumLoops());
  AffineMap map = op.getMatchingIndexingMap(step.carried);
  for (auto [result, index] : llvm::zip_equal(map.getResults(), at))
    if (auto dim = dyn_cast<AffineDimExpr>(result))
      point[dim.getPosition()] = index;
  for (Value &one : point)
    if (!one)
      one = f.index(0); // of extent 1
  return point;
}

static SmallVector<Value> applyMap(FragmentBuilder &f, AffineMap map,
                                   ValueRange point) {
  SmallVector<OpFoldResult> operands(point.begin(), point.end());
  SmallVector<Value> at;
  for (unsigned i = 0; i < map.getNumResults(); ++i) {
    if (auto dim = dyn_cast<AffineDimExpr>(map.getResult(i))) {
      at.push_back(point[dim.getPosition()]);
      continue;
    }
    OpFoldResult one = affine::makeComposedFoldedAffineApply(
        f.b, f.loc, map.getSubMap({i}), operands);
    at.push_back(getValueOrCreateConstantIndexOp(f.b, f.loc, one));
  }
  return at;
}

/// What tells places apart: constants are made anew each time.
static void *identify(Value index) {
  std::optional<int64_t> constant = getConstantIntValue(index);
  return constant ? reinterpret_cast<void *>(2 * *constant + 1)
                  : index.getAsOpaquePointer();
}

Value ProductEpilogue::loadOne(Value memref, ValueRange at) {
  Place place{memref.getAsOpaquePointer(), llvm::map_to_vector(at, identify)};
  Value &known = loaded[place];
  if (!known) {
    const GlobalBuffer &buffer = buffers.find(memref)->second;
    known = LLVM::LoadOp::create(f.b, f.loc, buffer.type.getElementType(),
                                 buffer.pointer(f, at));
  }
  return known;
}

/// The element at `at`, the last index of which is even, and the next.
ProductEpilogue::Pair ProductEpilogue::loadNeighbours(Value memref,
                                                      ValueRange at) {
  Place place{memref.getAsOpaquePointer(), llvm::map_to_vector(at, identify)};
  Pair &known = loadedPairs[place];
  if (!known[0]) {
    const GlobalBuffer &buffer = buffers.find(memref)->second;
    Value both = LLVM::LoadOp::create(
        f.b, f.loc, VectorType::get({2}, buffer.type.getElementType()),
        buffer.pointer(f, at), 2 * buffer.elementBytes());
    for (int64_t i = 0; i < 2; ++i)
      known[i] = vector::ExtractOp::create(f.b, f.loc, both, i);
  }
  return known;
}

ProductEpilogue::Pair ProductEpilogue::load(Value memref, AffineMap map,
                                            const Points &points) {
  Points at{applyMap(f, map, points[0]), applyMap(f, map, points[1])};
  bool sameRow =
      !at[0].empty() &&
      llvm::equal(llvm::map_range(ArrayRef(at[0]).drop_back(), identify),
                  llvm::map_range(ArrayRef(at[1]).drop_back(), identify)) &&
      identify(at[0].back()) != identify(at[1].back());
  if (inPairs && sameRow && isa<AffineDimExpr>(map.getResults().back()) &&
      alignedElements(memref, map.getNumResults() - 1) >= 2)
    return loadNeighbours(memref, at[0]);
  return {loadOne(memref, at[0]), loadOne(memref, at[1])};
}

Value ProductEpilogue::applyBody(linalg::LinalgOp op, const Point &point,
                                 ArrayRef<Value> inputs) {
  Block *body = op.getBlock();
  IRMapping mapping;
  for (auto [argument, input] :
       llvm::zip(body->getArguments().take_front(inputs.size()), inputs))
    if (input)
      mapping.map(argument, input);
  for (Operation &nested : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(nested))
      mapping.map(index.getResult(), point[index.getDim()]);
    else
      f.b.clone(nested, mapping);
  }
  return mapping.lookupOrDefault(body->getTerminator()->getOperand(0));
}

ProductEpilogue::Pair ProductEpilogue::applyStep(const EpilogueStep &step,
                                                 const Points &points,
                                                 const Pair &carried,
                                                 const Pair &second) {
  linalg::LinalgOp op = step.op;
  SmallVector<Value> inputs[2];
  for (OpOperand *input : op.getDpsInputOperands()) {
    Value memref = input->get();
    Pair values{};
    if (memref == step.carried->get())
      values = carried;
    else if (isSecond(memref))
      values = second;
    else if (!isa<MemRefType>(memref.getType()))
      values = {memref, memref};
    else if (!op.getMatchingBlockArgument(input).use_empty())
      values = load(memref, op.getMatchingIndexingMap(input), points);
    inputs[0].push_back(values[0]);
    inputs[1].push_back(values[1]);
  }
  return {applyBody(op, points[0], inputs[0]),
          applyBody(op, points[1], inputs[1])};
}

/// The values that sums become, and where they go.
std::pair<ProductEpilogue::Pair, ProductEpilogue::Points>
ProductEpilogue::finish(const Line &row, const Line &first, const Line &next,
                        const Pair &sums, Pair second) {
  const Factor &out = group.product.out;
  Points domain{domainPoint(row, first), domainPoint(row, next)};
  Points at{applyMap(f, out.map, domain[0]), applyMap(f, out.map, domain[1])};
  Pair values = sums;
  if (!group.initial) {
    Pair before = load(out.memref, out.map, domain);
    for (int64_t i = 0; i < 2; ++i)
      values[i] = f.addf(f.extend(before[i]), values[i]);
  }
  for (Value &value : values)
    value = f.truncate(value, out.element());
  if (group.second)
    for (Value &value : second)
      value = f.truncate(value, group.second->out.element());
  for (const EpilogueStep &step : group.steps) {
    Points points{stepPoint(step, at[0]), stepPoint(step, at[1])};
    values = applyStep(step, points, values, second);
    linalg::LinalgOp op = step.op;
    AffineMap to = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
    at = {applyMap(f, to, points[0]), applyMap(f, to, points[1])};
  }
  return {values, at};
}

ProductEpilogue::Point ProductEpilogue::placeOf(const Line &row,
                                                const Line &column) {
  Point at = applyMap(f, group.product.out.map, domainPoint(row, column));
  for (const EpilogueStep &step : group.steps) {
    linalg::LinalgOp op = step.op;
    at = applyMap(f, op.getMatchingIndexingMap(op.getDpsInitOperand(0)),
                  stepPoint(step, at));
  }
  return at;
}

/// Of two fragments side by side, every lane has two columns of 16 bits of
/// each. Neighbouring lanes exchange one: then each has four columns of one
/// fragment, and the lanes of a row store a whole sector.
ProductEpilogue::Pending ProductEpilogue::exchange(const Line &row,
                                                   Value column,
                                                   const Pair &left,
                                                   const Pair &right) {
  Type element =
      buffers.find(group.destination())->second.type.getElementType();
  auto narrow = VectorType::get({2}, element);
  auto pack = [&](const Pair &values) -> Value {
    Value both = vector::FromElementsOp::create(
        f.b, f.loc, narrow, ValueRange{values[0], values[1]});
    return LLVM::BitcastOp::create(f.b, f.loc, f.b.getI32Type(), both);
  };
  Value isOdd =
      f.compare(arith::CmpIPredicate::eq,
                f.b.createOrFold<arith::RemUIOp>(f.loc, f.at.quad, f.index(2)),
                f.index(1));
  Value first = pack(left), second = pack(right);
  Value received = f.shuffleXor(f.select(isOdd, first, second), 1);
  Value words[] = {f.select(isOdd, received, first),
                   f.select(isOdd, second, received)};
  Pending result;
  for (Value word : words) {
    Value both = LLVM::BitcastOp::create(f.b, f.loc, narrow, word);
    for (int64_t i = 0; i < 2; ++i)
      result.values.push_back(vector::ExtractOp::create(f.b, f.loc, both, i));
  }
  auto found = fourColumns.find(column);
  if (found == fourColumns.end()) {
    // Odd lanes go from their two columns of the left fragment to the right.
    Value from = f.add(column, f.select(isOdd, f.index(6), f.index(0)));
    found = fourColumns
                .insert({column, lineAt(from, group.product.columns,
                                        place.tile->columns, 4)})
                .first;
  }
  result.column = found->second;
  result.at = placeOf(row, result.column);
  return result;
}

void ProductEpilogue::store(const Line &row, const Line &column,
                            const Point &at, ArrayRef<Value> values) {
  Value exists = row.exists;
  if (column.exists)
    exists = exists ? f.both(exists, column.exists) : column.exists;
  const GlobalBuffer &buffer = buffers.find(group.destination())->second;
  auto write = [&] {
    Value stored = values[0];
    int64_t bytes = buffer.elementBytes();
    auto count = static_cast<int64_t>(values.size());
    if (count > 1) {
      stored = vector::FromElementsOp::create(
          f.b, f.loc, VectorType::get({count}, buffer.type.getElementType()),
          values);
      bytes *= count;
    }
    LLVM::StoreOp::create(f.b, f.loc, stored, buffer.pointer(f, at), bytes);
  };
  if (exists)
    f.ifThen(exists, write);
  else
    write();
}

void ProductEpilogue::emit(Value row, ArrayRef<SumPair> sums) {
  // Loads first: behind a store they would have to wait for it.
  SmallVector<Pending> pending;
  Line line = rowAt(row);
  SmallVector<Pair> finished;
  for (const SumPair &pair : sums) {
    auto [first, second] = columnsAt(pair.column);
    auto [values, at] = finish(line, first, second, {pair.sum, pair.nextSum},
                               {pair.second, pair.nextSecond});
    finished.push_back(values);
    if (inFours)
      continue;
    if (inPairs) {
      pending.push_back({first, at[0], {values[0], values[1]}});
      continue;
    }
    pending.push_back({first, at[0], {values[0]}});
    pending.push_back({second, at[1], {values[1]}});
  }
  if (inFours)
    for (size_t n = 0; n < sums.size(); n += 2)
      pending.push_back(
          exchange(line, sums[n].column, finished[n], finished[n + 1]));
  for (const Pending &one : pending)
    store(line, one.column, one.at, one.values);
}
