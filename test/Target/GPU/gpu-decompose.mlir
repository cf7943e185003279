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

// A feed-forward layer of more rows than may have hidden values at once is a loop over slices.

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (n, h)>

// CHECK: #[[$LEFT:.*]] = affine_map<(d0)[s0] -> (32, -d0 + s0)>
// CHECK-LABEL: func.func @layer
// CHECK-NOT: attn.feed_forward
// CHECK: scf.for %[[FIRST:.*]] = %{{.*}} to %{{.*}} step %c32
// CHECK: %[[SIZE:.*]] = affine.min #[[$LEFT]](%[[FIRST]])
// CHECK: tensor.extract_slice %{{.*}}[%[[FIRST]], 0] [%[[SIZE]], 8] [1, 1]
// CHECK: linalg.generic
// CHECK: arith.maximumf
// CHECK: tensor.insert_slice
func.func @layer(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>, %v: tensor<4x16xf32>, %init: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %r = attn.feed_forward relu ins(%x : tensor<?x8xf32>) up(%w : tensor<16x8xf32>) down(%v : tensor<4x16xf32>)
      outs(%init : tensor<?x4xf32>) maps [#up, #down] rows 32 -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
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

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (n, h)>

// CHECK-LABEL: func.func @few_rows
// CHECK-NOT: scf.for
// CHECK: linalg.generic
func.func @few_rows(%x: tensor<64x8xf32>, %w: tensor<16x8xf32>, %v: tensor<4x16xf32>, %init: tensor<64x4xf32>) -> tensor<64x4xf32> {
  %r = attn.feed_forward relu ins(%x : tensor<64x8xf32>) up(%w : tensor<16x8xf32>) down(%v : tensor<4x16xf32>)
      outs(%init : tensor<64x4xf32>) maps [#up, #down] -> tensor<64x4xf32>
  return %r : tensor<64x4xf32>
}
