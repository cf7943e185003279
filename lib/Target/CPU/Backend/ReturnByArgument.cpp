//===- ReturnByArgument.cpp - results in the caller's memory --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-return-by-argument: a library owns no memory that it hands
// out, so the caller gives the memory for every result.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"

#define DEBUG_TYPE "attn-cpu-return-by-argument"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPURETURNBYARGUMENTPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ReturnByArgument
    : attn::impl::AttnCPUReturnByArgumentPassBase<ReturnByArgument> {
  void runOnOperation() override;

private:
  LogicalResult convert(func::FuncOp function);
  void moveResult(Value result, Value destination, func::ReturnOp terminator);
};
} // namespace

/// The allocation in the entry block that `value` is a contiguous view of.
static memref::AllocOp findAllocation(Value value, Block *entry) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      bool plain = alloc->getBlock() == entry &&
                   alloc.getType().getLayout().isIdentity();
      return plain ? alloc : nullptr;
    }
    if (!isa<memref::CastOp, memref::ExpandShapeOp, memref::CollapseShapeOp>(
            op))
      return nullptr;
    value = op->getOperand(0);
  }
  return nullptr;
}

/// The caller's memory as a buffer of the shape that `alloc` has.
static Value viewAs(memref::AllocOp alloc, Value destination) {
  if (destination.getType() == alloc.getType())
    return destination;
  OpBuilder builder(alloc);
  Location loc = alloc.getLoc();
  SmallVector<OpFoldResult> sizes = alloc.getMixedSizes();
  SmallVector<OpFoldResult> strides(sizes.size());
  OpFoldResult stride = builder.getIndexAttr(1);
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    if (i == 0)
      break;
    auto constants =
        std::pair(getConstantIntValue(stride), getConstantIntValue(sizes[i]));
    if (constants.first && constants.second)
      stride = builder.getIndexAttr(*constants.first * *constants.second);
    else
      stride = arith::MulIOp::create(
                   builder, loc,
                   getValueOrCreateConstantIndexOp(builder, loc, stride),
                   getValueOrCreateConstantIndexOp(builder, loc, sizes[i]))
                   .getResult();
  }
  Value view = memref::ReinterpretCastOp::create(
      builder, loc, destination, builder.getIndexAttr(0), sizes, strides);
  if (view.getType() != alloc.getType())
    view = memref::CastOp::create(builder, loc, alloc.getType(), view);
  return view;
}

void ReturnByArgument::moveResult(Value result, Value destination,
                                  func::ReturnOp terminator) {
  OpBuilder builder(terminator);
  Location loc = terminator.getLoc();
  auto type = dyn_cast<MemRefType>(result.getType());
  if (!type) {
    memref::StoreOp::create(builder, loc, result, destination, ValueRange());
    return;
  }
  Block *entry = &terminator->getParentRegion()->front();
  if (memref::AllocOp alloc = findAllocation(result, entry)) {
    for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
      if (isa<memref::DeallocOp>(user))
        user->erase();
    Value view = viewAs(alloc, destination);
    alloc.replaceAllUsesWith(view);
    alloc.erase();
    ++numInPlace;
    return;
  }
  memref::CopyOp::create(builder, loc, result, destination);
  ++numCopied;
}

LogicalResult ReturnByArgument::convert(func::FuncOp function) {
  auto isBuffer = [](Type type) {
    auto memref = dyn_cast<MemRefType>(type);
    return memref && memref.getLayout().isIdentity();
  };
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  Location loc = function.getLoc();
  for (Type type : llvm::concat<const Type>(function.getArgumentTypes(),
                                            function.getResultTypes()))
    if (!isBuffer(type) && !isScalar(type))
      return function.emitOpError("expected arguments and results that are "
                                  "contiguous buffers or scalars, got ")
             << type;
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("expected one block");

  Block &block = function.front();
  auto builder = OpBuilder::atBlockBegin(&block);
  for (BlockArgument argument : block.getArguments()) {
    Type type = argument.getType();
    if (!isScalar(type))
      continue;
    argument.setType(MemRefType::get({}, type));
    auto load = memref::LoadOp::create(builder, loc, argument, ValueRange());
    argument.replaceAllUsesExcept(load.getResult(), load);
  }
  auto terminator = cast<func::ReturnOp>(block.getTerminator());
  int64_t numResults = terminator.getNumOperands();
  for (int64_t i = 0; i < numResults; ++i) {
    // Read late: a buffer that is returned twice was replaced the first time.
    Value result = terminator->getOperand(i);
    Type type = result.getType();
    if (isScalar(type))
      type = MemRefType::get({}, type);
    moveResult(result, block.addArgument(type, loc), terminator);
  }
  terminator->setOperands({});
  block.addArgument(LLVM::LLVMPointerType::get(&getContext()), loc);

  auto strip = function.getResAttrsAttr();
  if (strip)
    function.removeResAttrsAttr();
  function.removeArgAttrsAttr();
  function.setType(builder.getFunctionType(block.getArgumentTypes(), {}));
  function->setAttr("attn.entry", builder.getUnitAttr());
  function->setAttr("attn.results", builder.getI64IntegerAttr(numResults));
  function->setAttr("llvm.emit_c_interface", builder.getUnitAttr());
  return success();
}

void ReturnByArgument::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (!function.isPublic() || function.isDeclaration() ||
        function->hasAttr("attn.entry") || function->hasAttr("attn.shape_of"))
      continue;
    auto uses = SymbolTable::getSymbolUses(function, getOperation());
    if (uses && !uses->empty()) {
      function.emitOpError("expected a public function that is not called "
                           "within its module");
      return signalPassFailure();
    }
    if (failed(convert(function)))
      return signalPassFailure();
  }
}
