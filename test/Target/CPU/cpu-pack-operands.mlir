// RUN: attn-opt %s --attn-cpu-pack-operands --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A step of the streaming softmax reads packed operands; what ends its state stays.

// CHECK-LABEL: func.func @step
// CHECK: %[[ROWS:.*]] = attn.pack rows ins(%{{.*}} : tensor<1x96x64xf32>)
// CHECK: %[[PANELS:.*]] = attn.pack panels ins(%{{.*}} : tensor<256x64xf32>)
// CHECK: attn.online_packed ins(%[[ROWS]], %[[PANELS]],
// CHECK-NOT: attn.online_attention
func.func @step(%q: tensor<1x96x64xf32>, %k: tensor<256x64xf32>, %v: tensor<256x64xf32>, %acc: tensor<1x96x64xf32>,
                %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>, %z: index, %n: index) -> tensor<1x96x64xf32> {
  %r:3 = attn.online_attention
      ins(%q, %k, %v : tensor<1x96x64xf32>, tensor<256x64xf32>, tensor<256x64xf32>)
      state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      at(%z, %z, %z, %z) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125 -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
  return %r#0 : tensor<1x96x64xf32>
}

// -----

// CHECK-LABEL: func.func @negative_finalize
// CHECK-NOT: attn.pack
// CHECK: attn.finalize
func.func @negative_finalize(%acc: tensor<1x96x64xf32>, %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>,
                             %o: tensor<1x96x64xf32>) -> tensor<1x96x64xf32> {
  %r = attn.finalize ins(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      outs(%o : tensor<1x96x64xf32>) maps [affine_map<(g, i, e) -> (g, i, e)>] -> tensor<1x96x64xf32>
  return %r : tensor<1x96x64xf32>
}
