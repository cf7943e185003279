// RUN: attn-opt %s --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every canonicalisation of the dialect, and what looks alike but stays.

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
// CHECK-LABEL: @cast
// CHECK: %[[R:.*]] = attn.attention ins(%arg0, %arg1, %arg1 : tensor<8x16xf32>, tensor<9x16xf32>, tensor<9x16xf32>)
// CHECK-SAME: -> tensor<?x16xf32>
func.func @cast(%q: tensor<8x16xf32>, %k: tensor<9x16xf32>, %o: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %dq = tensor.cast %q : tensor<8x16xf32> to tensor<?x16xf32>
  %dk = tensor.cast %k : tensor<9x16xf32> to tensor<?x16xf32>
  %r = attn.attention ins(%dq, %dk, %dk : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%o : tensor<?x16xf32>) maps [#q, #k, #v, #o] -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}

// A cast to a more static shape says something that the operand does not.
// CHECK-LABEL: @negative_cast
// CHECK: tensor.cast
// CHECK: attn.attention {{.*}} tensor<9x16xf32>
func.func @negative_cast(%q: tensor<8x16xf32>, %k: tensor<?x16xf32>, %o: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %sk = tensor.cast %k : tensor<?x16xf32> to tensor<9x16xf32>
  %r = attn.attention ins(%q, %sk, %sk : tensor<8x16xf32>, tensor<9x16xf32>, tensor<9x16xf32>)
      outs(%o : tensor<8x16xf32>) maps [#q, #k, #v, #o] -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// CHECK-LABEL: @empty_segment
// CHECK: attn.attention ins(%arg0, %arg2, %arg2
// CHECK-NOT: segments
func.func @empty_segment(%q: tensor<8x16xf32>, %none: tensor<0x16xf32>, %k: tensor<?x16xf32>, %o: tensor<8x16xf32>)
    -> tensor<8x16xf32> {
  %r = attn.attention ins(%q, %none, %none : tensor<8x16xf32>, tensor<0x16xf32>, tensor<0x16xf32>)
      segments(%k, %k : tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%o : tensor<8x16xf32>) maps [#q, #k, #v, #o] -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// CHECK-LABEL: @negative_segment
// CHECK-NOT: tensor.dim
// CHECK: segments(%arg2, %arg2
func.func @negative_segment(%q: tensor<8x16xf32>, %m: tensor<?x16xf32>, %k: tensor<?x16xf32>, %o: tensor<8x16xf32>)
    -> tensor<8x16xf32> {
  %r = attn.attention ins(%q, %m, %m : tensor<8x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
      segments(%k, %k : tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%o : tensor<8x16xf32>) maps [#q, #k, #v, #o] -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

#bias = affine_map<(b, h, i, j, d, e) -> (i, j)>
#valid = affine_map<(b, h, i, j, d, e) -> (j)>
// CHECK-LABEL: @neutral
// CHECK: attn.attention
// CHECK-NOT: {{bias|key_valid|score_mod}}
// CHECK-SAME: maps [#{{[a-z0-9]*}}, #{{[a-z0-9]*}}, #{{[a-z0-9]*}}, #{{[a-z0-9]*}}] ->
func.func @neutral(%q: tensor<8x16xf32>, %k: tensor<9x16xf32>, %o: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %bias = arith.constant dense<0.0> : tensor<8x9xf32>
  %valid = arith.constant dense<true> : tensor<9xi1>
  %r = attn.attention ins(%q, %k, %k : tensor<8x16xf32>, tensor<9x16xf32>, tensor<9x16xf32>)
      bias(%bias : tensor<8x9xf32>) key_valid(%valid : tensor<9xi1>)
      outs(%o : tensor<8x16xf32>) maps [#q, #k, #v, #bias, #valid, #o] score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// CHECK-LABEL: @negative_neutral
// CHECK: bias({{.*}}) key_valid(
// CHECK: score_mod
func.func @negative_neutral(%q: tensor<8x16xf32>, %k: tensor<9x16xf32>, %o: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %bias = arith.constant dense<1.0> : tensor<8x9xf32>
  %valid = arith.constant dense<false> : tensor<9xi1>
  %r = attn.attention ins(%q, %k, %k : tensor<8x16xf32>, tensor<9x16xf32>, tensor<9x16xf32>)
      bias(%bias : tensor<8x9xf32>) key_valid(%valid : tensor<9xi1>)
      outs(%o : tensor<8x16xf32>) maps [#q, #k, #v, #bias, #valid, #o] score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %t = arith.addf %s, %s : f32
        attn.yield %t : f32
      } -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
// Every operation of the dialect takes casts in, those with an empty region too.
// CHECK-LABEL: @linear_cast
// CHECK: attn.linear_attention relu ins(%arg0, %arg0, %arg0 : tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>)
func.func @linear_cast(%q: tensor<1x16xf32>, %o: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %cast = tensor.cast %q : tensor<1x16xf32> to tensor<?x16xf32>
  %r = attn.linear_attention relu ins(%cast, %cast, %cast : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%o : tensor<?x16xf32>) maps [#q, #k, #v, #o] causal top_left -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}
