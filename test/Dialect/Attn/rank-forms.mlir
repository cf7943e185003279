// RUN: attn-opt %s --attn-rank-forms=machine=gflops=200,gbs=30,cache_kib=8192,start_us=30 --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Estimates of all forms, fastest first, and from which length on they pay.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

func.func @long(%q: tensor<8x4096x64xf32>, %k: tensor<8x4096x64xf32>, %init: tensor<8x4096x64xf32>) -> tensor<8x4096x64xf32> {
  // expected-remark @below {{'a' at 4096 queries and 4096 keys, estimated, fastest first: linear}}
  %o = attn.attention ins(%q, %k, %k : tensor<8x4096x64xf32>, tensor<8x4096x64xf32>, tensor<8x4096x64xf32>)
      outs(%init : tensor<8x4096x64xf32>) maps [#q, #k, #v, #o] {attn.label = "a"} -> tensor<8x4096x64xf32>
  return %o : tensor<8x4096x64xf32>
}

// A length that is not known counts as 4096; what is asked for has its own parameters.
func.func @asked(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
  // expected-remark @below {{'b' at 4096 queries and 4096 keys, estimated, fastest first: window}}
  %o = attn.attention ins(%q, %k, %k : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
      outs(%init : tensor<8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left>
      {attn.label = "b", attn.form = #attn.window_form<before = 7, after = 0>} -> tensor<8x?x64xf32>
  return %o : tensor<8x?x64xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// A narrow window is already as cheap as forms are.
func.func @narrow(%q: tensor<8x4096x64xf32>, %k: tensor<8x4096x64xf32>, %init: tensor<8x4096x64xf32>) -> tensor<8x4096x64xf32> {
  // expected-remark @below {{window never}}
  %o = attn.attention ins(%q, %k, %k : tensor<8x4096x64xf32>, tensor<8x4096x64xf32>, tensor<8x4096x64xf32>)
      outs(%init : tensor<8x4096x64xf32>) maps [#q, #k, #v, #o] mask #attn.window<before = 15, after = 15, top_left>
      -> tensor<8x4096x64xf32>
  return %o : tensor<8x4096x64xf32>
}
