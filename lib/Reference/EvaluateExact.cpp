//===- EvaluateExact.cpp - a whole function in f64 ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies the module, makes it f64, lowers it by upstream's passes and runs it
// in this process. What the model means and not how fast it can be.
//
//===----------------------------------------------------------------------===//

#include "ExactPipeline.h"
#include "attn/Reference/Reference.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <csetjmp>

using namespace mlir;
using namespace mlir::attn::reference;

namespace {
/// Where a failed assertion of the running code returns to. Its frames own
/// nothing that a destructor would free.
struct CheckFrame {
  std::jmp_buf target;
  int64_t failed = 0;
};
thread_local CheckFrame *currentFrame = nullptr;

void checkFunction(int64_t holds, int64_t number) {
  if (holds != 0)
    return;
  currentFrame->failed = number;
  std::longjmp(currentFrame->target, 1);
}

/// A strided memref's descriptor of any rank, as compiled code passes it.
struct Descriptor {
  std::vector<int64_t> words;

  explicit Descriptor(size_t rank) : words(3 + 2 * rank) {}
  char *data(unsigned size) const {
    return reinterpret_cast<char *>(words[1]) + words[2] * size;
  }
  void *allocated() const { return reinterpret_cast<void *>(words[0]); }
};

unsigned byteSize(Type type) {
  return type.isIndex() ? 8 : llvm::divideCeil(type.getIntOrFloatBitWidth(), 8);
}

/// Elements are f64, or integers of whole bytes, or i1 in a byte.
void writeElement(Type type, char *at, double value) {
  if (type.isF64()) {
    std::memcpy(at, &value, sizeof value);
    return;
  }
  auto integer = static_cast<int64_t>(value);
  if (type.isInteger(1))
    integer = value != 0;
  std::memcpy(at, &integer, byteSize(type));
}

double readElement(Type type, const char *at) {
  if (type.isF64()) {
    double value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  uint64_t bits = 0;
  std::memcpy(&bits, at, byteSize(type));
  if (type.isInteger(1))
    return static_cast<double>(bits & 1);
  if (type.isUnsignedInteger())
    return static_cast<double>(bits);
  return static_cast<double>(llvm::SignExtend64(bits, byteSize(type) * 8));
}

bool isSupported(Type type) {
  if (type.isF64() || type.isIndex() || type.isInteger(1))
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  return integer && (integer.getWidth() == 8 || integer.getWidth() == 16 ||
                     integer.getWidth() == 32 || integer.getWidth() == 64);
}

/// Arguments and results must be ranked tensors, and the inputs fit them.
LogicalResult checkSignature(func::FuncOp func, ArrayRef<Array> inputs) {
  for (Type type : llvm::concat<const Type>(func.getArgumentTypes(),
                                            func.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !isSupported(tensor.getElementType()))
      return func.emitOpError() << "expected arguments and results to be "
                                   "ranked tensors of numbers, got "
                                << type;
  }
  if (inputs.size() != func.getNumArguments())
    return func.emitOpError() << "expected " << func.getNumArguments()
                              << " inputs, got " << inputs.size();
  for (auto [number, type, input] :
       llvm::enumerate(func.getArgumentTypes(), inputs)) {
    auto shape = cast<RankedTensorType>(type).getShape();
    bool fits = shape.size() == input.shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i)
      fits = ShapedType::isDynamic(shape[i]) || shape[i] == input.shape[i];
    if (!fits)
      return func.emitOpError()
             << "expected input " << number << " to fit " << type
             << ", got a shape of ["
             << llvm::join(llvm::map_range(
                               input.shape,
                               [](int64_t n) { return std::to_string(n); }),
                           ", ")
             << "]";
  }
  return success();
}

/// The inputs as buffers of their own, since the code may overwrite them.
class Buffers {
public:
  Buffers(FunctionType type, ArrayRef<Array> inputs) {
    for (auto [argumentType, input] : llvm::zip_equal(type.getInputs(), inputs))
      add(cast<RankedTensorType>(argumentType).getElementType(), input);
    size_t words = 0;
    for (Type result : type.getResults())
      words += 3 + 2 * cast<RankedTensorType>(result).getRank();
    results.resize(std::max<size_t>(words, 1));
  }

  /// One pointer per argument of the C interface: the results, then the
  /// descriptors.
  SmallVector<void *> pack(bool hasResults) {
    pointers.clear();
    if (hasResults)
      pointers.push_back(results.data());
    for (Descriptor &one : arguments)
      pointers.push_back(one.words.data());
    return llvm::map_to_vector(
        pointers, [](void *&pointer) -> void * { return &pointer; });
  }

  std::vector<Array> takeResults(FunctionType type);

private:
  void add(Type type, const Array &input) {
    unsigned size = byteSize(type);
    data.emplace_back(std::max<size_t>(input.values.size() * size, 64));
    for (auto [i, value] : llvm::enumerate(input.values))
      writeElement(type, data.back().data() + i * size, value);
    Descriptor one(input.shape.size());
    one.words[0] = one.words[1] = reinterpret_cast<int64_t>(data.back().data());
    int64_t stride = 1, rank = input.shape.size();
    for (int64_t r = rank - 1; r >= 0; --r) {
      one.words[3 + r] = input.shape[r];
      one.words[3 + rank + r] = stride;
      stride *= input.shape[r];
    }
    arguments.push_back(std::move(one));
  }

  std::vector<std::vector<char>> data;
  std::vector<Descriptor> arguments;
  std::vector<int64_t> results;
  std::vector<void *> pointers;
};

/// Results are contiguous and belong to the caller.
std::vector<Array> Buffers::takeResults(FunctionType type) {
  std::vector<Array> arrays;
  size_t next = 0;
  for (Type result : type.getResults()) {
    auto tensor = cast<RankedTensorType>(result);
    Descriptor one(tensor.getRank());
    std::copy_n(results.begin() + next, one.words.size(), one.words.begin());
    next += one.words.size();
    Array array(ArrayRef(one.words).slice(3, tensor.getRank()));
    unsigned size = byteSize(tensor.getElementType());
    for (auto [i, value] : llvm::enumerate(array.values))
      value = readElement(tensor.getElementType(), one.data(size) + i * size);
    std::free(one.allocated());
    arrays.push_back(std::move(array));
  }
  return arrays;
}

/// Numbers that a run reads: inputs, and constants such as weights.
int64_t countNumbers(ModuleOp module, ArrayRef<Array> inputs) {
  int64_t count = 0;
  for (const Array &input : inputs)
    count += int64_t(input.values.size());
  module.walk([&](arith::ConstantOp op) {
    if (auto elements = dyn_cast<ElementsAttr>(op.getValue()))
      count += elements.isSplat() ? 1 : elements.getNumElements();
  });
  return count;
}

/// A small problem runs in no time, however it is compiled: then most of the
/// time would go into optimisation.
llvm::Expected<std::unique_ptr<ExecutionEngine>> compile(ModuleOp module,
                                                         bool isSmall) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto machineBuilder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!machineBuilder)
    return machineBuilder.takeError();
  auto machine = machineBuilder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  auto optimise = makeOptimizingTransformer(
      /*optLevel=*/isSmall ? 0 : 2, /*sizeLevel=*/0, machine->get());
  ExecutionEngineOptions options;
  if (isSmall)
    options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::None;
  options.transformer = optimise;
  options.enableGDBNotificationListener =
      options.enablePerfNotificationListener = false;
  auto engine = ExecutionEngine::create(module, options);
  if (!engine)
    return engine.takeError();
  (*engine)->registerSymbols([](llvm::orc::MangleAndInterner mangle) {
    llvm::orc::SymbolMap symbols;
    symbols[mangle(kCheckFunction)] = {
        llvm::orc::ExecutorAddr::fromPtr(&checkFunction),
        llvm::JITSymbolFlags::Exported};
    return symbols;
  });
  return engine;
}

/// Runs the code; a failed assertion comes back as its number.
std::optional<int64_t> runChecked(void (*function)(void **),
                                  SmallVector<void *> arguments) {
  CheckFrame frame;
  CheckFrame *outer = std::exchange(currentFrame, &frame);
  bool hasFailed = setjmp(frame.target) != 0;
  if (!hasFailed)
    function(arguments.data());
  currentFrame = outer;
  return hasFailed ? std::optional(frame.failed) : std::nullopt;
}
} // namespace

FailureOr<std::vector<Array>>
mlir::attn::reference::evaluateExact(ModuleOp module, StringRef entry,
                                     ArrayRef<Array> inputs) {
  MLIRContext *context = module.getContext();
  DialectRegistry registry;
  registerExactPipelineExtensions(registry);
  context->appendDialectRegistry(registry);
  context->loadAllAvailableDialects();

  OwningOpRef<ModuleOp> copy(module.clone());
  auto func = copy->lookupSymbol<func::FuncOp>(entry);
  if (!func || func.isDeclaration())
    return module.emitError()
           << "expected a function @" << entry << " with a body";
  if (failed(convertFloatsToDouble(*copy)) ||
      failed(checkSignature(func, inputs)))
    return failure();
  for (auto other : copy->getOps<FunctionOpInterface>())
    other.setPrivate();
  func.setPublic();
  func->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                UnitAttr::get(context));
  FunctionType type = func.getFunctionType();

  PassManager decompose(context), lower(context);
  addDecomposition(decompose);
  addLowering(lower);
  if (failed(decompose.run(*copy)))
    return failure();
  std::vector<std::string> messages = callCheckFunction(*copy);
  constexpr int64_t kSmall = 1 << 14;
  bool isSmall = countNumbers(*copy, inputs) <= kSmall;
  if (failed(lower.run(*copy)))
    return failure();

  auto engine = compile(*copy, isSmall);
  if (!engine)
    return module.emitError() << "the reference could not be compiled: "
                              << llvm::toString(engine.takeError());
  auto function = (*engine)->lookupPacked(("_mlir_ciface_" + entry).str());
  if (!function)
    return module.emitError() << "the reference could not be compiled: "
                              << llvm::toString(function.takeError());
  Buffers buffers(type, inputs);
  if (auto failed =
          runChecked(*function, buffers.pack(type.getNumResults() != 0)))
    return module.emitError()
           << "the model refuses its inputs: " << messages[*failed];
  return buffers.takeResults(type);
}
