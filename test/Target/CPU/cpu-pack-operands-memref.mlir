// RUN: attn-opt %s --attn-cpu-pack-operands --verify-diagnostics
// RUN: not attn-opt %s --attn-cpu-pack-operands=vector-bits=128 2>&1 | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packing is for tensors; on memrefs it used to build an invalid tensor.dim.
// CHECK: error: expected vector-bits of 256 or 512, got 128

func.func @negative_memref(%q: memref<1x96x64xf32>, %k: memref<256x64xf32>, %acc: memref<1x96x64xf32>,
                           %max: memref<1x96xf32>, %sum: memref<1x96xf32>, %z: index, %n: index) {
  // expected-error @below {{expected operands on tensors, got memrefs; pack before bufferisation}}
  attn.online_attention ins(%q, %k, %k : memref<1x96x64xf32>, memref<256x64xf32>, memref<256x64xf32>)
      state(%acc, %max, %sum : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
      at(%z, %z, %z, %z) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125
  return
}
