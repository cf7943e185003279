// RUN: attn-opt %s | attn-opt | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear attention, of sequences and of tiles, goes through text and back.

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 4, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 4, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
// CHECK-LABEL: func.func @sequence
// CHECK: attn.linear_attention softmax_positive ins({{.*}}) projection({{.*}}) initial({{.*}}) outs({{.*}}) final({{.*}}) maps {{.*}} causal
func.func @sequence(%q: tensor<2x8x?x64xf16>, %k: tensor<2x2x?x64xf16>, %v: tensor<2x2x?x64xf16>, %p: tensor<8x96x64xf32>,
                    %s: tensor<2x8x96x64xf32>, %z: tensor<2x8x96xf32>, %c: tensor<2x8xf32>, %o: tensor<2x8x?x64xf16>) {
  %r:4 = attn.linear_attention softmax_positive
      ins(%q, %k, %v : tensor<2x8x?x64xf16>, tensor<2x2x?x64xf16>, tensor<2x2x?x64xf16>) projection(%p : tensor<8x96x64xf32>)
      initial(%s, %z, %c : tensor<2x8x96x64xf32>, tensor<2x8x96xf32>, tensor<2x8xf32>) outs(%o : tensor<2x8x?x64xf16>)
      final(%s, %z, %c : tensor<2x8x96x64xf32>, tensor<2x8x96xf32>, tensor<2x8xf32>) maps [#q, #k, #v, #o] causal top_left
      -> tensor<2x8x?x64xf16>, tensor<2x8x96x64xf32>, tensor<2x8x96xf32>, tensor<2x8xf32>
  return
}

// CHECK-LABEL: func.func @state
// CHECK: attn.linear_state relu ins({{.*}}) key_valid({{.*}}) state({{.*}}) maps {{.*}} scale {{.*}} chunk 64 -> tensor<64x64xf32>
func.func @state(%k: tensor<?x64xf32>, %m: tensor<?xi1>, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  %r:3 = attn.linear_state relu ins(%k, %k : tensor<?x64xf32>, tensor<?x64xf32>) key_valid(%m : tensor<?xi1>)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>)
      maps [affine_map<(i, j, d, e) -> (j, d)>, affine_map<(i, j, d, e) -> (j, e)>, affine_map<(i, j, d, e) -> (j)>]
      scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
  return
}

// CHECK-LABEL: func.func @output
// CHECK: attn.linear_output elu_plus_one ins({{.*}} : memref<?x64xf32>) state({{.*}}) outs({{.*}}) maps
func.func @output(%q: memref<?x64xf32>, %s: memref<64x64xf32>, %z: memref<80xf32>) {
  attn.linear_output elu_plus_one ins(%q : memref<?x64xf32>)
      state(%s, %z, %z : memref<64x64xf32>, memref<80xf32>, memref<80xf32>) outs(%q : memref<?x64xf32>)
      maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (i, e)>]
      scale 1.0 feature_eps 0.0 denominator_eps 1.0e-6 chunk 64
  return
}

// CHECK-LABEL: func.func @chunk
// CHECK: attn.linear_chunk custom ins({{.*}}) state({{.*}}) outs({{.*}}) maps {{.*}} feature {
func.func @chunk(%q: memref<?x64xf32>, %s: memref<64x64xf32>, %z: memref<80xf32>) {
  attn.linear_chunk custom ins(%q, %q, %q : memref<?x64xf32>, memref<?x64xf32>, memref<?x64xf32>)
      state(%s, %z, %z : memref<64x64xf32>, memref<80xf32>, memref<80xf32>) outs(%q : memref<?x64xf32>)
      maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (j, d)>,
            affine_map<(i, j, d, e) -> (j, e)>, affine_map<(i, j, d, e) -> (i, e)>]
      scale 1.0 feature_eps 0.0 denominator_eps 1.0e-6 chunk 64 feature {
  ^bb0(%x: f32):
    %y = math.exp %x : f32
    attn.yield %y : f32
  }
  return
}

// CHECK-LABEL: func.func @merge
// CHECK: attn.linear_merge softmax ins({{.*}}) count({{.*}}) state({{.*}}) feature_eps
func.func @merge(%a: tensor<4x64x64xf32>, %b: tensor<4x80xf32>, %n: index, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  %r:3 = attn.linear_merge softmax ins(%a, %b, %b : tensor<4x64x64xf32>, tensor<4x80xf32>, tensor<4x80xf32>) count(%n)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>) feature_eps 1.0e-6
      -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
  return
}
