// RUN: attn-opt %s --canonicalize | FileCheck %s
// RUN: attn-opt %s --pass-pipeline='builtin.module(func.func(attn-tile),canonicalize,cse)' | FileCheck %s --check-prefix=TILE
// RUN: attn-opt %s --convert-attn-to-linalg | FileCheck %s --check-prefix=LINALG
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys in several parts, and operands by relative position.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
#r = affine_map<(b, h, i, j, d, e) -> (h, j - i, d)>

// CHECK: #[[$R:map[0-9]*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d1, d3 - d2, d4)>
// TILE-DAG: #[[$LOCAL:map[0-9]*]] = affine_map<(d0, d1, d2, d3, d4) -> (d2 - d1, d3)>

// CHECK-LABEL: func @parts
// CHECK: attn.attention ins(%{{.*}}, %arg1, %arg1 {{.*}}) segments(%arg2, %arg2 : {{.*}}) relative(%arg0, %arg3 :
// CHECK-SAME: maps [{{.*}}, #[[$R]]]
// The second loop begins where the first part ends, and reads its keys from there.
// TILE-LABEL: func @parts
// TILE: scf.forall
// TILE: %[[FIRST:.*]]:3 = scf.for %{{.*}} = %c0 to
// TILE: attn.online_attention {{.*}} relative({{.*}}) {{.*}} maps [{{.*}}, #[[$LOCAL]]]
// TILE: scf.for %{{.*}} = %{{.*}} to %{{.*}} iter_args(%{{.*}} = %[[FIRST]]#0,
// TILE: attn.online_attention {{.*}} relative(
// LINALG-LABEL: func @parts
// LINALG: tensor.concat dim(1) %arg1, %arg2
// LINALG: tensor.extract %arg3
func.func @parts(%q: tensor<8x100x64xf32>, %k: tensor<8x300x64xf32>, %l: tensor<8x700x64xf32>,
                 %r: tensor<8x1000x64xf32>, %o: tensor<8x100x64xf32>) -> tensor<8x100x64xf32> {
  %0 = attn.attention ins(%q, %k, %k : tensor<8x100x64xf32>, tensor<8x300x64xf32>, tensor<8x300x64xf32>)
      segments(%l, %l : tensor<8x700x64xf32>, tensor<8x700x64xf32>)
      relative(%q, %r : tensor<8x100x64xf32>, tensor<8x1000x64xf32>)
      outs(%o : tensor<8x100x64xf32>) maps [#q, #k, #v, #o, #r] mask #attn.causal<bottom_right>
      -> tensor<8x100x64xf32>
  return %0 : tensor<8x100x64xf32>
}

// CHECK-LABEL: func @empty_parts
// CHECK: attn.attention ins(%{{.*}}, %arg1, %arg1 {{.*}}) outs(
func.func @empty_parts(%q: tensor<8x100x64xf32>, %k: tensor<8x300x64xf32>, %l: tensor<8x0x64xf32>,
                       %o: tensor<8x100x64xf32>) -> tensor<8x100x64xf32> {
  %0 = attn.attention ins(%q, %l, %l : tensor<8x100x64xf32>, tensor<8x0x64xf32>, tensor<8x0x64xf32>)
      segments(%k, %k, %l, %l : tensor<8x300x64xf32>, tensor<8x300x64xf32>, tensor<8x0x64xf32>, tensor<8x0x64xf32>)
      outs(%o : tensor<8x100x64xf32>) maps [#q, #k, #v, #o] -> tensor<8x100x64xf32>
  return %0 : tensor<8x100x64xf32>
}

// Lengths that only the running program knows are checked by it.
// TILE-LABEL: func @dynamic
// TILE: cf.assert %{{.*}}, "expected as many keys in bias and key_valid as in the segments together"
func.func @dynamic(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %valid: tensor<?xi1>, %o: tensor<8x?x64xf32>)
    -> tensor<8x?x64xf32> {
  %0 = attn.attention ins(%q, %k, %k : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
      segments(%k, %k : tensor<8x?x64xf32>, tensor<8x?x64xf32>) key_valid(%valid : tensor<?xi1>)
      outs(%o : tensor<8x?x64xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j)>, #o]
      -> tensor<8x?x64xf32>
  return %0 : tensor<8x?x64xf32>
}
