// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn-run --predict prints, for people or as JSON.

#include "Predict.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

namespace attn::run {

using predict::Pipe;

double PredictionReport::totalMs() const {
  double total = 0;
  for (const PredictedKernel &kernel : kernels)
    total += double(kernel.launches) * kernel.prediction.ms;
  return total;
}

static void printKernel(llvm::raw_ostream &os, const PredictedKernel &kernel,
                        const predict::GpuMachine &machine) {
  const predict::Prediction &prediction = kernel.prediction;
  const predict::KernelLaunch &launch = kernel.launch;
  os << "kernel  " << kernel.name
     << llvm::format(": %.4g ms, bound by ", prediction.ms) << prediction.bound;
  if (kernel.launches > 1)
    os << ", " << kernel.launches << " launches";
  os << "\n        " << launch.blocks << " blocks of " << launch.threads
     << " threads, " << kernel.executed << " simulated";
  if (launch.resources.registers)
    os << "; " << launch.resources.registers << " registers";
  if (launch.resources.spillBytes)
    os << ", " << launch.resources.spillBytes << " bytes of spills";
  os << llvm::format(", %.1f KiB shared", double(launch.sharedBytes) / 1024);
  const predict::Occupancy &occupancy = prediction.occupancy;
  os << "\n        " << occupancy.blocks << " blocks a multiprocessor by "
     << occupancy.limit
     << llvm::format(", %u of %.0f warps; %.0f%% of the multiprocessors' time "
                     "has work",
                     occupancy.warps, machine.limits.warps,
                     100 * prediction.evenness);
  os << "\n        ms";
  for (size_t i = 0; i < predict::kPipes; ++i)
    os << (i ? ", " : " ") << nameOf(Pipe(i))
       << llvm::format(" %.3g", prediction.busy[i]);
  if (launch.counts.mmaFlops)
    os << llvm::format(
        "\n        tensor cores do %.4g TFLOP/s, %.0f%% of their peak",
        double(launch.counts.mmaFlops) / prediction.ms / 1e9,
        100 * prediction.tensorShare);
  os << "\n";
}

void printText(llvm::raw_ostream &os, const PredictionReport &report) {
  os << "entry   " << report.entry << "\n";
  os << "machine " << report.machine.device << " (" << report.machine.name
     << ", sm_" << report.machine.sm
     << "): what follows is predicted, nothing was timed\n";
  if (!report.note.empty())
    os << "note    " << report.note << "\n";
  uint64_t launches = 0;
  for (const PredictedKernel &kernel : report.kernels) {
    printKernel(os, kernel, report.machine);
    launches += kernel.launches;
  }
  os << llvm::format("total   %.4g ms, %llu launches\n", report.totalMs(),
                     (unsigned long long)launches);
}

static llvm::json::Object toJson(const PredictedKernel &kernel) {
  const predict::Prediction &prediction = kernel.prediction;
  const predict::KernelLaunch &launch = kernel.launch;
  llvm::json::Object busy;
  for (size_t i = 0; i < predict::kPipes; ++i)
    busy[nameOf(Pipe(i))] = prediction.busy[i];
  const predict::Occupancy &occupancy = prediction.occupancy;
  llvm::json::Object object{{"name", kernel.name},
                            {"launches", kernel.launches},
                            {"ms", prediction.ms},
                            {"bound", prediction.bound},
                            {"blocks", launch.blocks},
                            {"blocks_simulated", kernel.executed},
                            {"threads", launch.threads},
                            {"shared_bytes", launch.sharedBytes},
                            {"blocks_a_multiprocessor", occupancy.blocks},
                            {"warps_a_multiprocessor", occupancy.warps},
                            {"occupancy_limit", occupancy.limit},
                            {"evenness", prediction.evenness},
                            {"busy_ms", std::move(busy)},
                            {"flops", launch.counts.mmaFlops},
                            {"tensor_share", prediction.tensorShare},
                            {"bank_conflicts", launch.counts.bankConflicts()}};
  if (launch.resources.registers) {
    object["registers"] = launch.resources.registers;
    object["spill_bytes"] = launch.resources.spillBytes;
  }
  return object;
}

void printJson(llvm::raw_ostream &os, const PredictionReport &report) {
  llvm::json::Array kernels;
  for (const PredictedKernel &kernel : report.kernels)
    kernels.push_back(toJson(kernel));
  llvm::json::Object root{{"entry", report.entry},
                          {"machine", report.machine.name},
                          {"device", report.machine.device},
                          {"sm", report.machine.sm},
                          {"predicted", true},
                          {"ms", report.totalMs()},
                          {"kernels", std::move(kernels)}};
  if (!report.note.empty())
    root["note"] = report.note;
  os << llvm::formatv("{0:2}", llvm::json::Value(std::move(root))) << "\n";
}

} // namespace attn::run
