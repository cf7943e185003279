//===- ExportEntries.cpp - the C entry points of a compiled library -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-export-entries: the compiled library's side of the contract
// with the runtime, which knows nothing of the compiler.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "Manifest.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Parser/Parser.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#define DEBUG_TYPE "attn-cpu-export-entries"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUEXPORTENTRIESPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// What every library contains: the message of the last failure, one a thread,
/// and the loop that stands in for the thread pool.
constexpr StringLiteral kSupport = R"mlir(
llvm.func @aligned_alloc(i64, i64) -> !llvm.ptr
llvm.func @free(!llvm.ptr)
llvm.mlir.global internal thread_local @attn_error() : !llvm.ptr {
  %null = llvm.mlir.zero : !llvm.ptr
  llvm.return %null : !llvm.ptr
}
llvm.func protected @attn_last_error() -> !llvm.ptr {
  %address = llvm.mlir.addressof @attn_error : !llvm.ptr
  %message = llvm.load %address : !llvm.ptr -> !llvm.ptr
  llvm.return %message : !llvm.ptr
}
llvm.mlir.global external protected @attn_parallel_for() : !llvm.ptr {
  %loop = llvm.mlir.addressof @attn_serial_for : !llvm.ptr
  llvm.return %loop : !llvm.ptr
}
llvm.func internal @attn_serial_for(%body: !llvm.ptr, %context: !llvm.ptr, %count: i64, %bytes: i64) {
  %zero = llvm.mlir.constant(0 : i64) : i64
  %one = llvm.mlir.constant(1 : i64) : i64
  %line = llvm.mlir.constant(64 : i64) : i64
  %mask = llvm.mlir.constant(-64 : i64) : i64
  %more = llvm.add %bytes, %line : i64
  %rounded = llvm.and %more, %mask : i64
  %scratch = llvm.call @aligned_alloc(%line, %rounded) : (i64, i64) -> !llvm.ptr
  llvm.br ^test(%zero : i64)
^test(%i: i64):
  %go = llvm.icmp "slt" %i, %count : i64
  llvm.cond_br %go, ^turn, ^done
^turn:
  llvm.call %body(%context, %i, %scratch) : !llvm.ptr, (!llvm.ptr, i64, !llvm.ptr) -> ()
  %next = llvm.add %i, %one : i64
  llvm.br ^test(%next : i64)
^done:
  llvm.call @free(%scratch) : (!llvm.ptr) -> ()
  llvm.return
}
)mlir";

/// Asks Linux for pages of 2 MiB where memory is large: what is read at places
/// that are scattered misses the TLB otherwise, and a call's memory takes a
/// fault for every 4 KiB.
constexpr StringLiteral kLargePages = R"mlir(
llvm.func @madvise(!llvm.ptr, i64, i32) -> i32
llvm.func internal @attn_use_large_pages(%memory: !llvm.ptr, %bytes: i64) {
  %least = llvm.mlir.constant(8388608 : i64) : i64
  %rest = llvm.mlir.constant(2097151 : i64) : i64
  %mask = llvm.mlir.constant(-2097152 : i64) : i64
  %advice = llvm.mlir.constant(14 : i32) : i32
  %null = llvm.mlir.zero : !llvm.ptr
  %is_large = llvm.icmp "ugt" %bytes, %least : i64
  %is_there = llvm.icmp "ne" %memory, %null : !llvm.ptr
  %go = llvm.and %is_large, %is_there : i1
  llvm.cond_br %go, ^advise, ^done
^advise:
  %address = llvm.ptrtoint %memory : !llvm.ptr to i64
  %end = llvm.add %address, %bytes : i64
  %above = llvm.add %address, %rest : i64
  %first = llvm.and %above, %mask : i64
  %size = llvm.sub %end, %first : i64
  %whole = llvm.and %size, %mask : i64
  %begin = llvm.inttoptr %first : i64 to !llvm.ptr
  %ignored = llvm.call @madvise(%begin, %whole, %advice) : (!llvm.ptr, i64, i32) -> i32
  llvm.br ^done
^done:
  llvm.return
}
)mlir";

struct ExportEntries : attn::impl::AttnCPUExportEntriesPassBase<ExportEntries> {
  void runOnOperation() override;

private:
  LogicalResult addSupport(StringRef text, SymbolTable &symbols);
  LogicalResult useLargePages(SymbolTable &symbols);
  void createEntry(LLVM::LLVMFuncOp function, SymbolTable &symbols);
  void createShape(LLVM::LLVMFuncOp function, SymbolTable &symbols);
  void createManifest(ArrayRef<LLVM::LLVMFuncOp> entries);
};

} // namespace

/// Adds the support functions, in place of declarations of the same name.
LogicalResult ExportEntries::addSupport(StringRef text, SymbolTable &symbols) {
  ParserConfig config(&getContext());
  OwningOpRef<ModuleOp> support =
      parseSourceString<ModuleOp>(text, config, "attn-support");
  if (!support)
    return failure();
  for (Operation &op : llvm::make_early_inc_range(*support->getBody())) {
    Operation *old = symbols.lookup(cast<SymbolOpInterface>(op).getName());
    if (old && op.getNumRegions() != 0 && op.getRegion(0).empty())
      continue;
    if (old)
      symbols.erase(old);
    op.remove();
    symbols.insert(&op, getOperation().getBody()->end());
  }
  return success();
}

/// Follows every allocation by the request for large pages.
LogicalResult ExportEntries::useLargePages(SymbolTable &symbols) {
  SmallVector<LLVM::CallOp> allocations;
  getOperation().walk([&](LLVM::CallOp call) {
    if (call.getCallee() == "malloc")
      allocations.push_back(call);
  });
  llvm::Triple triple(llvm::sys::getProcessTriple());
  if (allocations.empty() || !triple.isOSLinux())
    return success();
  if (failed(addSupport(kLargePages, symbols)))
    return failure();
  for (LLVM::CallOp call : allocations) {
    OpBuilder builder(call->getContext());
    builder.setInsertionPointAfter(call);
    LLVM::CallOp::create(builder, call.getLoc(), TypeRange(),
                         "attn_use_large_pages",
                         ValueRange{call.getResult(), call.getOperand(0)});
    ++numLargePages;
  }
  return success();
}

/// `attn_entry_NAME(arguments, results)`: unpacks the arrays of descriptors.
void ExportEntries::createEntry(LLVM::LLVMFuncOp function,
                                SymbolTable &symbols) {
  Location loc = function.getLoc();
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  OpBuilder builder(&getContext());
  auto type = LLVM::LLVMFunctionType::get(builder.getI32Type(),
                                          {pointer, pointer}, false);
  auto callee = symbols.lookup<LLVM::LLVMFuncOp>(
      ("_mlir_ciface_" + function.getName()).str());
  // The last parameter is the status; how many are results is on record.
  unsigned count = callee.getFunctionType().getNumParams() - 1;
  unsigned numResults = 0;
  if (auto attribute = function->getAttrOfType<IntegerAttr>("attn.results"))
    numResults = attribute.getInt();

  auto entry = LLVM::LLVMFuncOp::create(
      builder, loc, ("attn_entry_" + function.getName()).str(), type);
  entry.setVisibility_(LLVM::Visibility::Protected);
  symbols.insert(entry);
  Block *block = entry.addEntryBlock(builder);
  builder.setInsertionPointToStart(block);
  Value one = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), 1);
  Value status = LLVM::AllocaOp::create(builder, loc, pointer, pointer, one);
  Value null = LLVM::ZeroOp::create(builder, loc, pointer);
  LLVM::StoreOp::create(builder, loc, null, status);
  SmallVector<Value> operands;
  for (unsigned i = 0; i < count; ++i) {
    bool isResult = i >= count - numResults;
    int32_t at = isResult ? i - (count - numResults) : i;
    Value address = LLVM::GEPOp::create(builder, loc, pointer, pointer,
                                        block->getArgument(isResult ? 1 : 0),
                                        ArrayRef<LLVM::GEPArg>{at});
    operands.push_back(LLVM::LoadOp::create(builder, loc, pointer, address));
  }
  operands.push_back(status);
  LLVM::CallOp::create(builder, loc, callee, operands);

  Value message = LLVM::LoadOp::create(builder, loc, pointer, status);
  Value last = LLVM::AddressOfOp::create(builder, loc, pointer, "attn_error");
  LLVM::StoreOp::create(builder, loc, message, last);
  Value failed = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne,
                                      message, null);
  Value code = LLVM::ZExtOp::create(builder, loc, builder.getI32Type(), failed);
  LLVM::ReturnOp::create(builder, loc, code);
  callee.setLinkage(LLVM::Linkage::Internal);
  function.setLinkage(LLVM::Linkage::Internal);
  ++numEntries;
}

/// `attn_shape_NAME(arguments, sizes)`: unpacks the extents of descriptors.
void ExportEntries::createShape(LLVM::LLVMFuncOp function,
                                SymbolTable &symbols) {
  auto callee = symbols.lookup<LLVM::LLVMFuncOp>(
      ("attn_shape_of_" + function.getName()).str());
  if (!callee)
    return;
  Location loc = function.getLoc();
  OpBuilder builder(&getContext());
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  Type i64 = builder.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(&getContext()), {pointer, pointer}, false);
  auto shape = LLVM::LLVMFuncOp::create(
      builder, loc, ("attn_shape_" + function.getName()).str(), type);
  shape.setVisibility_(LLVM::Visibility::Protected);
  symbols.insert(shape);
  Block *block = shape.addEntryBlock(builder);
  builder.setInsertionPointToStart(block);
  auto element = [&](Value base, Type elementType, int64_t i) {
    return LLVM::GEPOp::create(builder, loc, pointer, elementType, base,
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
  };
  auto load = [&](Value base, Type elementType, int64_t i) -> Value {
    return LLVM::LoadOp::create(builder, loc, elementType,
                                element(base, elementType, i));
  };

  // Two pointers and the offset stand before the extents.
  constexpr int64_t header = 3;
  SmallVector<Value> operands;
  for (auto [n, rank] : llvm::enumerate(cpu::getRanks(function, "args")))
    for (int64_t i = 0; i < rank; ++i)
      operands.push_back(
          load(load(block->getArgument(0), pointer, n), i64, header + i));
  auto call = LLVM::CallOp::create(builder, loc, callee, operands);
  int64_t next = 0;
  for (auto [k, rank] : llvm::enumerate(cpu::getRanks(function, "results")))
    for (int64_t i = 0; i < rank; ++i) {
      Value extent = call.getResult();
      if (isa<LLVM::LLVMStructType>(extent.getType()))
        extent = LLVM::ExtractValueOp::create(builder, loc, extent, next++);
      Value sizes = load(block->getArgument(1), pointer, k);
      LLVM::StoreOp::create(builder, loc, extent, element(sizes, i64, i));
    }
  LLVM::ReturnOp::create(builder, loc, ValueRange());
  callee.setLinkage(LLVM::Linkage::Internal);
}

void ExportEntries::createManifest(ArrayRef<LLVM::LLVMFuncOp> entries) {
  auto builder = OpBuilder::atBlockEnd(getOperation().getBody());
  std::string text = cpu::writeManifest(getOperation(), entries);
  text.push_back('\0');
  auto manifest = LLVM::GlobalOp::create(
      builder, getOperation().getLoc(),
      LLVM::LLVMArrayType::get(builder.getI8Type(), text.size()),
      /*isConstant=*/true, LLVM::Linkage::External, "attn_manifest",
      builder.getStringAttr(text));
  manifest.setVisibility_(LLVM::Visibility::Protected);
}

void ExportEntries::runOnOperation() {
  ModuleOp module = getOperation();
  SmallVector<LLVM::LLVMFuncOp> entries;
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr("attn.entry") &&
        !function.getName().starts_with("_mlir_ciface_"))
      entries.push_back(function);
  SymbolTable symbols(module);
  if (failed(addSupport(kSupport, symbols)) || failed(useLargePages(symbols)))
    return signalPassFailure();
  for (LLVM::LLVMFuncOp function : entries) {
    if (!symbols.lookup(("_mlir_ciface_" + function.getName()).str())) {
      function.emitOpError("expected a C interface of the entry");
      return signalPassFailure();
    }
    createEntry(function, symbols);
    createShape(function, symbols);
  }
  createManifest(entries);
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr("attn.body"))
      function.setLinkage(LLVM::Linkage::Internal);
  for (auto global : module.getOps<LLVM::GlobalOp>())
    if (global.getName() != "attn_parallel_for" &&
        global.getName() != "attn_manifest" && global.getName() != "attn_gpu" &&
        global.getLinkage() != LLVM::Linkage::Internal)
      global.setLinkage(LLVM::Linkage::Internal);
}
