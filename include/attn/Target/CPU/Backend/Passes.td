//===- Passes.td - passes behind bufferisation -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From loops on buffers to a library in the LLVM dialect, in alphabetical order; lib/Pipelines has the order of running.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_BACKEND_PASSES
#define ATTN_TARGET_CPU_BACKEND_PASSES

include "attn/Target/CPU/Backend/ExpandPasses.td"
include "attn/Target/CPU/Backend/MemoryPasses.td"

def AttnCPUExportEntriesPass : Pass<"attn-cpu-export-entries", "::mlir::ModuleOp"> {
  let summary = "the C entry points of a compiled library";
  let description = [{
    For every entry: `attn_entry_NAME(arguments, results) -> i32`, which calls it and keeps the text of a failure for
    `attn_last_error`; and `attn_shape_NAME`, which gives the extents of results. The manifest describes both.
    Also the serial loop that `attn_parallel_for` points to at first. All else becomes internal to the library.
    On Linux, memory of more than 8 MiB is asked for in pages of 2 MiB.

    ```mlir
    llvm.func @main(%status: !llvm.ptr) attributes {attn.entry} {
      llvm.return
    }
    llvm.func @_mlir_ciface_main(%status: !llvm.ptr) {
      llvm.return
    }
    ```
    becomes
    ```mlir
    ...
    llvm.func protected @attn_entry_main(%arg0: !llvm.ptr, %arg1: !llvm.ptr) -> i32 {
    ...
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let statistics = [Statistic<"numEntries", "num-entries", "Number of functions exported">,
                    Statistic<"numLargePages", "num-large-pages", "Number of allocations that may get large pages">];
}

def AttnCPULowerAssertPass : Pass<"attn-cpu-lower-assert", "::mlir::ModuleOp"> {
  let summary = "a failed assertion ends the function and sets the caller's status";
  let description = [{
    `cf.assert` in an entry or an outlined body stores a pointer to its message through the status pointer and returns.

    ```mlir
    func.func @main(%ok: i1, %status: !llvm.ptr) attributes {attn.entry} {
      cf.assert %ok, "expected a token below 30522"
      return
    }
    ```
    becomes
    ```mlir
    ...
    cf.cond_br %arg0, ^bb1, ^bb2
    ...
    llvm.store %0, %arg1 atomic monotonic {alignment = 8 : i64} : !llvm.ptr, !llvm.ptr
    return
    ...
    ```
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect"];
  let statistics = [Statistic<"numLowered", "num-lowered", "Number of assertions lowered">];
}

include "attn/Target/CPU/Backend/MaskPasses.td"
def AttnCPUOutlineParallelPass : Pass<"attn-cpu-outline-parallel", "::mlir::ModuleOp"> {
  let summary = "outermost parallel loops on buffers become functions that a thread pool calls";
  let description = [{
    Every outermost `scf.forall` or `scf.parallel` without results becomes a function `body(context, index, scratch)`
    and a call through `attn_parallel_for`, a pointer that the runtime sets to its thread pool. What the body reads from
    outside travels in a struct, after a pointer to the caller's status; constants are made again inside; buffers of
    static shape that the body allocates become views of `scratch`, which belongs to the thread. Parallel loops inside
    become `scf.for`. Equal bodies are merged, so that a model of many equal layers is compiled once.

    ```mlir
    func.func @fill(%m: memref<8xf32>, %f: f32) {
      scf.forall (%i) in (8) {
        memref.store %f, %m[%i] : memref<8xf32>
      }
      return
    }
    ```
    becomes
    ```mlir
    ...
    %f = constant @attn_body_0 : (!llvm.ptr, i64, !llvm.ptr) -> ()
    ...
    func.func private @attn_body_0(%arg0: !llvm.ptr, %arg1: i64, %arg2: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias}) attributes {attn.body} {
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"numOutlined", "num-outlined", "Number of parallel loops outlined">,
    Statistic<"numMerged", "num-merged", "Number of bodies merged with an equal one">,
    Statistic<"numScratch", "num-scratch-buffers", "Number of buffers that moved to the thread's scratch memory">];
}

def AttnCPUPlanMemoryPass : Pass<"attn-cpu-plan-memory", "::mlir::func::FuncOp"> {
  let summary = "intermediate buffers share memory";
  let description = [{
    Buffers of static shape outside of parallel loops become views into one allocation; those that live at different
    times may overlap. Buffers of dynamic shape reuse dead ones of equal size. All is freed after its last use.

    ```mlir
    func.func @f(%x: f32, %i: index) {
      %a = memref.alloc() : memref<16xf32>
      memref.store %x, %a[%i] : memref<16xf32>
      return
    }
    ```
    becomes
    ```mlir
    ...
    %alloc = memref.alloc() {alignment = 64 : i64} : memref<64xi8>
    ...
    %view = memref.view %alloc[%c0][] : memref<64xi8> to memref<16xf32>
    ...
    memref.dealloc %alloc : memref<64xi8>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"numPlanned", "num-planned", "Number of buffers that share planned memory">,
    Statistic<"numReused", "num-reused", "Number of dynamic buffers that reuse another one's memory">,
    Statistic<"arenaBytes", "arena-bytes", "Bytes of the planned memory">];
}

def AttnCPUReturnByArgumentPass : Pass<"attn-cpu-return-by-argument", "::mlir::ModuleOp"> {
  let summary = "public functions write their results to the caller's memory";
  let description = [{
    In an entry, scalars come in buffers of rank 0, results are buffers that the caller gives after the arguments, and
    a last pointer receives the text of an error. A result is computed in place where that is possible, else copied.

    ```mlir
    func.func @main(%x: f32, %i: index) -> memref<4xf32> {
      %a = memref.alloc() : memref<4xf32>
      memref.store %x, %a[%i] : memref<4xf32>
      return %a : memref<4xf32>
    }
    ```
    becomes
    ```mlir
    ...
    memref.store %0, %arg2[%1] : memref<4xf32>
    return
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"numInPlace", "num-in-place", "Number of results computed in the caller's memory">,
                    Statistic<"numCopied", "num-copied", "Number of results copied to the caller's memory">];
}

#endif // ATTN_TARGET_CPU_BACKEND_PASSES
