// RUN: attn-opt %s -attn-split-dilation=least-skipped=4 -split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// positions of one remainder are a sequence of their own, which is read with a stride.

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>

// A batch joins the heads; the remainder takes the place of the heads, behind the positions.
// CHECK: #[[$Q:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d2, d1, d4)>
// CHECK-LABEL: func.func @batch
// CHECK: %[[JOINED:.*]] = tensor.collapse_shape %arg0 {{.*}} : tensor<?x8x64x16xf32> into tensor<?x64x16xf32>
// CHECK: tensor.expand_shape %[[JOINED]] {{.*}} into tensor<?x16x4x16xf32>
// CHECK: attn.attention {{.*}} maps [#[[$Q]], {{.*}} mask #attn.window<before = 3, after = 0, top_left> scale 5.000000e-01 -> tensor<?x16x4x16xf32>
// CHECK: tensor.expand_shape %{{.*}} into tensor<?x8x64x16xf32>
func.func @batch(%q: tensor<?x8x64x16xf32>, %init: tensor<?x8x64x16xf32>) -> tensor<?x8x64x16xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<?x8x64x16xf32>, tensor<?x8x64x16xf32>, tensor<?x8x64x16xf32>)
      outs(%init : tensor<?x8x64x16xf32>) maps [#q, #k, #v, #o]
      mask #attn.all_of<[#attn.causal<top_left>, #attn.window<before = 3, after = 3, dilation = 4, top_left>]>
      scale 0.5 -> tensor<?x8x64x16xf32>
  return %o : tensor<?x8x64x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, h, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, h, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, h, e)>

// Heads of one dilation together; those without are sliced only.
// CHECK-LABEL: func.func @by_head
// CHECK: attn.attention {{.*}} mask #attn.window<before = 2, after = 2, top_left> -> tensor<60x2x16xf32>
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 0] [60, 2, 16]
// CHECK: attn.attention {{.*}} mask #attn.window<before = 2, after = 2, top_left> -> tensor<20x3x2x16xf32>
// CHECK: tensor.insert_slice %{{.*}}[0, 2, 0] [60, 2, 16]
func.func @by_head(%q: tensor<60x4x16xf32>, %init: tensor<60x4x16xf32>) -> tensor<60x4x16xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<60x4x16xf32>, tensor<60x4x16xf32>, tensor<60x4x16xf32>)
      outs(%init : tensor<60x4x16xf32>) maps [#q, #k, #v, #o]
      mask #attn.window<before = 2, after = 2, dilation = [1, 1, 3, 3], top_left> -> tensor<60x4x16xf32>
  return %o : tensor<60x4x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// A length that the dilation does not divide.
// CHECK-LABEL: func.func @negative_odd_length
// CHECK-NOT: tensor.expand_shape
// CHECK: dilation = 4
func.func @negative_odd_length(%q: tensor<2x62x16xf32>, %init: tensor<2x62x16xf32>) -> tensor<2x62x16xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<2x62x16xf32>, tensor<2x62x16xf32>, tensor<2x62x16xf32>)
      outs(%init : tensor<2x62x16xf32>) maps [#q, #k, #v, #o]
      mask #attn.window<before = 2, after = 2, dilation = 4, top_left> -> tensor<2x62x16xf32>
  return %o : tensor<2x62x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// Nothing is dilated.
// CHECK-LABEL: func.func @negative_plain
// CHECK-NOT: tensor.expand_shape
// CHECK: return
func.func @negative_plain(%q: tensor<2x64x16xf32>, %init: tensor<2x64x16xf32>) -> tensor<2x64x16xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      outs(%init : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      mask #attn.window<before = 2, after = 2, top_left> -> tensor<2x64x16xf32>
  return %o : tensor<2x64x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// Too few keys in between to be worth it.
// CHECK-LABEL: func.func @negative_narrow
// CHECK-NOT: tensor.expand_shape
// CHECK: dilation = 2
func.func @negative_narrow(%q: tensor<2x64x16xf32>, %init: tensor<2x64x16xf32>) -> tensor<2x64x16xf32> {
  %o = attn.attention ins(%q, %q, %q : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      outs(%init : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      mask #attn.window<before = 1, after = 1, dilation = 2, top_left> -> tensor<2x64x16xf32>
  return %o : tensor<2x64x16xf32>
}
