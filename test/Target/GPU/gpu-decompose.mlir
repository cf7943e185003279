// RUN: attn-opt %s --attn-gpu-decompose --split-input-file | FileCheck %s

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @has_kernel
// CHECK: attn.attention
func.func @has_kernel(%x: tensor<2x20x8xf16>, %to: tensor<2x20x8xf16>) -> tensor<2x20x8xf16> {
  %0 = attn.attention ins(%x, %x, %x : tensor<2x20x8xf16>, tensor<2x20x8xf16>, tensor<2x20x8xf16>)
      outs(%to : tensor<2x20x8xf16>) maps [#q, #k, #v, #o] -> tensor<2x20x8xf16>
  return %0 : tensor<2x20x8xf16>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @negative_double
// CHECK-NOT: attn.attention
// CHECK: linalg.generic
func.func @negative_double(%x: tensor<2x20x8xf64>, %to: tensor<2x20x8xf64>) -> tensor<2x20x8xf64> {
  %0 = attn.attention ins(%x, %x, %x : tensor<2x20x8xf64>, tensor<2x20x8xf64>, tensor<2x20x8xf64>)
      outs(%to : tensor<2x20x8xf64>) maps [#q, #k, #v, #o] -> tensor<2x20x8xf64>
  return %0 : tensor<2x20x8xf64>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @sorted
// CHECK: attn.lsh_attention
func.func @sorted(%x: tensor<2x64x16xf16>, %g: tensor<2x16x4x4xf32>, %to: tensor<2x64x16xf16>) -> tensor<2x64x16xf16> {
  %0 = attn.lsh_attention ins(%x, %x : tensor<2x64x16xf16>, tensor<2x64x16xf16>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%to : tensor<2x64x16xf16>) maps [#x, #v, #v] rounds 4 chunk 16 buckets [8] causal -> tensor<2x64x16xf16>
  return %0 : tensor<2x64x16xf16>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @negative_wide
// CHECK-NOT: attn.lsh_attention
func.func @negative_wide(%x: tensor<2x64x272xf16>, %g: tensor<2x272x4x4xf32>, %to: tensor<2x64x272xf16>)
    -> tensor<2x64x272xf16> {
  %0 = attn.lsh_attention ins(%x, %x : tensor<2x64x272xf16>, tensor<2x64x272xf16>) rotations(%g : tensor<2x272x4x4xf32>)
      outs(%to : tensor<2x64x272xf16>) maps [#x, #v, #v] rounds 4 chunk 16 buckets [8] causal -> tensor<2x64x272xf16>
  return %0 : tensor<2x64x272xf16>
}
