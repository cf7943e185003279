//===- LowerHost.cpp - the host's side of a library for GPUs --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-lower-host: what the host does becomes calls through the
// table that the runtime puts into the library.
//
//===----------------------------------------------------------------------===//

#include "TensorMapType.h"

#include "attn/Runtime/GpuTable.h"
#include "attn/Target/GPU/Passes.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/DialectConversion.h"

#define DEBUG_TYPE "attn-gpu-lower-host"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPULOWERHOSTPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// The pointer to the table, which the runtime sets when it loads the library.
static constexpr StringLiteral kTable = "attn_gpu";

/// Marks what stays the host's memory.
static constexpr StringLiteral kHost = "attn.host";

namespace {

/// Calls through the table.
class Table {
public:
  Table(OpBuilder &builder, Location loc)
      : builder(builder), loc(loc),
        pointer(LLVM::LLVMPointerType::get(builder.getContext())) {}

  /// Calls function number `field`; a null `result` is none.
  Value call(AttnGpuFunction field, Type result, ValueRange arguments) {
    Value address = LLVM::AddressOfOp::create(builder, loc, pointer, kTable);
    Value table = LLVM::LoadOp::create(builder, loc, pointer, address);
    Value place =
        LLVM::GEPOp::create(builder, loc, pointer, pointer, table,
                            ArrayRef<LLVM::GEPArg>{static_cast<int>(field)});
    Value function = LLVM::LoadOp::create(builder, loc, pointer, place);
    auto type = LLVM::LLVMFunctionType::get(
        result ? result : LLVM::LLVMVoidType::get(builder.getContext()),
        llvm::to_vector(arguments.getTypes()));
    SmallVector<Value> operands = {function};
    llvm::append_range(operands, arguments);
    auto made = LLVM::CallOp::create(builder, loc, type, operands);
    return result ? made.getResult() : Value();
  }

  Value integer(Type type, int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, type, value);
  }

  /// Memory of the function's frame, at its start: a loop must not grow it.
  Value frame(Operation *user, Type type) {
    OpBuilder::InsertionGuard guard(builder);
    auto function = user->getParentOfType<FunctionOpInterface>();
    builder.setInsertionPointToStart(&function.getFunctionBody().front());
    Value one = integer(builder.getI64Type(), 1);
    return LLVM::AllocaOp::create(builder, loc, pointer, type, one);
  }

  OpBuilder &builder;
  Location loc;
  LLVM::LLVMPointerType pointer;
};

struct LowerAlloc : ConvertOpToLLVMPattern<memref::AllocOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(memref::AllocOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    SmallVector<Value> sizes, strides;
    Value bytes;
    getMemRefDescriptorSizes(loc, op.getType(), adaptor.getDynamicSizes(),
                             rewriter, sizes, strides, bytes);
    Value memory =
        Table(rewriter, loc).call(ATTN_GPU_ALLOCATE, getPtrType(), {bytes});
    rewriter.replaceOp(
        op, {createMemRefDescriptor(loc, op.getType(), memory, memory, sizes,
                                    strides, rewriter)});
    return success();
  }
};

struct LowerDealloc : ConvertOpToLLVMPattern<memref::DeallocOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(memref::DeallocOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    MemRefDescriptor descriptor(adaptor.getMemref());
    Table(rewriter, loc)
        .call(ATTN_GPU_FREE, Type(), {descriptor.allocatedPtr(rewriter, loc)});
    rewriter.eraseOp(op);
    return success();
  }
};

struct LowerCopy : ConvertOpToLLVMPattern<memref::CopyOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(memref::CopyOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = cast<MemRefType>(op.getSource().getType());
    auto to = cast<MemRefType>(op.getTarget().getType());
    if (!type.getLayout().isIdentity() || !to.getLayout().isIdentity())
      return rewriter.notifyMatchFailure(op, "expected contiguous buffers");
    Location loc = op.getLoc();
    MemRefDescriptor source(adaptor.getSource()), target(adaptor.getTarget());
    SmallVector<Value> dynamic, sizes, strides;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.isDynamicDim(i))
        dynamic.push_back(source.size(rewriter, loc, i));
    Value bytes;
    getMemRefDescriptorSizes(loc, type, dynamic, rewriter, sizes, strides,
                             bytes);
    const LLVMTypeConverter &converter = *getTypeConverter();
    Value from = source.bufferPtr(rewriter, loc, converter, type);
    Value into = target.bufferPtr(rewriter, loc, converter, to);
    Table(rewriter, loc).call(ATTN_GPU_COPY, Type(), {into, from, bytes});
    rewriter.eraseOp(op);
    return success();
  }
};

/// A constant on the device: the copy that the runtime keeps of the library's.
struct LowerConstant : ConvertOpToLLVMPattern<memref::GetGlobalOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(memref::GetGlobalOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    MemRefType type = op.getType();
    auto host = memref::GetGlobalOp::create(rewriter, loc, type, op.getName());
    host->setAttr(kHost, rewriter.getUnitAttr());
    Value index =
        memref::ExtractAlignedPointerAsIndexOp::create(rewriter, loc, host);
    Value word =
        arith::IndexCastOp::create(rewriter, loc, rewriter.getI64Type(), index);
    Value address = LLVM::IntToPtrOp::create(rewriter, loc, getPtrType(), word);
    SmallVector<Value> sizes, strides;
    Value bytes;
    getMemRefDescriptorSizes(loc, type, {}, rewriter, sizes, strides, bytes);
    Value memory = Table(rewriter, loc)
                       .call(ATTN_GPU_CONSTANT, getPtrType(), {address, bytes});
    rewriter.replaceOp(op, {createMemRefDescriptor(loc, type, memory, memory,
                                                   sizes, strides, rewriter)});
    return success();
  }
};

/// One element for the host.
struct LowerLoad : ConvertOpToLLVMPattern<memref::LoadOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(memref::LoadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type type = getTypeConverter()->convertType(op.getType());
    Value address =
        getStridedElementPtr(rewriter, loc, op.getMemRefType(),
                             adaptor.getMemref(), adaptor.getIndices());
    Table table(rewriter, loc);
    Value place = table.frame(op, type);
    table.call(ATTN_GPU_READ, Type(),
               {place, address, getSizeInBytes(loc, type, rewriter)});
    rewriter.replaceOpWithNewOp<LLVM::LoadOp>(op, type, place);
    return success();
  }
};

/// Fills in an AttnTensorMap.
class MapWriter {
public:
  MapWriter(Table &table, Value map)
      : b(table.builder), loc(table.loc), table(table), map(map) {}

  /// Address, extents and strides; a map has the innermost dimension first.
  void describe(Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    int64_t bytes = type.getElementTypeBitWidth() / 8, rank = type.getRank();
    auto strided = memref::ExtractStridedMetadataOp::create(b, loc, memref);
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memref);
    Value offset = scale(strided.getOffset(), bytes);
    store(offsetof(AttnTensorMap, address),
          arith::AddIOp::create(b, loc, base, offset));
    for (int64_t dim = 0; dim < rank; ++dim) {
      int64_t from = rank - 1 - dim, at = dim * sizeof(uint64_t);
      store(offsetof(AttnTensorMap, extents) + at, strided.getSizes()[from]);
      if (dim > 0)
        store(offsetof(AttnTensorMap, strides) + at - sizeof(uint64_t),
              scale(strided.getStrides()[from], bytes));
    }
  }
  /// What the type says.
  void describe(nvgpu::TensorMapDescriptorType type, AttnMapElement element) {
    ArrayRef<int64_t> box = type.getTensor().getShape();
    for (auto [dim, extent] : llvm::enumerate(llvm::reverse(box)))
      store(offsetof(AttnTensorMap, box) + dim * sizeof(uint32_t),
            table.integer(b.getI32Type(), extent));
    auto storeByte = [&](int64_t at, int64_t value) {
      store(at, table.integer(b.getI8Type(), value));
    };
    storeByte(offsetof(AttnTensorMap, rank), int64_t(box.size()));
    storeByte(offsetof(AttnTensorMap, element), element);
    storeByte(offsetof(AttnTensorMap, swizzle), int64_t(type.getSwizzle()));
    storeByte(offsetof(AttnTensorMap, promotion), int64_t(type.getL2promo()));
  }

private:
  Value scale(Value index, int64_t factor) {
    return arith::MulIOp::create(
        b, loc, index, arith::ConstantIndexOp::create(b, loc, factor));
  }
  void store(int64_t at, Value value) {
    if (value.getType().isIndex())
      value = arith::IndexCastOp::create(b, loc, b.getI64Type(), value);
    Value place =
        LLVM::GEPOp::create(b, loc, table.pointer, b.getI8Type(), map,
                            ArrayRef<LLVM::GEPArg>{static_cast<int>(at)});
    LLVM::StoreOp::create(b, loc, value, place);
  }

  OpBuilder &b;
  Location loc;
  Table &table;
  Value map;
};

std::optional<AttnMapElement> toMapElement(Type element) {
  if (element.isF16())
    return ATTN_MAP_F16;
  if (element.isBF16())
    return ATTN_MAP_BF16;
  if (element.isF32())
    return ATTN_MAP_F32;
  return std::nullopt;
}

/// A description in the frame, which the launch hands to the runtime.
struct LowerMap : ConvertOpToLLVMPattern<nvgpu::TmaCreateDescriptorOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult
  matchAndRewrite(nvgpu::TmaCreateDescriptorOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto cast = op.getTensor().getDefiningOp<memref::CastOp>();
    auto source =
        cast ? dyn_cast<MemRefType>(cast.getSource().getType()) : MemRefType();
    nvgpu::TensorMapDescriptorType type = op.getTensorMap().getType();
    auto element = toMapElement(type.getTensor().getElementType());
    if (!source || !element || source.getRank() != type.getTensor().getRank())
      return rewriter.notifyMatchFailure(
          op, "expected a memref of the box's rank, of f16, bf16 or f32");
    Table table(rewriter, op.getLoc());
    Value map = table.frame(op, getTensorMapBytes(rewriter.getContext()));
    MapWriter writer(table, map);
    writer.describe(cast.getSource());
    writer.describe(type, *element);
    rewriter.replaceOp(op, map);
    return success();
  }
};

struct LowerLaunch : ConvertOpToLLVMPattern<mlir::gpu::LaunchFuncOp> {
  LowerLaunch(const LLVMTypeConverter &converter,
              const llvm::DenseMap<Attribute, int32_t> &numbers)
      : ConvertOpToLLVMPattern(converter), numbers(numbers) {}

  LogicalResult
  matchAndRewrite(mlir::gpu::LaunchFuncOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Table table(rewriter, loc);
    auto number = numbers.find(op.getKernelAttr());
    if (number == numbers.end())
      return rewriter.notifyMatchFailure(op, "expected a kernel of the module");
    Type i64 = rewriter.getI64Type();
    Value shared = adaptor.getDynamicSharedMemorySize();
    shared = shared ? LLVM::ZExtOp::create(rewriter, loc, i64, shared)
                    : table.integer(i64, 0);
    Value geometry =
        fillFrame(table, op,
                  {adaptor.getGridSizeX(), adaptor.getGridSizeY(),
                   adaptor.getGridSizeZ(), adaptor.getBlockSizeX(),
                   adaptor.getBlockSizeY(), adaptor.getBlockSizeZ(), shared});
    SmallVector<Value> addresses;
    for (auto [operand, converted] :
         llvm::zip_equal(op.getKernelOperands(), adaptor.getKernelOperands())) {
      if (isa<nvgpu::TensorMapDescriptorType>(operand.getType())) {
        addresses.push_back(converted);
        continue;
      }
      for (Value scalar : getTypeConverter()->promoteOperands(
               loc, operand, converted, rewriter)) {
        Value place = table.frame(op, scalar.getType());
        LLVM::StoreOp::create(rewriter, loc, scalar, place);
        addresses.push_back(place);
      }
    }
    Value parameters = addresses.empty()
                           ? LLVM::ZeroOp::create(rewriter, loc, table.pointer)
                           : fillFrame(table, op, addresses);
    Value kernel = table.integer(rewriter.getI32Type(), number->second);
    table.call(ATTN_GPU_LAUNCH, Type(), {kernel, geometry, parameters});
    rewriter.eraseOp(op);
    return success();
  }

private:
  /// An array of `values` in the frame.
  static Value fillFrame(Table &table, Operation *op, ArrayRef<Value> values) {
    Type element = values.front().getType();
    auto type = LLVM::LLVMArrayType::get(element, values.size());
    Value array = table.frame(op, type);
    for (auto [i, value] : llvm::enumerate(values)) {
      Value place = LLVM::GEPOp::create(
          table.builder, table.loc, table.pointer, element, array,
          ArrayRef<LLVM::GEPArg>{static_cast<int>(i)});
      LLVM::StoreOp::create(table.builder, table.loc, value, place);
    }
    return array;
  }

  const llvm::DenseMap<Attribute, int32_t> &numbers;
};

struct LowerHost : attn::impl::AttnGPULowerHostPassBase<LowerHost> {
  void runOnOperation() override;

private:
  LogicalResult check();
  void addTable();
  llvm::DenseMap<Attribute, int32_t> numberKernels();
  void recordShared(const llvm::DenseMap<Attribute, int32_t> &numbers);
};

} // namespace

/// What the host cannot do, told with its place.
LogicalResult LowerHost::check() {
  WalkResult result =
      getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (isa<mlir::gpu::GPUModuleOp>(op))
          return WalkResult::skip();
        if (isa<memref::StoreOp>(op))
          op->emitOpError(
              "expected no store to the device's memory outside of a "
              "kernel");
        else if (isa<memref::LoadOp>(op) &&
                 op->getParentOfType<LoopLikeOpInterface>())
          op->emitOpError("expected no load from the device's memory in a loop "
                          "outside of a kernel");
        else if (isa<memref::ReallocOp, memref::AllocaOp>(op) ||
                 op->getName().getDialectNamespace() == "attn")
          op->emitOpError("expected an operation that has a kernel on GPUs");
        else
          return WalkResult::advance();
        return WalkResult::interrupt();
      });
  return failure(result.wasInterrupted());
}

void LowerHost::addTable() {
  auto builder = OpBuilder::atBlockBegin(getOperation().getBody());
  Location loc = getOperation().getLoc();
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  auto table =
      LLVM::GlobalOp::create(builder, loc, pointer,
                             /*isConstant=*/false, LLVM::Linkage::External,
                             kTable, Attribute(), /*alignment=*/8);
  table.setVisibility_(LLVM::Visibility::Protected);
  builder.createBlock(&table.getInitializerRegion());
  Value null = LLVM::ZeroOp::create(builder, loc, pointer);
  LLVM::ReturnOp::create(builder, loc, null);
}

/// Numbers the kernels in order, and puts their names on record.
llvm::DenseMap<Attribute, int32_t> LowerHost::numberKernels() {
  llvm::DenseMap<Attribute, int32_t> numbers;
  SmallVector<Attribute> names;
  for (auto kernels : getOperation().getOps<mlir::gpu::GPUModuleOp>())
    for (Operation &op : *kernels.getBody()) {
      if (!op.hasAttr(mlir::gpu::GPUDialect::getKernelFuncAttrName()))
        continue;
      auto name = SymbolTable::getSymbolName(&op);
      auto reference = SymbolRefAttr::get(kernels.getNameAttr(),
                                          {FlatSymbolRefAttr::get(name)});
      numbers[reference] = names.size();
      names.push_back(name);
    }
  getOperation()->setAttr("attn.kernels", ArrayAttr::get(&getContext(), names));
  return numbers;
}

/// Puts on record how much shared memory launches give each kernel at most.
void LowerHost::recordShared(
    const llvm::DenseMap<Attribute, int32_t> &numbers) {
  SmallVector<int64_t> bytes(numbers.size(), 0);
  getOperation().walk([&](mlir::gpu::LaunchFuncOp launch) {
    ++numLaunches;
    auto number = numbers.find(launch.getKernelAttr());
    Value shared = launch.getDynamicSharedMemorySize();
    std::optional<int64_t> size =
        shared ? getConstantIntValue(shared) : std::nullopt;
    if (number != numbers.end() && size)
      bytes[number->second] = std::max(bytes[number->second], *size);
  });
  getOperation()->setAttr("attn.kernel_shared",
                          DenseI64ArrayAttr::get(&getContext(), bytes));
}

void LowerHost::runOnOperation() {
  if (failed(check()))
    return signalPassFailure();
  addTable();
  llvm::DenseMap<Attribute, int32_t> numbers = numberKernels();
  recordShared(numbers);

  LLVMTypeConverter converter(&getContext());
  addTensorMapConversion(converter);
  RewritePatternSet patterns(&getContext());
  patterns.add<LowerAlloc, LowerDealloc, LowerCopy, LowerConstant, LowerLoad,
               LowerMap>(converter);
  patterns.add<LowerLaunch>(converter, numbers);
  ConversionTarget target(getContext());
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  target.addIllegalOp<memref::AllocOp, memref::DeallocOp, memref::CopyOp,
                      memref::LoadOp, mlir::gpu::LaunchFuncOp,
                      nvgpu::TmaCreateDescriptorOp>();
  target.addDynamicallyLegalOp<memref::GetGlobalOp>(
      [](Operation *op) { return op->hasAttr(kHost); });
  target.addLegalOp<mlir::gpu::GPUModuleOp>();
  target.markOpRecursivelyLegal<mlir::gpu::GPUModuleOp>(); // of legal ones
  if (failed(
          applyPartialConversion(getOperation(), target, std::move(patterns))))
    return signalPassFailure();
}
