// RUN: attn-opt %s -attn-tile-lsh -split-input-file | FileCheck %s
// RUN: attn-opt %s -attn-tile-lsh="narrow wide-codes" -split-input-file | FileCheck %s --check-prefix=GPU
// RUN: not attn-opt %s -attn-tile-lsh="column-align=4" -split-input-file 2>&1 | FileCheck %s --check-prefix=BAD
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LSH attention becomes a hash, a sort and one operation on the sorted chunks.

// BAD: error: expected column-align to be a multiple of 8, got 4

#x = affine_map<(b, h, i, d, e) -> (b, i, h, d)>
#v = affine_map<(b, h, i, d, e) -> (b, i, h, e)>

// Nothing is copied but the rotations; what the types leave open is checked.
// CHECK-LABEL: func.func @causal
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<1x?x2x16xf32>
// CHECK: cf.assert %{{.*}}, "expected a sequence of at least one chunk of 16 tokens"
// CHECK: cf.assert %{{.*}}, "expected as many tokens in all operands of LSH attention"
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<2x16x2x4xf32>) outs(%{{.*}} : tensor<2x2x4x16xf32>)
// CHECK: %[[HASH:.*]]:2 = attn.hash ins(%[[X]] : {{.*}} buckets [8]
// CHECK: %[[SORT:.*]]:3 = attn.bucket_sort ins(%[[HASH]]#1 : {{.*}} num_buckets 8 chunk 16 stride 2
// CHECK: attn.lsh_chunks ins(%[[X]], %[[X]], %[[HASH]]#0, %[[SORT]]#0
// CHECK-SAME: first(%[[SORT]]#1
// CHECK-SAME: code(%[[SORT]]#2
// CHECK-SAME: chunk 16 window(1, 0)
// CHECK-SAME: {causal}
func.func @causal(%x: tensor<1x?x2x16xf32>, %g: tensor<2x16x2x4xf32>, %init: tensor<1x?x2x16xf32>)
    -> tensor<1x?x2x16xf32> {
  %o = attn.lsh_attention ins(%x, %x : tensor<1x?x2x16xf32>, tensor<1x?x2x16xf32>)
      rotations(%g : tensor<2x16x2x4xf32>) outs(%init : tensor<1x?x2x16xf32>) maps [#x, #v, #v]
      rounds 2 chunk 16 buckets [8] causal -> tensor<1x?x2x16xf32>
  return %o : tensor<1x?x2x16xf32>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>
#valid = affine_map<(b, h, i, d, e) -> (i)>

// Narrow types and odd sizes are copied; one round needs no codes; without the test of the bucket there are no bounds.
// With `narrow` the copy is of f16.
// GPU-LABEL: func.func @copied
// GPU-NOT: arith.extf
// GPU: tensor.insert_slice %{{.*}} into %{{.*}} : tensor<2x64x12xf16> into tensor<2x64x16xf16>
// GPU: attn.hash ins(%{{.*}} : tensor<2x64x16xf16>)
// CHECK-LABEL: func.func @copied
// CHECK: arith.extf
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}} : tensor<2x64x12xf32> into tensor<2x64x16xf32>
// CHECK: %[[SORT:.*]] = attn.bucket_sort
// CHECK-NOT: first(
// CHECK: attn.lsh_chunks {{.*}} count(
// CHECK: arith.truncf
func.func @copied(%x: tensor<2x64x12xf16>, %p: tensor<64xi1>, %g: tensor<2x12x1x4xf32>, %init: tensor<2x64x12xf16>)
    -> tensor<2x64x12xf16> {
  %o = attn.lsh_attention ins(%x, %x : tensor<2x64x12xf16>, tensor<2x64x12xf16>) valid(%p : tensor<64xi1>)
      rotations(%g : tensor<2x12x1x4xf32>) outs(%init : tensor<2x64x12xf16>) maps [#x, #v, #valid, #v]
      rounds 1 chunk 16 buckets [8] {same_bucket = false} -> tensor<2x64x12xf16>
  return %o : tensor<2x64x12xf16>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>

// No kernel for the rolled axis of public implementations: the dense form.
// CHECK-LABEL: func.func @negative_wrapped
// CHECK: attn.hash
// CHECK-NOT: attn.
func.func @negative_wrapped(%x: tensor<2x64x16xf32>, %g: tensor<2x16x2x4xf32>, %init: tensor<2x64x16xf32>)
    -> tensor<2x64x16xf32> {
  %o = attn.lsh_attention ins(%x, %x : tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      rotations(%g : tensor<2x16x2x4xf32>) outs(%init : tensor<2x64x16xf32>) maps [#x, #v, #v]
      rounds 2 chunk 16 buckets [8] {wrap = true} -> tensor<2x64x16xf32>
  return %o : tensor<2x64x16xf32>
}
