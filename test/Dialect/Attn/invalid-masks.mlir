// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of the mask attributes.

// expected-error @below {{expected before and after in [0, 2^40] (C1), got -1 and 0}}
#mask = #attn.window<before = -1, after = 0, top_left>

// -----

// expected-error @below {{expected a dilation in [1, 2^20] (C2), got 0}}
#mask = #attn.window<before = 1, after = 0, dilation = 0, top_left>

// -----

// expected-error @below {{expected a dilation in [1, 2^20] (C2), got 0}}
#mask = #attn.window<before = 1, after = 0, dilation = [1, 0], top_left>

// -----

func.func @dilation_per_head(%q: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
  // expected-error @below {{expected a dilation for each of 3 heads (C3), got 2}}
  %o = attn.attention ins(%q, %q, %q : tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>)
      outs(%q : tensor<3x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      mask #attn.window<before = 1, after = 0, dilation = [1, 2], top_left> -> tensor<3x8x4xf32>
  return %o : tensor<3x8x4xf32>
}

// -----

// expected-error @below {{expected a mask (C1), got 1 : i64}}
#mask = #attn.all_of<[1]>

// -----

// expected-error @below {{expected a mask (C1), got "causal"}}
#mask = #attn.any_of<["causal"]>
