// RUN: attn-opt %s --attn-settle-forms --verify-diagnostics | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func.func @exact
func.func @exact(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: attn.attention {{.*}} {attn.label = "a"}
  // expected-remark @+1 {{'a' stays exact, as asked: 2.68e+08 flops, 2.62e+05 bytes at 4096 queries and 4096 keys}}
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.exact_form, attn.label = "a"} -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @negative_refused
func.func @negative_refused(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NOT: attn.form
  // expected-warning @+1 {{'b' stays exact though window was asked for; a remark says why}}
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form, attn.label = "b"} -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
