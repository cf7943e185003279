//===- Kernel.h - kernels written as text, for tests ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parses LLVM IR, launches its kernel `k` on arrays and gives back results,
// counts or the fault.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_UNIT_SIMULATOR_KERNEL_H
#define ATTN_TEST_UNIT_SIMULATOR_KERNEL_H

#include "attn/Simulator/Simulator.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <optional>
#include <string>
#include <vector>

namespace attn::sim::test {

/// What every text starts with.
inline const char *prologue() {
  return R"(
    target datalayout = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
    target triple = "nvptx64-nvidia-cuda"
    declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
    declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
    declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
    declare void @llvm.nvvm.bar.warp.sync(i32)
  )";
}

/// Waits for the first phase of the barrier @b.
inline const char *awaitBarrier() {
  return R"(call void asm sideeffect "{
      .reg .pred P1;
      LAB_WAIT:
      mbarrier.try_wait.parity.shared.b64 P1, [$0], $1, $2;
      @P1 bra.uni DONE;
      bra.uni LAB_WAIT;
      DONE:
      }", "r,r,r"(ptr addrspace(3) @b, i32 0, i32 1000)
)";
}

/// One launch. Arguments are added in order; arrays are device memory.
struct Kernel {
  explicit Kernel(const std::string &text, SimulatorOptions options = {}) {
    llvm::LLVMContext context;
    llvm::SMDiagnostic diagnostic;
    auto module =
        llvm::parseAssemblyString(prologue() + text, diagnostic, context);
    if (!module) {
      std::string message;
      llvm::raw_string_ostream os(message);
      diagnostic.print("kernel", os);
      ADD_FAILURE() << message;
      return;
    }
    EXPECT_FALSE(llvm::verifyModule(*module, &llvm::errs()));
    auto made = Simulator::create(*module, options);
    if (made)
      simulator = std::move(*made);
    else
      ADD_FAILURE() << llvm::toString(made.takeError());
  }

  /// A device array, passed as a pointer; returns its address.
  template <typename T> uint64_t array(const std::vector<T> &values) {
    uint64_t address =
        llvm::cantFail(memory.allocate(values.size() * sizeof(T)));
    llvm::cantFail(memory.write(address, llvm::ArrayRef(values)));
    scalar(address);
    return address;
  }
  template <typename T> void scalar(T value) {
    auto *bytes = reinterpret_cast<const uint8_t *>(&value);
    arguments.emplace_back(bytes, bytes + sizeof(T));
  }
  template <typename T> std::vector<T> read(uint64_t address, size_t count) {
    std::vector<T> values(count);
    llvm::cantFail(memory.read(llvm::MutableArrayRef(values), address));
    return values;
  }

  llvm::Expected<Counts> tryRun(Dim3 grid, Dim3 block, uint64_t shared = 0) {
    std::vector<llvm::ArrayRef<uint8_t>> views(arguments.begin(),
                                               arguments.end());
    return simulator->launch("k", grid, block, shared, views, memory);
  }
  Counts run(Dim3 grid, Dim3 block, uint64_t shared = 0) {
    auto counts = tryRun(grid, block, shared);
    if (counts)
      return *counts;
    ADD_FAILURE() << llvm::toString(counts.takeError());
    return {};
  }
  /// Expects a fault of this kind whose message has `text` in it.
  void expectFault(FaultKind kind, const std::string &text, Dim3 grid,
                   Dim3 block, uint64_t shared = 0) {
    auto counts = tryRun(grid, block, shared);
    if (counts) {
      ADD_FAILURE() << "expected a fault: " << text;
      return;
    }
    llvm::handleAllErrors(counts.takeError(), [&](const Fault &fault) {
      EXPECT_EQ(fault.kind, kind) << fault.message();
      EXPECT_NE(fault.message().find(text), std::string::npos)
          << fault.message();
    });
  }

  std::optional<Simulator> simulator;
  DeviceMemory memory;
  std::vector<std::vector<uint8_t>> arguments;
};

} // namespace attn::sim::test

#endif // ATTN_TEST_UNIT_SIMULATOR_KERNEL_H
