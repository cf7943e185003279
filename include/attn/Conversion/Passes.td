//===- Passes.td - conversions between dialects -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every edge between attn and another dialect, in alphabetical order.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CONVERSION_PASSES
#define ATTN_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def AttnExpandPass : Pass<"attn-expand"> {
  let summary = "positions and memories as linalg, which is also how they run";
  let description = [{
    Replaces `attn.rotary`, `attn.sinusoid`, `attn.alibi`, `attn.bucket_bias`, `attn.compress` and `attn.update_memory`
    by their decompositions. Unlike those of attention, these are as fast as any: element-wise loops, one product,
    slices. Extents that only the running program knows are asserted. An attention with documents becomes a loop over
    these, with an attention on slices in it.

    ```mlir
    func.func @next(%memory: tensor<6x4xf32>, %h: tensor<2x4xf32>, %kept: tensor<6x4xf32>, %evicted: tensor<2x4xf32>)
        -> tensor<6x4xf32> {
      %r:2 = attn.update_memory ins(%memory, %h : tensor<6x4xf32>, tensor<2x4xf32>)
          outs(%kept, %evicted : tensor<6x4xf32>, tensor<2x4xf32>) -> tensor<6x4xf32>, tensor<2x4xf32>
      return %r#0 : tensor<6x4xf32>
    }
    ```

    becomes

    ```mlir
    ...
      %all = tensor.empty() : tensor<6x4xf32>
      %stay = tensor.extract_slice %memory[2, 0] [4, 4] [1, 1] : tensor<6x4xf32> to tensor<4x4xf32>
      %old = tensor.insert_slice %stay into %all[0, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<6x4xf32>
      %new = tensor.insert_slice %h into %old[4, 0] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<6x4xf32>
    ...
    ```
  }];
  let statistics = [Statistic<"numExpanded", "num-expanded", "operations that were expanded">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::cf::ControlFlowDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def ConvertAttnToLinalgPass : Pass<"convert-attn-to-linalg"> {
  let summary = "attention as plain linalg on tensors, which is its meaning";
  let description = [{
    Replaces `attn.attention`, `attn.feed_forward`, `attn.low_rank_attention`, `attn.lsh_attention`, `attn.online_attention`, `attn.merge` and
    `attn.finalize` on tensors, and `attn.gaussian_projection`, by `linalg.generic` operations that say what they
    compute: all scores, their row maximum, the exponentials, their sum, and the weighted
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
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def RaiseLinalgToAttnPass : Pass<"raise-linalg-to-attn"> {
  let summary = "attention found in linalg on tensors";
  let description = [{
    Finds products of queries and keys, scaled, biased and masked, under a softmax in any of its decomposed forms, times
    values, and makes `attn.attention` of them. The match is on what each element is computed from, not on which
    operations compute it: it does not matter how a program splits, fuses, transposes or reshapes. Transposes and
    reshapes around the operands become indexing maps, broadcasts of key heads become `h floordiv g`, masks that are
    proven to be bands of positions become attributes, and -inf masks of keys become `key_valid`.

    What does not match exactly stays, with a remark of category `raise-linalg-to-attn` that says what broke the match.
    A mask by the lowest finite value of a type counts as -inf where a query sees some key; as an additive bias it keeps
    its value.

    ```mlir
    func.func @attention(%q: tensor<4x64x32xf32>, %k: tensor<4x64x32xf32>, %v: tensor<4x64x32xf32>) -> tensor<4x64x32xf32> {
      %zero = arith.constant 0.0 : f32
      %s0 = tensor.empty() : tensor<4x64x64xf32>
      %s1 = linalg.fill ins(%zero : f32) outs(%s0 : tensor<4x64x64xf32>) -> tensor<4x64x64xf32>
      %s = linalg.batch_matmul indexing_maps = [affine_map<(b, i, j, d) -> (b, i, d)>,
                                                affine_map<(b, i, j, d) -> (b, j, d)>,
                                                affine_map<(b, i, j, d) -> (b, i, j)>]
          ins(%q, %k : tensor<4x64x32xf32>, tensor<4x64x32xf32>) outs(%s1 : tensor<4x64x64xf32>) -> tensor<4x64x64xf32>
      %p = linalg.softmax dimension(2) ins(%s : tensor<4x64x64xf32>) outs(%s0 : tensor<4x64x64xf32>) -> tensor<4x64x64xf32>
      %o0 = tensor.empty() : tensor<4x64x32xf32>
      %o1 = linalg.fill ins(%zero : f32) outs(%o0 : tensor<4x64x32xf32>) -> tensor<4x64x32xf32>
      %o = linalg.batch_matmul ins(%p, %v : tensor<4x64x64xf32>, tensor<4x64x32xf32>) outs(%o1 : tensor<4x64x32xf32>) -> tensor<4x64x32xf32>
      return %o : tensor<4x64x32xf32>
    }
    ```

    becomes

    ```mlir
    ...
      %1 = attn.attention ins(%arg0, %arg1, %arg2 : tensor<4x64x32xf32>, tensor<4x64x32xf32>, tensor<4x64x32xf32>) outs(%0 : tensor<4x64x32xf32>) maps [#map, #map1, #map2, #map3] scale 1.000000e+00 -> tensor<4x64x32xf32>
    ...
    ```
  }];
  let options = [Option<"remarks", "remarks", "bool", "false", "emit a diagnostic for every attention that is missed">];
  let statistics = [Statistic<"numRaised", "num-raised", "attentions that were raised">,
                    Statistic<"numMissed", "num-missed", "softmaxes times values that were not raised">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::attn::AttnDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

def RaiseLinalgToFeedForwardPass : Pass<"raise-linalg-to-feed-forward"> {
  let summary = "feed-forward layers found in linalg on tensors";
  let description = [{
    Finds two products with weights around an activation, with a gate or without, and makes `attn.feed_forward` of them.
    Weights may be transposed, broadcast or reshaped on their way, rows may have several dimensions, and an activation may
    be spelled in any way: it is recognised by its values. Biases are taken along. Attention is raised before.

    What does not match exactly stays, with a remark of category `raise-linalg-to-feed-forward` that says what broke the
    match.

    ```mlir
    func.func @layer(%x: tensor<8x4xf32>, %w: tensor<4x16xf32>, %v: tensor<16x4xf32>) -> tensor<8x4xf32> {
      %zero = arith.constant 0.0 : f32
      %e0 = tensor.empty() : tensor<8x16xf32>
      %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x16xf32>) -> tensor<8x16xf32>
      %u = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x16xf32>) outs(%f0 : tensor<8x16xf32>) -> tensor<8x16xf32>
      %h = linalg.map ins(%u : tensor<8x16xf32>) outs(%e0 : tensor<8x16xf32>) (%in: f32, %out: f32) {
        %max = arith.maximumf %in, %zero : f32
        linalg.yield %max : f32
      }
      %e1 = tensor.empty() : tensor<8x4xf32>
      %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4xf32>) -> tensor<8x4xf32>
      %y = linalg.matmul ins(%h, %v : tensor<8x16xf32>, tensor<16x4xf32>) outs(%f1 : tensor<8x4xf32>) -> tensor<8x4xf32>
      return %y : tensor<8x4xf32>
    }
    ```

    becomes

    ```mlir
    ...
      %1 = attn.feed_forward relu ins(%arg0 : tensor<8x4xf32>) up(%arg1 : tensor<4x16xf32>) down(%arg2 : tensor<16x4xf32>) outs(%0 : tensor<8x4xf32>) maps [#map, #map1] -> tensor<8x4xf32>
    ...
    ```
  }];
  let options = [Option<"remarks", "remarks", "bool", "false", "emit a diagnostic for every layer that is missed">];
  let statistics = [Statistic<"numRaised", "num-raised", "layers that were raised">,
                    Statistic<"numMissed", "num-missed", "functions between products that were not raised">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::attn::AttnDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // ATTN_CONVERSION_PASSES
