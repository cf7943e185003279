// RUN: attn-opt %s --attn-nvvm-launch-tiles --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention reads keys in pages where they lie; the copy of them that came before goes away.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#id = affine_map<(b, h, j, d) -> (b, h, j, d)>

// CHECK-LABEL: func.func @paged(
// CHECK-SAME: %[[POOL:[a-z0-9]*]]: memref<?x2x16x16xf16>, %[[TABLE:[a-z0-9]*]]: memref<3x4xi32>
// CHECK-NOT: memref.alloc
// CHECK-NOT: linalg.generic
// CHECK: %[[PAGES:.*]] = memref.dim %[[POOL]], %c0
// CHECK: gpu.launch
// CHECK: memref.subview %[[POOL]][0, %{{.*}}, 0, 0] [%{{.*}}, 1, 16, 16]
// CHECK: %[[ENTRY:.*]] = memref.load %[[TABLE]][%{{.*}}, %{{.*}}]
// CHECK: %[[PAGE:.*]] = arith.index_cast %[[ENTRY]] : i32 to index
// CHECK: %[[IS_PAGE:.*]] = arith.cmpi ult, %[[PAGE]], %{{.*}}
// CHECK: arith.select %[[IS_PAGE]], %[[PAGE]],
// CHECK: nvvm.cp.async
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @paged(%pool: memref<?x2x16x16xf16>, %table: memref<3x4xi32>, %q: memref<16x16xf16>, %n: index,
                 %acc: memref<1x16x16xf32>, %max: memref<1x16xf32>) {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %pages = memref.dim %pool, %c0 : memref<?x2x16x16xf16>
  %copy = memref.alloc(%n) : memref<3x2x?x16xf16>
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%copy : memref<3x2x?x16xf16>) {
  ^bb0(%out: f16):
    %b = linalg.index 0 : index
    %h = linalg.index 1 : index
    %j = linalg.index 2 : index
    %d = linalg.index 3 : index
    %at = arith.divui %j, %c16 : index
    %slot = arith.remui %j, %c16 : index
    %entry = memref.load %table[%b, %at] : memref<3x4xi32>
    %page = arith.index_cast %entry : i32 to index
    %x = memref.load %pool[%page, %h, %slot, %d] : memref<?x2x16x16xf16>
    linalg.yield %x : f16
  }
  scf.forall (%b, %h) in (3, 2) {
    %k = memref.subview %copy[%b, %h, 0, 0] [1, 1, %n, 16] [1, 1, 1, 1]
        : memref<3x2x?x16xf16> to memref<?x16xf16, strided<[16, 1], offset: ?>>
    attn.online_attention ins(%q, %k, %k : memref<16x16xf16>, memref<?x16xf16, strided<[16, 1], offset: ?>>,
                                           memref<?x16xf16, strided<[16, 1], offset: ?>>)
        state(%acc, %max, %max : memref<1x16x16xf32>, memref<1x16xf32>, memref<1x16xf32>)
        at(%b, %h, %c0, %c0) of(%c16, %n) maps [#q, #k, #v] scale 0.25
  } {mapping = [#gpu.block<linear_dim_0>, #gpu.block<linear_dim_1>]}
  return
}

// -----

// Pages that are written in between are copied before.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#id = affine_map<(j, d) -> (j, d)>

// CHECK-LABEL: func.func @negative_written(
// CHECK: memref.alloc
// CHECK: linalg.generic
// CHECK: linalg.fill
// CHECK: gpu.launch
func.func @negative_written(%pool: memref<9x16x16xf16>, %table: memref<4xi32>, %q: memref<16x16xf16>, %n: index,
                            %acc: memref<1x16x16xf32>, %max: memref<1x16xf32>, %zero: f16) {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %copy = memref.alloc(%n) : memref<?x16xf16>
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%copy : memref<?x16xf16>) {
  ^bb0(%out: f16):
    %j = linalg.index 0 : index
    %d = linalg.index 1 : index
    %at = arith.divui %j, %c16 : index
    %slot = arith.remui %j, %c16 : index
    %entry = memref.load %table[%at] : memref<4xi32>
    %page = arith.index_cast %entry : i32 to index
    %x = memref.load %pool[%page, %slot, %d] : memref<9x16x16xf16>
    linalg.yield %x : f16
  }
  linalg.fill ins(%zero : f16) outs(%pool : memref<9x16x16xf16>)
  scf.forall (%b) in (1) {
    %k = memref.subview %copy[0, 0] [%n, 16] [1, 1] : memref<?x16xf16> to memref<?x16xf16, strided<[16, 1]>>
    attn.online_attention ins(%q, %k, %k : memref<16x16xf16>, memref<?x16xf16, strided<[16, 1]>>,
                                           memref<?x16xf16, strided<[16, 1]>>)
        state(%acc, %max, %max : memref<1x16x16xf32>, memref<1x16xf32>, memref<1x16xf32>)
        at(%b, %c0, %c0, %c0) of(%c16, %n) maps [#q, #k, #v] scale 0.25
  } {mapping = [#gpu.block<linear_dim_0>]}
  return
}

// -----

// What a table places is copied by a kernel; a copy of a known place is not.

// CHECK-LABEL: func.func @scatter(
// CHECK: gpu.launch
// CHECK-SAME: function(@scatter)
// CHECK: memref.load %{{.*}} : memref<4xi32>
// CHECK: memref.store
// CHECK: scf.forall
func.func @scatter(%rows: memref<4x16xf16>, %table: memref<4xi32>, %pool: memref<9x16xf16>) {
  scf.forall (%i) in (4) {
    %entry = memref.load %table[%i] : memref<4xi32>
    %page = arith.index_cast %entry : i32 to index
    %from = memref.subview %rows[%i, 0] [1, 16] [1, 1] : memref<4x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    %to = memref.subview %pool[%page, 0] [1, 16] [1, 1] : memref<9x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    memref.copy %from, %to : memref<16xf16, strided<[1], offset: ?>> to memref<16xf16, strided<[1], offset: ?>>
  }
  scf.forall (%i) in (4) {
    %from = memref.subview %rows[%i, 0] [1, 16] [1, 1] : memref<4x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    %to = memref.subview %pool[%i, 0] [1, 16] [1, 1] : memref<9x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    memref.copy %from, %to : memref<16xf16, strided<[1], offset: ?>> to memref<16xf16, strided<[1], offset: ?>>
  }
  return
}
