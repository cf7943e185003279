// RUN: attn-opt %s -attn-tile-lsh | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LSH attention in its dense form: ranks by counting, and one softmax over the pairs that some round meets.

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>

// CHECK-LABEL: func.func @negative_lengths
// CHECK: %[[FITS:.*]] = arith.cmpi sge, %{{.*}}, %c16
// CHECK: cf.assert %[[FITS]], "expected a sequence of at least one chunk of 16 tokens"
// CHECK-NOT: attn.
func.func @negative_lengths(%x: tensor<1x2x?x8xf32>, %g: tensor<2x8x2x4xf32>, %init: tensor<1x2x?x8xf32>)
    -> tensor<1x2x?x8xf32> {
  %o = attn.lsh_attention ins(%x, %x : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>)
      rotations(%g : tensor<2x8x2x4xf32>) outs(%init : tensor<1x2x?x8xf32>) maps [#x, #v, #v]
      rounds 2 chunk 16 buckets [8] causal -> tensor<1x2x?x8xf32>
  return %o : tensor<1x2x?x8xf32>
}
