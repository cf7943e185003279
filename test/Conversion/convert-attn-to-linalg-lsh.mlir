// RUN: attn-opt %s --convert-attn-to-linalg --canonicalize | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The meaning of LSH attention: unit keys, digits of buckets, ranks by counting, rounds that meet a pair, one softmax.

#x = affine_map<(b, h, i, d, e) -> (b, i, h, d)>
#v = affine_map<(b, h, i, d, e) -> (b, i, h, e)>
#valid = affine_map<(b, h, i, d, e) -> (b, i)>
#lse = affine_map<(b, h, i, d, e) -> (b, h, i)>

// CHECK-LABEL: func.func @steps
// CHECK: math.sqrt
// The argmax of [u; -u] is the lowest column whose size is the largest.
// CHECK: math.absf
// CHECK: arith.maximumf
// CHECK: arith.minsi
// The second digit counts for eight.
// CHECK: arith.muli %{{.*}}, %c8_i64
// Invalid tokens are in a bucket of their own.
// CHECK: arith.select %{{.*}}, %{{.*}}, %c32_i64
// CHECK: arith.divsi %{{.*}}, %c16_i64
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK: tensor.extract
// CHECK: math.exp
// CHECK: math.log
func.func @steps(%x: tensor<1x?x2x8xf16>, %p: tensor<1x?xi1>, %g: tensor<2x8x2x6xf32>, %o: tensor<1x?x2x8xf16>,
                 %l: tensor<1x2x?xf32>) -> (tensor<1x?x2x8xf16>, tensor<1x2x?xf32>) {
  %r:2 = attn.lsh_attention ins(%x, %x : tensor<1x?x2x8xf16>, tensor<1x?x2x8xf16>) valid(%p : tensor<1x?xi1>)
      rotations(%g : tensor<2x8x2x6xf32>) outs(%o, %l : tensor<1x?x2x8xf16>, tensor<1x2x?xf32>)
      maps [#x, #v, #valid, #v, #lse] rounds 2 chunk 16 buckets [8, 4] -> tensor<1x?x2x8xf16>, tensor<1x2x?xf32>
  return %r#0, %r#1 : tensor<1x?x2x8xf16>, tensor<1x2x?xf32>
}
