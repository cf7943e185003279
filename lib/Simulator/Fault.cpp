//===- Fault.cpp - what a simulated kernel did wrong, and counts ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Faults and counts as text.
//
//===----------------------------------------------------------------------===//

#include "attn/Simulator/Fault.h"

#include "attn/Simulator/Counts.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn::sim;

char Fault::ID = 0;

llvm::StringRef attn::sim::name(FaultKind kind) {
  switch (kind) {
  case FaultKind::Divergence:
    return "divergent collective";
  case FaultKind::Deadlock:
    return "deadlock";
  case FaultKind::OutOfBounds:
    return "out of bounds";
  case FaultKind::Misaligned:
    return "misaligned access";
  case FaultKind::ReadBeforeWait:
    return "read before wait";
  case FaultKind::Uninitialized:
    return "uninitialised memory";
  case FaultKind::Race:
    return "race";
  case FaultKind::Trap:
    return "trap";
  case FaultKind::StepLimit:
    return "step limit";
  case FaultKind::Unsupported:
    return "not supported";
  case FaultKind::BadLaunch:
    return "bad launch";
  }
  return "fault";
}

void Fault::log(llvm::raw_ostream &os) const {
  os << name(kind) << ": " << text;
  if (!kernel.empty())
    os << ", in kernel " << kernel;
  if (hasThread)
    os << llvm::formatv(", block ({0}, {1}, {2}), thread ({3}, {4}, {5}) "
                        "(warp {6}, lane {7})",
                        block.x, block.y, block.z, thread.x, thread.y, thread.z,
                        warp, lane);
  if (!location.empty())
    os << ", at " << location;
}

std::error_code Fault::convertToErrorCode() const {
  return llvm::inconvertibleErrorCode();
}

AccessCounts &AccessCounts::operator+=(const AccessCounts &other) {
  requests += other.requests;
  bytes += other.bytes;
  units += other.units;
  ideal += other.ideal;
  return *this;
}

namespace {
/// Every number of `Counts` with its name, in one place.
template <typename N, typename A> void visit(N number, A access) {
  number("instructions", &Counts::instructions);
  number("divergent", &Counts::divergent);
  number("mma", &Counts::mma);
  number("mma_flops", &Counts::mmaFlops);
  number("wgmma", &Counts::wgmma);
  number("ldmatrix", &Counts::ldmatrix);
  number("cp_async", &Counts::cpAsync);
  number("bulk_copies", &Counts::bulkCopies);
  number("special", &Counts::special);
  number("float_ops", &Counts::floatOps);
  number("integer_ops", &Counts::integerOps);
  number("shuffles", &Counts::shuffles);
  number("votes", &Counts::votes);
  number("barriers", &Counts::barriers);
  number("warp_barriers", &Counts::warpBarriers);
  number("atomics", &Counts::atomics);
  access("global_loads", &Counts::globalLoads);
  access("global_stores", &Counts::globalStores);
  access("shared_loads", &Counts::sharedLoads);
  access("shared_stores", &Counts::sharedStores);
  number("local_loads", &Counts::localLoads);
  number("local_stores", &Counts::localStores);
  number("mma_half", &Counts::mmaHalf);
  number("mma_tf32", &Counts::mmaTf32);
  number("mma_f64", &Counts::mmaF64);
  number("wgmma_half", &Counts::wgmmaHalf);
  number("wgmma_tf32", &Counts::wgmmaTf32);
  number("pipe_fma", &Counts::pipeFma);
  number("pipe_alu", &Counts::pipeAlu);
  number("pipe_convert", &Counts::pipeConvert);
  number("pipe_special", &Counts::pipeSpecial);
  number("issued", &Counts::issued);
  number("async_sectors", &Counts::asyncSectors);
  number("block_sectors", &Counts::blockSectors);
  number("device_sectors", &Counts::deviceSectors);
  number("blocks", &Counts::blocks);
}
} // namespace

Counts &Counts::operator+=(const Counts &other) {
  auto add = [&](const char *, auto member) { this->*member += other.*member; };
  visit(add, add);
  return *this;
}

void Counts::scale(uint64_t numerator, uint64_t denominator) {
  auto times = [&](uint64_t &value) {
    unsigned __int128 product = (unsigned __int128)value * numerator;
    value = uint64_t((product + denominator / 2) / denominator);
  };
  uint64_t executed = blocks;
  visit([&](const char *, auto member) { times(this->*member); },
        [&](const char *, auto member) {
          AccessCounts &access = this->*member;
          for (uint64_t *value :
               {&access.requests, &access.bytes, &access.units, &access.ideal})
            times(*value);
        });
  blocks = executed;
}

std::string Counts::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  visit([&](const char *name,
            auto member) { os << name << ' ' << this->*member << '\n'; },
        [&](const char *name, auto member) {
          const AccessCounts &counts = this->*member;
          os << llvm::formatv(
                    "{0} {1} requests, {2} bytes, {3} units, {4} ideal", name,
                    counts.requests, counts.bytes, counts.units, counts.ideal)
             << '\n';
        });
  return text;
}
