// RUN: attn-opt %s --split-input-file --attn-label-ops --verify-diagnostics | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func.func @labels
func.func @labels(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: attn.attention {{.*}} {attn.label = "attention0"}
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] -> tensor<?x4xf32>
  // A name that is taken is not given again.
  // CHECK: attn.attention {{.*}} {attn.label = "attention1"}
  %1 = attn.attention ins(%0, %0, %0 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "attention1"} -> tensor<?x4xf32>
  // CHECK: attn.attention {{.*}} {attn.label = "attention2"}
  %2 = attn.attention ins(%1, %1, %1 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

// Numbers go on through the module.
// CHECK-LABEL: func.func @other
func.func @other(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: attn.attention {{.*}} {attn.label = "attention3"}
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_twice(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "a"} -> tensor<?x4xf32>
  // expected-error @+1 {{expected distinct labels, got "a" twice}}
  %1 = attn.attention ins(%0, %0, %0 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "a"} -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
