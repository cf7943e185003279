// RUN: attn-opt %s --attn-nvvm-launch-tiles --split-input-file --remark-format=emitRemark --remarks-filter=attn-nvvm-launch-tiles --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is copied through tensor maps for sm_90a, and what is not.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>

// Two ranges of one tensor share its maps, which end where the operand's 72 of 80 columns do. A range that ends inside of a tile
// is followed by rows that count as zeros. Queries are copied once; the second range goes on in the ring.
// CHECK-LABEL: func.func @ranges
// CHECK: memref.subview %{{.*}}[0, 0, 0] [%{{.*}}, 2, 72] [1, 1, 1]
// CHECK-NOT: memref.transpose
// CHECK-COUNT-3: nvgpu.tma.create.descriptor {{.*}} -> <tensor = memref<128x1x64xf16
// CHECK-NOT: nvgpu.tma.create.descriptor
// CHECK: gpu.launch
// CHECK: nvvm.setmaxregister increase 240
// CHECK: arith.remui
// CHECK: scf.for
// CHECK: llvm.store {{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK: llvm.store {{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.fence.proxy
// CHECK: nvvm.barrier id = %c3_i32
// CHECK: nvvm.setmaxregister decrease 24
// CHECK: nvvm.mbarrier.arrive.expect_tx %{{.*}}, %c32768_i32
// CHECK-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: %{{.*}}:2 = scf.if
// CHECK: scf.for
// CHECK-COUNT-4: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: %{{.*}}:2 = scf.if
// CHECK: scf.for
// CHECK-COUNT-4: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-NOT: nvvm.cp.async.bulk.tensor
module attributes {attn.sm = ["90a"]} {
  func.func @ranges(%x: memref<?x2x80xf16>, %n: index, %m: index, %acc: memref<1x128x80xf32>, %max: memref<1x128xf32>,
                    %sum: memref<1x128xf32>) {
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    scf.forall (%i) in (2) {
      %q = memref.subview %x[0, %i, 0] [128, 1, 72] [1, 1, 1] : memref<?x2x80xf16> to memref<128x72xf16, strided<[160, 1], offset: ?>>
      %k = memref.subview %x[0, %i, 0] [%n, 1, 72] [1, 1, 1] : memref<?x2x80xf16> to memref<?x72xf16, strided<[160, 1], offset: ?>>
      %l = memref.subview %x[%n, %i, 0] [%m, 1, 72] [1, 1, 1] : memref<?x2x80xf16> to memref<?x72xf16, strided<[160, 1], offset: ?>>
      attn.online_attention ins(%q, %k, %k : memref<128x72xf16, strided<[160, 1], offset: ?>>,
                                memref<?x72xf16, strided<[160, 1], offset: ?>>, memref<?x72xf16, strided<[160, 1], offset: ?>>)
          state(%acc, %max, %sum : memref<1x128x80xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %c0) of(%c128, %c128) maps [#q, #k, #v] scale 0.125
      attn.online_attention ins(%q, %l, %l : memref<128x72xf16, strided<[160, 1], offset: ?>>,
                                memref<?x72xf16, strided<[160, 1], offset: ?>>, memref<?x72xf16, strided<[160, 1], offset: ?>>)
          state(%acc, %max, %sum : memref<1x128x80xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %n) of(%c128, %c128) maps [#q, #k, #v] scale 0.125
    }
    return
  }
}

// -----

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
!q = memref<128x72xf16>
!k = memref<128x72xf16, strided<[72, 1], offset: ?>>

// A tensor of six dimensions has no map; values do not, where flags tell which of them count. Then all threads copy.
// CHECK-LABEL: func.func @some_maps
// CHECK-COUNT-1: nvgpu.tma.create.descriptor
// CHECK-NOT: nvgpu.tma.create.descriptor
// CHECK: nvvm.setmaxregister increase 224
// CHECK: nvvm.fence.proxy
// CHECK: nvvm.setmaxregister decrease 56
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.mbarrier.arrive {{.*}}noinc = true
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.mbarrier.arrive {{.*}}noinc = true
module attributes {attn.sm = ["90a"]} {
  func.func @some_maps(%q: !q, %x: memref<1x1x1x2x128x72xf16>, %valid: memref<128xi1>, %acc: memref<1x128x80xf32>,
                       %max: memref<1x128xf32>, %sum: memref<1x128xf32>) {
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    scf.forall (%i) in (2) {
      %k = memref.subview %x[0, 0, 0, %i, 0, 0] [1, 1, 1, 1, 128, 72] [1, 1, 1, 1, 1, 1] : memref<1x1x1x2x128x72xf16> to !k
      // expected-remark @+2 {{sm_90a copies keys by cp.async instead of a tensor map: its tensor has 6 dimensions}}
      // expected-remark @+1 {{sm_90a copies values by cp.async instead of a tensor map: values of keys that are not valid become zero}}
      attn.online_attention ins(%q, %k, %k : !q, !k, !k) key_valid(%valid : memref<128xi1>)
          state(%acc, %max, %sum : memref<1x128x80xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %c0) of(%c128, %c128) maps [#q, #k, #v, affine_map<(g, i, j, d, e) -> (j)>] scale 0.125
    }
    return
  }
}

// -----

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
!q = memref<128x64xf16, strided<[64, 1], offset: ?>>
!k = memref<128x64xf16, strided<[128, 1], offset: ?>>
!v = memref<128x72xf16, strided<[144, 1], offset: ?>>

// Operands that 16 bytes at a time can read, of tensors that no map describes.
// CHECK-LABEL: func.func @negative_no_maps
// CHECK-NOT: nvgpu.tma.create.descriptor
// CHECK: nvvm.setmaxregister increase 224
// CHECK-NOT: nvvm.cp.async.bulk.tensor
module attributes {attn.sm = ["90a"]} {
  func.func @negative_no_maps(%x: memref<2x128x64xf16, strided<[?, 64, 1]>>, %y: memref<2x256x64xf16>, %z: memref<128x144xf16>,
                              %acc: memref<1x128x80xf32>, %max: memref<1x128xf32>, %sum: memref<1x128xf32>) {
    %c0 = arith.constant 0 : index
    %c72 = arith.constant 72 : index
    %c128 = arith.constant 128 : index
    scf.forall (%i) in (2) {
      %column = arith.muli %i, %c72 : index
      %q = memref.subview %x[%i, 0, 0] [1, 128, 64] [1, 1, 1] : memref<2x128x64xf16, strided<[?, 64, 1]>> to !q
      %k = memref.subview %y[%i, 0, 0] [1, 128, 64] [1, 2, 1] : memref<2x256x64xf16> to !k
      %v = memref.subview %z[0, %column] [128, 72] [1, 1] : memref<128x144xf16> to !v
      // expected-remark @+3 {{copies queries by cp.async instead of a tensor map: strides of its tensor are not known to be multiples of 16 bytes}}
      // expected-remark @+2 {{copies keys by cp.async instead of a tensor map: its rows are not neighbours in its tensor}}
      // expected-remark @+1 {{copies values by cp.async instead of a tensor map: its columns begin where only the kernel knows}}
      attn.online_attention ins(%q, %k, %v : !q, !k, !v)
          state(%acc, %max, %sum : memref<1x128x80xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %c0) of(%c128, %c128) maps [#q, #k, #v] scale 0.125
    }
    return
  }
}
