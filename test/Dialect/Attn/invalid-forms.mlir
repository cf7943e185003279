// RUN: attn-opt %s --split-input-file --verify-diagnostics

func.func @negative_place(%x: f32) -> f32 {
  // expected-error @+1 {{expected 'attn.form' only on 'attn.attention'}}
  %0 = arith.addf %x, %x {attn.form = #attn.exact_form} : f32
  return %0 : f32
}

// -----

func.func @negative_label_place(%x: f32) -> f32 {
  // expected-error @+1 {{expected 'attn.label' only on operations of the dialect attn}}
  %0 = arith.addf %x, %x {attn.label = "attention0"} : f32
  return %0 : f32
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
func.func @negative_form(%q: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error @+1 {{expected 'attn.form' to be a form such as #attn.exact_form, got #attn.causal<top_left>}}
  %o = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      maps [#q, #k, affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      {attn.form = #attn.causal<top_left>} -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
func.func @negative_label(%q: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error @+1 {{expected 'attn.label' to be a string, got 7}}
  %o = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      maps [#q, #k, affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      {attn.label = 7} -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}

// -----

// expected-error @+1 {{expected before and after in [0, 2^40] (C1), got -1}}
func.func private @negative_window_reach() attributes {form = #attn.window_form<after = -1>}

// -----

// expected-error @+1 {{expected a dilation in [1, 2^20] (C2), got 0}}
func.func private @negative_window_dilation() attributes {form = #attn.window_form<dilation = 0>}

// -----

// expected-error @+1 {{expected globals in [0, 2^20] (C3), got -1}}
func.func private @negative_window_globals() attributes {form = #attn.window_form<globals = -1>}

// -----

// expected-error @+1 {{expected a chunk in [1, 2^40] (C1), got 0}}
func.func private @negative_local_chunk() attributes {form = #attn.local_form<chunk = 0>}

// -----

// expected-error @+1 {{expected look_back and look_ahead in [0, 2^20] (C2), got -2}}
func.func private @negative_local_look() attributes {form = #attn.local_form<look_ahead = -2>}

// -----

// expected-error @+1 {{expected a block in [1, 2^20] (C1), got 0}}
func.func private @negative_bigbird_block() attributes {form = #attn.bigbird_form<block = 0>}

// -----

// expected-error @+1 {{expected random in [0, 16] (C2), got 17}}
func.func private @negative_bigbird_random() attributes {form = #attn.bigbird_form<random = 17>}

// -----

// expected-error @+1 {{expected a seed that is not negative (C3), got -1}}
func.func private @negative_bigbird_seed() attributes {form = #attn.bigbird_form<seed = -1>}
