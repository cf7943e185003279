// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two errors are told apart: that of a form, which is the form's meaning, and
// that of rounding, which an exact library on the same inputs has as well.

#include "Compare.h"

#include "Compile.h"
#include "Model.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

namespace attn::run {

static int64_t elementCount(const DLTensor &tensor) {
  int64_t count = 1;
  for (int dim = 0; dim < tensor.ndim; ++dim)
    count *= tensor.shape[dim];
  return count;
}

using Numbers = std::vector<std::vector<double>>;

static llvm::Error checkCounts(const Session &session,
                               const Numbers &expected) {
  if (expected.size() != session.outputs.size())
    return makeError(
        "--compare=exact: expected " + llvm::Twine(session.outputs.size()) +
        " results of the reference, got " + llvm::Twine(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    int64_t count = elementCount(session.outputs[i]->dl_tensor);
    if (int64_t(expected[i].size()) != count)
      return makeError("--compare=exact: expected " + llvm::Twine(count) +
                       " elements in result " + llvm::Twine(i) + ", got " +
                       llvm::Twine(expected[i].size()));
  }
  return llvm::Error::success();
}

/// Calls another library on the arguments of `session`.
static llvm::Expected<Session> callOnSameInputs(const std::string &path,
                                                const Session &session) {
  Session other;
  llvm::Expected<Library> library =
      Library::open(path, session.library.entryName());
  if (!library)
    return library.takeError();
  other.library = std::move(*library);
  other.inputPointers = session.inputPointers;
  if (llvm::Error error = other.allocateOutputs())
    return error;
  if (llvm::Error error =
          other.library.call(other.inputPointers, other.outputPointers))
    return error;
  return other;
}

/// What an exact library makes of the same inputs: rounding alone.
static llvm::Error measureRounding(const Options &options,
                                   const Session &session,
                                   const Numbers &expected, Report &report) {
  Options exact = options;
  exact.forms = {"exact"};
  std::unique_ptr<llvm::FileRemover> remover;
  llvm::Expected<std::string> library = compileIR(exact, remover);
  if (!library)
    return library.takeError();
  llvm::Expected<Session> other = callOnSameInputs(*library, session);
  if (!other)
    return other.takeError();
  for (size_t i = 0; i < expected.size(); ++i)
    report.results[i].rounding =
        compare(other->outputs[i]->dl_tensor, expected[i]);
  return llvm::Error::success();
}

/// The errors of one attention; `tapped` returns it and its exact twin.
static llvm::Expected<FormReport> measureTap(Model &model, const Tap &tap,
                                             const Session &tapped) {
  llvm::Expected<ExactRows> exact =
      model.evaluateTwin(tap, tapped.outputPointers);
  if (!exact)
    return exact.takeError();
  FormReport form;
  form.label = tap.label;
  form.form = tap.form;
  form.parameters = tap.parameters;
  form.granted = tap.granted;
  form.evaluated = exact->evaluated;
  form.total = exact->total;
  bool isSampled = exact->evaluated != exact->total;
  size_t result = tap.firstResult;
  form.error =
      compare(*tapped.outputPointers[result], exact->values, isSampled);
  form.rounding = compare(*tapped.outputPointers[result + tap.twinOffset],
                          exact->values, isSampled);
  return form;
}

llvm::Error compareExactly(const Options &options, const Session &session,
                           Report &report) {
  llvm::Expected<Model> model = Model::load(options);
  if (!model)
    return model.takeError();
  std::string entry = session.library.entryName();
  llvm::Expected<Numbers> expected = model->evaluate(entry, session.inputs);
  if (!expected)
    return expected.takeError();
  if (llvm::Error error = checkCounts(session, *expected))
    return error;
  for (size_t i = 0; i < expected->size(); ++i)
    report.results[i].difference =
        compare(session.outputs[i]->dl_tensor, (*expected)[i]);

  llvm::SmallString<128> path;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("attn-run", "mlirbc", path))
    return makeError("cannot create a temporary file: " + code.message());
  llvm::FileRemover remover(path);
  llvm::sys::RemoveFileOnSignal(path);
  llvm::Expected<std::vector<Tap>> taps = model->writeTapped(entry, path);
  if (!taps)
    return taps.takeError();
  if (taps->empty())
    return llvm::Error::success();
  if (llvm::Error error = measureRounding(options, session, *expected, report))
    return error;
  Options tap = options;
  tap.path = path.str().str();
  tap.forms.clear();
  llvm::erase_if(tap.compilerArgs, [](llvm::StringRef argument) {
    return argument.ltrim('-').starts_with("from=");
  });
  tap.compilerArgs.push_back("--from=tile");
  std::unique_ptr<llvm::FileRemover> libraryRemover;
  llvm::Expected<std::string> library = compileIR(tap, libraryRemover);
  if (!library)
    return library.takeError();
  llvm::Expected<Session> tapped = callOnSameInputs(*library, session);
  if (!tapped)
    return tapped.takeError();
  for (const Tap &one : *taps) {
    llvm::Expected<FormReport> form = measureTap(*model, one, *tapped);
    if (!form)
      return form.takeError();
    report.forms.push_back(std::move(*form));
  }
  return llvm::Error::success();
}

} // namespace attn::run
