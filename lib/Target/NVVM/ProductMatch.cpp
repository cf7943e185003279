//===- ProductMatch.cpp - contractions as products of matrices ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sorts the dimensions of a contraction into rows, columns, depth and batch,
// and chooses tiles for them.
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

/// `x` without what widens it.
static Value peelExtension(Value x) {
  while (auto wide = x.getDefiningOp<arith::ExtFOp>())
    x = wide.getIn();
  return x;
}

bool attn::nvvm::addsProducts(Operation *operation) {
  auto op = dyn_cast<linalg::LinalgOp>(operation);
  if (!op || op.getNumReductionLoops() == 0 || op.getNumDpsInputs() != 2 ||
      op.getNumDpsInits() != 1)
    return false;
  Block *body = op.getBlock();
  auto sum =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!sum)
    return false;
  Value out = body->getArgument(2), other;
  if (sum.getLhs() == out)
    other = sum.getRhs();
  else if (sum.getRhs() == out)
    other = sum.getLhs();
  auto product =
      other ? peelExtension(other).getDefiningOp<arith::MulFOp>() : nullptr;
  if (!product)
    return false;
  Value x = peelExtension(product.getLhs()),
        y = peelExtension(product.getRhs());
  Value left = body->getArgument(0), right = body->getArgument(1);
  return (x == left && y == right) || (x == right && y == left);
}

/// Whether every result is a dimension, each at most once, or the constant 0.
static bool isPlain(AffineMap map) {
  llvm::SmallBitVector seen(map.getNumDims());
  for (AffineExpr result : map.getResults()) {
    if (auto constant = dyn_cast<AffineConstantExpr>(result)) {
      if (constant.getValue() != 0)
        return false;
      continue;
    }
    auto dim = dyn_cast<AffineDimExpr>(result);
    if (!dim || seen.test(dim.getPosition()))
      return false;
    seen.set(dim.getPosition());
  }
  return true;
}

Type Product::compute() const {
  Type type = left.element();
  return type == right.element() ? type : Float32Type::get(type.getContext());
}

int64_t Product::count(ArrayRef<unsigned> dims) const {
  int64_t result = 1;
  for (unsigned dim : dims) {
    if (ShapedType::isDynamic(extents[dim]))
      return ShapedType::kDynamic;
    result *= extents[dim];
  }
  return result;
}

/// The dimension of the domain along which neighbours lie side by side.
static std::optional<unsigned> innermostOf(const Product &product,
                                           const Factor &factor) {
  int64_t offset;
  SmallVector<int64_t> strides;
  if (failed(cast<MemRefType>(factor.memref.getType())
                 .getStridesAndOffset(strides, offset)))
    return std::nullopt;
  for (auto [result, stride] :
       llvm::zip_equal(factor.map.getResults(), strides))
    if (auto dim = dyn_cast<AffineDimExpr>(result);
        dim && stride == 1 && product.extents[dim.getPosition()] != 1)
      return dim.getPosition();
  return std::nullopt;
}

/// Dimensions in the order in which `map` has them.
static SmallVector<unsigned> inOrder(ArrayRef<unsigned> dims, AffineMap map) {
  SmallVector<unsigned> result;
  for (AffineExpr one : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(one);
        dim && llvm::is_contained(dims, dim.getPosition()))
      result.push_back(dim.getPosition());
  return result;
}

/// Sorts the dimensions; false if one is of no kind that a product has.
static bool sortDims(Product &p) {
  for (unsigned dim = 0; dim < p.extents.size(); ++dim) {
    if (p.extents[dim] == 1)
      continue;
    bool inLeft = p.left.map.isFunctionOfDim(dim),
         inRight = p.right.map.isFunctionOfDim(dim);
    if (p.out.map.isFunctionOfDim(dim)) {
      if (!inLeft && !inRight)
        return false;
      (inLeft && inRight ? p.batch
       : inLeft          ? p.rows
                         : p.columns)
          .push_back(dim);
    } else if (inLeft && inRight) {
      p.depth.push_back(dim);
    } else {
      return false;
    }
  }
  return true;
}

/// Neighbours in the output are to be columns, and neighbours in a factor to be
/// a copy's: orders dimensions so.
static void arrange(Product &p) {
  std::optional<unsigned> last = innermostOf(p, p.out);
  if (p.columns.empty() || (last && llvm::is_contained(p.rows, *last))) {
    std::swap(p.left, p.right);
    std::swap(p.rows, p.columns);
  }
  p.batch = inOrder(p.batch, p.out.map);
  p.rows = inOrder(p.rows, p.out.map);
  p.columns = inOrder(p.columns, p.out.map);
  std::optional<unsigned> leftLast = innermostOf(p, p.left);
  bool byLeft = leftLast && llvm::is_contained(p.depth, *leftLast);
  p.depth = inOrder(p.depth, byLeft ? p.left.map : p.right.map);
}

std::optional<Product> attn::nvvm::matchProduct(linalg::LinalgOp op,
                                                std::string &reason) {
  if (!addsProducts(op) || !op.hasPureBufferSemantics())
    return std::nullopt;
  auto miss = [&](const Twine &why) {
    reason = why.str();
    return std::nullopt;
  };
  auto factorAt = [&](unsigned number) {
    OpOperand &operand = op->getOpOperand(number);
    return Factor{operand.get(), op.getMatchingIndexingMap(&operand)};
  };
  Product p{op,          factorAt(0), factorAt(1),
            factorAt(2), {},          {},
            {},          {},          op.getStaticLoopRanges()};
  for (const Factor &factor : {p.left, p.right, p.out}) {
    Type type = factor.element();
    if (!type.isF16() && !type.isBF16() && !type.isF32())
      return miss("its elements are neither of f16 nor of bf16 nor of f32");
    if (!isPlain(factor.map))
      return miss("its operands are not indexed by dimensions alone");
  }
  if (!sortDims(p))
    return miss("a dimension is in one operand only");
  if (p.depth.empty())
    return miss("its sums have one term");
  if (p.rows.empty() && p.columns.empty())
    return miss("it has one row and one column");
  arrange(p);
  return p;
}

namespace {
/// What the model takes a device for: multiprocessors, products of 16 bits a
/// clock and bytes of shared memory a clock of each, and clocks that a step of
/// a block takes when nothing overlaps it: of factors from the cache, and of
/// those that few rows multiply, which are read once and so from memory, 700
/// clocks away with three steps under way.
constexpr double kProcessors = 108, kProducts = 1024, kSharedBytes = 128,
                 kCacheLatency = 120, kMemoryLatency = 240;
/// Rows of one fragment, for which it pays that warps share the depth.
constexpr double kFewRows = 16;
/// Rows that a dynamic extent is taken for.
constexpr int64_t kUnknownExtent = 2048;
constexpr int64_t kStepDepth = 32;
/// Shared memory of a block that every architecture has.
constexpr int64_t kSharedOfBlock = 99 * 1024;
} // namespace

namespace {
/// A product as the model sees it: extents, and bytes of an element.
struct ProductShape {
  double batch, rows, columns;
  double outerDepth, innerDepth; ///< the depth but for its last dimension, that
  int64_t bytes;
  int64_t products; ///< of one left factor
  bool isDynamic;   ///< whether rows or columns are
};
} // namespace

static double wholes(double x, int64_t y) { return std::ceil(x / double(y)); }

/// Bytes of a step in shared memory, rows with their padding, whichever way a
/// factor lies.
static int64_t countStepBytes(const ProductTile &tile,
                              const ProductShape &shape) {
  auto panel = [&](int64_t lines) {
    int64_t along = lines * (tile.depth * shape.bytes + 16);
    int64_t across = tile.depth * ((lines + 4) * shape.bytes + 16);
    return std::max(along, across);
  };
  return panel(tile.rows) + shape.products * panel(tile.columns);
}

/// Clocks that a multiprocessor takes for all its blocks.
static double estimate(const ProductTile &tile, const ProductShape &shape) {
  double blocks = shape.batch * wholes(shape.rows, tile.rows) *
                  wholes(shape.columns, tile.columns);
  double own = std::ceil(blocks / kProcessors);
  double depth = double(kStepDepth * tile.slices);
  // Three products of half the rate and half the depth.
  double work = double(tile.rows * tile.columns) * depth / kProducts *
                (shape.bytes == 4 ? 6 : 1);
  double read = double(tile.warps()) *
                double(tile.warpRows + tile.warpColumns) * kStepDepth,
         written = double(tile.rows + tile.columns) * depth;
  double shared = (read + written) * double(shape.bytes) / kSharedBytes;
  double latency = shape.rows <= kFewRows ? kMemoryLatency : kCacheLatency;
  double steps =
      shape.outerDepth * wholes(shape.innerDepth, kStepDepth * tile.slices);
  double time = steps * std::max(own * std::max(work, shared), latency);
  // Two barriers, and sums that go to shared memory and back.
  if (tile.slices > 1)
    time += 2 * kCacheLatency + own *
                                    double(tile.slices * tile.rows *
                                           tile.columns * shape.products * 8) /
                                    kSharedBytes;
  return time;
}

/// Whether registers and shared memory last for a tile, whose steps it plans.
static bool planSteps(ProductTile &tile, const ProductShape &shape) {
  // Operands in two parts leave no registers for the largest, nor do the
  // accumulators of two products; then the bounds of dynamic extents do not
  // either.
  int64_t most = (shape.bytes == 4 ? 64 * 32 : 64 * 64) / shape.products;
  if (shape.bytes == 4 && shape.isDynamic)
    most = 32 * 32;
  if (tile.warpRows * tile.warpColumns > most)
    return false;
  bool isSmall = tile.rows + tile.columns <= 128;
  tile.depth = kStepDepth * tile.slices;
  if (tile.slices == 1 && shape.bytes == 2 && isSmall)
    tile.depth *= 2;
  tile.stages = isSmall ? 4 : 3;
  if (tile.slices == 1)
    return true;
  constexpr int64_t fewest = 3;
  while (tile.stages > fewest &&
         tile.stages * countStepBytes(tile, shape) > kSharedOfBlock)
    --tile.stages;
  return tile.stages * countStepBytes(tile, shape) <= kSharedOfBlock;
}

static ProductShape measure(const Product &product, bool isTwofold) {
  auto known = [&](ArrayRef<unsigned> dims) {
    int64_t count = product.count(dims);
    return double(ShapedType::isDynamic(count) ? kUnknownExtent : count);
  };
  bool anyBatch = product.count(product.batch) == ShapedType::kDynamic;
  ArrayRef<unsigned> depth = product.depth;
  return {anyBatch ? 1 : known(product.batch),
          known(product.rows),
          known(product.columns),
          known(depth.drop_back()),
          known(depth.take_back()),
          product.compute().getIntOrFloatBitWidth() / 8,
          isTwofold ? 2 : 1,
          ShapedType::isDynamic(product.count(product.rows)) ||
              ShapedType::isDynamic(product.count(product.columns))};
}

ProductTile attn::nvvm::chooseTile(const Product &product, bool isTwofold) {
  static constexpr ProductTile candidates[] = {
      {128, 128, 64, 64},  {128, 64, 64, 32},   {64, 128, 32, 64},
      {64, 64, 32, 32},    {64, 32, 32, 16},    {32, 64, 16, 32},
      {32, 32, 16, 16},    {16, 128, 16, 32},   {16, 64, 16, 16},
      {16, 64, 16, 16, 2}, {16, 32, 16, 16, 2}, {16, 32, 16, 16, 4},
      {16, 16, 16, 16, 4}, {16, 16, 16, 16, 8}};
  ProductShape shape = measure(product, isTwofold);
  double best = std::numeric_limits<double>::infinity();
  ProductTile chosen = candidates[0];
  for (ProductTile tile : candidates) {
    if ((tile.slices > 1 && shape.rows > kFewRows) || !planSteps(tile, shape))
      continue;
    double time = estimate(tile, shape);
    if (time < best) {
      best = time;
      chosen = tile;
    }
  }
  return chosen;
}
