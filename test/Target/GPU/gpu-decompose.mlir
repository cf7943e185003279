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
