// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What --compare=exact compares with: the IR that was compiled, evaluated in
// f64 on the same inputs.

#include "Model.h"

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Pipelines/InitAll.h"
#include "attn/Pipelines/Phases.h"
#include "attn/Reference/Reference.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

namespace attn::run {

namespace reference = mlir::attn::reference;
using mlir::attn::Phase;

/// Multiplications that the evaluation of one attention may take: about a
/// second.
static constexpr double kTwinBudget = 2e8;

struct Model::State {
  explicit State(const mlir::DialectRegistry &registry)
      : context(registry), quiet(&context, [](mlir::Diagnostic &diagnostic) {
          // The compiler has said what there is to remark.
          auto severity = diagnostic.getSeverity();
          return mlir::success(severity == mlir::DiagnosticSeverity::Remark ||
                               severity == mlir::DiagnosticSeverity::Warning);
        }) {}

  llvm::Error run(Phase phase, mlir::ModuleOp op);

  mlir::MLIRContext context;
  mlir::ScopedDiagnosticHandler quiet;
  std::string path, forms;
  Phase from = Phase::Import;
  mlir::OwningOpRef<mlir::ModuleOp> module, tapped;
  std::vector<mlir::attn::AttentionOp> twins;
};

Model::Model() = default;
Model::Model(Model &&) = default;
Model::~Model() = default;

llvm::Error Model::State::run(Phase phase, mlir::ModuleOp op) {
  if (phase < from)
    return llvm::Error::success();
  mlir::PassManager manager(&context, mlir::ModuleOp::getOperationName());
  mlir::attn::buildPhasePipeline(phase, manager, {}, {});
  if (mlir::failed(manager.run(op)))
    return makeError("--compare=exact: the phase " +
                     mlir::attn::getPhaseName(phase) + " failed on '" + path +
                     "'");
  return llvm::Error::success();
}

llvm::Expected<Model> Model::load(const Options &options) {
  mlir::DialectRegistry registry;
  mlir::attn::registerEverything(registry);
  Model model;
  model.state = std::make_unique<State>(registry);
  State &state = *model.state;
  state.path = options.path;
  state.forms = llvm::join(options.forms, ";");
  for (llvm::StringRef argument : options.compilerArgs)
    if (argument.consume_front("--") || argument.consume_front("-"))
      if (argument.consume_front("from="))
        state.from = mlir::attn::parsePhase(argument).value_or(state.from);
  state.module =
      mlir::parseSourceFile<mlir::ModuleOp>(options.path, &state.context);
  if (!state.module)
    return makeError("--compare=exact: expected IR that parses, got '" +
                     options.path + "'");
  if (llvm::Error error = state.run(Phase::Import, *state.module))
    return error;
  return model;
}

static reference::Array toReference(DLDataType type, const void *data,
                                    llvm::ArrayRef<int64_t> shape) {
  reference::Array copy(shape);
  for (size_t i = 0; i < copy.values.size(); ++i)
    copy.values[i] = readElement(type, data, int64_t(i));
  return copy;
}

static reference::Array toReference(const DLTensor &tensor) {
  return toReference(tensor.dtype, tensor.data,
                     llvm::ArrayRef(tensor.shape, size_t(tensor.ndim)));
}

llvm::Expected<std::vector<std::vector<double>>>
Model::evaluate(llvm::StringRef entry, llvm::ArrayRef<Array> inputs) {
  std::vector<reference::Array> arrays;
  for (const Array &input : inputs)
    arrays.push_back(
        toReference(input.type(), input.bytes().data(), input.shape()));
  auto results = reference::evaluateExact(*state->module, entry, arrays);
  if (mlir::failed(results))
    return makeError("--compare=exact: the reference could not evaluate @" +
                     entry);
  std::vector<std::vector<double>> numbers;
  for (reference::Array &result : *results)
    numbers.push_back(std::move(result.values));
  return numbers;
}

/// Puts requests on the operations, and their exact twins beside them.
static llvm::Error tapRequests(mlir::ModuleOp module, llvm::StringRef forms) {
  mlir::PassManager manager(module.getContext(),
                            mlir::ModuleOp::getOperationName());
  mlir::attn::AttnAssignFormsPassOptions assign;
  assign.form = forms.str();
  manager.addPass(mlir::attn::createAttnAssignFormsPass(assign));
  manager.addNestedPass<mlir::func::FuncOp>(
      mlir::attn::createAttnTapFormsPass());
  if (mlir::failed(manager.run(module)))
    return makeError("--compare=exact: the forms cannot be assigned");
  return llvm::Error::success();
}

llvm::Expected<std::vector<Tap>> Model::writeTapped(llvm::StringRef entry,
                                                    llvm::StringRef path) {
  std::vector<Tap> taps;
  mlir::OwningOpRef<mlir::ModuleOp> copy(state->module->clone());
  auto function = copy->lookupSymbol<mlir::func::FuncOp>(entry);
  if (!function || state->from > Phase::Rewrite)
    return taps;
  if (llvm::Error error = state->run(Phase::Raise, *copy))
    return error;
  size_t results = function.getNumResults();
  if (llvm::Error error = tapRequests(*copy, state->forms))
    return error;
  state->tapped = copy->clone();
  auto kept = state->tapped->lookupSymbol<mlir::func::FuncOp>(entry);
  for (mlir::Operation &op : kept.front()) {
    if (!mlir::attn::asksForForm(&op))
      continue;
    auto twin = mlir::cast<mlir::attn::AttentionOp>(op.getNextNode());
    auto form =
        op.getAttrOfType<mlir::attn::FormAttrInterface>(mlir::attn::kFormAttr);
    Tap &tap = taps.emplace_back();
    if (auto label = op.getAttrOfType<mlir::StringAttr>(mlir::attn::kLabelAttr))
      tap.label = label.str();
    tap.form = form.getFormName().str();
    llvm::raw_string_ostream(tap.parameters) << form;
    tap.firstResult = results;
    tap.twinOffset = op.getNumResults();
    tap.number = state->twins.size();
    results += 2 * tap.twinOffset + mlir::attn::getTapInputs(twin).size();
    state->twins.push_back(twin);
  }
  if (taps.empty())
    return taps;
  if (llvm::Error error = state->run(Phase::Rewrite, *copy))
    return error;
  copy->walk([&](mlir::Operation *op) {
    auto label = op->getAttrOfType<mlir::StringAttr>(mlir::attn::kLabelAttr);
    for (Tap &tap : taps)
      if (label && label == tap.label)
        tap.granted = op->hasAttr(mlir::attn::kRewrittenAttr);
  });
  std::error_code code;
  llvm::raw_fd_ostream file(path, code, llvm::sys::fs::OF_None);
  if (code || mlir::failed(mlir::writeBytecodeToFile(*copy, file)))
    return makeError("--compare=exact: cannot write '" + path + "'");
  return taps;
}

/// The same rows in every run: a hash of the position, as good as random.
static uint64_t mix(uint64_t position) {
  position += 0x9e3779b97f4a7c15;
  position = (position ^ (position >> 30)) * 0xbf58476d1ce4e5b9;
  position = (position ^ (position >> 27)) * 0x94d049bb133111eb;
  return position ^ (position >> 31);
}

llvm::Expected<ExactRows>
Model::evaluateTwin(const Tap &tap, llvm::ArrayRef<const DLTensor *> results) {
  mlir::attn::AttentionOp twin = state->twins[tap.number];
  results = results.drop_front(tap.firstResult + tap.twinOffset);
  llvm::DenseMap<mlir::Value, reference::Array> arrays;
  for (auto [value, tensor] :
       llvm::zip(mlir::attn::getTapInputs(twin),
                 results.drop_front(twin->getNumResults())))
    arrays.try_emplace(value, toReference(*tensor));
  std::vector<reference::Array> operands;
  for (mlir::OpOperand &operand : twin->getOpOperands()) {
    if (!twin.isDpsInit(&operand)) {
      operands.push_back(arrays.at(operand.get()));
      continue;
    }
    const DLTensor &result =
        *results[twin.getTiedOpResult(&operand).getResultNumber()];
    operands.emplace_back(llvm::ArrayRef(result.shape, size_t(result.ndim)));
  }
  using Attention = mlir::attn::AttentionOp;
  int64_t valueSize = twin.getStaticExtent(Attention::kValueSize);
  ExactRows rows;
  unsigned output = twin.getOutputMutable().getOperandNumber();
  rows.total = int64_t(operands[output].values.size()) / valueSize;
  double perRow =
      double(twin.getStaticExtent(Attention::kHeadSize) + valueSize);
  for (auto [expr, extent] :
       llvm::zip(twin.getKeyMap().getResults(), operands[1].shape))
    if (expr == mlir::getAffineDimExpr(Attention::kKey, &state->context))
      perRow *= double(extent);
  double share = kTwinBudget / (double(rows.total) * perRow);
  uint64_t limit = share >= 1 ? UINT64_MAX : uint64_t(share * 0x1p64);
  auto wanted = [&](int64_t b, int64_t h, int64_t i) {
    bool isWanted = mix(mix(mix(b) + h) + i) <= limit;
    rows.evaluated += isWanted;
    return isWanted;
  };
  auto exact = reference::evaluateAttention(twin, operands, arrays, wanted);
  if (mlir::failed(exact))
    return makeError("--compare=exact: the reference could not evaluate '" +
                     tap.label + "'");
  rows.values = std::move(exact->front().values);
  return rows;
}

} // namespace attn::run
