//===- AttnTileOps.td - attention on tiles ----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every form of attention lowers to: one step of the streaming softmax, the merge and the end of its state. They
// work on tensors, and after bufferisation on memrefs. Their packed counterparts are in AttnPackedOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TILE_OPS
#define ATTN_TILE_OPS

include "attn/Dialect/Attn/IR/AttnOps.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"

def Attn_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>;

/// Destination style on tensors or memrefs; results exist only on tensors.
class Attn_TileOp<string mnemonic, list<Trait> traits = []> : Attn_Op<mnemonic, traits # [
    Attn_TileLevel, DestinationStyleOpInterface, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ConditionallySpeculatable>]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
}

/// The state of a streaming softmax over a tile of queries: three destinations in a fixed order.
class Attn_StateOp<string mnemonic, list<Trait> traits = []> : Attn_TileOp<mnemonic, traits> {
  code stateDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getAccMutable().getOperandNumber(), 3);
    }
  }];
}

def Attn_OnlineAttentionOp : Attn_StateOp<"online_attention", [AttrSizedOperandSegments]> {
  let summary = "one step of the streaming softmax: a tile of queries meets a tile of keys";
  let description = [{
    Updates the state (acc, max, sum) of a tile of queries with a tile of keys (Milakov and Gimelshein 2018; Dao et al.
    2022). With the scores s of `attn.attention` in units of log2, `s' = s * log2(e)`, per row:

    `max' = max(max, max_j s'_j)`, `sum' = sum * 2^(max - max') + sum_j 2^(s'_j - max')`,
    `acc' = acc * 2^(max - max') + sum_j 2^(s'_j - max') * value_j`.

    The state before the first step is acc = 0, max = -inf, sum = 0. Maps are over the domain (g, i, j, d, e): head of the group,
    query row, key row, head size, value size. The state is allocated for a whole tile: acc is [G, T, E'], max and sum
    are [G, T], with T at least the query rows and E' at least the value size; what lies beyond is unspecified.

    A result `j - i` of a map is a relative position, as in `attn.attention`: the operand is read at
    `j - i + rows - 1`, i and j being those of the tile and rows the query rows that are there. `relative(q', r)` adds
    `q'_i . r_(j - i + rows - 1)` to `query_i . key_j`; positions beyond r's rows add nothing.

    `at (b, h, i, j) of (n, m)` places the tile: batch, first head of the group, positions of the first query row and
    key row, and the whole lengths, which masks and the score-mod region refer to.

    ```mlir
    func.func @step(%q: tensor<1x?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %acc: tensor<1x96x64xf32>,
                    %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>, %b: index, %h: index, %i: index, %j: index,
                    %n: index, %m: index) -> tensor<1x96x64xf32> {
      %r:3 = attn.online_attention
          ins(%q, %k, %v : tensor<1x?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
          state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
          at(%b, %h, %i, %j) of(%n, %m)
          maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
                affine_map<(g, i, j, d, e) -> (j, e)>]
          scale 0.125 mask #attn.causal<top_left>
          -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
      return %r#0 : tensor<1x96x64xf32>
    }
    ```

    Constraints:
    * C1: one map per operand of query, key, value, bias, key_valid, relative that is there, over five dimensions, results
      distinct.
    * C2: query is over (g, i, d), key over (j, d), value over (j, e), bias over any of (g, i, j) or of (g, j - i), key_valid
      over (j), relative over (j - i, d); g may be missing where G is 1. The query of relative has the type of query.
    * C3: acc is [G, T, E'] and max, sum [G, T], all static, of f32 or f64.
    * C4: result types equal the types of the state, on tensors; on memrefs there are no results.
    * C5: static extents of one dimension agree between operands; that of g is G, that of i at most T, that of e at most E'.
    * C6: query, key, value and relative have one element type of f16, bf16, f32, f64; key_valid is i1; bias is
      floating point.
    * C7: the score-mod region is as in `attn.attention` (its C8), on scores of the state's type; scale is finite,
      softcap positive and finite.
  }];
  let arguments = (ins Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value, Optional<Attn_Shaped>:$bias,
                       Optional<Attn_Shaped>:$key_valid, Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum,
                       Index:$batch, Index:$head, Index:$first_query, Index:$first_key, Index:$num_queries,
                       Index:$num_keys, Optional<Attn_Shaped>:$relative, Optional<Attn_Shaped>:$relative_query,
                       AffineMapArrayAttr:$indexing_maps, F64Attr:$scale, OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<Attn_AnyMask>:$mask);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`relative` `(` $relative_query^ `,` $relative `:` type($relative_query) `,` type($relative) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)`
    `at` `(` $batch `,` $head `,` $first_query `,` $first_key `)` `of` `(` $num_queries `,` $num_keys `)`
    `maps` $indexing_maps `scale` $scale
    (`softcap` $softcap^)? (`mask` $mask^)? attr-dict (`score_mod` $score_mod^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = stateDeclaration # [{
    /// Positions of the domain's dimensions in every indexing map; kRelative stands for `j - i`.
    enum Dim : unsigned { kGroup, kQuery, kKey, kHeadSize, kValueSize, kNumDims, kRelative = kNumDims };
    /// The dimension that a map's result reads.
    static unsigned getDimOf(AffineExpr result);
    /// The map of an optional operand, or a null map.
    AffineMap getBiasMap();
    AffineMap getKeyValidMap();
    AffineMap getRelativeMap();
  }];
}

def Attn_MergeOp : Attn_StateOp<"merge"> {
  let summary = "merge of the states of disjoint key sets";
  let description = [{
    Merges S partial states along their first dimension: `max' = max_s max_s`, `sum' = sum_s 2^(max_s - max') sum_s`,
    `acc' = sum_s 2^(max_s - max') acc_s`. Associative and commutative up to rounding; the empty state (0, -inf, 0) is
    its identity. What the destinations held before is not read.

    ```mlir
    func.func @merge(%a: tensor<4x1x8x64xf32>, %m: tensor<4x1x8xf32>, %s: tensor<4x1x8xf32>, %acc: tensor<1x8x64xf32>,
                     %max: tensor<1x8xf32>, %sum: tensor<1x8xf32>) -> tensor<1x8x64xf32> {
      %r:3 = attn.merge ins(%a, %m, %s : tensor<4x1x8x64xf32>, tensor<4x1x8xf32>, tensor<4x1x8xf32>)
          state(%acc, %max, %sum : tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>)
          -> tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>
      return %r#0 : tensor<1x8x64xf32>
    }
    ```

    Constraints:
    * C1: the partial states have the shapes of the state with one more dimension in front, the same for all three.
    * C2: acc is [G, T, E'], max and sum are [G, T], with one element type.
    * C3: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$partial_acc, Attn_Shaped:$partial_max, Attn_Shaped:$partial_sum,
                       Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum);
  let assemblyFormat = [{
    `ins` `(` $partial_acc `,` $partial_max `,` $partial_sum `:` type($partial_acc) `,` type($partial_max) `,` type($partial_sum) `)`
    `state` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)` attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = stateDeclaration;
}

def Attn_FinalizeOp : Attn_TileOp<"finalize"> {
  let summary = "output and log-sum-exp of a finished state";
  let description = [{
    `output = acc / sum` and `lse = (max + log2(sum)) * ln 2` for the rows and columns that output has; 0 and -inf where
    sum is 0. Maps of output and lse are over (g, i, e).

    ```mlir
    func.func @finish(%acc: tensor<1x96x64xf32>, %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>,
                      %o: tensor<?x1x64xf16>) -> tensor<?x1x64xf16> {
      %r = attn.finalize ins(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
          outs(%o : tensor<?x1x64xf16>) maps [affine_map<(g, i, e) -> (i, g, e)>] -> tensor<?x1x64xf16>
      return %r : tensor<?x1x64xf16>
    }
    ```

    Constraints:
    * C1: acc is [G, T, E'], max and sum are [G, T].
    * C2: one map per destination over three dimensions; output is a permutation of (g, i, e), lse of (g, i); g may be
      missing where G is 1.
    * C3: result types equal the types of the destinations, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum, Attn_Shaped:$output,
                       Optional<Attn_Shaped>:$lse, AffineMapArrayAttr:$indexing_maps);
  let assemblyFormat = [{
    `ins` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)`
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    `maps` $indexing_maps attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 2 : 1);
    }
  }];
}

#endif // ATTN_TILE_OPS
