// RUN: attn-opt %s --convert-attn-to-linalg --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The decomposition of attn operations: what they mean, in the order in which it is computed.

#q = affine_map<(b, h, i, j, d, e) -> (b, i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, j, h floordiv 2, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, j, h floordiv 2, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, i, h, e)>
#rows = affine_map<(b, h, i, j, d, e) -> (b, h, i)>
#valid = affine_map<(b, h, i, j, d, e) -> (b, j)>
#bias = affine_map<(b, h, i, j, d, e) -> (h, i, j)>

// CHECK-DAG: #[[$KEY_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d1 floordiv 2, d4)>
// CHECK-DAG: #[[$OUTPUT_MAP:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d1, d3)>
// CHECK-LABEL: func.func @scores_in_order
// CHECK-SAME: %[[QUERY:[a-z0-9]*]]: tensor<?x?x8x16xf16>, %[[KEY:[a-z0-9]*]]:
// CHECK: %[[PRODUCTS:.*]] = linalg.generic {{.*}}#[[$KEY_MAP]]{{.*}}"reduction"]} ins(%[[QUERY]], %[[KEY]]
// CHECK: arith.extf
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<8x?x?xbf16>, tensor<?x?xi1>) outs(%[[PRODUCTS]]
// CHECK-NEXT: ^bb0(%[[BIAS:.*]]: bf16, %[[VALID:.*]]: i1, %[[PRODUCT:.*]]: f32)
// CHECK: %[[SCALED:.*]] = arith.mulf %[[PRODUCT]]
// CHECK: %[[RATIO:.*]] = arith.divf %[[SCALED]]
// CHECK: %[[TANH:.*]] = math.tanh %[[RATIO]]
// CHECK: %[[CAPPED:.*]] = arith.mulf %[[TANH]]
// CHECK: %[[I:.*]] = linalg.index 2
// CHECK: %[[J:.*]] = linalg.index 3
// CHECK: arith.subi %[[J]], %[[I]]
// CHECK: %[[MODDED:.*]] = arith.addf %[[CAPPED]]
// CHECK: %[[WIDE_BIAS:.*]] = arith.extf %[[BIAS]] : bf16 to f32
// CHECK: %[[BIASED:.*]] = arith.addf %[[MODDED]], %[[WIDE_BIAS]]
// CHECK: %[[CAUSAL:.*]] = arith.cmpi sle, %[[J]]
// CHECK: %[[ALLOWED:.*]] = arith.andi %[[CAUSAL]], %[[VALID]]
// CHECK: arith.select %[[ALLOWED]], %[[BIASED]], %{{.*}} : f32
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: linalg.generic {{.*}}#[[$OUTPUT_MAP]]
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: math.log
func.func @scores_in_order(%q: tensor<?x?x8x16xf16>, %k: tensor<?x?x4x16xf16>, %v: tensor<?x?x4x8xf16>,
                           %bias: tensor<8x?x?xbf16>, %valid: tensor<?x?xi1>, %init: tensor<?x?x8x8xf16>,
                           %lse: tensor<?x8x?xf32>) -> (tensor<?x?x8x8xf16>, tensor<?x8x?xf32>) {
  %o:2 = attn.attention ins(%q, %k, %v : tensor<?x?x8x16xf16>, tensor<?x?x4x16xf16>, tensor<?x?x4x8xf16>)
      bias(%bias : tensor<8x?x?xbf16>) key_valid(%valid : tensor<?x?xi1>)
      outs(%init, %lse : tensor<?x?x8x8xf16>, tensor<?x8x?xf32>) maps [#q, #k, #v, #bias, #valid, #o, #rows]
      mask #attn.causal<bottom_right> softcap 3.0 score_mod {
      ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
        %distance = arith.subi %j, %i : index
        %int = arith.index_cast %distance : index to i32
        %float = arith.sitofp %int : i32 to f32
        %new = arith.addf %score, %float : f32
        attn.yield %new : f32
      } -> tensor<?x?x8x8xf16>, tensor<?x8x?xf32>
  return %o#0, %o#1 : tensor<?x?x8x8xf16>, tensor<?x8x?xf32>
}

// -----

// A value of a pair that may not attend is left out by selection: 0 * NaN would be NaN.
// CHECK-LABEL: func.func @masked_value_is_selected_away
// CHECK: math.exp
// CHECK: ^bb0(%[[SCORE:.*]]: f64, %[[WEIGHT:.*]]: f64, %[[VALUE:.*]]: f64, %[[SUM:.*]]: f64)
// CHECK: %[[TERM:.*]] = arith.mulf %[[WEIGHT]], %[[VALUE]]
// CHECK: %[[LEFT_OUT:.*]] = arith.cmpf oeq, %[[SCORE]], %{{.*}} : f64
// CHECK: %[[SELECTED:.*]] = arith.select %[[LEFT_OUT]], %{{.*}}, %[[TERM]] : f64
// CHECK: arith.addf %[[SUM]], %[[SELECTED]]
func.func @masked_value_is_selected_away(%q: tensor<5x4xf64>, %o: tensor<5x4xf64>) -> tensor<5x4xf64> {
  %r = attn.attention ins(%q, %q, %q : tensor<5x4xf64>, tensor<5x4xf64>, tensor<5x4xf64>) outs(%o : tensor<5x4xf64>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      mask #attn.causal<top_left> -> tensor<5x4xf64>
  return %r : tensor<5x4xf64>
}

// -----

// A step touches the rows of the state that the tile has, and counts positions from the tile's own.
// CHECK-LABEL: func.func @online_step
// CHECK-SAME: %[[ACC:[a-z0-9]*]]: tensor<1x96x64xf32>, %[[MAX:[a-z0-9]*]]: tensor<1x96xf32>
// CHECK-SAME: %[[FIRST_QUERY:[a-z0-9]*]]: index, %[[FIRST_KEY:[a-z0-9]*]]: index, %[[N:[a-z0-9]*]]: index
// CHECK: tensor.extract_slice %[[MAX]][0, 0] [1, %{{.*}}]
// CHECK: %[[ROW:.*]] = linalg.index 1
// CHECK: arith.addi %[[FIRST_QUERY]], %[[ROW]]
// CHECK: math.exp2
// CHECK: tensor.insert_slice %{{.*}} into %[[ACC]]
func.func @online_step(%q: tensor<1x?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %acc: tensor<1x96x64xf32>,
                       %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>, %i: index, %j: index, %n: index)
    -> tensor<1x96x64xf32> {
  %r:3 = attn.online_attention
      ins(%q, %k, %v : tensor<1x?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      at(%n, %n, %i, %j) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125 mask #attn.causal<top_left>
      -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
  return %r#0 : tensor<1x96x64xf32>
}

// -----

// CHECK-LABEL: func.func @finalize_with_lse
// CHECK: arith.divf
// CHECK: arith.truncf
// CHECK: math.log2
func.func @finalize_with_lse(%acc: tensor<1x96x64xf32>, %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>,
                             %o: tensor<?x1x64xf16>, %l: tensor<1x?xf32>) -> (tensor<?x1x64xf16>, tensor<1x?xf32>) {
  %r:2 = attn.finalize ins(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      outs(%o, %l : tensor<?x1x64xf16>, tensor<1x?xf32>)
      maps [affine_map<(g, i, e) -> (i, g, e)>, affine_map<(g, i, e) -> (g, i)>]
      -> tensor<?x1x64xf16>, tensor<1x?xf32>
  return %r#0, %r#1 : tensor<?x1x64xf16>, tensor<1x?xf32>
}

// -----

// CHECK-LABEL: func.func @negative_memref_stays
// CHECK: attn.finalize
// CHECK-NOT: linalg.generic
func.func @negative_memref_stays(%acc: memref<1x96x64xf32>, %max: memref<1x96xf32>, %sum: memref<1x96xf32>,
                                 %o: memref<96x1x64xf16>) {
  attn.finalize ins(%acc, %max, %sum : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
      outs(%o : memref<96x1x64xf16>) maps [affine_map<(g, i, e) -> (i, g, e)>]
  return
}
