// RUN: attn-opt %s --attn-gpu-launch-linalg --split-input-file --verify-diagnostics | FileCheck %s

// One thread an element of the result, and a loop over what is summed.

// CHECK-LABEL: func.func @sums
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x8xf32>, %[[C:[a-z0-9]+]]: memref<?xf32>
// CHECK: gpu.launch blocks(%[[BX:[a-z0-9]+]],
// CHECK-SAME: function(@generic)
// CHECK: %[[FIRST:.*]] = arith.muli %[[BX]], %c256
// CHECK: %[[FLAT:.*]] = arith.addi %[[FIRST]]
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %[[FLAT]]
// CHECK: scf.if %[[INSIDE]]
// CHECK: %[[OLD:.*]] = memref.load %[[C]][%[[FLAT]]]
// CHECK: %[[SUM:.*]] = scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[ACC:.*]] = %[[OLD]])
// CHECK: memref.load %[[A]][%[[FLAT]], %[[K]]]
// CHECK: memref.store %[[SUM]], %[[C]][%[[FLAT]]]
func.func @sums(%a: memref<?x8xf32>, %c: memref<?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%a : memref<?x8xf32>) outs(%c : memref<?xf32>) {
  ^bb0(%x: f32, %sum: f32):
    %s = arith.addf %sum, %x : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// A product: each thread has 4 rows, and every 32nd of 40 columns; what lies outside is computed at the edge.

// CHECK-LABEL: func.func @matmul
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x8xf32>, %[[B:[a-z0-9]+]]: memref<8x40xf32>, %[[C:[a-z0-9]+]]: memref<?x40xf32>
// CHECK: gpu.launch
// CHECK-COUNT-8: memref.load %[[C]]
// CHECK: %[[SUMS:.*]]:8 = scf.for %[[K:[a-z0-9]+]] =
// CHECK-COUNT-8: arith.addf
// CHECK: scf.yield
// CHECK-COUNT-8: memref.store %[[SUMS]]
// CHECK: gpu.terminator
func.func @matmul(%a: memref<?x8xf32>, %b: memref<8x40xf32>, %c: memref<?x40xf32>) {
  linalg.matmul ins(%a, %b : memref<?x8xf32>, memref<8x40xf32>) outs(%c : memref<?x40xf32>)
  return
}

// -----

// Indices are those of the point; what is only written is not read.

// CHECK-LABEL: func.func @iota
// CHECK-SAME: %[[TO:.*]]: memref<6xi64>
// CHECK-NOT: memref.load
// CHECK: arith.index_cast
// CHECK: memref.store %{{.*}}, %[[TO]]
func.func @iota(%to: memref<6xi64>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%to : memref<6xi64>) {
  ^bb0(%o: i64):
    %i = linalg.index 0 : index
    %v = arith.index_cast %i : index to i64
    linalg.yield %v : i64
  }
  return
}

// -----

// Contiguous copies are the driver's, the others are kernels.

// CHECK-LABEL: func.func @copies
// CHECK: memref.copy %{{.*}}, %{{.*}} : memref<4x4xf32> to memref<4x4xf32>
// CHECK-NOT: memref.copy
// CHECK: gpu.launch
// CHECK-NOT: memref.copy
func.func @copies(%a: memref<4x4xf32>, %b: memref<4x4xf32>, %t: memref<4x4xf32, strided<[1, 4]>>) {
  memref.copy %a, %b : memref<4x4xf32> to memref<4x4xf32>
  memref.copy %t, %a : memref<4x4xf32, strided<[1, 4]>> to memref<4x4xf32>
  return
}

// -----

// A parallel loop that is no kernel by now is a loop of launches; a store is a kernel of one thread.

// CHECK-LABEL: func.func @rows
// CHECK: scf.for
// CHECK: gpu.launch
// CHECK: gpu.launch
// CHECK: memref.store
// CHECK-NEXT: gpu.terminator
func.func @rows(%a: memref<4x8xf32>, %x: f32, %i: index) {
  scf.forall (%r) in (4) {
    %row = memref.subview %a[%r, 0] [1, 8] [1, 1] : memref<4x8xf32> to memref<8xf32, strided<[1], offset: ?>>
    linalg.fill ins(%x : f32) outs(%row : memref<8xf32, strided<[1], offset: ?>>)
  }
  memref.store %x, %a[%i, %i] : memref<4x8xf32>
  return
}

// -----

func.func @negative_scatter(%from: memref<4xf32>, %to: memref<4xf32>) {
  // expected-error @+1 {{expected results at places that no reduction dimension moves, got affine_map<(d0) -> (d0)>}}
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["reduction"]}
      ins(%from : memref<4xf32>) outs(%to : memref<4xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  }
  return
}

// -----

// What a thread finds wrong, the host reads at the end.

// CHECK-LABEL: func.func @checked
// CHECK: %[[WORD:.*]] = memref.alloc() : memref<i32>
// CHECK: gpu.launch
// CHECK: scf.if
// CHECK: memref.store %{{.*}}, %[[WORD]][]
// CHECK: cf.assert %{{.*}}, "expected a row of the table"
// CHECK: gpu.terminator
// CHECK: %[[SEEN:.*]] = memref.load %[[WORD]][]
// CHECK: %[[FINE:.*]] = arith.cmpi ne, %[[SEEN]]
// CHECK: cf.assert %[[FINE]], "expected a row of the table"
func.func @checked(%rows: memref<4xi64>, %to: memref<4xi64>) {
  %c9 = arith.constant 9 : i64
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%rows : memref<4xi64>) outs(%to : memref<4xi64>) {
  ^bb0(%row: i64, %o: i64):
    %ok = arith.cmpi ult, %row, %c9 : i64
    cf.assert %ok, "expected a row of the table"
    linalg.yield %row : i64
  }
  return
}
