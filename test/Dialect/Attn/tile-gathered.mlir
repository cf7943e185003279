// RUN: attn-opt %s -attn-tile -canonicalize | FileCheck %s
// RUN: attn-opt %s -attn-tile=window-keys=511 -canonicalize | FileCheck %s --check-prefix=APART
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short ranges of keys become one tile of keys, unless they are too many for it or something else tells keys apart.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, e, j)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
#bias = affine_map<(b, h, i, j, d, e) -> (i, j)>

// Rows that see all come first; then three fixed ranges and three random ones, 512 keys at most.
// CHECK-LABEL: func.func @bigbird
// CHECK: attn.finalize
// CHECK: scf.forall (
// CHECK-NOT: scf.for
// CHECK: affine.min
// CHECK: tensor.empty() : tensor<512x64xf32>
// CHECK-COUNT-6: tensor.insert_slice
// CHECK: tensor.empty() : tensor<32x512xf32>
// CHECK-COUNT-6: tensor.insert_slice
// CHECK-NOT: scf.for
// CHECK: attn.online_attention
// CHECK-NOT: mask
// CHECK: attn.finalize
// APART-LABEL: func.func @bigbird
// APART: attn.finalize
// APART-COUNT-6: attn.online_attention
// APART: attn.finalize
func.func @bigbird(%q: tensor<8x?x64xf32>, %v: tensor<8x32x?xf32>, %init: tensor<8x?x32xf32>) -> tensor<8x?x32xf32> {
  %o = attn.attention ins(%q, %q, %v : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x32x?xf32>)
      outs(%init : tensor<8x?x32xf32>) maps [#q, #k, #v, #o] mask #attn.bigbird<block = 64, random = 3, seed = 1>
      -> tensor<8x?x32xf32>
  return %o : tensor<8x?x32xf32>
}

// CHECK-LABEL: func.func @bias
// CHECK: attn.finalize
// CHECK-COUNT-6: attn.online_attention
// CHECK: attn.finalize
func.func @bias(%q: tensor<8x?x64xf32>, %v: tensor<8x32x?xf32>, %bias: tensor<?x?xf32>, %init: tensor<8x?x32xf32>)
    -> tensor<8x?x32xf32> {
  %o = attn.attention ins(%q, %q, %v : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x32x?xf32>)
      bias(%bias : tensor<?x?xf32>) outs(%init : tensor<8x?x32xf32>) maps [#q, #k, #v, #bias, #o]
      mask #attn.bigbird<block = 64, random = 3, seed = 1> -> tensor<8x?x32xf32>
  return %o : tensor<8x?x32xf32>
}
