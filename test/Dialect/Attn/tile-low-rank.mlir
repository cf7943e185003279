// RUN: attn-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(attn-tile-low-rank),canonicalize,cse)' -verify-diagnostics | FileCheck %s
// RUN: not attn-opt %s -split-input-file -attn-tile-low-rank="slot-tile=0" 2>&1 | FileCheck %s --check-prefix=BAD
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slots are added up by tasks of some slots of some heads; ordinary attention follows.

// BAD: error: expected positive tile sizes, got slot-tile=0

#q = affine_map<(b, h, i, j, s, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, s, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, s, d, e) -> (h, j, e)>
#p = affine_map<(b, h, i, j, s, d, e) -> (s, j)>
#o = affine_map<(b, h, i, j, s, d, e) -> (h, i, e)>

// Four heads share a tile of the projection; the length is checked where the program runs.
// CHECK-LABEL: func.func @shared
// CHECK: cf.assert %{{.*}}, "expected a column of the projections for every key, got a longer sequence"
// CHECK: %[[KEYS:.*]] = scf.forall (%[[PART:.*]], %[[TILE:.*]]) in (2, 4) {{.*}} -> (tensor<8x256x64xf32>)
// CHECK: scf.for %[[AT:.*]] = %c0 to %{{.*}} step %c256
// CHECK: tensor.extract_slice %arg3[%{{.*}}, %[[AT]]]
// CHECK: scf.for
// CHECK: attn.project
// CHECK: tensor.parallel_insert_slice
// CHECK: %[[VALUES:.*]] = scf.forall
// CHECK: attn.attention ins(%arg0, %[[KEYS]], %[[VALUES]] : tensor<8x?x64xf32>, tensor<8x256x64xf32>
func.func @shared(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %v: tensor<8x?x64xf32>, %e: tensor<256x4096xf32>,
                  %f: tensor<256x4096xf32>, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
  %o = attn.low_rank_attention ins(%q, %k, %v : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
      projections(%e, %f : tensor<256x4096xf32>, tensor<256x4096xf32>)
      outs(%init : tensor<8x?x64xf32>) maps [#q, #k, #v, #p, #p, #o] -> tensor<8x?x64xf32>
  return %o : tensor<8x?x64xf32>
}

// -----

#q = affine_map<(b, h, i, j, s, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, s, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, s, d, e) -> (j, e)>
#p = affine_map<(b, h, i, j, s, d, e) -> (s, j)>
#o = affine_map<(b, h, i, j, s, d, e) -> (i, e)>

// Slots of the finished blocks, and the keys of the own block. The projection is drawn.
// CHECK-LABEL: func.func @causal
// CHECK-DAG: arith.constant dense_resource<attn_gaussian> : tensor<4x16xf32>
// CHECK: scf.for {{.*}} -> (tensor<24x8xf32>)
// CHECK: attn.attention {{.*}} mask #attn.finished_blocks<size = 16, slots = 4>
// CHECK: attn.attention {{.*}} mask #attn.all_of<[#attn.causal<top_left>, #attn.own_block<size = 16>]>
// CHECK: linalg.generic
func.func @causal(%x: tensor<100x8xf32>, %init: tensor<100x8xf32>) -> tensor<100x8xf32> {
  %e = attn.gaussian_projection seed 7 : tensor<4x16xf32>
  %o = attn.low_rank_attention ins(%x, %x, %x : tensor<100x8xf32>, tensor<100x8xf32>, tensor<100x8xf32>)
      projections(%e, %e : tensor<4x16xf32>, tensor<4x16xf32>)
      outs(%init : tensor<100x8xf32>) maps [#q, #k, #v, #p, #p, #o] block 16 causal -> tensor<100x8xf32>
  return %o : tensor<100x8xf32>
}

// -----

// CHECK-LABEL: func.func @negative_no_attention
// CHECK-NOT: scf.forall
func.func @negative_no_attention(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
