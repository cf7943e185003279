// RUN: attn-opt %s --attn-rewrite-to-window --verify-diagnostics | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func.func @plain
func.func @plain(%q: tensor<100x4xf32>) -> tensor<100x4xf32> {
  // CHECK: mask #attn.window<before = 8, after = 256, top_left>
  // CHECK-SAME: {attn.label = "a", attn.rewritten = #attn.window_form<before = 8>}
  // expected-remark @+1 {{'a' rewritten to window: 9.30e+04 flops, 6.40e+03 bytes instead of 1.60e+05 flops, 6.40e+03 bytes at 100 queries and 100 keys; error: without a bound: what the hidden keys would have contributed is lost}}
  %o = attn.attention ins(%q, %q, %q : tensor<100x4xf32>, tensor<100x4xf32>, tensor<100x4xf32>)
      outs(%q : tensor<100x4xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.window_form<before = 8>, attn.label = "a"} -> tensor<100x4xf32>
  return %o : tensor<100x4xf32>
}

// The mask that is there stays; lengths that are not known have one end.
// CHECK-LABEL: func.func @causal
func.func @causal(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: mask #attn.all_of<[#attn.causal<bottom_right>, #attn.window<before = 4, after = 0, dilation = 2, bottom_right>]>
  // expected-remark @+1 {{'attn.attention' rewritten to window: 3.28e+05 flops}}
  %o = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      {attn.form = #attn.window_form<before = 4, after = 0, dilation = 2>} -> tensor<?x4xf32>
  return %o : tensor<?x4xf32>
}

// What did not ask stays.
// CHECK-LABEL: func.func @silent
func.func @silent(%q: tensor<100x4xf32>) -> tensor<100x4xf32> {
  // CHECK: attn.form = #attn.exact_form
  %o = attn.attention ins(%q, %q, %q : tensor<100x4xf32>, tensor<100x4xf32>, tensor<100x4xf32>)
      outs(%q : tensor<100x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.exact_form} -> tensor<100x4xf32>
  return %o : tensor<100x4xf32>
}

// CHECK-LABEL: func.func @negative_cross
func.func @negative_cross(%q: tensor<100x4xf32>, %k: tensor<90x4xf32>) -> tensor<100x4xf32> {
  // CHECK-NOT: mask
  // expected-remark @+1 {{'attn.attention' stays exact, not window: expected as many queries as keys, got 100 and 90}}
  %o = attn.attention ins(%q, %k, %k : tensor<100x4xf32>, tensor<90x4xf32>, tensor<90x4xf32>)
      outs(%q : tensor<100x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form} -> tensor<100x4xf32>
  return %o : tensor<100x4xf32>
}

// CHECK-LABEL: func.func @globals
func.func @globals(%q: tensor<100x4xf32>, %k: tensor<100x4xf32>) -> tensor<100x4xf32> {
  // CHECK: mask #attn.any_of<[#attn.window<before = 0, after = 0, top_left>, #attn.global<tokens = [0 to 10], both, top_left>]>
  // expected-remark @+1 {{'attn.attention' rewritten to window: 3.18e+04 flops}}
  %o = attn.attention ins(%q, %k, %k : tensor<100x4xf32>, tensor<100x4xf32>, tensor<100x4xf32>)
      outs(%q : tensor<100x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form<before = 0, after = 0, globals = 10>} -> tensor<100x4xf32>
  return %o : tensor<100x4xf32>
}

// CHECK-LABEL: func.func @negative_globals
func.func @negative_globals(%q: tensor<8x4xf32>, %k: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK-NOT: mask
  // expected-remark @+1 {{'attn.attention' stays exact, not window: expected}}
  %o = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form<globals = 10>} -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}
