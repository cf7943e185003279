//===- ProductLaunch.cpp - a product of matrices as a kernel --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has a tile of the output, each of its warps a part of that in
// registers. Steps of the depth pass through shared memory, some of which are
// on their way while one is worked on. Where there are too few tiles for a
// device, warps share a step, and add up what they have at the end.
//
//===----------------------------------------------------------------------===//

#include "Launch.h"
#include "ProductEpilogue.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
class ProductLauncher {
public:
  ProductLauncher(const ProductGroup &group, F32Products products)
      : group(group), p(group.product),
        tile(chooseTile(p, group.second.has_value())), op(p.op),
        last(group.steps.empty() ? p.op : group.steps.back().op), b(last),
        loc(last.getLoc()), products(products) {}

  void launch();

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value count(ArrayRef<unsigned> dims);
  void buildLaunch(Value tasks);
  void placeWarp(gpu::LaunchOp launch);
  void placeBlock(FragmentBuilder &f, Value task);
  void emit(FragmentBuilder &f);
  DepthPosition depthAt(FragmentBuilder &f, Value step);
  void stageStep(FragmentBuilder &f, Value step, Value slot);
  SmallVector<Value> multiplyStep(FragmentBuilder &f, Value slot,
                                  ValueRange sums);
  void multiplyPanel(FragmentBuilder &f, ArrayRef<Operand> rowsOf,
                     ProductPanel &panel, Value base, int64_t step,
                     MutableArrayRef<Value> sums);
  SmallVector<Value> multiplyAll(FragmentBuilder &f);
  Value partAt(FragmentBuilder &f, Value slice, int64_t part);
  SmallVector<Value> addSlices(FragmentBuilder &f, ValueRange sums);
  void finish(FragmentBuilder &f, ValueRange sums);

  int64_t rowFragments() const {
    return tile.warpRows / FragmentBuilder::fragmentRows;
  }
  int64_t columnFragments() const {
    return tile.warpColumns / FragmentBuilder::fragmentColumns;
  }
  int64_t slotBytes() const {
    int64_t bytes = left->bytes();
    for (const ProductPanel &panel : right)
      bytes += panel.bytes();
    return bytes;
  }
  /// The registers of the sums of one product.
  int64_t numSums() const { return 4 * rowFragments() * columnFragments(); }

  const ProductGroup &group;
  const Product &p;
  ProductTile tile;
  linalg::LinalgOp op, last;
  OpBuilder b;
  Location loc;
  F32Products products;
  ThreadPosition at;
  ProductPlace place;
  Value batch, rows, columns, innerSteps, steps; ///< flat extents
  Value firstRow, firstColumn, warpRow, warpColumn;
  Value slice, warpInSlice; ///< if there are several
  std::optional<ProductPanel> left;
  SmallVector<ProductPanel, 0> right; ///< one for each product
};
} // namespace

Value ProductLauncher::count(ArrayRef<unsigned> dims) {
  Value result = index(1);
  for (unsigned dim : dims)
    result = b.createOrFold<arith::MulIOp>(loc, result, place.extents[dim]);
  return result;
}

/// Extents and the number of blocks are the host's to compute; a launch of no
/// blocks is an error.
void ProductLauncher::launch() {
  for (const Range &range : op.createLoopRanges(b, loc))
    place.extents.push_back(
        getValueOrCreateConstantIndexOp(b, loc, range.size));
  place.product = &p;
  place.tile = &tile;
  IndexMath math(b, loc);
  batch = count(p.batch);
  rows = count(p.rows);
  columns = count(p.columns);
  innerSteps = math.ceilDiv(place.extents[p.depth.back()], tile.depth);
  steps = math.mul(count(ArrayRef(p.depth).drop_back()), innerSteps);
  Value tasks = math.mul(batch, math.mul(math.ceilDiv(rows, tile.rows),
                                         math.ceilDiv(columns, tile.columns)));
  std::optional<int64_t> known = getConstantIntValue(tasks);
  if (known == 0)
    return;
  if (known)
    return buildLaunch(tasks);
  Value isAny = math.less(index(0), tasks);
  auto branch = scf::IfOp::create(b, loc, isAny, /*withElseRegion=*/false);
  b.setInsertionPointToStart(branch.thenBlock());
  buildLaunch(tasks);
}

void ProductLauncher::buildLaunch(Value tasks) {
  at.warps = tile.warps();
  Value one = index(1);
  auto launch = gpu::LaunchOp::create(
      b, loc, tasks, one, one, index(at.threads()), one, one,
      arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)));
  launch.setFunctionAttr(FlatSymbolRefAttr::get(b.getContext(), "product"));
  Operation *sharedSize = launch.getDynamicSharedMemorySize().getDefiningOp();
  b.setInsertionPointToStart(&launch.getBody().front());
  placeWarp(launch);
  FragmentBuilder f(b, loc, at, products);
  placeBlock(f, launch.getBlockIds().x);
  emit(f);
  gpu::TerminatorOp::create(b, loc);
  sharedSize->setAttr("value", b.getI32IntegerAttr(tile.stages * slotBytes()));
}

void ProductLauncher::placeWarp(gpu::LaunchOp launch) {
  placeThread(b, loc, launch, at);
  IndexMath math(b, loc);
  auto split = [&](Value x, int64_t by) {
    Value divisor = math.index(by);
    return std::pair(b.createOrFold<arith::DivUIOp>(loc, x, divisor),
                     b.createOrFold<arith::RemUIOp>(loc, x, divisor));
  };
  std::tie(slice, warpInSlice) = split(at.warp, tile.warpsOfSlice());
  auto [down, along] = split(warpInSlice, tile.warpsAcross());
  warpRow = math.mul(down, tile.warpRows);
  warpColumn = math.mul(along, tile.warpColumns);
}

/// Blocks that run together have few different rows and columns of tiles: the
/// columns of eight rows of tiles come before the next eight.
void ProductLauncher::placeBlock(FragmentBuilder &f, Value task) {
  constexpr int64_t together = 8;
  Value across = f.ceilDiv(columns, tile.columns),
        down = f.ceilDiv(rows, tile.rows);
  SmallVector<Value> ids = delinearise(f, task, {batch, f.mul(across, down)});
  Value inBatch = ids[1], perStrip = f.mul(across, together);
  auto quotient = [&](Value x, Value y) {
    return f.b.createOrFold<arith::DivUIOp>(f.loc, x, y);
  };
  auto rest = [&](Value x, Value y) {
    return f.b.createOrFold<arith::RemUIOp>(f.loc, x, y);
  };
  Value firstDown = f.mul(quotient(inBatch, perStrip), together);
  Value height = f.min(f.sub(down, firstDown), f.index(together)),
        inStrip = rest(inBatch, perStrip);
  ids.push_back(f.add(firstDown, rest(inStrip, height)));
  ids[1] = quotient(inStrip, height);
  firstRow = f.mul(ids[2], tile.rows);
  firstColumn = f.mul(ids[1], tile.columns);
  SmallVector<Value> extents;
  for (unsigned dim : p.batch)
    extents.push_back(place.extents[dim]);
  place.batch = delinearise(f, ids[0], extents);
  left.emplace(f, place, p.left, p.rows, tile.rows, firstRow, rows);
  right.emplace_back(f, place, p.right, p.columns, tile.columns, firstColumn,
                     columns);
  if (group.second)
    right.emplace_back(f, place, group.second->right, p.columns, tile.columns,
                       firstColumn, columns);
}

DepthPosition ProductLauncher::depthAt(FragmentBuilder &f, Value step) {
  SmallVector<Value> bounds;
  for (unsigned dim : ArrayRef(p.depth).drop_back())
    bounds.push_back(place.extents[dim]);
  bounds.push_back(innerSteps);
  SmallVector<Value> digits = delinearise(f, step, bounds);
  Value first = f.mul(digits.pop_back_val(), tile.depth);
  return {std::move(digits), first};
}

/// Begins to bring a step into the slot, if there is such a step; in any case a
/// group of copies ends, so that groups can be counted.
void ProductLauncher::stageStep(FragmentBuilder &f, Value step, Value slot) {
  f.ifThen(f.less(step, steps), [&] {
    DepthPosition at = depthAt(f, step);
    Value base = f.offset(this->at.shared, slot);
    left->stage(base, at);
    int64_t from = left->bytes();
    for (ProductPanel &panel : right) {
      panel.stage(f.offset(base, from), at);
      from += panel.bytes();
    }
  });
  NVVM::CpAsyncCommitGroupOp::create(f.b, f.loc);
}

SmallVector<Value> ProductLauncher::multiplyStep(FragmentBuilder &f, Value slot,
                                                 ValueRange sums) {
  SmallVector<Value> next(sums);
  Value base = f.offset(at.shared, slot);
  auto ownPart = [&](ProductPanel &panel, Value begin) {
    return tile.slices == 1
               ? begin
               : panel.sliceAt(begin, f.mul(slice, tile.sliceDepth()));
  };
  Value leftBase = ownPart(*left, base);
  SmallVector<Value> rightBases;
  int64_t from = left->bytes();
  for (ProductPanel &panel : right) {
    rightBases.push_back(ownPart(panel, f.offset(base, from)));
    from += panel.bytes();
  }
  for (int64_t step = 0;
       step < tile.sliceDepth() / FragmentBuilder::depthOf(p.compute());
       ++step) {
    SmallVector<Operand> rowsOf;
    for (int64_t m = 0; m < rowFragments(); ++m)
      rowsOf.push_back(left->loadLeft(leftBase, warpRow, 16 * m, step));
    for (auto [number, panel] : llvm::enumerate(right))
      multiplyPanel(f, rowsOf, panel, rightBases[number], step,
                    MutableArrayRef(next).slice(number * numSums(), numSums()));
  }
  return next;
}

/// Adds the products of the rows' operands and a panel to the sums.
void ProductLauncher::multiplyPanel(FragmentBuilder &f,
                                    ArrayRef<Operand> rowsOf,
                                    ProductPanel &panel, Value base,
                                    int64_t step, MutableArrayRef<Value> sums) {
  for (int64_t n = 0; n < columnFragments(); n += 2) {
    SmallVector<Operand> columnsOf =
        panel.loadRight(base, warpColumn, 8 * n, step);
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t m = 0; m < rowFragments(); ++m) {
        auto own = sums.slice(4 * (m * columnFragments() + n + part), 4);
        llvm::copy(f.multiply(rowsOf[m], columnsOf[part],
                              Accumulator(own.begin(), own.end()), p.compute()),
                   own.begin());
      }
  }
}

/// All steps. While one is worked on, the next ones are on their way.
SmallVector<Value> ProductLauncher::multiplyAll(FragmentBuilder &f) {
  int64_t ahead = tile.stages - 1;
  for (int64_t step = 0; step < ahead; ++step)
    stageStep(f, f.index(step), f.index(step * slotBytes()));
  SmallVector<Value> carried(right.size() * numSums(), f.f32(0));
  carried.push_back(f.index(0));                   // the slot to read
  carried.push_back(f.index(ahead * slotBytes())); // the slot to write
  carried = f.forLoop(
      f.index(0), steps, 1, carried, [&](Value step, ValueRange values) {
        NVVM::CpAsyncWaitGroupOp::create(f.b, f.loc, ahead - 1);
        f.barrier();
        Value read = values[values.size() - 2], write = values.back();
        stageStep(f, f.add(step, ahead), write);
        SmallVector<Value> next = multiplyStep(f, read, values.drop_back(2));
        Value end = f.index(tile.stages * slotBytes());
        for (Value slot : {read, write}) {
          Value after = f.add(slot, slotBytes());
          Value isEnd = f.compare(arith::CmpIPredicate::eq, after, end);
          next.push_back(f.select(isEnd, f.index(0), after));
        }
        return next;
      });
  // Steps that LLVM unrolls need more registers than there are.
  MLIRContext *context = f.b.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(
      context, /*disable=*/BoolAttr::get(context, true), {}, {}, {}, {}, {},
      {});
  auto once = LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, unroll, {}, {},
                                            {}, {}, {}, {}, {}, {}, {}, {}, {});
  carried.front().getDefiningOp()->setAttr("llvm.loop_annotation", once);
  carried.pop_back_n(2);
  return carried;
}

/// Where a lane puts sums 4 part to 4 part + 3 of a slice: the lanes of a warp
/// side by side, in the memory of steps that are done.
Value ProductLauncher::partAt(FragmentBuilder &f, Value slice, int64_t part) {
  int64_t parts = static_cast<int64_t>(right.size()) * numSums() / 4;
  Value warp = f.add(f.mul(slice, tile.warpsOfSlice()), warpInSlice);
  Value place = f.add(f.mul(f.add(f.mul(warp, parts), part), f.lanes), at.lane);
  return f.offset(at.shared, f.mul(place, 16));
}

/// The sums of all slices, in their order, for the first; the others' own.
SmallVector<Value> ProductLauncher::addSlices(FragmentBuilder &f,
                                              ValueRange sums) {
  auto type = VectorType::get({4}, f.b.getF32Type());
  int64_t parts = static_cast<int64_t>(sums.size()) / 4;
  f.barrier();
  f.ifThen(f.less(f.index(0), slice), [&] {
    for (int64_t part = 0; part < parts; ++part) {
      Value four = vector::FromElementsOp::create(f.b, f.loc, type,
                                                  sums.slice(4 * part, 4));
      LLVM::StoreOp::create(f.b, f.loc, four, partAt(f, slice, part), 16);
    }
  });
  f.barrier();
  Value isFirst = f.compare(arith::CmpIPredicate::eq, slice, f.index(0));
  return f.ifElse(isFirst, sums, [&] {
    SmallVector<Value> all(sums);
    for (int64_t other = 1; other < tile.slices; ++other)
      for (int64_t part = 0; part < parts; ++part) {
        Value four = f.loadShared(partAt(f, f.index(other), part), type);
        for (int64_t i = 0; i < 4; ++i) {
          Value &sum = all[4 * part + i];
          sum = f.addf(sum, vector::ExtractOp::create(f.b, f.loc, four, i));
        }
      }
    return all;
  });
}

void ProductLauncher::finish(FragmentBuilder &f, ValueRange sums) {
  ProductEpilogue epilogue(f, group, place);
  Value upper = f.add(f.add(firstRow, warpRow), at.group),
        begin = f.add(f.add(firstColumn, warpColumn), f.mul(at.quad, 2));
  SmallVector<Value> columnAt;
  for (int64_t n = 0; n < columnFragments(); ++n)
    columnAt.push_back(f.add(begin, 8 * n));
  // Two neighbouring sums of a product, and what they start from.
  auto take = [&](int64_t first, double initial) {
    std::array<Value, 2> pair{sums[first], sums[first + 1]};
    if (initial != 0)
      for (Value &sum : pair)
        sum = f.addf(sum, f.f32(initial));
    return pair;
  };
  for (int64_t m = 0; m < rowFragments(); ++m)
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<SumPair> pairs;
      for (int64_t n = 0; n < columnFragments(); ++n) {
        int64_t first = 4 * (m * columnFragments() + n) + 2 * half;
        auto [sum, nextSum] = take(first, group.initial.value_or(0));
        SumPair pair{columnAt[n], sum, nextSum, {}, {}};
        if (group.second) {
          auto other = take(numSums() + first, group.secondInitial);
          pair.second = other[0];
          pair.nextSecond = other[1];
        }
        pairs.push_back(pair);
      }
      epilogue.emit(f.add(upper, 16 * m + 8 * half), pairs);
    }
}

void ProductLauncher::emit(FragmentBuilder &f) {
  SmallVector<Value> sums = multiplyAll(f);
  if (tile.slices == 1)
    return finish(f, sums);
  sums = addSlices(f, sums);
  Value isFirst = f.compare(arith::CmpIPredicate::eq, slice, f.index(0));
  f.ifThen(isFirst, [&] { finish(f, sums); });
}

void attn::nvvm::launchProduct(const ProductGroup &group,
                               F32Products products) {
  ProductLauncher(group, products).launch();
}
