// RUN: attn-opt %s --attn-nvvm-launch-tiles --verify-diagnostics --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The operations of sorted attention as launches of their own.

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>

// Two heads, two tiles of 128 tokens. Tokens of f16 are tf32 without a rest: two products for one. A digit of 32 columns
// is a tile of 4 fragments, one of 16 half a tile.
// CHECK-LABEL: func.func @hash
// CHECK: gpu.launch blocks({{.*}}) in ({{.*}} = %c4{{.*}}) threads({{.*}}) in ({{.*}} = %c256{{.*}}) dynamic_shared_memory_size
// CHECK: math.sqrt
// CHECK: scf.for
// CHECK-COUNT-96: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK-COUNT-2: memref.store {{.*}} : memref<1x2x4x256xi32>
// CHECK-NOT: attn.hash
func.func @hash(%x: memref<1x2x256x64xf16>, %g: memref<2x4x48x64xf32>, %unit: memref<1x2x256xf32>,
                %bucket: memref<1x2x4x256xi32>) {
  attn.hash ins(%x : memref<1x2x256x64xf16>) rotations(%g : memref<2x4x48x64xf32>)
      outs(%unit, %bucket : memref<1x2x256xf32>, memref<1x2x4x256xi32>) map #x buckets [64, 32] epsilon 6.4e-5
  return
}

// -----

// 2049 buckets are two digits of 6 bits: three launches for each, and two for what is published. Nothing is atomic.
// CHECK-LABEL: func.func @sort
// CHECK: memref.alloc(%{{.*}}) : memref<1x2x4x?xi32>
// CHECK: memref.alloc(%{{.*}}) : memref<?x?x64xi32>
// CHECK: gpu.launch {{.*}} function(@sort_count)
// CHECK-COUNT-8: nvvm.match.sync
// CHECK: gpu.launch {{.*}} function(@sort_scan)
// CHECK: gpu.shuffle up
// CHECK: gpu.launch {{.*}} function(@sort_place)
// CHECK: gpu.launch {{.*}} function(@sort_count)
// CHECK: gpu.launch {{.*}} function(@sort_scan)
// CHECK: gpu.launch {{.*}} function(@sort_place)
// CHECK-NOT: function(@sort_
// CHECK: gpu.launch {{.*}} function(@bucket_bounds)
// CHECK: gpu.launch {{.*}} function(@bucket_publish)
// CHECK-NOT: atomic
func.func @sort(%bucket: memref<1x2x4x?xi32>, %order: memref<1x2x4x?xi32>, %first: memref<1x2x4x?xi32>,
                %code: memref<1x2x?x4xi32>) {
  attn.bucket_sort ins(%bucket : memref<1x2x4x?xi32>) outs(%order : memref<1x2x4x?xi32>)
      first(%first : memref<1x2x4x?xi32>) code(%code : memref<1x2x?x4xi32>) num_buckets 2048 chunk 64 stride 2
  return
}

// -----

// An f32 has four digits, and the operation brings its workspace.
// CHECK-LABEL: func.func @ranks
// CHECK-NOT: memref.alloc(%{{.*}}) : memref<1x2x4x?xi32>
// CHECK-COUNT-4: function(@sort_place)
// CHECK-NOT: function(@sort_place)
// CHECK: gpu.launch {{.*}} function(@rank_publish)
func.func @ranks(%value: memref<1x2x4x?xf32>, %order: memref<1x2x4x?xi32>, %work: memref<1x2x4x?xi32>,
                 %code: memref<1x2x?x4xi32>) {
  attn.rank_sort ins(%value : memref<1x2x4x?xf32>) outs(%order, %work : memref<1x2x4x?xi32>, memref<1x2x4x?xi32>)
      code(%code : memref<1x2x?x4xi32>) chunk 64
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>

// Rounds are launches that follow each other; a block has 128 ranks. 64 keys are brought at once and worked on in two
// steps, each of 16 products for the scores and 16 with the values.
// CHECK-LABEL: func.func @chunks
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %c4{{.*}} step %c1
// CHECK: gpu.launch blocks({{.*}}) in ({{.*}} = %c8{{.*}}) threads({{.*}}) in ({{.*}} = %c256{{.*}}) dynamic_shared_memory_size
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 4
// CHECK: scf.for
// CHECK-COUNT-64: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: vector.store {{.*}}alignment = 8
// CHECK-NOT: attn.lsh_chunks
func.func @chunks(%x: memref<1x2x512x64xf16>, %unit: memref<1x2x512xf32>, %order: memref<1x2x4x512xi32>,
                  %first: memref<1x2x4x512xi32>, %code: memref<1x2x512x4xi32>, %o: memref<1x2x512x64xf32>,
                  %state: memref<2x1x2x512xf32>) {
  attn.lsh_chunks ins(%x, %x, %unit, %order : memref<1x2x512x64xf16>, memref<1x2x512x64xf16>, memref<1x2x512xf32>,
      memref<1x2x4x512xi32>) first(%first : memref<1x2x4x512xi32>) code(%code : memref<1x2x512x4xi32>)
      outs(%o, %state : memref<1x2x512x64xf32>, memref<2x1x2x512xf32>) maps [#x, #v, #v]
      chunk 64 window(1, 0) scale 1.0 {causal}
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>

func.func @negative_f64(%x: memref<1x2x256x64xf64>, %unit: memref<1x2x256xf64>) {
  // expected-error @below {{expected x of f16, bf16 or f32 with a multiple of 16 of at most 256 columns for this target, got 'memref<1x2x256x64xf64>'}}
  attn.hash ins(%x : memref<1x2x256x64xf64>) outs(%unit : memref<1x2x256xf64>) map #x buckets [] epsilon 6.4e-5
  return
}

// -----

func.func @negative_tensor(%value: tensor<1x2x4x64xf32>, %order: tensor<1x2x4x64xi32>) -> tensor<1x2x4x64xi32> {
  // expected-error @below {{expected memrefs, got 'tensor<1x2x4x64xf32>'; bufferise first}}
  %r:2 = attn.rank_sort ins(%value : tensor<1x2x4x64xf32>)
      outs(%order, %order : tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>) chunk 64
      -> tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>
  return %r#0 : tensor<1x2x4x64xi32>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>

func.func @negative_codes(%x: memref<1x2x512x64xf16>, %unit: memref<1x2x512xf32>, %order: memref<1x2x4x512xi32>,
                          %code: memref<1x2x512x4xi16>, %o: memref<1x2x512x64xf32>, %state: memref<2x1x2x512xf32>) {
  // expected-error @below {{expected codes of i32 for this target, got 'memref<1x2x512x4xi16>'}}
  attn.lsh_chunks ins(%x, %x, %unit, %order : memref<1x2x512x64xf16>, memref<1x2x512x64xf16>, memref<1x2x512xf32>,
      memref<1x2x4x512xi32>) code(%code : memref<1x2x512x4xi16>)
      outs(%o, %state : memref<1x2x512x64xf32>, memref<2x1x2x512xf32>) maps [#x, #v, #v]
      chunk 64 window(1, 0) scale 1.0
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>

func.func @negative_rounds(%x: memref<1x2x512x256xf32>, %unit: memref<1x2x512xf32>, %order: memref<1x2x600x512xi32>,
                           %code: memref<1x2x512x600xi32>, %o: memref<1x2x512x256xf32>, %state: memref<2x1x2x512xf32>) {
  // expected-error @below {{expected at most 64 rounds for this target, got 600}}
  attn.lsh_chunks ins(%x, %x, %unit, %order : memref<1x2x512x256xf32>, memref<1x2x512x256xf32>, memref<1x2x512xf32>,
      memref<1x2x600x512xi32>) code(%code : memref<1x2x512x600xi32>)
      outs(%o, %state : memref<1x2x512x256xf32>, memref<2x1x2x512xf32>) maps [#x, #v, #v]
      chunk 64 window(1, 0) scale 1.0
  return
}
