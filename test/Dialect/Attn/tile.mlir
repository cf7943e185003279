// RUN: attn-opt %s -split-input-file -attn-tile -verify-diagnostics | FileCheck %s
// RUN: not attn-opt %s -split-input-file -attn-tile="key-tile=-1" 2>&1 | FileCheck %s --check-prefix=BAD
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
func.func @grouped_causal(%q: tensor<2x8x?x64xf32>, %k: tensor<2x2x?x64xf32>, %v: tensor<2x2x?x64xf32>,
                          %init: tensor<2x8x?x64xf32>) -> tensor<2x8x?x64xf32> {
  %o = attn.attention ins(%q, %k, %v : tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>)
      outs(%init : tensor<2x8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      -> tensor<2x8x?x64xf32>
  return %o : tensor<2x8x?x64xf32>
}

// -----

// Nothing to tile: functions without attention stay as they are.
// CHECK-LABEL: func.func @negative_no_attention
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_no_attention(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
