//===- Prediction.cpp - the time of a kernel from its counts --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each pipe's work over its rate, how far pipes overlap, and whether there are
// blocks for all multiprocessors.
//
//===----------------------------------------------------------------------===//

#include "attn/Predict/Prediction.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace attn::predict;
using attn::sim::Counts;

static constexpr unsigned kLanes = 32, kSchedulers = 4;
/// Of a thread.
static constexpr unsigned kMostRegisters = 255;

llvm::StringRef attn::predict::nameOf(Pipe pipe) {
  static constexpr llvm::StringRef names[kPipes] = {
      "tensor", "fma", "alu", "special", "shared", "issue", "l2", "memory"};
  return names[size_t(pipe)];
}

Occupancy attn::predict::occupancyOf(const GpuMachine &machine,
                                     const KernelLaunch &launch) {
  // A warp's registers come in units of 256, and a block of shared memory has
  // 1 KiB of the system's.
  constexpr uint64_t registerUnit = 256, systemBytes = 1024;
  auto warps = unsigned(llvm::divideCeil(launch.threads, kLanes));
  auto quarter = uint64_t(machine.limits.registers) / kSchedulers;
  // Where nobody says how many a thread takes: as many as a block can have.
  uint64_t registers = launch.resources.registers;
  if (registers == 0)
    registers = std::min<uint64_t>(
        kMostRegisters,
        llvm::alignDown(quarter / llvm::divideCeil(warps, kSchedulers),
                        registerUnit) /
            kLanes);
  uint64_t warpRegisters = llvm::alignTo(registers * kLanes, registerUnit);
  const std::pair<llvm::StringRef, uint64_t> limits[] = {
      {"warps", uint64_t(machine.limits.warps) / warps},
      {"blocks", uint64_t(machine.limits.blocks)},
      {"registers", quarter / warpRegisters * kSchedulers / warps},
      {"shared memory", uint64_t(machine.limits.sharedKiB * 1024) /
                            (launch.sharedBytes + systemBytes)}};
  const auto &least = *llvm::min_element(
      limits, [](auto &a, auto &b) { return a.second < b.second; });
  auto blocks = unsigned(least.second);
  return {blocks, blocks * warps, least.first};
}

/// Milliseconds in which tensor cores do their products, and those that they
/// would take at the dense peak.
static std::pair<double, double> tensorTimes(const GpuMachine &machine,
                                             const Counts &counts) {
  const TensorRates &rates = machine.tensor;
  double sync = double(counts.mmaHalf) / rates.f16 +
                double(counts.mmaTf32) / rates.tf32 +
                double(counts.mmaF64) / rates.f64;
  double group = double(counts.wgmmaHalf) / rates.f16 +
                 double(counts.wgmmaTf32) / rates.tf32;
  // Without the instruction nothing is known of its rate.
  double slow = sync / machine.mmaShare +
                group / (machine.wgmmaShare ? machine.wgmmaShare : 1);
  return {slow / machine.cyclesPerMs(), (sync + group) / machine.cyclesPerMs()};
}

static std::array<double, kPipes> busyTimes(const GpuMachine &machine,
                                            const Counts &counts) {
  std::array<double, kPipes> busy{};
  double cyclesPerMs = machine.cyclesPerMs();
  auto lanes = [&](uint64_t instructions, double rate) {
    return double(instructions) * kLanes / rate / cyclesPerMs;
  };
  auto at = [&](Pipe pipe) -> double & { return busy[size_t(pipe)]; };
  at(Pipe::Tensor) = tensorTimes(machine, counts).first;
  at(Pipe::Fma) = lanes(counts.pipeFma, machine.lanes.fma);
  at(Pipe::Alu) = lanes(counts.pipeAlu, machine.lanes.alu) +
                  lanes(counts.pipeConvert, machine.lanes.convert);
  at(Pipe::Special) = lanes(counts.pipeSpecial, machine.lanes.special);
  // Shuffles and global accesses take the same way as shared memory; copies
  // into shared memory have been counted there.
  constexpr double wavefrontBytes = 128, sectorBytes = 32;
  double wavefronts = double(counts.sharedLoads.units) +
                      double(counts.sharedStores.units) +
                      double(counts.shuffles);
  double sectors = double(counts.globalLoads.units) +
                   double(counts.globalStores.units) -
                   double(counts.asyncSectors);
  at(Pipe::Shared) = (wavefronts * wavefrontBytes + sectors * sectorBytes) /
                     machine.sharedBytes / cyclesPerMs;
  at(Pipe::Issue) = double(counts.issued) / machine.issue / cyclesPerMs;
  at(Pipe::L2) =
      double(counts.blockSectors) * sectorBytes / (machine.l2GBs * 1e6);
  at(Pipe::Memory) =
      double(counts.deviceSectors) * sectorBytes / (machine.memoryGBs * 1e6);
  return busy;
}

namespace {
/// A time and what it is of.
struct Part {
  double ms;
  Pipe pipe;
};
} // namespace

/// What takes longest out of some pipes, and the sum of all.
static std::pair<Part, double> mostOf(const std::array<double, kPipes> &busy,
                                      std::initializer_list<Pipe> pipes) {
  Part most = {-1, Pipe::Tensor};
  double sum = 0;
  for (Pipe pipe : pipes) {
    sum += busy[size_t(pipe)];
    if (busy[size_t(pipe)] > most.ms)
      most = {busy[size_t(pipe)], pipe};
  }
  return {most, sum};
}

/// The time inside of the multiprocessors. A warp goes through its pipes one
/// after the other; other warps of its scheduler fill the gaps, so that the
/// more there are, the less is left beside the busiest pipe.
static Part insideTime(const std::array<double, kPipes> &busy, unsigned warps) {
  auto [most, sum] = mostOf(
      busy, {Pipe::Tensor, Pipe::Fma, Pipe::Alu, Pipe::Special, Pipe::Shared});
  double perScheduler = std::max(1.0, double(warps) / kSchedulers);
  most.ms += (sum - most.ms) / perScheduler;
  Part issue = {busy[size_t(Pipe::Issue)], Pipe::Issue};
  return issue.ms > most.ms ? issue : most;
}

llvm::Expected<Prediction> attn::predict::predict(const GpuMachine &machine,
                                                  const KernelLaunch &launch) {
  Prediction result;
  result.occupancy = occupancyOf(machine, launch);
  if (result.occupancy.blocks == 0)
    return llvm::createStringError(
        "expected a block that fits a multiprocessor of " + machine.name +
        ", got one with too many " + result.occupancy.limit);
  result.busy = busyTimes(machine, launch.counts);
  // The fullest multiprocessor has a whole number of blocks.
  double share = double(launch.blocks) / machine.multiprocessors;
  result.evenness = share / std::ceil(share);
  // With few blocks a multiprocessor has fewer than there is room for.
  double blocks = std::min(double(result.occupancy.blocks), std::ceil(share));
  auto warps =
      unsigned(blocks * result.occupancy.warps / result.occupancy.blocks);
  Part inside = insideTime(result.busy, warps);
  inside.ms /= result.evenness;
  Part outside = mostOf(result.busy, {Pipe::L2, Pipe::Memory}).first;
  Part work = inside.ms >= outside.ms ? inside : outside;
  double start = machine.startUs * 1e-3;
  result.ms = work.ms + start;
  bool isIdle = inside.ms >= outside.ms && result.evenness < 0.5;
  result.bound = start > work.ms ? "start"
                 : isIdle        ? "blocks"
                                 : nameOf(work.pipe);
  if (result.ms > 0)
    result.tensorShare = tensorTimes(machine, launch.counts).second / result.ms;
  return result;
}
