//===- OutlineParallel.cpp - parallel loops become functions --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-outline-parallel: the border between what one thread runs
// and what the runtime's thread pool hands out.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "MemoryPlan.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"

#define DEBUG_TYPE "attn-cpu-outline-parallel"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUOUTLINEPARALLELPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// The pointer to the thread pool's loop; the runtime's side of the contract
/// is `void loop(body, context, count, scratch_bytes)`.
constexpr StringLiteral kParallelFor = "attn_parallel_for";

struct OutlineParallel
    : attn::impl::AttnCPUOutlineParallelPassBase<OutlineParallel> {
  void runOnOperation() override;

private:
  LogicalResult outline(scf::ParallelOp loop, SymbolTable &symbols);
  func::FuncOp createBody(scf::ParallelOp loop, ArrayRef<Value> captures,
                          LLVM::LLVMStructType context, SymbolTable &symbols);
  int64_t moveToScratch(func::FuncOp body);
  func::FuncOp mergeWithEqual(func::FuncOp body, SymbolTable &symbols);
  void createCall(scf::ParallelOp loop, ArrayRef<Value> captures,
                  LLVM::LLVMStructType context, func::FuncOp body,
                  int64_t scratchBytes);

  llvm::DenseMap<llvm::hash_code, SmallVector<func::FuncOp>> bodiesByHash;
  unsigned nextBody = 0;
};

} // namespace

/// Makes a parallel loop sequential; one that reduces is left to scf-to-cf.
static void serialise(scf::ParallelOp loop) {
  if (loop.getNumReductions() != 0)
    return;
  IRRewriter rewriter(loop);
  SmallVector<Value> ivs;
  for (auto [lower, upper, step] : llvm::zip_equal(
           loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    auto inner =
        scf::ForOp::create(rewriter, loop.getLoc(), lower, upper, step);
    ivs.push_back(inner.getInductionVar());
    rewriter.setInsertionPointToStart(inner.getBody());
  }
  Block *target = rewriter.getInsertionBlock();
  rewriter.eraseOp(loop.getBody()->getTerminator());
  rewriter.inlineBlockBefore(loop.getBody(), target->getTerminator(), ivs);
  rewriter.eraseOp(loop);
}

/// Makes all parallel loops below `root` sequential, innermost first.
static LogicalResult serialiseNested(Operation *root) {
  SmallVector<Operation *> nested;
  root->walk([&](Operation *op) {
    if (op != root && isa<scf::ForallOp, scf::ParallelOp>(op))
      nested.push_back(op);
  });
  IRRewriter rewriter(root->getContext());
  for (Operation *op : nested) {
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      rewriter.setInsertionPoint(forall);
      if (failed(scf::forallToForLoop(rewriter, forall)))
        return forall.emitOpError(
            "expected a loop that can be made sequential");
    } else {
      serialise(cast<scf::ParallelOp>(op));
    }
  }
  return success();
}

/// The trip count of each dimension.
static SmallVector<Value> tripCounts(OpBuilder &builder, Location loc,
                                     ValueRange lowers, ValueRange uppers,
                                     ValueRange steps) {
  SmallVector<Value> counts;
  for (auto [lower, upper, step] : llvm::zip_equal(lowers, uppers, steps)) {
    APInt low, high, by;
    if (matchPattern(lower, m_ConstantInt(&low)) &&
        matchPattern(upper, m_ConstantInt(&high)) &&
        matchPattern(step, m_ConstantInt(&by)) && by.isStrictlyPositive()) {
      int64_t span = high.getSExtValue() - low.getSExtValue();
      int64_t count = span <= 0 ? 0 : llvm::divideCeil(span, by.getSExtValue());
      counts.push_back(arith::ConstantIndexOp::create(builder, loc, count));
      continue;
    }
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value span = arith::SubIOp::create(builder, loc, upper, lower);
    span = arith::MaxSIOp::create(builder, loc, span, zero);
    counts.push_back(arith::CeilDivUIOp::create(builder, loc, span, step));
  }
  return counts;
}

/// Maps the induction variables to digits of the flat index, the last
/// dimension fastest.
static void delinearise(OpBuilder &builder, scf::ParallelOp loop, Value flat,
                        IRMapping &mapping) {
  Location loc = loop.getLoc();
  auto get = [&](ValueRange values) {
    return llvm::map_to_vector(
        values, [&](Value value) { return mapping.lookupOrDefault(value); });
  };
  SmallVector<Value> lowers = get(loop.getLowerBound());
  SmallVector<Value> steps = get(loop.getStep());
  SmallVector<Value> counts =
      tripCounts(builder, loc, lowers, get(loop.getUpperBound()), steps);
  for (size_t i = counts.size(); i-- > 0;) {
    Value digit = flat;
    if (i != 0) {
      digit = arith::RemUIOp::create(builder, loc, flat, counts[i]);
      flat = arith::DivUIOp::create(builder, loc, flat, counts[i]);
    }
    Value scaled = arith::MulIOp::create(builder, loc, digit, steps[i]);
    mapping.map(loop.getInductionVars()[i],
                arith::AddIOp::create(builder, loc, lowers[i], scaled));
  }
}

/// The loop's body as a function. Field 0 of the context is the caller's
/// status, field i + 1 is capture i.
func::FuncOp OutlineParallel::createBody(scf::ParallelOp loop,
                                         ArrayRef<Value> captures,
                                         LLVM::LLVMStructType context,
                                         SymbolTable &symbols) {
  Location loc = loop.getLoc();
  OpBuilder builder(&getContext());
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  auto type =
      builder.getFunctionType({pointer, builder.getI64Type(), pointer}, {});
  auto body =
      func::FuncOp::create(loc, ("attn_body_" + Twine(nextBody++)).str(), type);
  body.setPrivate();
  body->setAttr("attn.body", builder.getUnitAttr());
  body.setArgAttr(2, "llvm.noalias", builder.getUnitAttr());
  body.setArgAttr(2, "llvm.align",
                  builder.getI64IntegerAttr(cpu::kBufferAlignment));
  symbols.insert(body);
  Block *block = body.addEntryBlock();
  builder.setInsertionPointToStart(block);

  IRMapping mapping;
  Value fields;
  if (!captures.empty())
    fields = LLVM::LoadOp::create(builder, loc, context, block->getArgument(0));
  for (auto [i, capture] : llvm::enumerate(captures)) {
    Value field = LLVM::ExtractValueOp::create(builder, loc, fields, i + 1);
    if (field.getType() != capture.getType())
      field = UnrealizedConversionCastOp::create(builder, loc,
                                                 capture.getType(), field)
                  .getResult(0);
    mapping.map(capture, field);
  }
  // Constants do not travel: the body makes them again.
  SetVector<Value> outside;
  getUsedValuesDefinedAbove(loop->getRegions(), outside);
  outside.insert_range(loop->getOperands());
  for (Value value : outside)
    if (!mapping.contains(value))
      builder.clone(*value.getDefiningOp(), mapping);

  Value flat = arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                          block->getArgument(1));
  delinearise(builder, loop, flat, mapping);
  for (Operation &op : loop.getBody()->without_terminator())
    builder.clone(op, mapping);
  func::ReturnOp::create(builder, loc);
  return body;
}

/// Moves the body's buffers of static shape to the thread's scratch memory and
/// returns its size in bytes.
int64_t OutlineParallel::moveToScratch(func::FuncOp body) {
  SmallVector<cpu::Buffer> buffers =
      cpu::collectBuffers(body, [](memref::AllocOp alloc) {
        return alloc.getType().hasStaticShape();
      });
  if (buffers.empty())
    return 0;
  int64_t bytes = cpu::planOffsets(buffers);

  Location loc = body.getLoc();
  auto builder = OpBuilder::atBlockBegin(&body.front());
  auto type = MemRefType::get({bytes}, builder.getI8Type());
  LLVMTypeConverter converter(&getContext());
  Type descriptorType = converter.convertType(type);
  Value descriptor = LLVM::PoisonOp::create(builder, loc, descriptorType);
  auto set = [&](Value value, ArrayRef<int64_t> position) {
    descriptor =
        LLVM::InsertValueOp::create(builder, loc, descriptor, value, position);
  };
  auto constant = [&](int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), value);
  };
  set(body.getArgument(2), 0);
  set(body.getArgument(2), 1);
  set(constant(0), 2);
  set(constant(bytes), {3, 0});
  set(constant(1), {4, 0});
  Value scratch =
      UnrealizedConversionCastOp::create(builder, loc, type, descriptor)
          .getResult(0);
  for (const cpu::Buffer &buffer : buffers)
    cpu::replaceByView(buffer, scratch);
  numScratch += buffers.size();
  return bytes;
}

/// An earlier body that does the same, or `body` itself.
func::FuncOp OutlineParallel::mergeWithEqual(func::FuncOp body,
                                             SymbolTable &symbols) {
  llvm::hash_code hash(0);
  body.getBody().walk([&](Operation *op) {
    hash =
        llvm::hash_combine(hash, OperationEquivalence::computeHash(
                                     op, OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::IgnoreLocations));
  });
  SmallVector<func::FuncOp> &sameHash = bodiesByHash[hash];
  for (func::FuncOp other : sameHash) {
    if (OperationEquivalence::isRegionEquivalentTo(
            &body.getBody(), &other.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      symbols.erase(body);
      --nextBody;
      ++numMerged;
      return other;
    }
  }
  sameHash.push_back(body);
  return body;
}

/// Replaces the loop by a call through the thread pool's pointer.
void OutlineParallel::createCall(scf::ParallelOp loop, ArrayRef<Value> captures,
                                 LLVM::LLVMStructType context,
                                 func::FuncOp body, int64_t scratchBytes) {
  Location loc = loop.getLoc();
  OpBuilder builder(loop);
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  auto caller = loop->getParentOfType<func::FuncOp>();

  // In the entry block, so that a loop around the call does not grow the stack.
  builder.setInsertionPointToStart(&caller.front());
  Value one = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), 1);
  Value memory = LLVM::AllocaOp::create(builder, loc, pointer, context, one);

  builder.setInsertionPoint(loop);
  Value status;
  if (unsigned n = caller.getNumArguments())
    if (isa<LLVM::LLVMPointerType>(caller.getArgumentTypes().back()))
      status = caller.getArgument(n - 1);
  if (!status)
    status = LLVM::ZeroOp::create(builder, loc, pointer);
  auto store = [&](Value value, int32_t field) {
    auto address = LLVM::GEPOp::create(builder, loc, pointer, context, memory,
                                       ArrayRef<LLVM::GEPArg>{0, field});
    LLVM::StoreOp::create(builder, loc, value, address);
  };
  store(status, 0);
  for (auto [i, capture] : llvm::enumerate(captures)) {
    Type type = context.getBody()[i + 1];
    Value value = capture;
    if (value.getType() != type)
      value = UnrealizedConversionCastOp::create(builder, loc, type, value)
                  .getResult(0);
    store(value, i + 1);
  }

  Value count;
  for (Value extent : tripCounts(builder, loc, loop.getLowerBound(),
                                 loop.getUpperBound(), loop.getStep()))
    count = count ? arith::MulIOp::create(builder, loc, count, extent) : extent;
  count = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), count);
  Value function = func::ConstantOp::create(
      builder, loc, body.getFunctionType(), SymbolRefAttr::get(body));
  function = UnrealizedConversionCastOp::create(builder, loc, pointer, function)
                 .getResult(0);
  Value bytes = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                         scratchBytes);
  Value pool = LLVM::LoadOp::create(
      builder, loc, pointer,
      LLVM::AddressOfOp::create(builder, loc, pointer, kParallelFor));
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(&getContext()),
      {pointer, pointer, builder.getI64Type(), builder.getI64Type()});
  LLVM::CallOp::create(builder, loc, type,
                       ValueRange{pool, function, memory, count, bytes});
  loop.erase();
}

LogicalResult OutlineParallel::outline(scf::ParallelOp loop,
                                       SymbolTable &symbols) {
  if (failed(serialiseNested(loop)))
    return failure();
  SetVector<Value> outside;
  getUsedValuesDefinedAbove(loop->getRegions(), outside);
  outside.insert_range(loop->getOperands());

  LLVMTypeConverter converter(&getContext());
  SmallVector<Type> fields = {LLVM::LLVMPointerType::get(&getContext())};
  SmallVector<Value> captures;
  for (Value value : outside) {
    Operation *op = value.getDefiningOp();
    if (op && op->hasTrait<OpTrait::ConstantLike>())
      continue;
    Type type = converter.convertType(value.getType());
    if (!type)
      return loop.emitOpError("expected captures that the LLVM dialect can "
                              "represent, got a value of type ")
             << value.getType();
    captures.push_back(value);
    fields.push_back(type);
  }
  auto context = LLVM::LLVMStructType::getLiteral(&getContext(), fields);
  func::FuncOp body = createBody(loop, captures, context, symbols);
  int64_t scratchBytes = moveToScratch(body);
  body = mergeWithEqual(body, symbols);
  remark::passed(loop.getLoc(), remark::RemarkOpts::name("Outlined")
                                    .category(DEBUG_TYPE)
                                    .function(body.getName()))
      << remark::metric("Captures", captures.size())
      << remark::metric("ScratchBytes", scratchBytes);
  createCall(loop, captures, context, body, scratchBytes);
  ++numOutlined;
  return success();
}

void OutlineParallel::runOnOperation() {
  ModuleOp module = getOperation();
  bodiesByHash.clear();
  nextBody = 0;
  // Outermost loops only; reductions stay with the thread that meets them.
  SmallVector<Operation *> loops;
  for (auto function : module.getOps<func::FuncOp>()) {
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      auto parallel = dyn_cast<scf::ParallelOp>(op);
      if (!isa<scf::ForallOp>(op) &&
          !(parallel && parallel.getNumReductions() == 0))
        return WalkResult::advance();
      loops.push_back(op);
      return WalkResult::skip();
    });
  }
  if (loops.empty())
    return;

  SymbolTable symbols(module);
  auto builder = OpBuilder::atBlockBegin(module.getBody());
  if (!symbols.lookup(kParallelFor))
    symbols.insert(LLVM::GlobalOp::create(
        builder, module.getLoc(), LLVM::LLVMPointerType::get(&getContext()),
        /*isConstant=*/false, LLVM::Linkage::External, kParallelFor,
        Attribute()));
  IRRewriter rewriter(&getContext());
  for (Operation *op : loops) {
    auto loop = dyn_cast<scf::ParallelOp>(op);
    if (auto forall = dyn_cast<scf::ForallOp>(op)) {
      rewriter.setInsertionPoint(forall);
      if (forall.getNumResults() != 0) {
        forall.emitOpError("expected a loop on buffers, got one with results");
        return signalPassFailure();
      }
      if (failed(scf::forallToParallelLoop(rewriter, forall, &loop)))
        return signalPassFailure();
    }
    if (failed(outline(loop, symbols)))
      return signalPassFailure();
  }
}
