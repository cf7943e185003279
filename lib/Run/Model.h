// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The IR that was compiled, in this process: what it means in f64, and a
// version of it that also returns what every rewritten attention read and gave.
// Its source is the only file here that knows of MLIR.

#ifndef ATTN_LIB_RUN_MODEL_H
#define ATTN_LIB_RUN_MODEL_H

#include "Array.h"

#include "attn/Run/Run.h"

#include <memory>

namespace attn::run {

/// An attention that asks for a form, in a model that returns more.
struct Tap {
  std::string label, form; // "attention0", "lsh"
  std::string parameters;  // the attribute's text
  bool granted = false;
  /// The place of the attention's output among the results; its exact twin's
  /// comes `twinOffset` later.
  size_t firstResult = 0, twinOffset = 0;
  /// Which attention of the model it is.
  size_t number = 0;
};

/// Exact rows of one attention; the rows that were left out are NaN.
struct ExactRows {
  std::vector<double> values;
  int64_t evaluated = 0, total = 0;
};

class Model {
public:
  Model();
  Model(Model &&);
  ~Model();

  /// Reads the file that was compiled and runs the phase import.
  static llvm::Expected<Model> load(const Options &options);

  /// Every result of the entry in f64, without any form.
  llvm::Expected<std::vector<std::vector<double>>>
  evaluate(llvm::StringRef entry, llvm::ArrayRef<Array> inputs);

  /// Writes IR for the phase tile, in which every attention that asks for a
  /// form stands beside its exact twin; nothing when none asks.
  llvm::Expected<std::vector<Tap>> writeTapped(llvm::StringRef entry,
                                               llvm::StringRef path);

  /// The output of a tap's exact twin, on the inputs that it had: the results
  /// of the tapped model. Of long sequences only some rows are evaluated.
  llvm::Expected<ExactRows>
  evaluateTwin(const Tap &tap, llvm::ArrayRef<const DLTensor *> results);

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace attn::run

#endif // ATTN_LIB_RUN_MODEL_H
