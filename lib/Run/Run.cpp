// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running one entry of a compiled library: compile if needed, load, make the
// inputs, measure, compare, report, and at the very end write files.

#include "attn/Run/Run.h"

#include "Compare.h"
#include "Compile.h"
#include "Inputs.h"
#include "Npy.h"

#include "llvm/Support/raw_ostream.h"

#include <cstring>

namespace attn::run {

static int64_t byteCount(const DLTensor &tensor) {
  int64_t bytes = tensor.dtype.bits / 8;
  for (int dim = 0; dim < tensor.ndim; ++dim)
    bytes *= tensor.shape[dim];
  return bytes;
}

llvm::Error prepare(const Options &options, Session &session) {
  std::string path = options.path;
  if (isIR(path)) {
    llvm::Expected<std::string> compiled = compileIR(options, session.remover);
    if (!compiled)
      return compiled.takeError();
    path = *compiled;
  } else if (options.comparison == Comparison::Exact) {
    return makeError("--compare=exact: expected IR, since a library does not "
                     "say what it computes, got '" +
                     options.path + "'");
  }
  if (!isIR(options.path) && !options.forms.empty())
    return makeError(
        "--form: expected IR, since a library is compiled already, "
        "got '" +
        options.path + "'");
  llvm::Expected<Library> library = Library::open(path, options.entry);
  if (!library)
    return library.takeError();
  llvm::StringRef flag = options.predict.empty() ? "--simulate" : "--predict";
  if ((options.simulate || !options.predict.empty()) && !library->isForGpus())
    return makeError(flag + ": expected a library for GPUs, got '" +
                     options.path + "', which is for CPUs");
  session.path = path;
  session.library = std::move(*library);
  if (options.outputs.size() > session.library.results().size())
    return makeError("expected at most " +
                     llvm::Twine(session.library.results().size()) +
                     " outputs of '" + session.library.entryName() + "', got " +
                     llvm::Twine(options.outputs.size()));
  llvm::Expected<std::vector<Array>> inputs =
      makeInputs(session.library, options);
  if (!inputs)
    return inputs.takeError();
  session.inputs = std::move(*inputs);
  for (Array &array : session.inputs)
    session.inputTensors.push_back(array.tensor());
  for (const DLTensor &tensor : session.inputTensors)
    session.inputPointers.push_back(&tensor);
  return llvm::Error::success();
}

llvm::Error Session::allocateOutputs() {
  auto allocated = library.allocate(inputPointers);
  if (!allocated)
    return allocated.takeError();
  outputs = std::move(*allocated);
  for (const ManagedTensor &output : outputs) {
    // NaN in every float type: what the code forgets to write is seen. It also
    // makes the memory resident, so that it does not count as the run's.
    std::memset(output->dl_tensor.data, 0xff,
                size_t(byteCount(output->dl_tensor)));
    outputPointers.push_back(&output->dl_tensor);
  }
  return llvm::Error::success();
}

static llvm::Error checkTolerance(const Options &options,
                                  const Report &report) {
  if (!options.tolerance)
    return llvm::Error::success();
  for (const ResultReport &result : report.results)
    if (result.difference && (result.difference->mismatches != 0 ||
                              result.difference->relative > *options.tolerance))
      return llvm::createStringError(
          "result '%s': expected a relative error of at most %g, got %g and "
          "%lld elements not finite in one of the two",
          result.name.c_str(), *options.tolerance, result.difference->relative,
          (long long)result.difference->mismatches);
  return llvm::Error::success();
}

/// Writes through a temporary file, so that a failure leaves nothing behind.
static llvm::Error writeOutputs(const Options &options, Session &session) {
  for (size_t i = 0; i < options.outputs.size(); ++i) {
    const DLTensor &tensor = session.outputs[i]->dl_tensor;
    auto write = [&](llvm::raw_ostream &os) {
      writeNpy(os, tensor);
      return llvm::Error::success();
    };
    if (llvm::Error error = llvm::writeToOutput(options.outputs[i], write))
      return makeError("cannot write '" + options.outputs[i] +
                       "': " + llvm::toString(std::move(error)));
  }
  return llvm::Error::success();
}

llvm::Error run(const Options &options) {
  if (options.repeat == 0)
    return makeError("expected --repeat to be positive, got 0");
  if (!options.predict.empty())
    return predictRun(options);
  Session session;
  if (llvm::Error error =
          toError(attn_runtime_set_num_threads(options.threads)))
    return error;
  if (options.simulate) {
    sim::SimulatorOptions simulation;
    simulation.seed = options.simulationOrder;
    session.simulated = std::make_unique<SimulatedDriver>(simulation);
    runtime::setGpuDriver(session.simulated.get());
  }
  if (llvm::Error error = prepare(options, session))
    return error;
  if (llvm::Error error = session.allocateOutputs())
    return error;
  Report report;
  report.entry = session.library.entryName();
  report.threads = attn_runtime_num_threads();
  report.repeat = options.repeat;
  auto measured = measure(options.warmup, options.repeat, [&] {
    return session.library.call(session.inputPointers, session.outputPointers);
  });
  if (!measured)
    return measured.takeError();
  report.measurement = *measured;
  if (session.simulated)
    report.launches = session.simulated->launches();
  for (size_t i = 0; i < session.outputs.size(); ++i)
    report.results.push_back(
        summarize(session.library.results()[i], session.outputs[i]->dl_tensor));
  if (options.comparison == Comparison::Exact)
    if (llvm::Error error = compareExactly(options, session, report))
      return error;
  (options.json ? printJson : printText)(llvm::outs(), report);
  if (llvm::Error error = checkTolerance(options, report))
    return error;
  return writeOutputs(options, session);
}

} // namespace attn::run
