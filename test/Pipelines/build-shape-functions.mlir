// RUN: attn-opt %s --split-input-file --attn-build-shape-functions --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @attn_shape_of_product
// CHECK-SAME:    (%[[N:.*]]: index, %{{.*}}: index, %{{.*}}: index, %[[M:.*]]: index) -> (index, index)
// CHECK:         return %[[N]], %[[M]] : index, index
func.func @product(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f0 = arith.constant 0.0 : f32
  %n = tensor.dim %a, %c0 : tensor<?x?xf32>
  %m = tensor.dim %b, %c1 : tensor<?x?xf32>
  %ok = arith.cmpi sgt, %n, %m : index
  cf.assert %ok, "expected more rows than columns"
  %e = tensor.empty(%n, %m) : tensor<?x?xf32>
  %f = linalg.fill ins(%f0 : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %p = linalg.matmul ins(%a, %b : tensor<?x?xf32>, tensor<?x?xf32>) outs(%f : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %p : tensor<?x?xf32>
}

// -----

// CHECK-LABEL: func.func @attn_shape_of_constant
// CHECK-SAME:    () -> index
func.func @constant(%x: f32) -> (f32, tensor<4xf32>) {
  %t = tensor.splat %x : tensor<4xf32>
  return %x, %t : f32, tensor<4xf32>
}

// -----

// expected-error @+1 {{cannot determine the shape of result 1 from the arguments}}
func.func @negative_data(%a: tensor<4xindex>) -> (tensor<4xindex>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %n = tensor.extract %a[%c0] : tensor<4xindex>
  %e = tensor.empty(%n) : tensor<?xf32>
  return %a, %e : tensor<4xindex>, tensor<?xf32>
}
