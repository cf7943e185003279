//===- SharedMemory.cpp - a block's memory and who touched it -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One state a byte: the last write, and the last reads of two threads (a third
// concurrent reader is forgotten; the two that are kept suffice for barriers of
// the whole block).
//
//===----------------------------------------------------------------------===//

#include "SharedMemory.h"

#include "Program.h"

#include "llvm/Support/FormatVariadic.h"

using namespace attn::sim;

void attn::sim::merge(Clock &into, const Clock &from) {
  if (into.size() < from.size())
    into.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i)
    into[i] = std::max(into[i], from[i]);
}

void SharedMemory::reset(uint64_t size, bool checkRaces,
                         bool checkUninitialized) {
  races = checkRaces;
  uninitialized = checkUninitialized;
  bytes.assign(size, 0xff);
  state.assign(size, Byte());
}

/// Whether what `thread` did at `clock` of its warp came before `who` acts.
bool SharedMemory::ordered(const Accessor &who, unsigned thread,
                           uint32_t clock) {
  if (thread == who.thread)
    return true;
  unsigned warp = thread / kLanes;
  uint32_t known = (*who.clock)[warp];
  return warp == who.thread / kLanes ? clock < known : clock <= known;
}

/// Whether a proxy fence lies between the write of a byte and `who`.
bool SharedMemory::fenced(const Accessor &who, const Byte &byte) {
  if (!who.byProxy || byte.writer == kNobody || (byte.flags & Proxy))
    return true;
  return (*who.clock)[who.clock->size() / 2 + byte.writer / kLanes] >=
         byte.writeClock;
}

SharedMemory::Result SharedMemory::check(const Accessor &who, Byte &byte,
                                         uint64_t at, bool write,
                                         bool sameValue, bool atomic) {
  const char *what = write ? "write" : "read";
  if (byte.flags & Pending) {
    std::string who = llvm::formatv("asynchronous copy by thread {0} that was "
                                    "not waited for",
                                    byte.writer);
    return SharedFault{
        write ? FaultKind::Race : FaultKind::ReadBeforeWait,
        llvm::formatv("{0} of shared byte {1} under an {2}", what, at, who)};
  }
  if (!write && uninitialized && !(byte.flags & Written))
    return SharedFault{
        FaultKind::Uninitialized,
        llvm::formatv("read of shared byte {0} that nobody wrote", at)};
  if (!races)
    return std::nullopt;
  bool bothAtomic = atomic && (byte.flags & Atomic);
  if (byte.writer != kNobody && !bothAtomic &&
      !ordered(who, byte.writer, byte.writeClock) &&
      !(sameValue && byte.stamp == who.stamp))
    return SharedFault{
        FaultKind::Race,
        llvm::formatv("{0} of shared byte {1} {2} by thread {3} with no "
                      "barrier between",
                      what, at,
                      byte.flags & Async ? "copied asynchronously and waited "
                                           "for"
                                         : "written",
                      byte.writer)};
  if (!fenced(who, byte))
    return SharedFault{
        FaultKind::Race,
        llvm::formatv("{0} by the asynchronous proxy of shared byte {1} "
                      "written by thread {2} with no fence.proxy.async between",
                      what, at, byte.writer)};
  if (!write)
    return std::nullopt;
  for (unsigned i = 0; i < 2; ++i)
    if (byte.reader[i] != kNobody &&
        !ordered(who, byte.reader[i], byte.readClock[i]))
      return SharedFault{FaultKind::Race,
                         llvm::formatv("write of shared byte {0} read by "
                                       "thread {1} with no barrier between",
                                       at, byte.reader[i])};
  return std::nullopt;
}

void SharedMemory::stampWrite(const Accessor &who, Byte &byte, uint8_t flags) {
  byte.writer = uint16_t(who.thread);
  byte.writeClock = (*who.clock)[who.thread / kLanes];
  byte.stamp = who.stamp;
  byte.flags = flags;
}

SharedMemory::Result SharedMemory::noteRead(const Accessor &who, uint64_t at,
                                            uint64_t count) {
  uint32_t now = (*who.clock)[who.thread / kLanes];
  for (uint64_t i = at; i < at + count; ++i) {
    Byte &byte = state[i];
    if (auto fault = check(who, byte, i, /*write=*/false, false, false))
      return fault;
    if (byte.reader[0] != who.thread) {
      byte.reader[1] = byte.reader[0];
      byte.readClock[1] = byte.readClock[0];
      byte.reader[0] = uint16_t(who.thread);
    }
    byte.readClock[0] = now;
  }
  return std::nullopt;
}

SharedMemory::Result SharedMemory::noteWrite(const Accessor &who, uint64_t at,
                                             const uint8_t *from,
                                             uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    Byte &byte = state[at + i];
    bool same = from && bytes[at + i] == from[i];
    if (auto fault = check(who, byte, at + i, /*write=*/true, same, false))
      return fault;
    stampWrite(who, byte, Written);
  }
  return std::nullopt;
}

SharedMemory::Result SharedMemory::noteAtomic(const Accessor &who, uint64_t at,
                                              uint64_t count) {
  for (uint64_t i = at; i < at + count; ++i) {
    Byte &byte = state[i];
    if (uninitialized && !(byte.flags & (Written | Pending)))
      return SharedFault{
          FaultKind::Uninitialized,
          llvm::formatv("atomic on shared byte {0} that nobody wrote", i)};
    if (auto fault = check(who, byte, i, /*write=*/true, false, true))
      return fault;
    stampWrite(who, byte, Written | Atomic);
  }
  return std::nullopt;
}

SharedMemory::Result SharedMemory::beginCopy(const Accessor &who, uint64_t at,
                                             uint64_t count) {
  for (uint64_t i = at; i < at + count; ++i) {
    if (auto fault = check(who, state[i], i, /*write=*/true, false, false))
      return fault;
    stampWrite(who, state[i], Pending | Async);
    bytes[i] = 0xff;
  }
  return std::nullopt;
}

void SharedMemory::endCopy(const Accessor &who, uint64_t at,
                           const uint8_t *from, uint64_t count, bool byProxy) {
  for (uint64_t i = 0; i < count; ++i) {
    stampWrite(who, state[at + i],
               uint8_t(Written | Async | (byProxy ? Proxy : 0)));
    bytes[at + i] = from[i];
  }
}
