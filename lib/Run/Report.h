// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn-run prints, for people or as JSON.

#ifndef ATTN_LIB_RUN_REPORT_H
#define ATTN_LIB_RUN_REPORT_H

#include "Measure.h"
#include "Reference.h"
#include "SimulatedDriver.h"

namespace attn::run {

struct ResultReport {
  std::string name, type; // "float32[3, 5]"
  double sum = 0;
  uint64_t hash = 0; // of the bytes
  std::optional<Difference> difference;
  /// The same for an exact library, where a form was asked for.
  std::optional<Difference> rounding;
};

/// An attention that a form was asked for, against exact attention on the same
/// inputs.
struct FormReport {
  std::string label, form, parameters;
  bool granted = false;
  Difference error, rounding;       // of the form, and of our exact attention
  int64_t evaluated = 0, total = 0; // rows that were compared
};

struct Report {
  std::string entry;
  int32_t threads = 0;
  unsigned repeat = 0;
  Measurement measurement;
  std::vector<ResultReport> results;
  std::vector<FormReport> forms;
  std::map<std::string, SimulatedDriver::Launches> launches; // if simulated
};

ResultReport summarize(const AttnTensorInfo &info, const DLTensor &tensor);

void printText(llvm::raw_ostream &os, const Report &report);
void printJson(llvm::raw_ostream &os, const Report &report);

} // namespace attn::run

#endif // ATTN_LIB_RUN_REPORT_H
