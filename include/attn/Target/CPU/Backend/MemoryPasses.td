//===- MemoryPasses.td - passes on allocations -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What allocations need besides a plan; a part of Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_BACKEND_MEMORYPASSES
#define ATTN_TARGET_CPU_BACKEND_MEMORYPASSES

include "mlir/Pass/PassBase.td"

def AttnCPUCheckMemoryPass : Pass<"attn-cpu-check-memory", "::mlir::func::FuncOp"> {
  let summary = "an allocation that fails ends the call";
  let description = [{
    Every allocation of an entry or an outlined body is followed by an assertion that it gave memory;
    `attn-cpu-lower-assert` makes it an error status of the call.

    ```mlir
    func.func @main(%n: index, %status: !llvm.ptr) attributes {attn.entry} {
      %m = memref.alloc(%n) : memref<?xf32>
      memref.dealloc %m : memref<?xf32>
      return
    }
    ```
    becomes
    ```mlir
    ...
    %alloc = memref.alloc(%arg0) : memref<?xf32>
    %intptr = memref.extract_aligned_pointer_as_index %alloc : memref<?xf32> -> index
    ...
    %0 = arith.cmpi ne, %intptr, %c0 : index
    cf.assert %0, "no memory for intermediate values"
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect"];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of allocations with an assertion">];
}

#endif // ATTN_TARGET_CPU_BACKEND_MEMORYPASSES
