// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C6, C7 and C9 of attn.attention: element types, results and numbers.

func.func @c6_integers(%q: tensor<8x4xi32>, %k: tensor<9x4xi32>, %v: tensor<9x4xi32>, %o: tensor<8x4xi32>) {
  // expected-error @below {{expected operands of f16, bf16, f32 or f64 (C6), got 'i32'}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xi32>, tensor<9x4xi32>, tensor<9x4xi32>)
      outs(%o : tensor<8x4xi32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xi32>
  return
}

// -----

func.func @c6_mixed(%q: tensor<8x4xf32>, %k: tensor<9x4xf16>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected query, key, value and output to have one element type (C6), got 'f32' and 'f16'}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf16>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c6_lse(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>, %lse: tensor<8xf64>) {
  // expected-error @below {{expected lse of 'f32' (C6), got 'f64'}}
  %r:2 = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o, %lse : tensor<8x4xf32>, tensor<8xf64>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>,
            affine_map<(b, h, i, j, d, e) -> (i)>]
      -> tensor<8x4xf32>, tensor<8xf64>
  return
}

// -----

func.func @c6_key_valid(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>, %w: tensor<9xf32>) {
  // expected-error @below {{expected key_valid of i1 (C6), got 'f32'}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      key_valid(%w : tensor<9xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (j)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c6_bias(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>, %w: tensor<9xi8>) {
  // expected-error @below {{expected a floating-point bias (C6), got 'i8'}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      bias(%w : tensor<9xi8>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (j)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c7_result(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected result types equal to the types of output and lse (C7)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x5xf32>
  return
}

// -----

func.func @c9_scale(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a finite scale (C9)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      scale 0x7FF0000000000000
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c9_softcap(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a positive, finite softcap (C9), got -1.0}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      softcap -1.0
      -> tensor<8x4xf32>
  return
}
