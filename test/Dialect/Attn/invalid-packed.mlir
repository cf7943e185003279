// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbered constraints of attn.pack and attn.online_packed.

func.func @c1_packed(%q: memref<1x96x64xf32>, %k: memref<64x32xf32>, %v: memref<?x64xf32>, %acc: memref<1x96x64xf32>,
                     %max: memref<1x96xf32>, %z: index) {
  // expected-error @below {{expected static panels [P, D, NR] as key (C1)}}
  attn.online_packed ins(%q, %k, %v : memref<1x96x64xf32>, memref<64x32xf32>, memref<?x64xf32>)
      state(%acc, %max, %max : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
      tile(%z, %z) at(%z, %z, %z, %z) of(%z, %z)
  return
}

// -----

func.func @c1_pack(%k: tensor<?x64xf32>, %dest: tensor<8x64x32xf32>) {
  // expected-error @below {{expected the map of source to use d2 (C1)}}
  %r = attn.pack panels ins(%k : tensor<?x64xf32>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (g, row)> -> tensor<8x64x32xf32>
  return
}

// -----

func.func @c2_pack(%k: tensor<?x64xf32>, %dest: tensor<8x64xf32>) {
  // expected-error @below {{expected a destination of rank 3, or one more with pairs (C2)}}
  %r = attn.pack panels ins(%k : tensor<?x64xf32>) outs(%dest : tensor<8x64xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64xf32>
  return
}

// -----

func.func @c3_pack_dynamic_depth(%k: tensor<64x?xf32>, %dest: tensor<8x64x32xf32>) {
  // expected-error @below {{expected a static extent of depth (d2) in the source (C3), got 'tensor<64x?xf32>'}}
  %r = attn.pack panels ins(%k : tensor<64x?xf32>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64x32xf32>
  return
}

// -----

func.func @c3_pack(%k: tensor<?x80xf32>, %dest: tensor<8x64x32xf32>) {
  // expected-error @below {{expected the source to fit the destination (C3)}}
  %r = attn.pack panels ins(%k : tensor<?x80xf32>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64x32xf32>
  return
}
