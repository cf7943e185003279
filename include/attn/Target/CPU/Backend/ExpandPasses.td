//===- ExpandPasses.td - operations spelled out -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What upstream's lowering has no good code for is written in simpler operations: copies, functions, reshapes.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_BACKEND_EXPANDPASSES
#define ATTN_TARGET_CPU_BACKEND_EXPANDPASSES

include "mlir/Pass/PassBase.td"

def AttnCPUExpandCopyPass : Pass<"attn-cpu-expand-copy"> {
  let summary = "copies between strided buffers become loops";
  let description = [{
    `memref.copy` between buffers that are not both contiguous becomes a nest of loops; others stay, for memcpy.

    ```mlir
    func.func @copy(%a: memref<4xf32, strided<[?]>>, %b: memref<4xf32>) {
      memref.copy %a, %b : memref<4xf32, strided<[?]>> to memref<4xf32>
      return
    }
    ```
    becomes
    ```mlir
    ...
    %0 = memref.load %arg0[%arg2] : memref<4xf32, strided<[?]>>
    memref.store %0, %arg1[%arg2] : memref<4xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Number of copies that became loops">];
}

def AttnCPUExpandMathPass : Pass<"attn-cpu-expand-math"> {
  let summary = "transcendental functions become polynomials";
  let description = [{
    `math.exp` and its like on f32, scalars or vectors, become polynomials of a few units in the last place, since calls
    would cost more than all else in a loop; on f16 and bf16 by way of f32. On f64 they stay, as calls of libm.
    `math.fpowi` to a constant power becomes products.

    ```mlir
    func.func @f(%x: vector<16xbf16>) -> vector<16xbf16> {
      %y = math.sqrt %x : vector<16xbf16>
      return %y : vector<16xbf16>
    }
    ```
    becomes
    ```mlir
    ...
    %2 = arith.truncf %1 : vector<16xf32> to vector<16xbf16>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Number of functions expanded">];
}

def AttnCPUExpandReshapePass : Pass<"attn-cpu-expand-reshape"> {
  let summary = "reshapes to several dynamic extents become views with computed strides";
  let description = [{
    `memref.expand_shape` that makes more than one dynamic extent of one dimension, as batch and length of rows, becomes
    `memref.reinterpret_cast` whose strides are products of the extents; all others stay.

    ```mlir
    func.func @rows(%x: memref<?x32xf32>, %b: index, %n: index) -> memref<?x?x32xf32> {
      %y = memref.expand_shape %x [[0, 1], [2]] output_shape [%b, %n, 32] : memref<?x32xf32> into memref<?x?x32xf32>
      return %y : memref<?x?x32xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %reinterpret_cast = memref.reinterpret_cast %base_buffer to offset: [0], sizes: [%arg1, %arg2, 32], strides: [%0, 32, 1] : memref<f32> to memref<?x?x32xf32, strided<[?, 32, 1]>>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Number of reshapes that became views">];
}

#endif // ATTN_TARGET_CPU_BACKEND_EXPANDPASSES
