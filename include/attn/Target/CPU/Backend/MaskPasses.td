//===- MaskPasses.td - passes on masked accesses -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What masked vectors need after they have reached the LLVM dialect; a part of Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_BACKEND_MASKPASSES
#define ATTN_TARGET_CPU_BACKEND_MASKPASSES

include "mlir/Pass/PassBase.td"

def AttnCPUMaskAsIntegersPass : Pass<"attn-cpu-mask-as-integers"> {
  let summary = "masked accesses of bf16 move integers";
  let description = [{
    Masked loads and stores of bf16 become those of 16-bit integers with casts of the bits around them: on CPUs without
    bf16, LLVM would take such vectors apart and round their elements by a function that no library has.

    ```mlir
    llvm.func @f(%p: !llvm.ptr, %mask: vector<16xi1>, %v: vector<16xbf16>) {
      llvm.intr.masked.store %v, %p, %mask {alignment = 2 : i32} : vector<16xbf16>, vector<16xi1> into !llvm.ptr
      llvm.return
    }
    ```
    becomes
    ```mlir
    ...
    %0 = llvm.bitcast %arg2 : vector<16xbf16> to vector<16xi16>
    llvm.intr.masked.store %0, %arg0, %arg1 {alignment = 2 : i32} : vector<16xi16>, vector<16xi1> into !llvm.ptr
    ...
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let statistics = [Statistic<"numChanged", "num-changed", "Number of loads and stores that move integers">];
}

#endif // ATTN_TARGET_CPU_BACKEND_MASKPASSES
