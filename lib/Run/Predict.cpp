// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A run in the simulator's place of the driver, in which the device is the
// machine that is asked for and only some blocks of every launch are executed:
// its results mean nothing and are not looked at.

#include "Predict.h"

#include "Images.h"
#include "Session.h"

#include "../Emit/Assembler.h"

namespace attn::run {

/// The number in an architecture's name, such as 90 in 90a.
static int versionOf(llvm::StringRef sm) {
  int number = 0;
  (void)sm.consumeInteger(10, number);
  return number;
}

/// The PTX of the kernels that are simulated.
static llvm::Expected<const GpuImage *>
choosePtx(llvm::ArrayRef<GpuImage> images, const predict::GpuMachine &machine) {
  std::string sm;
  for (const GpuImage &image : images)
    if (image.kind == ATTN_GPU_LLVM)
      sm = image.sm;
  bool isExact = llvm::StringRef(sm).ends_with("a");
  bool fits =
      sm == machine.sm || (!isExact && versionOf(sm) <= versionOf(machine.sm));
  for (const GpuImage &image : images)
    if (image.kind == ATTN_GPU_PTX && image.sm == sm && fits)
      return &image;
  return makeError("expected simulated kernels that sm_" + machine.sm +
                   " runs, which " + machine.name + " is, got " +
                   (sm.empty() ? "none; compile with --embed-ir" : "sm_" + sm));
}

/// Registers of the kernels by the assembler; a note where there is none.
static llvm::Expected<llvm::StringMap<predict::KernelResources>>
findResources(const Options &options, const Session &session,
              PredictionReport &report) {
  auto images = readImages(session.path);
  if (!images)
    return images.takeError();
  auto ptx = choosePtx(*images, report.machine);
  if (!ptx)
    return ptx.takeError();
  if ((*ptx)->sm != report.machine.sm)
    report.note =
        "kernels are for sm_" + (*ptx)->sm + ", not sm_" + report.machine.sm;
  auto ptxas = mlir::attn::findCudaTool("ptxas", options.ptxas);
  if (!ptxas) {
    report.note += std::string(report.note.empty() ? "" : "; ") +
                   "found no ptxas: 255 registers a thread are assumed";
    return llvm::StringMap<predict::KernelResources>();
  }
  std::string error;
  // Text ends in a zero.
  llvm::StringRef text = llvm::StringRef((*ptx)->bytes).rtrim('\0');
  // The assembler of the machine makes code for exactly it; the driver does the
  // same with PTX.
  auto log = mlir::attn::describePtx(*ptxas, text, report.machine.sm, error);
  if (mlir::failed(log))
    return makeError(error);
  auto found = predict::parseAssemblerLog(*log);
  if (found.empty())
    return makeError("expected '" + *ptxas +
                     " -v' to print the registers of kernels, got none");
  return found;
}

static llvm::Error
addKernels(const Session &session,
           const llvm::StringMap<predict::KernelResources> &resources,
           PredictionReport &report) {
  for (const SimulatedDriver::Shape &shape :
       session.simulated->launchShapes()) {
    PredictedKernel kernel;
    kernel.name = shape.kernel;
    kernel.launches = shape.launches.count;
    kernel.launch.blocks = shape.grid.count();
    kernel.launch.threads = unsigned(shape.block.count());
    kernel.launch.sharedBytes = shape.sharedBytes;
    kernel.launch.resources = resources.lookup(shape.kernel);
    kernel.launch.counts = shape.launches.counts;
    kernel.executed = shape.launches.counts.blocks / shape.launches.count;
    kernel.launch.counts.scale(1, shape.launches.count);
    auto prediction = predict::predict(report.machine, kernel.launch);
    if (!prediction)
      return makeError("kernel '" + kernel.name +
                       "': " + llvm::toString(prediction.takeError()));
    kernel.prediction = *prediction;
    report.kernels.push_back(std::move(kernel));
  }
  return llvm::Error::success();
}

static llvm::Error checkOptions(const Options &options) {
  auto refuse = [](llvm::StringRef flag) {
    return makeError("--predict: expected no " + flag +
                     ", since only some blocks are executed");
  };
  if (options.simulate)
    return refuse("--simulate");
  if (options.comparison != Comparison::None || options.tolerance)
    return refuse("--compare");
  if (!options.outputs.empty())
    return refuse("--output");
  return llvm::Error::success();
}

llvm::Error predictRun(const Options &given) {
  if (llvm::Error error = checkOptions(given))
    return error;
  auto machine = predict::findGpuMachine(given.predict);
  if (!machine)
    return makeError("--predict: " + llvm::toString(machine.takeError()));
  Options options = given;
  if (!options.seed)
    options.seed = 0;
  if (options.sm.empty())
    options.sm = machine->sm;
  Session session;
  sim::SimulatorOptions simulation;
  simulation.sampleBlocks = options.predictBlocks;
  simulation.countFootprint = true;
  simulation.checkRaces = simulation.checkUninitialized = false;
  constexpr double systemKiB = 1;
  simulation.sharedLimit =
      uint64_t((machine->limits.sharedKiB - systemKiB) * 1024);
  session.simulated =
      std::make_unique<SimulatedDriver>(simulation, versionOf(machine->sm));
  runtime::setGpuDriver(session.simulated.get());
  if (llvm::Error error = prepare(options, session))
    return error;
  PredictionReport report;
  report.entry = session.library.entryName();
  report.machine = *machine;
  auto resources = findResources(options, session, report);
  if (!resources)
    return resources.takeError();
  if (llvm::Error error = session.allocateOutputs())
    return error;
  if (llvm::Error error =
          session.library.call(session.inputPointers, session.outputPointers)) {
    std::string message = llvm::toString(std::move(error));
    // It may have read what a block that was left out would have written.
    if (options.predictBlocks &&
        llvm::StringRef(message).contains("simulation:"))
      message += "; with --predict-blocks=0 all blocks are executed";
    return makeError(message);
  }
  if (llvm::Error error = addKernels(session, *resources, report))
    return error;
  (options.json ? printJson : printText)(llvm::outs(), report);
  return llvm::Error::success();
}

} // namespace attn::run
