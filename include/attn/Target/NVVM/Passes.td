//===- Passes.td - passes of the NVVM target --------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From tiles on memrefs to kernels on tensor cores.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_NVVM_PASSES
#define ATTN_TARGET_NVVM_PASSES

include "mlir/Pass/PassBase.td"

def AttnNvvmLaunchProductsPass : Pass<"attn-nvvm-launch-products", "func::FuncOp"> {
  let summary = "products of matrices as kernels";
  let description = [{
    Every contraction of two buffers of f16, bf16 or f32 outside of kernels, `linalg.matmul` and its kind as well as
    `linalg.generic`, becomes a `gpu.launch` on tensor cores, with sums in f32. Any number of dimensions may be rows,
    columns, depth or batch, in any order; extents may be dynamic. A block has a tile of the output, whose size a model
    chooses; steps of the depth pass through shared memory by asynchronous copies, several steps ahead.

    Element-wise operations that alone read the output, through reshapes too, work on the sums in registers; what they read
    besides is loaded once for a row or a column where it depends on nothing else. The sums begin with the value that the
    output was filled with. Two products of one left factor that such an operation combines, as in a gated layer, are one
    kernel. A remark says why a product was left alone.

    Products of f32 are three products of tf32, which keeps 22 bits of the operands; `tf32` makes them one.

    Before:
    ```mlir
    func.func @linear(%x: memref<512x384xf16>, %w: memref<1536x384xf16>, %b: memref<1536xf16>, %o: memref<512x1536xf16>) {
      %zero = arith.constant 0.0 : f32
      %sum = memref.alloc() : memref<512x1536xf32>
      linalg.fill ins(%zero : f32) outs(%sum : memref<512x1536xf32>)
      linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
                                     affine_map<(m, n, k) -> (m, n)>]
          ins(%x, %w : memref<512x384xf16>, memref<1536x384xf16>) outs(%sum : memref<512x1536xf32>)
      linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>,
                                       affine_map<(m, n) -> (m, n)>],
                      iterator_types = ["parallel", "parallel"]}
          ins(%sum, %b : memref<512x1536xf32>, memref<1536xf16>) outs(%o : memref<512x1536xf16>) {
      ^bb0(%s: f32, %c: f16, %old: f16):
        %wide = arith.extf %c : f16 to f32
        %t = arith.addf %s, %wide : f32
        %r = arith.truncf %t : f32 to f16
        linalg.yield %r : f16
      }
      return
    }
    ```
    After, in outline:
    ```mlir
    ...
    gpu.launch blocks(...) in (...) threads(...) in (...) dynamic_shared_memory_size %bytes ...function(@product) {
    ...
    nvvm.cp.async.shared.global ...
    ...
    ... = nvvm.ldmatrix ...
    ...
    ... = nvvm.mma.sync ...
    ...
    ... = arith.truncf ... : f32 to f16
    ...
    gpu.terminator
    ...
    ```
  }];
  let options = [Option<"tf32", "tf32", "bool", "false", "products of f32 are single products of tf32">];
  let statistics = [
    Statistic<"numLaunched", "num-launched", "products that became kernels">,
    Statistic<"numFused", "num-fused", "element-wise operations in the kernels of products">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "gpu::GPUDialect", "LLVM::LLVMDialect",
                           "memref::MemRefDialect", "NVVM::NVVMDialect", "scf::SCFDialect", "vector::VectorDialect"];
}

def AttnNvvmLaunchTilesPass : Pass<"attn-nvvm-launch-tiles", "func::FuncOp"> {
  let summary = "parallel loops over tiles as kernels";
  let description = [{
    Every outermost `scf.forall` on memrefs whose body has tile-level operations becomes a `gpu.launch`: one block an
    iteration, in the order of iterations, with as many warps as the rows of the state need. The tile-level operations
    become code on fragments: products on tensor cores, tiles of keys and values in shared memory, brought there by
    asynchronous copies a tile ahead. States that are scratch of the iteration live in registers. Where the number of
    iterations is not known, the launch is guarded against none. Loops without tile-level operations are left alone, but for those
    that copy to or from places that memory says, as rows go into their pages: no loop of the host could know them.

    Keys and values that are slices of a copy out of pages, as `attn.gather_pages` becomes, are read through its table
    instead, and the copy is erased, where nothing in between writes what it read; a remark says why it stays. A page that
    is not of the pool counts as keys of zeros.

    `attn.hash`, `attn.bucket_sort`, `attn.rank_sort` and `attn.lsh_chunks`, which stand outside of loops, become launches of
    their own.

    If the module's `attn.sm` names 90a, a streaming softmax on f16 or bf16 has a second body for it, in which one warp
    group copies and others multiply with `wgmma`. A block knows by its number of threads which of the two it runs: the
    attribute `attn.variant` of the `gpu.block_dim` has the launch that sm_90a needs. A remark says what keeps a kernel
    from that.

    Products of f32 are three products of tf32, which keeps 22 bits of the operands; `tf32` makes them one.

    Before:
    ```mlir
    func.func @f(%q: memref<8x64x64xf16>, %k: memref<8x128x64xf16>, %o: memref<8x64x64xf16>) {
      %c0 = arith.constant 0 : index
      %c64 = arith.constant 64 : index
      %c128 = arith.constant 128 : index
      %lowest = arith.constant 0xFF800000 : f32
      %zero = arith.constant 0.0 : f32
      scf.forall (%h) in (8) {
        %acc = memref.alloc() : memref<1x64x64xf32>
        %max = memref.alloc() : memref<1x64xf32>
        %sum = memref.alloc() : memref<1x64xf32>
        linalg.fill ins(%zero : f32) outs(%acc : memref<1x64x64xf32>)
        linalg.fill ins(%lowest : f32) outs(%max : memref<1x64xf32>)
        linalg.fill ins(%zero : f32) outs(%sum : memref<1x64xf32>)
        %qh = memref.subview %q[%h, 0, 0] [1, 64, 64] [1, 1, 1] : memref<8x64x64xf16> to memref<64x64xf16, strided<[64, 1], offset: ?>>
        %kh = memref.subview %k[%h, 0, 0] [1, 128, 64] [1, 1, 1] : memref<8x128x64xf16> to memref<128x64xf16, strided<[64, 1], offset: ?>>
        attn.online_attention
            ins(%qh, %kh, %kh : memref<64x64xf16, strided<[64, 1], offset: ?>>, memref<128x64xf16, strided<[64, 1], offset: ?>>, memref<128x64xf16, strided<[64, 1], offset: ?>>)
            state(%acc, %max, %sum : memref<1x64x64xf32>, memref<1x64xf32>, memref<1x64xf32>)
            at(%c0, %h, %c0, %c0) of(%c64, %c128)
            maps [affine_map<(g, i, j, d, e) -> (i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
                  affine_map<(g, i, j, d, e) -> (j, e)>]
            scale 0.125
        %oh = memref.subview %o[%h, 0, 0] [1, 64, 64] [1, 1, 1] : memref<8x64x64xf16> to memref<64x64xf16, strided<[64, 1], offset: ?>>
        attn.finalize ins(%acc, %max, %sum : memref<1x64x64xf32>, memref<1x64xf32>, memref<1x64xf32>)
            outs(%oh : memref<64x64xf16, strided<[64, 1], offset: ?>>) maps [affine_map<(g, i, e) -> (i, e)>]
      }
      return
    }
    ```
    After, in outline:
    ```mlir
    ...
    gpu.launch blocks(%h, ...) in (... = %c8, ...) threads(%thread, ...) in (... = %c128, ...) dynamic_shared_memory_size %bytes {
    ...
    nvvm.cp.async.shared.global ...
    ...
    ... = scf.for ... {
    ...
    ... = nvvm.mma.sync ...
    ...
    gpu.terminator
    ...
    ```
  }];
  let options = [
    Option<"tf32", "tf32", "bool", "false", "products of f32 are single products of tf32">,
    Option<"rowFragments", "row-fragments", "int64_t", "0", "fragments of 16 rows of a warp; 0: the target's choice">,
    Option<"keyTile", "key-tile", "int64_t", "0", "keys of a tile in shared memory; 0: the target's choice">
  ];
  let statistics = [
    Statistic<"numLaunched", "num-launched", "parallel loops that became kernels">,
    Statistic<"numWarpGroups", "num-warp-groups", "kernels with a second body for warp groups">,
    Statistic<"numEmitted", "num-emitted", "tile-level operations that became code on fragments">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "gpu::GPUDialect", "LLVM::LLVMDialect",
                           "math::MathDialect", "memref::MemRefDialect", "nvgpu::NVGPUDialect", "NVVM::NVVMDialect",
                           "scf::SCFDialect", "vector::VectorDialect"];
}

#endif // ATTN_TARGET_NVVM_PASSES
