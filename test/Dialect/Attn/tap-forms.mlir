// RUN: attn-opt %s --attn-tap-forms --verify-diagnostics | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// What asks for nothing is left alone, and so is what is captured but no tensor.
// CHECK-LABEL: func.func @tap(
// CHECK-SAME: -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>)
// CHECK: %[[X:[0-9a-z]+]] = attn.attention {{.*}} {attn.form = #attn.exact_form, attn.label = "x"}
// CHECK: %[[Y:[0-9a-z]+]] = attn.attention {{.*}} {attn.form = #attn.window_form, attn.label = "y"} score_mod
// CHECK: %[[TWIN:[0-9a-z]+]] = attn.attention {{.*}} {attn.label = "y.exact"} score_mod
// CHECK: return %[[Y]], %[[Y]], %[[TWIN]], %[[X]], %arg0, %arg0, %arg1 :
func.func @tap(%q: tensor<8x4xf32>, %slopes: tensor<8xf32>) -> tensor<8x4xf32> {
  %half = arith.constant 0.5 : f32
  %0 = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.exact_form, attn.label = "x"} -> tensor<8x4xf32>
  %1 = attn.attention ins(%0, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form, attn.label = "y"} score_mod {
      ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
        %slope = tensor.extract %slopes[%i] : tensor<8xf32>
        %scaled = arith.mulf %slope, %half : f32
        %new = arith.addf %score, %scaled : f32
        attn.yield %new : f32
      } -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}

// CHECK-LABEL: func.func private @private
// CHECK-SAME: -> tensor<8x4xf32>
func.func private @private(%q: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form} -> tensor<8x4xf32>
  return %0 : tensor<8x4xf32>
}

// CHECK-LABEL: func.func @negative_loop
// CHECK-SAME: -> tensor<8x4xf32>
func.func @negative_loop(%q: tensor<8x4xf32>, %n: index) -> tensor<8x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%x = %q) -> (tensor<8x4xf32>) {
    // expected-warning @+1 {{the error cannot be measured within 'scf.for'}}
    %0 = attn.attention ins(%x, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
        outs(%q : tensor<8x4xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.window_form} -> tensor<8x4xf32>
    scf.yield %0 : tensor<8x4xf32>
  }
  return %r : tensor<8x4xf32>
}
