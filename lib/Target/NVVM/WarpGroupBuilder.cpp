//===- WarpGroupBuilder.cpp - wgmma and mbarriers of sm_90a ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions from the PTX ISA's "Asynchronous Warpgroup Level Matrix
// Instructions" and "mbarrier". Products are inline assembly: the NVVM dialect
// has none with a left operand in registers. Fences and waits are assembly that
// the registers pass through, as nothing else keeps LLVM from moving a use of
// an accumulator across them.
//
//===----------------------------------------------------------------------===//

#include "WarpGroupBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn::nvvm;

static Value constant64(FragmentBuilder &f, uint64_t value) {
  return arith::ConstantOp::create(f.b, f.loc,
                                   f.b.getI64IntegerAttr(int64_t(value)));
}

/// Start, leading and stride offsets in units of 16 bytes, and the swizzle.
Value WarpGroupBuilder::describe(const SwizzledTile &tile, int64_t leading) {
  constexpr uint64_t swizzle = uint64_t(1) << 62;
  constexpr uint64_t stride = 8 * SwizzledTile::rowBytes;
  Value address =
      LLVM::PtrToIntOp::create(f.b, f.loc, f.b.getI64Type(), tile.base);
  Value start = arith::ShRUIOp::create(f.b, f.loc, address, constant64(f, 4));
  return arith::OrIOp::create(f.b, f.loc, start,
                              constant64(f, swizzle | stride / 16 << 32 |
                                                uint64_t(leading) / 16 << 16));
}

Value WarpGroupBuilder::describeRows(const SwizzledTile &tile) {
  return describe(tile, 16); // not used by swizzled operands of this kind
}

Value WarpGroupBuilder::describeColumns(const SwizzledTile &tile) {
  return describe(tile, tile.blockBytes());
}

Value WarpGroupBuilder::advance(Value descriptor, Value bytes) {
  Value wide =
      f.b.createOrFold<arith::IndexCastOp>(f.loc, f.b.getI64Type(), bytes);
  Value units = arith::ShRUIOp::create(f.b, f.loc, wide, constant64(f, 4));
  return arith::AddIOp::create(f.b, f.loc, descriptor, units);
}

Value WarpGroupBuilder::advance(Value descriptor, int64_t bytes) {
  if (bytes == 0)
    return descriptor;
  return arith::AddIOp::create(f.b, f.loc, descriptor,
                               constant64(f, uint64_t(bytes) / 16));
}

int64_t WarpGroupBuilder::stepAlongRows(const SwizzledTile &tile,
                                        int64_t step) {
  constexpr int64_t perBlock = SwizzledTile::blockColumns / depth;
  return step / perBlock * tile.blockBytes() + step % perBlock * depth * 2;
}

namespace {
/// Inline assembly with results, the arguments that they replace, and more.
SmallVector<Value> emitAssembly(FragmentBuilder &f, StringRef text,
                                ArrayRef<Type> results, ValueRange tied,
                                ValueRange others, StringRef constraints) {
  SmallVector<std::string> all;
  for (Type type : results)
    all.push_back(type.isF32() ? "=f" : "=r");
  for (size_t i = 0; i < tied.size(); ++i)
    all.push_back(std::to_string(i));
  if (!constraints.empty())
    all.push_back(constraints.str());
  SmallVector<Value> arguments(tied);
  llvm::append_range(arguments, others);
  Type type = results.empty() ? Type()
              : results.size() == 1
                  ? results.front()
                  : LLVM::LLVMStructType::getLiteral(f.b.getContext(), results);
  auto dialect =
      LLVM::AsmDialectAttr::get(f.b.getContext(), LLVM::AsmDialect::AD_ATT);
  auto made = LLVM::InlineAsmOp::create(
      f.b, f.loc, type, arguments, text, llvm::join(all, ","),
      /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::tailcallkind::TailCallKind::None, dialect, ArrayAttr());
  if (results.size() <= 1)
    return SmallVector<Value>(made->getResults());
  SmallVector<Value> values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(
        LLVM::ExtractValueOp::create(f.b, f.loc, made.getRes(), i));
  return values;
}

/// "$first, $(first + 1), …"
std::string listOperands(size_t first, size_t count) {
  SmallVector<std::string> names;
  for (size_t i = 0; i < count; ++i)
    names.push_back("$" + std::to_string(first + i));
  return llvm::join(names, ", ");
}
} // namespace

void WarpGroupBuilder::pass(StringRef text, MutableArrayRef<Value> registers) {
  SmallVector<Type> types(ValueRange(registers).getTypes());
  SmallVector<Value> after =
      emitAssembly(f, text, types, registers, ValueRange(), "");
  llvm::copy(after, registers.begin());
}

void WarpGroupBuilder::fence(MutableArrayRef<Value> registers) {
  pass("wgmma.fence.sync.aligned;", registers);
}

void WarpGroupBuilder::commit() {
  NVVM::WgmmaGroupSyncAlignedOp::create(f.b, f.loc);
}

void WarpGroupBuilder::wait(int64_t pending, MutableArrayRef<Value> registers) {
  pass(llvm::formatv("wgmma.wait_group.sync.aligned {0};", pending).str(),
       registers);
}

void WarpGroupBuilder::multiply(MutableArrayRef<Value> sum, ValueRange left,
                                Value right, Type element, bool overRows,
                                bool accumulate) {
  size_t count = sum.size(), next = accumulate ? 2 * count : count;
  std::string type = element.isF16() ? "f16" : "bf16";
  std::string a = listOperands(next, left.size());
  bool isInRegisters = left.size() > 1;
  if (isInRegisters)
    a = "{" + a + "}";
  std::string text =
      llvm::formatv(
          "{{ .reg .pred p; setp.ne.b32 p, {0}, 0; "
          "wgmma.mma_async.sync.aligned.m64n{1}k16.f32.{2}.{2} {{{3}}, {4}, "
          "${5}, p, 1, 1, {6}{7}; }",
          int(accumulate), count * 2, type, listOperands(0, count), a,
          next + left.size(), isInRegisters ? "" : "0, ", int(overRows))
          .str();
  SmallVector<Value> others(left);
  others.push_back(right);
  SmallVector<Type> types(count, f.b.getF32Type());
  SmallVector<Value> after =
      emitAssembly(f, text, types, accumulate ? ValueRange(sum) : ValueRange(),
                   others, isInRegisters ? "r,r,r,r,l" : "l,l");
  llvm::copy(after, sum.begin());
}

void WarpGroupBuilder::initBarrier(Value barrier, int64_t arrivals) {
  NVVM::MBarrierInitOp::create(f.b, f.loc, barrier, f.i32(arrivals), Value());
}

void WarpGroupBuilder::arrive(Value barrier) {
  auto scope =
      NVVM::MemScopeKindAttr::get(f.b.getContext(), NVVM::MemScopeKind::CTA);
  NVVM::MBarrierArriveOp::create(f.b, f.loc, f.b.getI64Type(), barrier,
                                 /*count=*/Value(), scope);
}

void WarpGroupBuilder::arriveAfterCopies(Value barrier) {
  NVVM::CpAsyncMBarrierArriveOp::create(f.b, f.loc, barrier,
                                        f.b.getBoolAttr(true));
}

void WarpGroupBuilder::await(Value barrier, Value parity) {
  constexpr int64_t nanoseconds = 10'000'000;
  NVVM::MBarrierTryWaitParityOp::create(f.b, f.loc, barrier, parity,
                                        f.i32(nanoseconds));
}

void WarpGroupBuilder::fenceProxy() {
  MLIRContext *context = f.b.getContext();
  NVVM::FenceProxyOp::create(
      f.b, f.loc,
      NVVM::ProxyKindAttr::get(context, NVVM::ProxyKind::async_shared),
      NVVM::SharedSpaceAttr::get(context, NVVM::SharedSpace::shared_cta));
}

void WarpGroupBuilder::sync(Value id, int64_t threads) {
  NVVM::BarrierOp::create(f.b, f.loc, TypeRange(), id, f.i32(threads),
                          NVVM::BarrierReductionAttr(), Value());
}

void WarpGroupBuilder::arriveAt(Value id, int64_t threads) {
  NVVM::BarrierArriveOp::create(f.b, f.loc, id, f.i32(threads));
}

Value WarpGroupBuilder::elect() {
  return NVVM::ElectSyncOp::create(f.b, f.loc, f.b.getI1Type(), Value());
}

void WarpGroupBuilder::setRegisters(int64_t count, bool isMore) {
  auto action = isMore ? NVVM::SetMaxRegisterAction::increase
                       : NVVM::SetMaxRegisterAction::decrease;
  NVVM::SetMaxRegisterOp::create(
      f.b, f.loc, f.b.getI32IntegerAttr(int32_t(count)),
      NVVM::SetMaxRegisterActionAttr::get(f.b.getContext(), action));
}

void attn::nvvm::stageSwizzled(FragmentBuilder &f, const SwizzledTile &tile,
                               int64_t columns, const GlobalRows &source,
                               function_ref<RowOrigin(Value row)> origin) {
  constexpr int64_t perChunk = 8, perRow = 8;
  int64_t chunks = columns / perChunk, given = source.getColumns() / perChunk;
  // Lanes side by side have chunks side by side; a lane keeps its chunk.
  int64_t slots = llvm::PowerOf2Ceil(chunks), each = f.at.threads() / slots;
  Value slot = f.b.createOrFold<arith::RemUIOp>(f.loc, f.at.thread,
                                                f.index(slots)),
        first = f.b.createOrFold<arith::DivUIOp>(f.loc, f.at.thread,
                                                 f.index(slots));
  Value block = f.b.createOrFold<arith::DivUIOp>(f.loc, slot, f.index(perRow)),
        inBlock =
            f.b.createOrFold<arith::RemUIOp>(f.loc, slot, f.index(perRow));
  Value blockAt = f.offset(tile.base, f.mul(block, tile.blockBytes()));
  Value isGiven = given < slots ? f.less(slot, f.index(given)) : Value();
  Value columnAt = f.mul(slot, 2 * perChunk), firstAddress;
  auto copyRow = [&](int64_t done) {
    Value row = f.add(first, done);
    RowOrigin from = origin(row);
    Value isThere = isGiven ? f.both(from.isThere, isGiven) : from.isThere;
    // One register for all rows, where they are equally far apart.
    std::optional<int64_t> rowBytes = source.getRowBytes();
    Value address;
    if (!firstAddress || !rowBytes)
      address = f.add(source.rowAddress(from.indices), columnAt);
    else
      address = f.add(firstAddress, done * *rowBytes);
    if (!firstAddress)
      firstAddress = address;
    Value swizzled = arith::XOrIOp::create(
        f.b, f.loc, inBlock,
        f.b.createOrFold<arith::RemUIOp>(f.loc, row, f.index(perRow)));
    Value to = f.offset(blockAt, f.add(f.mul(row, SwizzledTile::rowBytes),
                                       f.mul(swizzled, 2 * perChunk)));
    NVVM::CpAsyncOp::create(f.b, f.loc, to, toGlobalPointer(f, address), 16,
                            NVVM::LoadCacheModifierKind::CG,
                            f.select(isThere, f.i32(16), f.i32(0)));
  };
  auto copyRows = [&] {
    for (int64_t done = 0; done < tile.rows; done += each)
      copyRow(done);
  };
  if (chunks == slots)
    copyRows();
  else
    f.ifThen(f.less(slot, f.index(chunks)), copyRows);
}
