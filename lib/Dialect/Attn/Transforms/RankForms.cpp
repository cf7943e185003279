//===- RankForms.cpp - the pass attn-rank-forms ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which form is fastest is a question of extents and of the machine; the answer
// is a remark, since what a form loses is another question.
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/DescribeAttention.h"
#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#define DEBUG_TYPE "attn-rank-forms"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNRANKFORMSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct RankForms : attn::impl::AttnRankFormsPassBase<RankForms> {
  using AttnRankFormsPassBase::AttnRankFormsPassBase;
  void runOnOperation() override;

private:
  FailureOr<MachineAttr> getMachine();
  void rank(AttentionOp op, MachineAttr limits);
};

struct Estimate {
  FormAttrInterface form;
  double seconds;
};
} // namespace

FailureOr<MachineAttr> RankForms::getMachine() {
  ModuleOp module = getOperation();
  auto own = module->getAttrOfType<MachineAttr>(kMachineAttr);
  if (machine.empty() && own)
    return own;
  std::string problem;
  Attribute parsed;
  {
    ScopedDiagnosticHandler handler(
        &getContext(), [&](Diagnostic &error) { problem = error.str(); });
    std::string values = machine.empty() ? "" : "<" + machine + ">";
    parsed = parseAttribute("#attn.machine" + values, &getContext());
  }
  if (!parsed)
    return module.emitError("expected KEY=VALUE of gflops, gbs, cache_kib and "
                            "start_us with commas between as machine, got '")
           << machine << "': " << problem;
  return cast<MachineAttr>(parsed);
}

/// Every form with its default parameters, but what `op` asks for as it is;
/// exact attention first, as it is preferred to what costs the same.
static SmallVector<FormAttrInterface> listForms(AttentionOp op) {
  auto asked = op->getAttrOfType<FormAttrInterface>(kFormAttr);
  SmallVector<FormAttrInterface> forms = {ExactFormAttr::get(op.getContext())};
  for (const FormInfo &info : getForms()) {
    if (info.name == ExactFormAttr::kFormName)
      continue;
    if (asked && asked.getFormName() == info.name)
      forms.push_back(asked);
    else if (auto form = parseForm(info.name, op.getLoc()); succeeded(form))
      forms.push_back(*form);
  }
  return forms;
}

/// The shapes of `op` at lengths from long to short. What a mask lets through
/// is counted once for all forms.
static SmallVector<AttentionShape> describeLengths(AttentionOp op) {
  constexpr int64_t shortest = 16, longest = 1 << 20;
  SmallVector<AttentionShape> shapes;
  for (int64_t length = longest; length >= shortest; length /= 2)
    shapes.push_back(describeAttentionOfLength(op, length));
  return shapes;
}

/// From which length on a form is faster than exact attention; no length, if it
/// never is.
static std::optional<int64_t> findCrossover(ArrayRef<AttentionShape> lengths,
                                            FormAttrInterface form,
                                            ExactFormAttr exact,
                                            MachineAttr limits) {
  std::optional<int64_t> from;
  // From the end, as a form may pay for very short sequences by chance.
  for (const AttentionShape &shape : lengths) {
    if (limits.estimateSeconds(form.getCost(shape)) >=
        limits.estimateSeconds(exact.getCost(shape)))
      break;
    from = shape.keys;
  }
  return from;
}

void RankForms::rank(AttentionOp op, MachineAttr limits) {
  AttentionShape shape = describeAttention(op, kAssumedLength);
  SmallVector<Estimate> estimates;
  for (FormAttrInterface form : listForms(op))
    estimates.push_back({form, limits.estimateSeconds(form.getCost(shape))});
  llvm::stable_sort(estimates, [](const Estimate &a, const Estimate &b) {
    return a.seconds < b.seconds;
  });
  SmallVector<AttentionShape> lengths = describeLengths(op);
  auto exact = ExactFormAttr::get(op.getContext());
  SmallVector<std::string> times, pays;
  for (auto [form, seconds] : estimates) {
    times.push_back(
        llvm::formatv("{0} {1:f1} us", form.getFormName(), 1e6 * seconds));
    if (isa<ExactFormAttr>(form))
      continue;
    std::optional<int64_t> from = findCrossover(lengths, form, exact, limits);
    pays.push_back(form.getFormName().str() + " " +
                   (from ? "from " + std::to_string(*from) : "never"));
  }
  op->emitRemark() << describeOp(op) << " at " << shape.queries
                   << " queries and " << shape.keys
                   << " keys, estimated, fastest first: "
                   << llvm::join(times, ", ")
                   << "; against exact attention pay, by keys: "
                   << llvm::join(pays, ", ");
  ++numRanked;
}

void RankForms::runOnOperation() {
  FailureOr<MachineAttr> limits = getMachine();
  if (failed(limits))
    return signalPassFailure();
  getOperation().walk([&](AttentionOp op) { rank(op, *limits); });
}
