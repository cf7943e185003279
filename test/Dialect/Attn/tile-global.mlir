// RUN: attn-opt %s -attn-tile -canonicalize | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that see all are tiles of their own, and a key that all see is no comparison.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @longformer
// CHECK: cf.assert %{{.*}}, "expected at least 64 keys for the global tokens of a mask"
// First the 64 global rows, against all keys and without a mask.
// CHECK: scf.forall (
// CHECK: scf.for
// CHECK-NOT: mask
// CHECK: attn.finalize
// Then the others: the global keys without a mask, the window beyond them with its own.
// CHECK: scf.forall (
// CHECK: scf.for %{{.*}} = %c0 to %{{.*}} step %c64
// CHECK: attn.online_attention
// CHECK-NOT: mask
// CHECK: scf.for
// CHECK: attn.online_attention
// CHECK-SAME: mask #attn.window<before = 256, after = 256, top_left>
// CHECK: attn.finalize
func.func @longformer(%q: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
      outs(%init : tensor<8x?x64xf32>) maps [#q, #k, #v, #o]
      mask #attn.any_of<[#attn.window<before = 256, after = 256, top_left>,
                         #attn.global<tokens = [0 to 64], both, top_left>]>
      -> tensor<8x?x64xf32>
  return %o : tensor<8x?x64xf32>
}
