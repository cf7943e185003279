//===- Passes.td - the road around GPU kernels -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From operations on buffers to launches of kernels, and the host's side of them, in alphabetical order; lib/Pipelines has
// the order of running.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_GPU_PASSES
#define ATTN_TARGET_GPU_PASSES

include "attn/Target/GPU/ChainPasses.td"
include "attn/Target/GPU/KernelPasses.td"

def AttnGPUDecomposePass : Pass<"attn-gpu-decompose", "::mlir::func::FuncOp"> {
  let summary = "operations without a kernel of their own become linear algebra";
  let description = [{
    As `convert-attn-to-linalg`, for the operations that no kernel is made for: all but `attn.attention`,
    `attn.low_rank_attention`, `attn.linear_attention`, `attn.lsh_attention` and `attn.asymmetric_lsh_attention` on f16,
    bf16 or f32, with heads and features of at most 256, at most 64 rounds, no relative operand, and scores and features
    that arithmetic alone makes. A remark says what was missed.

    A feed-forward layer becomes its products, in a loop over slices of its rows: as many as the operation asks for, or as
    have hidden values of at most 16 MiB, which stay in a device's cache between the two.

    ```mlir
    func.func @rotate(%q: tensor<8x4x64xf32>, %first: index, %init: tensor<8x4x64xf32>) -> tensor<8x4x64xf32> {
      %r = attn.rotary half ins(%q : tensor<8x4x64xf32>) first(%first) outs(%init : tensor<8x4x64xf32>) dim 1
          -> tensor<8x4x64xf32>
      return %r : tensor<8x4x64xf32>
    }
    ```
    becomes
    ```mlir
    ...
    ... = linalg.generic ...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numDecomposed", "num-decomposed", "Number of operations that became linear algebra">];
}

def AttnGPULaunchLinalgPass : Pass<"attn-gpu-launch-linalg", "::mlir::func::FuncOp"> {
  let summary = "linear algebra on buffers becomes launches of kernels";
  let description = [{
    Every `linalg` operation outside of a kernel becomes a launch in which one thread computes one point of the parallel
    dimensions, the last of them fastest, and walks over the reduction dimensions; in a product, 4 rows by 4 columns, so
    that loads are shared. Where what is reduced lies side by side, a warp computes the point, and its lanes combine their
    parts by shuffles. Copies between buffers that are not contiguous, and single stores become launches too. A parallel loop that is not a kernel by now becomes a loop of launches.
    An assertion in such an operation puts its number into a word of the device's, which the host reads at the end.

    ```mlir
    func.func @twice(%a: memref<64xf32>) {
      linalg.add ins(%a, %a : memref<64xf32>, memref<64xf32>) outs(%a : memref<64xf32>)
      return
    }
    ```
    becomes
    ```mlir
    ...
    %6 = arith.addf %4, %5 : f32
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"numLaunched", "num-launched", "Number of operations that became kernels">];
}

def AttnGPULowerHostPass : Pass<"attn-gpu-lower-host", "::mlir::ModuleOp"> {
  let summary = "memory and launches become calls of the runtime's table";
  let description = [{
    The host's side of a library for GPUs: buffers are the device's memory, which is allocated, freed, copied and read
    through a table of functions that the runtime puts into the library; constants are copied to the device once.
    A kernel is known by its position in the module of kernels. Nothing here fails on its own: what goes wrong is
    noted by the runtime, which then does nothing until the entry is back. Reading one element outside of loops waits for the device; in
    a loop it is an error. A tensor map (`nvgpu.tma.create.descriptor`) is described to the runtime, which has the driver
    encode it for kernels that read it.

    ```mlir
    module {
      func.func @f(%n: index) {
        %0 = memref.alloc(%n) : memref<?xf32>
        memref.dealloc %0 : memref<?xf32>
        return
      }
    }
    ```
    becomes
    ```mlir
    ...
    llvm.mlir.global external protected @attn_gpu...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"numLaunches", "num-launches", "Number of launches lowered">];
}

#endif // ATTN_TARGET_GPU_PASSES
