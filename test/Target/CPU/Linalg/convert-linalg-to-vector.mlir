// RUN: attn-opt %s --convert-linalg-to-vector --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// linalg on buffers becomes loops over vectors.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// A value per row is loaded outside of the loop over lanes, which ends with a mask.
// CHECK-LABEL: func.func @row_factor
// CHECK: scf.for
// CHECK: memref.load %arg1
// CHECK: scf.for
// CHECK: vector.load %arg0{{.*}} vector<16xf32>
// CHECK: vector.store
// CHECK: scf.if
// CHECK: vector.maskedload
// CHECK: vector.maskedstore
func.func @row_factor(%x: memref<4x?xf32>, %f: memref<4xf32>, %y: memref<4x?xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %f : memref<4x?xf32>, memref<4xf32>) outs(%y : memref<4x?xf32>) {
  ^bb0(%a: f32, %c: f32, %b: f32):
    %s = arith.mulf %a, %c : f32
    linalg.yield %s : f32
  }
  return
}

// -----

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// CHECK-LABEL: func.func @row_sum_in_double
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<64xf64>)
// CHECK: arith.extf %{{.*}} : vector<64xf32> to vector<64xf64>
// CHECK: vector.reduction <add>
func.func @row_sum_in_double(%x: memref<4x384xf32>, %y: memref<4xf64>) {
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x384xf32>) outs(%y : memref<4xf64>) {
  ^bb0(%a: f32, %b: f64):
    %e = arith.extf %a : f32 to f64
    %s = arith.addf %e, %b : f64
    linalg.yield %s : f64
  }
  return
}

// -----

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// An embedding: one check per row, rows copied by vectors.
// CHECK-LABEL: func.func @embedding
// CHECK: %[[WHERE:.*]] = arith.index_cast
// CHECK: scf.for
// CHECK: cf.assert
// CHECK: vector.load %arg0[%[[WHERE]], %{{.*}}] : memref<100x384xf32>, vector<16xf32>
func.func @embedding(%t: memref<100x384xf32>, %i: memref<8xi64>, %y: memref<8x384xf32>) {
  %c100 = arith.constant 100 : index
  linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%i : memref<8xi64>) outs(%y : memref<8x384xf32>) {
  ^bb0(%a: i64, %b: f32):
    %r = arith.index_cast %a : i64 to index
    %j = linalg.index 1 : index
    %ok = arith.cmpi slt, %r, %c100 : index
    cf.assert %ok, "index"
    %s = memref.load %t[%r, %j] : memref<100x384xf32>
    linalg.yield %s : f32
  }
  return
}

// -----

// A register tile of 12 rows and 2 vectors, then the 2 rows that are left; 3 columns end under a mask.
// CHECK-LABEL: func.func @product
// CHECK-COUNT-24: vector.fma
// CHECK-COUNT-4: vector.fma
// CHECK: vector.maskedstore
func.func @product(%a: memref<50x96xf32>, %b: memref<3x96x32xf32>, %c: memref<50x67xf32>) {
  attn.packed_matmul ins(%a, %b : memref<50x96xf32>, memref<3x96x32xf32>) outs(%c : memref<50x67xf32>)
  return
}

// -----

// CHECK-LABEL: func.func @erf_without_a_call
// CHECK-NOT: math.erf
// CHECK: arith.divf %{{.*}} : vector<16xf32>
func.func @erf_without_a_call(%x: memref<64xf32>, %y: memref<64xf32>) {
  linalg.map { math.erf } ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
  return
}

// -----

#id = affine_map<(i) -> (i)>

// A column of booleans is stored one by one.
// CHECK-LABEL: func.func @negative_booleans
// CHECK-NOT: vector
func.func @negative_booleans(%x: memref<64xf32>, %y: memref<64xi1>) {
  // expected-remark @below {{scalar loops: no dimension fits vectors}}
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%x : memref<64xf32>) outs(%y : memref<64xi1>) {
  ^bb0(%a: f32, %b: i1):
    %s = arith.cmpf ogt, %a, %a : f32
    linalg.yield %s : i1
  }
  return
}
