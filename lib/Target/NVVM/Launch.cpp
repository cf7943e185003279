//===- Launch.cpp - kernels outside of loops over tiles -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds gpu.launch with one dimension of blocks and one of threads.
//
//===----------------------------------------------------------------------===//

#include "Launch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

Value attn::nvvm::placeThread(OpBuilder &b, Location loc, gpu::LaunchOp launch,
                              ThreadPosition &at) {
  IndexMath math(b, loc);
  Value thread = launch.getThreadIds().x;
  auto quotient = [&](Value x, int64_t y) {
    return b.createOrFold<arith::DivUIOp>(loc, x, math.index(y));
  };
  auto rest = [&](Value x, int64_t y) {
    return b.createOrFold<arith::RemUIOp>(loc, x, math.index(y));
  };
  at.thread = thread;
  at.warp = quotient(thread, FragmentBuilder::lanes);
  at.lane = rest(thread, FragmentBuilder::lanes);
  at.group = quotient(at.lane, 4);
  at.quad = rest(at.lane, 4);
  auto space = gpu::AddressSpaceAttr::get(
      b.getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
  auto type = MemRefType::get({ShapedType::kDynamic}, b.getI8Type(),
                              MemRefLayoutAttrInterface(), space);
  Value shared = gpu::DynamicSharedMemoryOp::create(b, loc, type);
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(b, loc, shared);
  address = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
  at.shared = LLVM::IntToPtrOp::create(
      b, loc, LLVM::LLVMPointerType::get(b.getContext(), 3), address);
  return shared;
}

static void buildLaunch(OpBuilder &b, Location loc, StringRef name,
                        Value blocks, int64_t warps, F32Products products,
                        function_ref<void(Kernel &kernel, Value block)> body) {
  OpBuilder::InsertionGuard guard(b);
  IndexMath math(b, loc);
  Kernel kernel;
  kernel.products = products;
  kernel.at.warps = warps;
  Value one = math.index(1);
  auto launch = gpu::LaunchOp::create(
      b, loc, blocks, one, one, math.index(kernel.at.threads()), one, one,
      /*dynamicSharedMemorySize=*/
      arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)));
  launch.setFunctionAttr(FlatSymbolRefAttr::get(b.getContext(), name));
  Operation *sharedSize = launch.getDynamicSharedMemorySize().getDefiningOp();
  b.setInsertionPointToStart(&launch.getBody().front());
  kernel.dynamicShared = placeThread(b, loc, launch, kernel.at);
  body(kernel, launch.getBlockIds().x);
  gpu::TerminatorOp::create(b, loc);
  sharedSize->setAttr("value", b.getI32IntegerAttr(kernel.sharedBytes));
}

void attn::nvvm::launchBlocks(
    OpBuilder &b, Location loc, StringRef name, Value blocks, int64_t warps,
    F32Products products,
    function_ref<void(Kernel &kernel, Value block)> body) {
  std::optional<int64_t> count = getConstantIntValue(blocks);
  if (count == 0)
    return;
  if (count)
    return buildLaunch(b, loc, name, blocks, warps, products, body);
  IndexMath math(b, loc);
  auto branch = scf::IfOp::create(b, loc, math.less(math.index(0), blocks),
                                  /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  buildLaunch(b, loc, name, blocks, warps, products, body);
}

SmallVector<Value> attn::nvvm::delinearise(IndexMath &math, Value number,
                                           ArrayRef<Value> extents) {
  SmallVector<Value> indices(extents.size());
  for (size_t i = extents.size(); i-- > 0;) {
    if (i == 0) {
      indices[i] = number;
      break;
    }
    indices[i] =
        math.b.createOrFold<arith::RemUIOp>(math.loc, number, extents[i]);
    number = math.b.createOrFold<arith::DivUIOp>(math.loc, number, extents[i]);
  }
  return indices;
}
