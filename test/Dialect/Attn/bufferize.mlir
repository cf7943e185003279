// RUN: attn-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --cse --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile-level operations bufferise in place: the state is allocated once and no copy is made.

// One tile of queries against a loop over key tiles, in parallel over heads.
// CHECK-LABEL: func.func @streaming_loop_in_place
// CHECK-SAME: (%[[Q:.*]]: memref<8x96x64xf32>, %[[K:.*]]: memref<8x256x64xf32>, %[[V:.*]]: memref<8x256x64xf32>, %[[OUT:.*]]: memref<8x96x64xf32>)
// CHECK: scf.forall
// CHECK-COUNT-3: memref.alloc()
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: scf.for
// CHECK-NOT: iter_args
// CHECK: attn.online_attention
// CHECK-SAME: state(%[[ACC:.*]], %[[MAX:.*]], %[[SUM:.*]] :
// CHECK-NOT: memref.copy
// CHECK: %[[SLICE:.*]] = memref.subview %[[OUT]]
// CHECK: attn.finalize ins(%[[ACC]], %[[MAX]], %[[SUM]]
// CHECK-SAME: outs(%[[SLICE]]
// CHECK-NOT: memref.copy
func.func @streaming_loop_in_place(%q: tensor<8x96x64xf32>, %k: tensor<8x256x64xf32>, %v: tensor<8x256x64xf32>,
                                   %out: tensor<8x96x64xf32>) -> tensor<8x96x64xf32> {
  %c0 = arith.constant 0 : index
  %c96 = arith.constant 96 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %zero = arith.constant 0.0 : f32
  %empty = arith.constant 0xFF800000 : f32
  %r = scf.forall (%h) in (8) shared_outs(%o = %out) -> (tensor<8x96x64xf32>) {
    %qt = tensor.extract_slice %q[%h, 0, 0] [1, 96, 64] [1, 1, 1] : tensor<8x96x64xf32> to tensor<1x96x64xf32>
    %acc_e = tensor.empty() : tensor<1x96x64xf32>
    %row_e = tensor.empty() : tensor<1x96xf32>
    %acc0 = linalg.fill ins(%zero : f32) outs(%acc_e : tensor<1x96x64xf32>) -> tensor<1x96x64xf32>
    %max0 = linalg.fill ins(%empty : f32) outs(%row_e : tensor<1x96xf32>) -> tensor<1x96xf32>
    %sum0 = linalg.fill ins(%zero : f32) outs(%row_e : tensor<1x96xf32>) -> tensor<1x96xf32>
    %s:3 = scf.for %j = %c0 to %c256 step %c128 iter_args(%acc = %acc0, %max = %max0, %sum = %sum0)
        -> (tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>) {
      %kt = tensor.extract_slice %k[%h, %j, 0] [1, 128, 64] [1, 1, 1] : tensor<8x256x64xf32> to tensor<128x64xf32>
      %vt = tensor.extract_slice %v[%h, %j, 0] [1, 128, 64] [1, 1, 1] : tensor<8x256x64xf32> to tensor<128x64xf32>
      %next:3 = attn.online_attention
          ins(%qt, %kt, %vt : tensor<1x96x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
          state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
          at(%c0, %h, %c0, %j) of(%c96, %c256)
          maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
                affine_map<(g, i, j, d, e) -> (j, e)>]
          scale 0.125 mask #attn.causal<bottom_right>
          -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
      scf.yield %next#0, %next#1, %next#2 : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
    }
    %ot = tensor.extract_slice %o[%h, 0, 0] [1, 96, 64] [1, 1, 1] : tensor<8x96x64xf32> to tensor<1x96x64xf32>
    %f = attn.finalize ins(%s#0, %s#1, %s#2 : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
        outs(%ot : tensor<1x96x64xf32>) maps [affine_map<(g, i, e) -> (g, i, e)>] -> tensor<1x96x64xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %f into %o[%h, 0, 0] [1, 96, 64] [1, 1, 1]
          : tensor<1x96x64xf32> into tensor<8x96x64xf32>
    }
  }
  return %r : tensor<8x96x64xf32>
}

// -----

// The packed step and its packing; the score-mod region moves along.
// CHECK-LABEL: func.func @packed_step_in_place
// CHECK-NOT: memref.copy
// CHECK: %[[PANELS:.*]] = memref.alloc() {{.*}} : memref<4x64x32xf32>
// CHECK: attn.pack panels ins(%{{.*}}) outs(%[[PANELS]]
// CHECK: attn.online_packed ins(%{{.*}}, %[[PANELS]], %{{.*}} :
// CHECK: score_mod
// CHECK: attn.yield
// CHECK-NOT: memref.copy
func.func @packed_step_in_place(%q: tensor<1x96x64xf32>, %k: tensor<128x64xf32>, %v: tensor<128x64xf32>,
                                %acc: tensor<1x96x64xf32>, %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>,
                                %n: index) -> (tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>) {
  %c0 = arith.constant 0 : index
  %e = tensor.empty() : tensor<4x64x32xf32>
  %p = attn.pack panels ins(%k : tensor<128x64xf32>) outs(%e : tensor<4x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<4x64x32xf32>
  %r:3 = attn.online_packed ins(%q, %p, %v : tensor<1x96x64xf32>, tensor<4x64x32xf32>, tensor<128x64xf32>)
      state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      tile(%n, %n) at(%c0, %c0, %c0, %c0) of(%n, %n) score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
  return %r#0, %r#1, %r#2 : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
}

// -----

// A merge does not read its destinations: one that is used again needs a fresh buffer but no copy of its contents.
// CHECK-LABEL: func.func @merge_overwrites_without_copy
// CHECK-SAME: %[[ACC:[a-z0-9]*]]: memref<1x8x64xf32>
// CHECK: %[[FRESH:.*]] = memref.alloc() {{.*}} : memref<1x8x64xf32>
// CHECK-NOT: memref.copy
// CHECK: attn.merge
// CHECK-SAME: state(%[[FRESH]]
// CHECK-NOT: memref.copy
// CHECK: return %[[FRESH]], %[[ACC]]
func.func @merge_overwrites_without_copy(%a: tensor<4x1x8x64xf32>, %m: tensor<4x1x8xf32>, %s: tensor<4x1x8xf32>,
                                         %acc: tensor<1x8x64xf32>, %max: tensor<1x8xf32>, %sum: tensor<1x8xf32>)
    -> (tensor<1x8x64xf32>, tensor<1x8x64xf32>) {
  %r:3 = attn.merge ins(%a, %m, %s : tensor<4x1x8x64xf32>, tensor<4x1x8xf32>, tensor<4x1x8xf32>)
      state(%acc, %max, %sum : tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>)
      -> tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return %r#0, %acc : tensor<1x8x64xf32>, tensor<1x8x64xf32>
}
