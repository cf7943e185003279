// RUN: attn-opt %s --split-input-file --attn-verify-imported --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @legal
func.func @legal(%x: tensor<4xf32>, %ok: i1) -> tensor<4xf32> {
  cf.assert %ok, "expected the truth"
  %0 = math.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @negative_buffer(%x: memref<4xf32>, %i: index) -> f32 {
  // expected-error @+1 {{expected an operation that is legal after the phase 'import', got 'memref.load'}}
  %0 = memref.load %x[%i] : memref<4xf32>
  return %0 : f32
}
