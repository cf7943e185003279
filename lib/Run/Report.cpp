// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn-run prints. The sum tells people whether results are sane; the hash
// tells scripts whether they are the same.

#include "Report.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/xxhash.h"

#include <cmath>

namespace attn::run {

ResultReport summarize(const AttnTensorInfo &info, const DLTensor &tensor) {
  ResultReport result;
  llvm::ArrayRef<int64_t> shape(tensor.shape, size_t(tensor.ndim));
  result.name = info.name;
  result.type = describe(info.dtype_name, shape);
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  for (int64_t i = 0; i < count; ++i)
    result.sum += readElement(tensor.dtype, tensor.data, i);
  result.hash = llvm::xxh3_64bits(
      llvm::ArrayRef(static_cast<const uint8_t *>(tensor.data),
                     size_t(count) * tensor.dtype.bits / 8));
  return result;
}

static void printError(llvm::raw_ostream &os, llvm::StringRef name,
                       const Difference &difference) {
  os << name
     << llvm::format(" %.3e absolute, %.3e relative, %.3e in norm, %lld "
                     "elements not finite in one of the two\n",
                     difference.maxAbsolute, difference.relative,
                     difference.norm, (long long)difference.mismatches);
}

static void printForm(llvm::raw_ostream &os, const FormReport &form) {
  os << "form    " << form.label << " ";
  if (form.granted)
    os << form.parameters;
  else
    os << "exact, since " << form.form << " was refused";
  os << llvm::format(": error %.3e in norm, rounding %.3e, %lld of %lld rows\n",
                     form.error.norm, form.rounding.norm,
                     (long long)form.evaluated, (long long)form.total);
}

/// What a kernel's speed depends on, by name.
static std::vector<std::pair<llvm::StringRef, uint64_t>>
list(const sim::Counts &counts) {
  return {
      {"instructions", counts.instructions},
      {"divergent", counts.divergent},
      {"mma", counts.mma},
      {"wgmma", counts.wgmma},
      {"mma_flops", counts.mmaFlops},
      {"ldmatrix", counts.ldmatrix},
      {"cp_async", counts.cpAsync},
      {"bulk_copies", counts.bulkCopies},
      {"special", counts.special},
      {"float_ops", counts.floatOps},
      {"shuffles", counts.shuffles},
      {"barriers", counts.barriers},
      {"atomics", counts.atomics},
      {"global_bytes", counts.globalLoads.bytes + counts.globalStores.bytes},
      {"uncoalesced", counts.uncoalesced()},
      {"shared_bytes", counts.sharedLoads.bytes + counts.sharedStores.bytes},
      {"bank_conflicts", counts.bankConflicts()},
      {"local_accesses", counts.localLoads + counts.localStores}};
}

void printText(llvm::raw_ostream &os, const Report &report) {
  const Measurement &m = report.measurement;
  os << "entry   " << report.entry << "\n";
  os << "threads " << report.threads << "\n";
  os << llvm::format("time    %.3f ms minimum, %.3f ms median of %u\n",
                     m.minimum, m.median, report.repeat);
  if (m.peakMegabytes)
    os << llvm::format("memory  %.1f MB beyond inputs and outputs\n",
                       *m.peakMegabytes);
  for (const ResultReport &result : report.results) {
    os << "result  " << result.name << " " << result.type
       << llvm::format(" sum %.9g hash %016llx\n", result.sum,
                       (unsigned long long)result.hash);
    if (result.difference)
      printError(os, "error  ", *result.difference);
    if (result.rounding)
      printError(os, "exact  ", *result.rounding);
  }
  for (const FormReport &form : report.forms)
    printForm(os, form);
  for (const auto &[name, launches] : report.launches) {
    os << "kernel  " << name << ": " << launches.count << " launches";
    for (auto [what, count] : list(launches.counts))
      if (count != 0)
        os << ", " << what << " " << count;
    os << "\n";
  }
}

/// JSON knows no NaN and no infinity.
static llvm::json::Value number(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : nullptr;
}

static llvm::json::Object toJson(const Difference &difference) {
  return llvm::json::Object{{"absolute", number(difference.maxAbsolute)},
                            {"relative", number(difference.relative)},
                            {"norm", number(difference.norm)},
                            {"mismatches", difference.mismatches}};
}

static llvm::json::Object toJson(const FormReport &form) {
  return llvm::json::Object{
      {"label", form.label},           {"form", form.form},
      {"parameters", form.parameters}, {"granted", form.granted},
      {"error", toJson(form.error)},   {"rounding", toJson(form.rounding)},
      {"rows", form.evaluated},        {"rows_total", form.total}};
}

void printJson(llvm::raw_ostream &os, const Report &report) {
  llvm::json::Array results;
  for (const ResultReport &result : report.results) {
    llvm::json::Object object{{"name", result.name},
                              {"type", result.type},
                              {"sum", number(result.sum)},
                              {"hash", llvm::utohexstr(result.hash, true, 16)}};
    if (result.difference)
      object["error"] = toJson(*result.difference);
    if (result.rounding)
      object["rounding"] = toJson(*result.rounding);
    results.push_back(std::move(object));
  }
  const Measurement &m = report.measurement;
  llvm::json::Object root{{"entry", report.entry},
                          {"threads", report.threads},
                          {"repeat", int64_t(report.repeat)},
                          {"ms_min", m.minimum},
                          {"ms_median", m.median},
                          {"peak_mb", m.peakMegabytes
                                          ? llvm::json::Value(*m.peakMegabytes)
                                          : llvm::json::Value(nullptr)},
                          {"results", std::move(results)}};
  if (!report.forms.empty()) {
    llvm::json::Array forms;
    for (const FormReport &form : report.forms)
      forms.push_back(toJson(form));
    root["forms"] = std::move(forms);
  }
  if (!report.launches.empty()) {
    llvm::json::Object kernels;
    for (const auto &[name, launches] : report.launches) {
      llvm::json::Object kernel{{"launches", launches.count}};
      for (auto [what, count] : list(launches.counts))
        kernel[what] = count;
      kernels[name] = std::move(kernel);
    }
    root["kernels"] = std::move(kernels);
  }
  os << llvm::formatv("{0:2}", llvm::json::Value(std::move(root))) << "\n";
}

} // namespace attn::run
