//===- Passes.td - passes of the CPU target ---------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From tiles on tensors to vectors on memrefs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_PASSES
#define ATTN_TARGET_CPU_PASSES

include "mlir/Pass/PassBase.td"

class CpuPass<string name, string anchor> : Pass<name, anchor> {
  list<Option> cpuOptions = [
    Option<"vectorBits", "vector-bits", "int64_t", "512", "width of a vector register: 256 or 512">,
    Option<"bf16Dot", "bf16-dot", "bool", "false", "the CPU has dot products of bf16 pairs (AVX512-BF16)">,
    Option<"amxBf16", "amx-bf16", "bool", "false", "the CPU has products of bf16 tiles (AMX-BF16)">
  ];
}

def AttnCpuLowerTilesPass : CpuPass<"attn-cpu-lower-tiles", "func::FuncOp"> {
  let summary = "tile-level operations on memrefs as loops over vectors";
  let description = [{
    Replaces `attn.online_packed`, `attn.pack`, `attn.finalize` and `attn.merge` on memrefs with the loops of
    register-tile matrix products, transposes in registers and the vectorised softmax.

    Before:
    ```mlir
    func.func @pack(%k: memref<?x64xf32>, %dest: memref<8x64x32xf32>) {
      attn.pack panels ins(%k : memref<?x64xf32>) outs(%dest : memref<8x64x32xf32>)
          map affine_map<(g, row, depth) -> (row, depth)>
      return
    }
    ```
    After, in outline: full panels go through vector registers.
    ```mlir
    ...
    scf.for %panel = %c0 to %panels step %c1 {
    ...
    scf.if %is_full {
    ...
    %row = vector.load %k[%first, %c0] : memref<?x64xf32>, vector<16xf32>
    ...
    %pair = vector.shuffle %row, %other [...] : vector<16xf32>, vector<16xf32>
    ...
    vector.store %column, %dest[...] : memref<8x64x32xf32>, vector<16xf32>
    ...
    ```
  }];
  let options = cpuOptions;
  let statistics = [
    Statistic<"numLowered", "num-lowered", "tile-level operations that became loops">
  ];
  let dependentDialects = ["arith::ArithDialect", "LLVM::LLVMDialect", "math::MathDialect", "memref::MemRefDialect",
                           "amx::AMXDialect", "scf::SCFDialect", "vector::VectorDialect",
                           "x86vector::X86VectorDialect"];
}

def AttnCpuPackOperandsPass : CpuPass<"attn-cpu-pack-operands", "func::FuncOp"> {
  let summary = "tiles of the streaming softmax packed for register tiles";
  let description = [{
    Every `attn.online_attention` on tensors becomes `attn.online_packed` on operands that `attn.pack` made: queries
    scaled, in rows padded to register tiles; keys in panels; values in rows, or in place where they already lie well.
    The packing of queries does not depend on the key tile and is moved out of the loop over keys.

    Before:
    ```mlir
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
    ```
    After, in outline:
    ```mlir
    ...
    %rows = attn.pack rows ins(%q : tensor<1x96x64xf32>) outs(...) map ... scale 0.18033688011112042 align 12 -> ...
    ...
    %panels = attn.pack panels ins(%k : tensor<256x64xf32>) outs(...) map ... -> tensor<8x64x32xf32>
    ...
    %r:3 = attn.online_packed ins(%rows, %panels, %values : ...) state(...) tile(...) at(...) of(...) -> ...
    ...
    ```
  }];
  let options = cpuOptions;
  let statistics = [
    Statistic<"numPacked", "num-packed", "steps of the streaming softmax that read packed operands">,
    Statistic<"numValuesInPlace", "num-values-in-place", "steps whose values are read in place">,
    Statistic<"numProjections", "num-projections", "projections of linear attention that were packed">
  ];
  let dependentDialects = ["arith::ArithDialect", "tensor::TensorDialect"];
}

def AttnCpuPackProjectionsPass : CpuPass<"attn-cpu-pack-projections", "func::FuncOp"> {
  let summary = "tiles of projections packed for register tiles";
  let description = [{
    The weights of every `attn.project` on tensors are copied to rows that do not compete for cache sets, in the type of
    the sums; so are its rows where they do not lie densely, have flags, or do not fill vectors. Packing is a value like
    any other: a tile of weights that several heads use is packed once.

    Before:
    ```mlir
    func.func @step(%e: tensor<60x?xf32>, %k: tensor<?x60xf32>, %acc: tensor<60x64xf32>) -> tensor<60x64xf32> {
      %c256 = arith.constant 256 : index
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %n = tensor.dim %k, %c0 : tensor<?x60xf32>
      %count = affine.min affine_map<(n) -> (n, 256)>(%n)
      %w = tensor.extract_slice %e[0, 0] [60, %count] [1, 1] : tensor<60x?xf32> to tensor<60x?xf32>
      %x = tensor.extract_slice %k[0, 0] [%count, 60] [1, 1] : tensor<?x60xf32> to tensor<?x60xf32>
      %r = attn.project ins(%w, %x : tensor<60x?xf32>, tensor<?x60xf32>) outs(%acc : tensor<60x64xf32>)
          maps [affine_map<(s, t, d) -> (s, t)>, affine_map<(s, t, d) -> (t, d)>] -> tensor<60x64xf32>
      return %r : tensor<60x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %scratch = bufferization.alloc_tensor() : tensor<60x272xf32>
    ...
    %weights = bufferization.materialize_in_destination ... in %view : ...
    ...
    %rows = attn.pack rows ins(...) outs(...) map ... -> tensor<256x64xf32>
    ...
    %r = attn.project ins(%weights, %used : ...) outs(%acc : tensor<60x64xf32>) ...
    ...
    ```
  }];
  let options = cpuOptions;
  let statistics = [Statistic<"numPacked", "num-packed", "projections whose weights were packed">,
                    Statistic<"numRowsInPlace", "num-rows-in-place", "projections that read rows where they lie">];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "bufferization::BufferizationDialect",
                           "linalg::LinalgDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TARGET_CPU_PASSES
