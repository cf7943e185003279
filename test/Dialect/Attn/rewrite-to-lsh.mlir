// RUN: attn-opt %s --attn-rewrite-to-lsh --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention that asks for LSH hashes with rotations that are drawn from a seed; what buckets cannot mean stays exact.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @causal
func.func @causal(%x: tensor<2x64x4xf32>, %v: tensor<2x64x4xf32>) -> tensor<2x64x4xf32> {
  // CHECK: %[[G:.*]] = arith.constant dense<{{.*}}> : tensor<2x4x2x4xf32>
  // CHECK: attn.lsh_attention ins(%arg0, %arg1 : {{.*}}) rotations(%[[G]]
  // CHECK-SAME: rounds 2 chunk 16 buckets [8] causal
  // CHECK-SAME: attn.rewritten = #attn.lsh_form<rounds = 2, chunk = 16>
  // expected-remark @+1 {{'a' rewritten to lsh: 1.39e+05 flops, 2.46e+04 bytes instead of 6.66e+04 flops}}
  %o = attn.attention ins(%x, %x, %v : tensor<2x64x4xf32>, tensor<2x64x4xf32>, tensor<2x64x4xf32>)
      outs(%v : tensor<2x64x4xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left>
      {attn.form = #attn.lsh_form<rounds = 2, chunk = 16>, attn.label = "a"} -> tensor<2x64x4xf32>
  return %o : tensor<2x64x4xf32>
}

// Many buckets are two factors; a form may take the queries for keys.
// CHECK-LABEL: func.func @factored
func.func @factored(%q: tensor<2x8192x4xf32>, %k: tensor<2x8192x4xf32>) -> tensor<2x8192x4xf32> {
  // CHECK: attn.lsh_attention ins(%arg0, %arg1
  // CHECK-SAME: rounds 1 chunk 64 buckets [16, 16] look_ahead 1
  // expected-remark @+1 {{rewritten to lsh}}
  %o = attn.attention ins(%q, %k, %k : tensor<2x8192x4xf32>, tensor<2x8192x4xf32>, tensor<2x8192x4xf32>)
      outs(%k : tensor<2x8192x4xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.lsh_form<rounds = 1, look_ahead = 1, shared_qk = true>} -> tensor<2x8192x4xf32>
  return %o : tensor<2x8192x4xf32>
}

// Keys of their own are sorted apart. The bias of 0 and the lowest number says which tokens there are.
// CHECK-LABEL: func.func @asymmetric
func.func @asymmetric(%q: tensor<2x64x4xf32>, %k: tensor<2x64x4xf32>, %m: tensor<64xi1>) -> tensor<2x64x4xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.40282347E+38 : f32
  %empty = tensor.empty() : tensor<64xf32>
  %bias = linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> (j)>], iterator_types = ["parallel"]}
      ins(%m : tensor<64xi1>) outs(%empty : tensor<64xf32>) {
  ^bb0(%isKept: i1, %out: f32):
    %0 = arith.select %isKept, %zero, %lowest : f32
    linalg.yield %0 : f32
  } -> tensor<64xf32>
  // CHECK-DAG: %[[A:.*]] = arith.constant dense<{{.*}}> : tensor<2x2x6xf32>
  // CHECK-DAG: %[[VALID:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<64xf32>) outs(%{{.*}} : tensor<64xi1>)
  // CHECK: attn.asymmetric_lsh_attention ins(%arg0, %arg1, %arg1
  // CHECK-SAME: query_valid(%[[VALID]] : tensor<64xi1>) key_valid(%[[VALID]] : tensor<64xi1>) directions(%[[A]]
  // CHECK-SAME: rounds 2 chunk 16 scale 5.000000e-01
  // expected-remark @+2 {{reads its padding bias as key validity: queries without any valid key give 0}}
  // expected-remark @+1 {{rewritten to lsh}}
  %o = attn.attention ins(%q, %k, %k : tensor<2x64x4xf32>, tensor<2x64x4xf32>, tensor<2x64x4xf32>) bias(%bias : tensor<64xf32>)
      outs(%k : tensor<2x64x4xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j)>, #o] scale 0.5
      {attn.form = #attn.lsh_form<rounds = 2, chunk = 16>} -> tensor<2x64x4xf32>
  return %o : tensor<2x64x4xf32>
}

// CHECK-LABEL: func.func @negative_bias
func.func @negative_bias(%q: tensor<2x64x4xf32>, %k: tensor<2x64x4xf32>, %bias: tensor<64xf32>) -> tensor<2x64x4xf32> {
  // CHECK: attn.attention
  // expected-remark @+1 {{stays exact, not lsh: its bias refers to keys}}
  %o = attn.attention ins(%q, %k, %k : tensor<2x64x4xf32>, tensor<2x64x4xf32>, tensor<2x64x4xf32>) bias(%bias : tensor<64xf32>)
      outs(%k : tensor<2x64x4xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j)>, #o]
      {attn.form = #attn.lsh_form} -> tensor<2x64x4xf32>
  return %o : tensor<2x64x4xf32>
}

// CHECK-LABEL: func.func @negative_mask
func.func @negative_mask(%x: tensor<2x64x4xf32>) -> tensor<2x64x4xf32> {
  // expected-remark @+1 {{stays exact, not lsh: its mask is neither none nor causal}}
  %o = attn.attention ins(%x, %x, %x : tensor<2x64x4xf32>, tensor<2x64x4xf32>, tensor<2x64x4xf32>)
      outs(%x : tensor<2x64x4xf32>) maps [#q, #k, #v, #o] mask #attn.window<before = 4, after = 4, top_left>
      {attn.form = #attn.lsh_form} -> tensor<2x64x4xf32>
  return %o : tensor<2x64x4xf32>
}

// CHECK-LABEL: func.func @negative_softcap
func.func @negative_softcap(%x: tensor<2x64x4xf32>) -> tensor<2x64x4xf32> {
  // expected-remark @+1 {{stays exact, not lsh: it has a softcap}}
  %o = attn.attention ins(%x, %x, %x : tensor<2x64x4xf32>, tensor<2x64x4xf32>, tensor<2x64x4xf32>)
      outs(%x : tensor<2x64x4xf32>) maps [#q, #k, #v, #o] softcap 3.0 {attn.form = #attn.lsh_form}
      -> tensor<2x64x4xf32>
  return %o : tensor<2x64x4xf32>
}

// CHECK-LABEL: func.func @negative_length
func.func @negative_length(%x: tensor<2x?x4xf32>) -> tensor<2x?x4xf32> {
  // expected-remark @+1 {{stays exact, not lsh: its length is not known, and the form has no number of buckets}}
  %o = attn.attention ins(%x, %x, %x : tensor<2x?x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>)
      outs(%x : tensor<2x?x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.lsh_form} -> tensor<2x?x4xf32>
  return %o : tensor<2x?x4xf32>
}

// CHECK-LABEL: func.func @negative_chunk
func.func @negative_chunk(%x: tensor<2x32x4xf32>) -> tensor<2x32x4xf32> {
  // expected-remark @+1 {{stays exact, not lsh: a chunk of 64 is longer than its 32 tokens}}
  %o = attn.attention ins(%x, %x, %x : tensor<2x32x4xf32>, tensor<2x32x4xf32>, tensor<2x32x4xf32>)
      outs(%x : tensor<2x32x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.lsh_form} -> tensor<2x32x4xf32>
  return %o : tensor<2x32x4xf32>
}
