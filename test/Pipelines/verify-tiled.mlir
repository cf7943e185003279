// RUN: attn-opt %s --split-input-file --attn-verify-tiled --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @legal
func.func @legal(%x: tensor<4xf32>, %ok: i1) -> tensor<4xf32> {
  cf.assert %ok, "expected the truth"
  %0 = math.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @negative_buffer(%x: memref<4xf32>, %i: index) -> f32 {
  // expected-error @+1 {{expected an operation that is legal after the phase 'tile', got 'memref.load'}}
  %0 = memref.load %x[%i] : memref<4xf32>
  return %0 : f32
}

// -----

func.func @negative_whole(%q: tensor<8x64xf32>, %init: tensor<8x64xf32>) -> tensor<8x64xf32> {
  // expected-error @+1 {{expected an operation that is legal after the phase 'tile', got 'attn.attention'}}
  %o = attn.attention ins(%q, %q, %q : tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>)
      outs(%init : tensor<8x64xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x64xf32>
  return %o : tensor<8x64xf32>
}
