// RUN: attn-opt %s -split-input-file -attn-tile -verify-diagnostics | FileCheck %s
// RUN: not attn-opt %s -split-input-file -attn-tile="key-tile=-1" 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: attn-opt %s -split-input-file -attn-tile="key-tile=0" | FileCheck %s --check-prefix=ALL
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attention becomes a parallel loop over query tiles around a loop over key tiles.

// BAD: error: expected positive tile sizes, got {{.*}}key-tile=-1

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 4, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 4, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>

// Four query heads share a key head: they are one tile, and the mask bounds the loop over keys.
// CHECK-LABEL: func.func @grouped_causal
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %{{.*}}) in (2, 2, %{{.*}})
// CHECK: linalg.fill {{.*}} -> tensor<4x192x64xf32>
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %[[END:.*]] step %{{.*}} iter_args
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[H]], %[[J]], 0]
// CHECK: attn.online_attention
// CHECK-SAME: mask #attn.causal<bottom_right>
// CHECK: attn.finalize
// CHECK: tensor.parallel_insert_slice
// With all keys of a range in one tile, the target walks over them.
// ALL-LABEL: func.func @grouped_causal
// ALL: scf.forall
// ALL-NOT: scf.for{{ }}
// ALL: attn.online_attention
func.func @grouped_causal(%q: tensor<2x8x?x64xf32>, %k: tensor<2x2x?x64xf32>, %v: tensor<2x2x?x64xf32>,
                          %init: tensor<2x8x?x64xf32>) -> tensor<2x8x?x64xf32> {
  %o = attn.attention ins(%q, %k, %v : tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
      outs(%init : tensor<2x8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      -> tensor<2x8x?x64xf32>
  return %o : tensor<2x8x?x64xf32>
}

// -----

#q1 = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k1 = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v1 = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o1 = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// One head of 60 queries is one task: its keys become 16, of 1024 keys each, whose states are merged.
// CHECK-LABEL: func.func @few_tasks
// CHECK: scf.forall {{.*}} in (1, 1, 16) shared_outs({{.*}} -> (tensor<1x1x16x1x60x64xf32>, tensor<1x1x16x1x60xf32>, tensor<1x1x16x1x60xf32>)
// CHECK: attn.online_attention
// CHECK: scf.forall {{.*}} in (1, 1) shared_outs
// CHECK: attn.merge
// CHECK: attn.finalize
func.func @few_tasks(%q: tensor<1x60x64xf32>, %k: tensor<1x16384x64xf32>, %init: tensor<1x60x64xf32>) -> tensor<1x60x64xf32> {
  %o = attn.attention ins(%q, %k, %k : tensor<1x60x64xf32>, tensor<1x16384x64xf32>, tensor<1x16384x64xf32>)
      outs(%init : tensor<1x60x64xf32>) maps [#q1, #k1, #v1, #o1] -> tensor<1x60x64xf32>
  return %o : tensor<1x60x64xf32>
}

// -----

// Nothing to tile: functions without attention stay as they are.
// CHECK-LABEL: func.func @negative_no_attention
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_no_attention(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
