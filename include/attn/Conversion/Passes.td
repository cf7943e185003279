//===- Passes.td - conversions between dialects -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every edge between attn and another dialect, in alphabetical order.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CONVERSION_PASSES
#define ATTN_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def ConvertAttnToLinalgPass : Pass<"convert-attn-to-linalg"> {
  let summary = "attention as plain linalg on tensors, which is its meaning";
  let description = [{
    Replaces `attn.attention`, `attn.online_attention`, `attn.merge` and `attn.finalize` on tensors by `linalg.generic`
    operations that say what they compute: all scores, their row maximum, the exponentials, their sum, and the weighted
    sum of the values. A pair that may not attend, and one whose score is -inf, is left out by a selection, so that a
    NaN in a masked key or value does not escape. Operations on memrefs stay.

    Every faster lowering is compared with this one.

    ```mlir
    func.func @merge(%a: tensor<4x1x8x64xf32>, %m: tensor<4x1x8xf32>, %s: tensor<4x1x8xf32>, %acc: tensor<1x8x64xf32>,
                     %max: tensor<1x8xf32>, %sum: tensor<1x8xf32>) -> tensor<1x8xf32> {
      %r:3 = attn.merge ins(%a, %m, %s : tensor<4x1x8x64xf32>, tensor<4x1x8xf32>, tensor<4x1x8xf32>)
          state(%acc, %max, %sum : tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>)
          -> tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>
      return %r#1 : tensor<1x8xf32>
    }
    ```

    becomes

    ```mlir
    ...
      %1 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg1 : tensor<4x1x8xf32>) outs(%0 : tensor<1x8xf32>) {
      ^bb0(%in: f32, %out: f32):
        %6 = arith.maximumf %out, %in : f32
        linalg.yield %6 : f32
      } -> tensor<1x8xf32>
    ...
    ```
  }];
  let statistics = [Statistic<"numDecomposed", "num-decomposed", "operations that were decomposed">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // ATTN_CONVERSION_PASSES
