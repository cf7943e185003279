// RUN: attn-opt %s --split-input-file --attn-verify-rewritten --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @legal
func.func @legal(%x: tensor<4xf32>, %ok: i1) -> tensor<4xf32> {
  cf.assert %ok, "expected the truth"
  %0 = math.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @negative_buffer(%x: memref<4xf32>, %i: index) -> f32 {
  // expected-error @+1 {{expected an operation that is legal after the phase 'rewrite', got 'memref.load'}}
  %0 = memref.load %x[%i] : memref<4xf32>
  return %0 : f32
}

// -----

func.func @negative_request(%q: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error @+1 {{expected no 'attn.form' after the phase 'rewrite', got #attn.exact_form}}
  %o = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      {attn.form = #attn.exact_form} -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}
