//===- Passes.td - the road around GPU kernels -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From operations on buffers to launches of kernels, and the host's side of them, in alphabetical order; lib/Pipelines has
// the order of running.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_GPU_PASSES
#define ATTN_TARGET_GPU_PASSES

include "attn/Target/GPU/KernelPasses.td"

def AttnGPUDecomposePass : Pass<"attn-gpu-decompose", "::mlir::func::FuncOp"> {
  let summary = "operations without a kernel of their own become linear algebra";
  let description = [{
    As `convert-attn-to-linalg`, for the operations that no kernel is made for: all but `attn.attention`,
    `attn.low_rank_attention` and `attn.linear_attention` on f16, bf16 or f32, with heads and features of at most 256, no
    relative operand, and scores and features that arithmetic alone makes. A remark says what was missed.

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

def AttnGPUFuseElementwisePass : Pass<"attn-gpu-fuse-elementwise", "::mlir::func::FuncOp"> {
  let summary = "element-wise operations become one";
  let description = [{
    As `linalg-fuse-elementwise-ops`, for transpositions too, except that a product of matrices takes in what moves or widens
    its operands and nothing else: its kernel would compute the rest for every row or column anew, and products alone have
    kernels on tensor cores.

    ```mlir
    func.func @f(%a: tensor<8x4xf32>, %b: tensor<4x8xf32>) -> tensor<8x8xf32> {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<8x4xf32>
      %n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%a : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
      ^bb0(%x: f32, %o: f32):
        %y = arith.negf %x : f32
        linalg.yield %y : f32
      } -> tensor<8x4xf32>
      %m = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                           iterator_types = ["parallel", "parallel"]}
          ins(%n : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
      ^bb0(%x: f32, %o: f32):
        %y = math.absf %x : f32
        linalg.yield %y : f32
      } -> tensor<8x4xf32>
      %p = tensor.empty() : tensor<8x8xf32>
      %z = linalg.fill ins(%zero : f32) outs(%p : tensor<8x8xf32>) -> tensor<8x8xf32>
      %r = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>,
                                            affine_map<(i, j, k) -> (i, j)>],
                           iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%m, %b : tensor<8x4xf32>, tensor<4x8xf32>) outs(%z : tensor<8x8xf32>) {
      ^bb0(%x: f32, %y: f32, %s: f32):
        %t = arith.mulf %x, %y : f32
        %u = arith.addf %s, %t : f32
        linalg.yield %u : f32
      } -> tensor<8x8xf32>
      return %r : tensor<8x8xf32>
    }
    ```
    becomes
    ```mlir
    ...
    ... = arith.negf ...
    ... = math.absf ...
    ...
    ... = arith.mulf ...
    ... = arith.addf ...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numFused", "num-fused", "Number of operations that became part of another">];
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

def AttnGPULaunchRowsPass : Pass<"attn-gpu-launch-rows", "::mlir::func::FuncOp"> {
  let summary = "chains of row-wise operations become one kernel";
  let description = [{
    Operations of `linalg` one after the other that reduce rows or work on their elements, such as the steps of a layer
    normalisation or a softmax, become one launch in which a warp takes a row through all steps. What a step writes for a
    row, only the same row may read; reductions must be of neighbours in memory. Results of reductions that were filled
    before begin with that value in registers. An operation that is alone stays for `attn-gpu-launch-linalg`.

    ```mlir
    func.func @center(%x: memref<64x128xf32>, %y: memref<64x128xf32>) {
      %zero = arith.constant 0.0 : f32
      %n = arith.constant 128.0 : f32
      %sum = memref.alloc() : memref<64xf32>
      linalg.fill ins(%zero : f32) outs(%sum : memref<64xf32>)
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                      iterator_types = ["parallel", "reduction"]} ins(%x : memref<64x128xf32>) outs(%sum : memref<64xf32>) {
      ^bb0(%a: f32, %s: f32):
        %t = arith.addf %s, %a : f32
        linalg.yield %t : f32
      }
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                      iterator_types = ["parallel", "parallel"]}
          ins(%x, %sum : memref<64x128xf32>, memref<64xf32>) outs(%y : memref<64x128xf32>) {
      ^bb0(%a: f32, %s: f32, %o: f32):
        %m = arith.divf %s, %n : f32
        %r = arith.subf %a, %m : f32
        linalg.yield %r : f32
      }
      return
    }
    ```
    becomes
    ```mlir
    ...
    gpu.launch ...
    ...
    ... = gpu.shuffle xor ...
    ...
    nvvm.bar.warp.sync ...
    ...
    ... = arith.subf ...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::NVVM::NVVMDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"numLaunched", "num-launched", "Number of chains that became kernels">,
                    Statistic<"numSteps", "num-steps", "Number of operations in them">];
}

def AttnGPULowerHostPass : Pass<"attn-gpu-lower-host", "::mlir::ModuleOp"> {
  let summary = "memory and launches become calls of the runtime's table";
  let description = [{
    The host's side of a library for GPUs: buffers are the device's memory, which is allocated, freed, copied and read
    through a table of functions that the runtime puts into the library; constants are copied to the device once.
    A kernel is known by its position in the module of kernels. Nothing here fails on its own: what goes wrong is
    noted by the runtime, which then does nothing until the entry is back. Reading one element outside of loops waits for the device; in
    a loop it is an error.

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
