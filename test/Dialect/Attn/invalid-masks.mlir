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

// -----

// expected-error @below {{expected at least one token (C1), got none}}
#mask = #attn.global<tokens = [], keys, top_left>

// -----

// expected-error @below {{expected ascending, distinct tokens from 0 on (C1), got 3 to 4 after 8}}
#mask = #attn.global<tokens = [0 to 8, 3], both, top_left>

// -----

func.func @global_out_of_range(%q: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
  // expected-error @below {{expected global tokens below 8, the number of keys (C2), got 8}}
  %o = attn.attention ins(%q, %q, %q : tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>)
      outs(%q : tensor<3x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      mask #attn.all_of<[#attn.causal<top_left>, #attn.global<tokens = [0, 8], both, top_left>]> -> tensor<3x8x4xf32>
  return %o : tensor<3x8x4xf32>
}

// -----

// expected-error @below {{expected a chunk in [1, 2^40] (C1), got 0}}
#mask = #attn.local_chunks<chunk = 0, look_back = 1, look_ahead = 0, top_left>

// -----

// expected-error @below {{expected look_back and look_ahead in [0, 2^20] (C2), got 1 and -1}}
#mask = #attn.local_chunks<chunk = 8, look_back = 1, look_ahead = -1, top_left>

// -----

func.func @chunk_beyond_the_keys(%q: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
  // expected-error @below {{expected a chunk of at most 8, the number of keys (C3), got 9}}
  %o = attn.attention ins(%q, %q, %q : tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>)
      outs(%q : tensor<3x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      mask #attn.local_chunks<chunk = 9, look_back = 0, look_ahead = 0, top_left> -> tensor<3x8x4xf32>
  return %o : tensor<3x8x4xf32>
}

// -----

// expected-error @below {{expected a block in [1, 2^20] (C1), got 0}}
#mask = #attn.bigbird<block = 0, random = 3, seed = 0>

// -----

// expected-error @below {{expected 0 to 16 random blocks (C2), got 17}}
#mask = #attn.bigbird<block = 2, random = 17, seed = 0>

// -----

// expected-error @below {{expected a seed of at least 0 (C2), got -1}}
#mask = #attn.bigbird<block = 2, random = 3, seed = -1>

// -----

// expected-error @below {{expected a table of i64 [heads, rows, 2] (C3), got 'tensor<1x1x1xi64>'}}
#mask = #attn.bigbird<block = 2, random = 2, seed = 0, table = dense<1> : tensor<1x1x1xi64>>

// -----

// expected-error @below {{expected blocks of at least 0 in the table (C3), got -1}}
#mask = #attn.bigbird<block = 2, random = 1, seed = 0, table = dense<-1> : tensor<1x1x1xi64>>

// -----

func.func @table_of_another_length(%q: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
  // expected-error @below {{expected a table for 3 heads and 2 rows of blocks (C4), got 'tensor<3x1x1xi64>'}}
  %o = attn.attention ins(%q, %q, %q : tensor<3x8x4xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>)
      outs(%q : tensor<3x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      mask #attn.bigbird<block = 2, random = 1, seed = 0, table = dense<1> : tensor<3x1x1xi64>> -> tensor<3x8x4xf32>
  return %o : tensor<3x8x4xf32>
}
