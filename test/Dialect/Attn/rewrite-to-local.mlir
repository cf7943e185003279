// RUN: attn-opt %s --attn-rewrite-to-local --verify-diagnostics | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func.func @plain
func.func @plain(%q: tensor<64x4xf32>, %k: tensor<64x4xf32>) -> tensor<64x4xf32> {
  // CHECK: mask #attn.local_chunks<chunk = 16, look_back = 1, look_ahead = 0, top_left>
  // CHECK-SAME: {attn.rewritten = #attn.local_form<chunk = 16, look_ahead = 0>}
  // expected-remark @+1 {{'attn.attention' rewritten to local: 2.}}
  %o = attn.attention ins(%q, %k, %k : tensor<64x4xf32>, tensor<64x4xf32>, tensor<64x4xf32>)
      outs(%q : tensor<64x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.local_form<chunk = 16, look_ahead = 0>} -> tensor<64x4xf32>
  return %o : tensor<64x4xf32>
}

// CHECK-LABEL: func.func @negative_cross
func.func @negative_cross(%q: tensor<64x4xf32>, %k: tensor<32x4xf32>) -> tensor<64x4xf32> {
  // CHECK-NOT: mask
  // expected-remark @+1 {{'attn.attention' stays exact, not local: expected as many queries as keys, got 64 and 32}}
  %o = attn.attention ins(%q, %k, %k : tensor<64x4xf32>, tensor<32x4xf32>, tensor<32x4xf32>)
      outs(%q : tensor<64x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.local_form} -> tensor<64x4xf32>
  return %o : tensor<64x4xf32>
}

// CHECK-LABEL: func.func @negative_short
func.func @negative_short(%q: tensor<8x4xf32>, %k: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK-NOT: mask
  // expected-remark @+1 {{'attn.attention' stays exact, not local: expected}}
  %o = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.local_form<chunk = 16>} -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}
