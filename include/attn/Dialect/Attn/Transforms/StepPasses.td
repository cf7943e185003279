//===- StepPasses.td - generation step by step ------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a function on whole sequences becomes one on what is new of them; a part of Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_STEP_PASSES
#define ATTN_TRANSFORMS_STEP_PASSES

include "mlir/Pass/PassBase.td"

def AttnBuildStepsPass : Pass<"attn-build-steps", "::mlir::ModuleOp"> {
  let summary = "functions that take a sequence piece by piece";
  let description = [{
    For every public function with attention, `NAME`, this adds `NAME_step`, which takes the positions that follow those
    of earlier calls, and `NAME_token`, the same for exactly one position: every dynamic extent is 1 there. Both have the
    arguments and results of `NAME`, then `length`, the number of positions before, then for each attention the buffers
    that hold what is known of them, which they read and write in place. Calls may mix the two.

    Exact attention has `key_cacheN` and `value_cacheN` of `capacity` positions, in the order [b, h, j, d]. With
    `page-size` S it has pools `key_pagesN` and `value_pagesN`, [pages, h, S, d] with any number of pages, and `pages`,
    [b, capacity / S] of i32, says in which page the positions of a sequence lie. A window of w positions within the
    capacity has rings `key_ringN` and `value_ringN` of w slots, position p in slot p mod w, and no capacity. Linear
    attention has `sum_stateN`, `norm_stateN` and, with softmax maps, `reference_stateN`; one position is an
    `attn.linear_step`.

    Steps may be of any length: the results of all are those of one call, row for row. Sums and norms begin as 0,
    references as -1e30; caches may hold anything. A negative length, a step past the capacity and a page that is not in
    the pool are errors, before anything is written. Positions other than in attention are the program's business: `NAME`
    takes what depends on them, as embeddings do, as arguments.

    Attention has to be causal, of all positions or of an undilated window, without bias or padding, of a dynamic length;
    else the pass fails.

    ```mlir
    #q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
    #k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
    #v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
    #o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
    func.func @main(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %v: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>)
        -> tensor<8x?x64xf32> {
      %o = attn.attention ins(%q, %k, %v : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
          outs(%init : tensor<8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left> -> tensor<8x?x64xf32>
      return %o : tensor<8x?x64xf32>
    }
    ```

    becomes itself, and after it, with `main_token` behind,

    ```mlir
    ...
    func.func @main_step(%arg0: tensor<8x?x64xf32>, %arg1: tensor<8x?x64xf32>, %arg2: tensor<8x?x64xf32>, %arg3: tensor<8x?x64xf32>, %arg4: index {attn.name = "length"}, %arg5: memref<8x1024x64xf32> {attn.name = "key_cache0"}, %arg6: memref<8x1024x64xf32> {attn.name = "value_cache0"}) -> tensor<8x?x64xf32> {
    ...
    bufferization.materialize_in_destination %inserted_slice in restrict writable %arg5 : (tensor<8x1024x64xf32>, memref<8x1024x64xf32>) -> ()
    ...
    ```
  }];
  let options = [Option<"capacity", "capacity", "int64_t", "1024", "Positions that a cache of keys has room for">,
                 Option<"pageSize", "page-size", "int64_t", "0", "Positions of a page; 0 for caches in one piece">];
  let statistics = [Statistic<"numBuilt", "num-built", "Number of steps">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_STEP_PASSES
