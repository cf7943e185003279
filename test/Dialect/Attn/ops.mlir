// RUN: attn-opt %s --verify-roundtrip | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every operation once, as its documentation shows it.

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
// CHECK-LABEL: func.func @causal_1
// CHECK: attn.attention
func.func @causal_1(%q: tensor<1x8x?x64xf32>, %k: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>,
                  %init: tensor<1x8x?x64xf32>) -> tensor<1x8x?x64xf32> {
  %o = attn.attention ins(%q, %k, %v : tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>)
      outs(%init : tensor<1x8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      -> tensor<1x8x?x64xf32>
  return %o : tensor<1x8x?x64xf32>
}

// CHECK-LABEL: func.func @alibi_2
// CHECK: attn.yield
func.func @alibi_2(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
  %o = attn.attention ins(%q, %k, %k : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
      outs(%init : tensor<8x?x64xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      score_mod {
      ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
        %distance = arith.subi %j, %i : index
        %int = arith.index_cast %distance : index to i32
        %float = arith.sitofp %int : i32 to f32
        %slope = arith.constant 0.5 : f32
        %bias = arith.mulf %float, %slope : f32
        %new = arith.addf %score, %bias : f32
        attn.yield %new : f32
      } -> tensor<8x?x64xf32>
  return %o : tensor<8x?x64xf32>
}

// CHECK-LABEL: func.func @step_3
// CHECK: attn.online_attention
func.func @step_3(%q: tensor<1x?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %acc: tensor<1x96x64xf32>,
                %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>, %b: index, %h: index, %i: index, %j: index,
                %n: index, %m: index) -> tensor<1x96x64xf32> {
  %r:3 = attn.online_attention
      ins(%q, %k, %v : tensor<1x?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      at(%b, %h, %i, %j) of(%n, %m)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125 mask #attn.causal<top_left>
      -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
  return %r#0 : tensor<1x96x64xf32>
}

// CHECK-LABEL: func.func @step_4
// CHECK: attn.online_packed
func.func @step_4(%q: memref<1x96x64xf32>, %k: memref<8x64x32xf32>, %v: memref<?x64xf32>, %acc: memref<1x96x64xf32>,
                %max: memref<1x96xf32>, %sum: memref<1x96xf32>, %z: index, %n: index) {
  attn.online_packed ins(%q, %k, %v : memref<1x96x64xf32>, memref<8x64x32xf32>, memref<?x64xf32>)
      state(%acc, %max, %sum : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
      tile(%n, %n) at(%z, %z, %z, %z) of(%n, %n) mask #attn.causal<top_left>
  return
}

// CHECK-LABEL: func.func @merge_5
// CHECK: attn.merge
func.func @merge_5(%a: tensor<4x1x8x64xf32>, %m: tensor<4x1x8xf32>, %s: tensor<4x1x8xf32>, %acc: tensor<1x8x64xf32>,
                 %max: tensor<1x8xf32>, %sum: tensor<1x8xf32>) -> tensor<1x8x64xf32> {
  %r:3 = attn.merge ins(%a, %m, %s : tensor<4x1x8x64xf32>, tensor<4x1x8xf32>, tensor<4x1x8xf32>)
      state(%acc, %max, %sum : tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>)
      -> tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return %r#0 : tensor<1x8x64xf32>
}

// CHECK-LABEL: func.func @finish_6
// CHECK: attn.finalize
func.func @finish_6(%acc: tensor<1x96x64xf32>, %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>,
                  %o: tensor<?x1x64xf16>) -> tensor<?x1x64xf16> {
  %r = attn.finalize ins(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      outs(%o : tensor<?x1x64xf16>) maps [affine_map<(g, i, e) -> (i, g, e)>] -> tensor<?x1x64xf16>
  return %r : tensor<?x1x64xf16>
}

// CHECK-LABEL: func.func @panels_7
// CHECK: attn.pack panels
func.func @panels_7(%k: tensor<?x64xf32>, %dest: tensor<8x64x32xf32>) -> tensor<8x64x32xf32> {
  %r = attn.pack panels ins(%k : tensor<?x64xf32>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64x32xf32>
  return %r : tensor<8x64x32xf32>
}

// CHECK-LABEL: func.func @project_8
// CHECK: attn.packed_matmul
func.func @project_8(%x: tensor<?x384xf32>, %w: tensor<48x384x32xf32>, %init: tensor<?x1536xf32>)
    -> tensor<?x1536xf32> {
  %r = attn.packed_matmul ins(%x, %w : tensor<?x384xf32>, tensor<48x384x32xf32>)
      outs(%init : tensor<?x1536xf32>) -> tensor<?x1536xf32>
  return %r : tensor<?x1536xf32>
}
