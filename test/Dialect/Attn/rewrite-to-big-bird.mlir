// RUN: attn-opt %s --attn-rewrite-to-big-bird --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// BigBird's pattern becomes a mask, beside the one that is there.

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func.func @plain
func.func @plain(%q: tensor<256x4xf32>) -> tensor<256x4xf32> {
  // CHECK: mask #attn.bigbird<block = 8, random = 3, seed = 5>
  // CHECK-SAME: attn.rewritten = #attn.bigbird_form<block = 8, seed = 5>
  // expected-remark @+1 {{'a' rewritten to bigbird:}}
  %o = attn.attention ins(%q, %q, %q : tensor<256x4xf32>, tensor<256x4xf32>, tensor<256x4xf32>)
      outs(%q : tensor<256x4xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.bigbird_form<block = 8, seed = 5>, attn.label = "a"} -> tensor<256x4xf32>
  return %o : tensor<256x4xf32>
}

// CHECK-LABEL: func.func @causal
func.func @causal(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: mask #attn.all_of<[#attn.causal<bottom_right>, #attn.bigbird<block = 64, random = 3, seed = 0>]>
  // expected-remark @+1 {{'attn.attention' rewritten to bigbird:}}
  %o = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      {attn.form = #attn.bigbird_form} -> tensor<?x4xf32>
  return %o : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @negative_cross
func.func @negative_cross(%q: tensor<100x4xf32>, %k: tensor<90x4xf32>) -> tensor<100x4xf32> {
  // CHECK-NOT: mask
  // expected-remark @+1 {{'attn.attention' stays exact, not bigbird: expected as many queries as keys, got 100 and 90}}
  %o = attn.attention ins(%q, %k, %k : tensor<100x4xf32>, tensor<90x4xf32>, tensor<90x4xf32>)
      outs(%q : tensor<100x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.bigbird_form} -> tensor<100x4xf32>
  return %o : tensor<100x4xf32>
}
