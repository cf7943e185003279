//===- ChainPasses.td - fewer kernels for linear algebra ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations between products that become one, on tensors and on buffers.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_GPU_CHAINPASSES
#define ATTN_TARGET_GPU_CHAINPASSES

include "mlir/Pass/PassBase.td"

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
    ... = gpu.shuffle ...xor ...
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

#endif // ATTN_TARGET_GPU_CHAINPASSES
