//===- Passes.td - passes on attn, for every target -------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rewrites of attn operations on tensors.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_PASSES
#define ATTN_TRANSFORMS_PASSES

include "attn/Dialect/Attn/Transforms/DilationPasses.td"
include "attn/Dialect/Attn/Transforms/FormPasses.td"
include "attn/Dialect/Attn/Transforms/LshPasses.td"
include "attn/Dialect/Attn/Transforms/MaskRewritePasses.td"
include "attn/Dialect/Attn/Transforms/RankPasses.td"
include "attn/Dialect/Attn/Transforms/RewritePasses.td"
include "attn/Dialect/Attn/Transforms/StepPasses.td"
include "mlir/Pass/PassBase.td"

def AttnTilePass : Pass<"attn-tile", "func::FuncOp"> {
  let summary = "attention as loops over tiles";
  let description = [{
    Every `attn.attention` becomes an `scf.forall` over (batch, key head, tile of queries), and in it a loop over tiles of
    keys that carries the state of a streaming softmax. The range of the loop over keys comes from the mask, so tiles that
    no query of the tile may see are never visited. Query heads that share a key head are one group of the same tile.
    The tile sizes are all that a target contributes. With a bounded window, a key tile covers all that a query tile
    sees, if it fits `window-keys`: then the softmax is done in one step. So do the keys of several short ranges that a
    mask leaves without a mask of their own, which are copied into one tile. Where the queries of a group are at most
    `few-rows`, tasks are ranges of `key-split` keys, whose states `attn.merge` puts together. Where one tile holds all
    queries of a head and batch and heads are fewer than `min-tiles`, ranges of keys, of no less than 4 tiles, make up
    the number. The ranges depend on shapes alone, so results are the same for any number of threads. Keys that come in
    segments are walked one segment after the other, with the state carried on. With a `key-tile` of 0 the target walks
    the keys of a range, and the chunks of a stretch of linear attention, itself; its loops, which it launches, are mapped
    to blocks so that one of a single iteration stays a loop.

    Before:
    ```mlir
    func.func @f(%q: tensor<2x100x64xf32>, %k: tensor<2x300x64xf32>, %init: tensor<2x100x64xf32>) -> tensor<2x100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<2x100x64xf32>, tensor<2x300x64xf32>, tensor<2x300x64xf32>)
          outs(%init : tensor<2x100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          -> tensor<2x100x64xf32>
      return %o : tensor<2x100x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %o = scf.forall (%b, %h, %tile) in (1, 2, %tiles) shared_outs(%out = %init) -> (tensor<2x100x64xf32>) {
    ...
    %state:3 = scf.for %key = %c0 to %c300 step %c256 iter_args(...) -> (...) {
    ...
    %next:3 = attn.online_attention ins(...) state(...) at(%b, %h, %row, %key) of(%n, %m) maps [...] scale 1.250000e-01 -> ...
    scf.yield %next#0, %next#1, %next#2 : tensor<1x108x64xf32>, tensor<1x108xf32>, tensor<1x108xf32>
    }
    ...
    %rows = attn.finalize ins(%state#0, %state#1, %state#2 : ...) outs(...) maps [...] -> tensor<1x?x64xf32>
    ...
    ```
  }];
  let options = [
    Option<"queryTile", "query-tile", "int64_t", "768", "rows of a query tile, all heads of the group together">,
    Option<"keyTile", "key-tile", "int64_t", "256", "keys of a key tile; 0: all of a range, which the target walks">,
    Option<"windowKeys", "window-keys", "int64_t", "2048", "most keys of a tile that covers a whole window">,
    Option<"rowAlign", "row-align", "int64_t", "12", "what the rows of a state are a multiple of">,
    Option<"pairRowAlign", "pair-row-align", "int64_t", "12", "the same for operands of bf16">,
    Option<"columnAlign", "column-align", "int64_t", "16", "what the columns of a state are a multiple of">,
    Option<"minTiles", "min-tiles", "int64_t", "16", "tasks to aim at when heads and batch give fewer">,
    Option<"fewRows", "few-rows", "int64_t", "8", "rows of a group up to which keys are split among tasks">,
    Option<"keySplit", "key-split", "int64_t", "2048", "keys of a task when keys are split">,
    Option<"linearChunk", "linear-chunk", "int64_t", "64", "positions of a chunk of linear attention">,
    Option<"featureChunk", "feature-chunk", "int64_t", "96", "the same, with a projection and without a causal mask">,
    Option<"linearTasks", "linear-tasks", "int64_t", "8",
           "tasks to aim at when heads and batch give fewer: linear attention is cut into stretches">,
    Option<"fullHeadSize", "full-head-size", "int64_t", "64", "head size up to which query tiles have all their rows">,
    Option<"relativeBytes", "relative-bytes", "int64_t", "0",
           "bytes of the queries of a tile where relative positions are, rows being multiples of 16; 0: any number">
  ];
  let statistics = [
    Statistic<"numTiled", "num-tiled", "attention operations that became loops">,
    Statistic<"numOverKeys", "num-over-keys", "of these, split over keys because their queries are few">,
    Statistic<"numLinear", "num-linear", "linear attention operations that became loops">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::gpu::GPUDialect", "linalg::LinalgDialect", "scf::SCFDialect",
                           "tensor::TensorDialect"];
}

def AttnTileLowRankPass : Pass<"attn-tile-low-rank", "func::FuncOp"> {
  let summary = "low-rank attention as projections by tiles and attention over slots";
  let description = [{
    Every `attn.low_rank_attention` becomes two parallel loops that add up the slots of keys and of values, and
    `attn.attention` over them. A task has some slots of some heads; it meets the positions in tiles, and one tile of the
    projection serves all of its heads. What a task sums depends on shapes alone, so results do not depend on the number
    of threads. With causal blocks a second `attn.attention` has the keys of the query's own block, and the two are
    merged by their log-sum-exp. Random projections are drawn.

    Before:
    ```mlir
    #p = affine_map<(b, h, i, j, s, d, e) -> (s, j)>
    func.func @f(%q: tensor<300x64xf32>, %e: tensor<32x300xf32>, %init: tensor<300x64xf32>) -> tensor<300x64xf32> {
      %o = attn.low_rank_attention ins(%q, %q, %q : tensor<300x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          projections(%e, %e : tensor<32x300xf32>, tensor<32x300xf32>) outs(%init : tensor<300x64xf32>)
          maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, s, d, e) -> (j, e)>, #p, #p, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
          -> tensor<300x64xf32>
      return %o : tensor<300x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %keys = scf.forall (%b, %h, %part, %tile) in (1, 1, 1, 1) shared_outs(%out = ...) -> ... {
    ...
    %sums = scf.for %position = %c0 to %c300 step %c256 ...
    ...
    %slots = attn.project ins(...) outs(...) maps ... -> ...
    ...
    %o = attn.attention ins(%q, %keys, %values : tensor<300x64xf32>, tensor<32x64xf32>, tensor<32x64xf32>) ...
    ...
    ```
  }];
  let options = [
    Option<"slotTile", "slot-tile", "int64_t", "264", "most slots of a task">,
    Option<"positionTile", "position-tile", "int64_t", "256", "positions of a tile">,
    Option<"headTile", "head-tile", "int64_t", "4", "most heads of a task, which share a tile of the projection">,
    Option<"columnAlign", "column-align", "int64_t", "16", "what the columns of sums are a multiple of">,
    Option<"rowAlign", "row-align", "int64_t", "12", "what the slots of a task are a multiple of">,
    Option<"minTiles", "min-tiles", "int64_t", "8", "tasks to aim at">
  ];
  let statistics = [Statistic<"numTiled", "num-tiled", "low-rank attentions that were tiled">];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "cf::ControlFlowDialect",
                           "linalg::LinalgDialect", "math::MathDialect", "scf::SCFDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_PASSES
