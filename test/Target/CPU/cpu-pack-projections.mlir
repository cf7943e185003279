// RUN: attn-opt %s --attn-cpu-pack-projections --split-input-file --verify-diagnostics | FileCheck %s
// RUN: attn-opt %s --attn-cpu-pack-projections --canonicalize --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights are copied to padded rows; rows are read in place where they lie densely.

#w = affine_map<(s, t, d) -> (s, t)>
#r = affine_map<(s, t, d) -> (t, d)>

// CHECK-LABEL: func.func @in_place
// CHECK: %[[SCRATCH:.*]] = bufferization.alloc_tensor() : tensor<60x272xf32>
// CHECK: %[[VIEW:.*]] = tensor.extract_slice %[[SCRATCH]][0, 0] [60, 256]
// CHECK: %[[WEIGHTS:.*]] = bufferization.materialize_in_destination %arg0 in %[[VIEW]]
// CHECK-NOT: attn.pack
// CHECK: attn.project ins(%[[WEIGHTS]], %arg1 : tensor<60x256xf32>, tensor<256x64xbf16>)
func.func @in_place(%e: tensor<60x256xf32>, %k: tensor<256x64xbf16>, %acc: tensor<60x64xf32>) -> tensor<60x64xf32> {
  %r = attn.project ins(%e, %k : tensor<60x256xf32>, tensor<256x64xbf16>) outs(%acc : tensor<60x64xf32>)
      maps [#w, #r] -> tensor<60x64xf32>
  return %r : tensor<60x64xf32>
}

// -----

#w = affine_map<(s, t, d) -> (t, s)>
#r = affine_map<(s, t, d) -> (d, t)>

// CHECK-LABEL: func.func @transposed_and_flagged
// CHECK: linalg.generic {{.*}} ins(%arg0 : tensor<256x60xf32>) outs(%{{.*}} : tensor<60x256xf32>)
// CHECK: %[[ROWS:.*]] = attn.pack rows ins(%arg1 : tensor<50x256xf32>) valid(%arg2 : tensor<256xi1>)
// CHECK-SAME: -> tensor<256x64xf32>
// CHECK: attn.project
// CHECK-NOT: valid
// CHECK: return
func.func @transposed_and_flagged(%e: tensor<256x60xf32>, %k: tensor<50x256xf32>, %valid: tensor<256xi1>,
                                  %acc: tensor<60x64xf32>) -> tensor<60x64xf32> {
  %r = attn.project ins(%e, %k : tensor<256x60xf32>, tensor<50x256xf32>) valid(%valid : tensor<256xi1>)
      outs(%acc : tensor<60x64xf32>) maps [#w, #r] -> tensor<60x64xf32>
  return %r : tensor<60x64xf32>
}

// -----

#w = affine_map<(s, t, d) -> (s, t)>
#r = affine_map<(s, t, d) -> (t, d)>

func.func @negative_columns(%e: tensor<60x256xf32>, %k: tensor<256x50xf32>, %acc: tensor<60x50xf32>)
    -> tensor<60x50xf32> {
  // expected-error @below {{expected columns of acc in multiples of 16}}
  %r = attn.project ins(%e, %k : tensor<60x256xf32>, tensor<256x50xf32>) outs(%acc : tensor<60x50xf32>)
      maps [#w, #r] -> tensor<60x50xf32>
  return %r : tensor<60x50xf32>
}
