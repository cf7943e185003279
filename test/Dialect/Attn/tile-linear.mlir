// RUN: attn-opt %s --attn-tile --canonicalize --cse | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.linear_attention as loops over chunks.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// Heads enough: keys go into a state, then queries read it.
// CHECK-LABEL: func.func @both
// CHECK-NOT: attn.linear_merge
// CHECK: scf.forall
// CHECK: scf.for
// CHECK: attn.linear_state elu_plus_one
// CHECK: scf.for
// CHECK: attn.linear_output elu_plus_one
func.func @both(%q: tensor<8x?x16xf32>, %o: tensor<8x?x16xf32>) -> tensor<8x?x16xf32> {
  %r = attn.linear_attention elu_plus_one ins(%q, %q, %q : tensor<8x?x16xf32>, tensor<8x?x16xf32>, tensor<8x?x16xf32>)
      outs(%o : tensor<8x?x16xf32>) maps [#q, #k, #v, #o] -> tensor<8x?x16xf32>
  return %r : tensor<8x?x16xf32>
}

// One chunk after the other.
// CHECK-LABEL: func.func @causal
// CHECK-NOT: attn.linear_state
// CHECK: scf.forall
// CHECK: attn.linear_chunk relu {{.*}} chunk 64
// CHECK-NOT: attn.linear_output
func.func @causal(%q: tensor<8x?x16xf32>, %o: tensor<8x?x16xf32>) -> tensor<8x?x16xf32> {
  %r = attn.linear_attention relu ins(%q, %q, %q : tensor<8x?x16xf32>, tensor<8x?x16xf32>, tensor<8x?x16xf32>)
      outs(%o : tensor<8x?x16xf32>) maps [#q, #k, #v, #o] causal top_left -> tensor<8x?x16xf32>
  return %r : tensor<8x?x16xf32>
}

// Few heads: states of stretches first, each added up for those after it.
// CHECK-LABEL: func.func @few_heads
// CHECK: scf.forall
// CHECK: attn.linear_state
// CHECK: scf.forall
// CHECK: attn.linear_merge
// CHECK: attn.linear_chunk
func.func @few_heads(%q: tensor<2x?x16xf32>, %o: tensor<2x?x16xf32>) -> tensor<2x?x16xf32> {
  %r = attn.linear_attention relu ins(%q, %q, %q : tensor<2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>)
      outs(%o : tensor<2x?x16xf32>) maps [#q, #k, #v, #o] causal top_left -> tensor<2x?x16xf32>
  return %r : tensor<2x?x16xf32>
}
