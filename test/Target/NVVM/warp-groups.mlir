// RUN: attn-opt %s --attn-nvvm-launch-tiles --split-input-file --remark-format=emitRemark --remarks-filter=attn-nvvm-launch-tiles --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// For sm_90a a streaming softmax has a second body, in which one thread of a warp group copies and other groups multiply.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#o = affine_map<(g, i, e) -> (i, e)>
!h = memref<128x64xf16, strided<[64, 1], offset: ?>>

// Two consumers: 4 products of scores before the loop; 4 and 8 of values in it; 8 of the last values.
// Copies are through maps that the host makes: 128 rows by 64 columns of one of three heads.
// CHECK-LABEL: func.func @pair
// CHECK-COUNT-3: nvgpu.tma.create.descriptor %{{.*}} box[%{{.*}}, %{{.*}}, %{{.*}}] : memref<*xf16> -> <tensor = memref<1x128x64xf16, #gpu.address_space<workgroup>>, swizzle = swizzle_128b, l2promo = l2promo_128b, oob = zero, interleave = none>
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c128{{.*}})
// CHECK: gpu.block_dim x {attn.variant = {blocks = 1 : i64, shared = 115816 : i64, sm = "90a", threads = 384 : i64}}
// CHECK: scf.if
// CHECK-COUNT-13: nvvm.mbarrier.init
// CHECK-NEXT: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>
// CHECK: nvvm.barrier0
// CHECK: scf.if
// CHECK: nvvm.setmaxregister increase 240
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK-NOT: nvvm.fence.proxy
// CHECK: "wgmma.fence.sync.aligned;"
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK: "wgmma.wait_group.sync.aligned 0;"
// CHECK: scf.for
// CHECK: "wgmma.fence.sync.aligned;"
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK-COUNT-8: wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK: "wgmma.wait_group.sync.aligned 1;"
// CHECK: llvm.nvvm.ex2.approx.ftz.f32
// CHECK: "wgmma.wait_group.sync.aligned 0;"
// CHECK: scf.yield
// CHECK-COUNT-8: wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16
// CHECK-NOT: wgmma.mma_async
// CHECK: nvvm.setmaxregister decrease 24
// CHECK: %[[LEADER:.*]] = nvvm.elect.sync -> i1
// CHECK: arith.andi %{{.*}}, %[[LEADER]] : i1
// CHECK-COUNT-3: nvvm.prefetch tensormap
// CHECK: nvvm.mbarrier.arrive.expect_tx %[[QUERIES:.*]], %c16384_i32 : !llvm.ptr<3>, i32
// CHECK: %[[TO:.*]] = llvm.addrspacecast %{{.*}} : !llvm.ptr<3> to !llvm.ptr<7>
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %[[TO]], %{{.*}}, %[[QUERIES]], box[%{{.*}}, %{{.*}}, %{{.*}}]
// CHECK: scf.for
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-NOT: nvvm.cp.async.mbarrier.arrive
// CHECK: else
// CHECK: nvvm.mma.sync
// CHECK-NOT: attn.online
module attributes {attn.sm = ["80", "90a"]} {
  func.func @pair(%q: memref<3x128x64xf16>, %o: memref<3x128x64xf16>) {
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    %lowest = arith.constant 0xFF800000 : f32
    %zero = arith.constant 0.0 : f32
    scf.forall (%i) in (3) {
      %acc = memref.alloc() : memref<1x128x64xf32>
      %max = memref.alloc() : memref<1x128xf32>
      %sum = memref.alloc() : memref<1x128xf32>
      linalg.fill ins(%zero : f32) outs(%acc : memref<1x128x64xf32>)
      linalg.fill ins(%lowest : f32) outs(%max : memref<1x128xf32>)
      linalg.fill ins(%zero : f32) outs(%sum : memref<1x128xf32>)
      %qh = memref.subview %q[%i, 0, 0] [1, 128, 64] [1, 1, 1] : memref<3x128x64xf16> to !h
      attn.online_attention ins(%qh, %qh, %qh : !h, !h, !h)
          state(%acc, %max, %sum : memref<1x128x64xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %c0) of(%c128, %c128) maps [#q, #k, #v] scale 0.125
      %oh = memref.subview %o[%i, 0, 0] [1, 128, 64] [1, 1, 1] : memref<3x128x64xf16> to !h
      attn.finalize ins(%acc, %max, %sum : memref<1x128x64xf32>, memref<1x128xf32>, memref<1x128xf32>)
          outs(%oh : !h) maps [#o]
    }
    return
  }
}

// -----

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>

// CHECK-LABEL: func.func @negative_few_rows
// CHECK-NOT: gpu.block_dim
// CHECK-NOT: wgmma
module attributes {attn.sm = ["90a"]} {
  func.func @negative_few_rows(%q: memref<16x64xf16>, %k: memref<128x64xf16>, %acc: memref<1x16x64xf32>,
                               %max: memref<1x16xf32>, %sum: memref<1x16xf32>) {
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %c128 = arith.constant 128 : index
    scf.forall (%i) in (1) {
      // expected-remark @+1 {{tiles of 16 rows}}
      attn.online_attention ins(%q, %k, %k : memref<16x64xf16>, memref<128x64xf16>, memref<128x64xf16>)
          state(%acc, %max, %sum : memref<1x16x64xf32>, memref<1x16xf32>, memref<1x16xf32>)
          at(%c0, %i, %c0, %c0) of(%c16, %c128) maps [#q, #k, #v] scale 0.125
    }
    return
  }
}

// -----

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
!part = memref<128x64xf16, strided<[72, 1], offset: 4>>

// Rows that begin inside of 16 bytes are not copied 16 bytes at a time by anyone.
// CHECK-LABEL: func.func @negative_misaligned
// CHECK-NOT: wgmma
// CHECK-NOT: nvvm.cp.async.shared.global
module attributes {attn.sm = ["90a"]} {
  func.func @negative_misaligned(%whole: memref<128x72xf16>, %acc: memref<1x128x64xf32>, %max: memref<1x128xf32>,
                                 %sum: memref<1x128xf32>) {
    %c0 = arith.constant 0 : index
    %c128 = arith.constant 128 : index
    %q = memref.subview %whole[0, 4] [128, 64] [1, 1] : memref<128x72xf16> to !part
    scf.forall (%i) in (1) {
      // expected-remark @+1 {{rows that are not whole chunks of 16 bytes}}
      attn.online_attention ins(%q, %q, %q : !part, !part, !part)
          state(%acc, %max, %sum : memref<1x128x64xf32>, memref<1x128xf32>, memref<1x128xf32>)
          at(%c0, %i, %c0, %c0) of(%c128, %c128) maps [#q, #k, #v] scale 0.125
    }
    return
  }
}
