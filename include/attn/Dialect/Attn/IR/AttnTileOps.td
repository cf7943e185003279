//===- AttnTileOps.td - attention on tiles ----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every form of attention lowers to: one step of the streaming softmax, the merge and the end of its state, and
// the packing of tiles. They work on tensors, and after bufferisation on memrefs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TILE_OPS
#define ATTN_TILE_OPS

include "attn/Dialect/Attn/IR/AttnOps.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"

def Attn_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>;

/// Destination style on tensors or memrefs; results exist only on tensors.
class Attn_TileOp<string mnemonic, list<Trait> traits = []> : Attn_Op<mnemonic, traits # [
    DestinationStyleOpInterface, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
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
    * C1: one map per operand of query, key, value, bias, key_valid that is there, over five dimensions, results distinct.
    * C2: query is over (g, i, d), key over (j, d), value over (j, e), bias over any of (g, i, j), key_valid over (j).
    * C3: acc is [G, T, E'] and max, sum [G, T], all static, with the accumulator's element type; G is the static extent of g.
    * C4: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value, Optional<Attn_Shaped>:$bias,
                       Optional<Attn_Shaped>:$key_valid, Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum,
                       Index:$batch, Index:$head, Index:$first_query, Index:$first_key, Index:$num_queries,
                       Index:$num_keys,
                       AffineMapArrayAttr:$indexing_maps, F64Attr:$scale, OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<Attn_AnyMask>:$mask);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)`
    `at` `(` $batch `,` $head `,` $first_query `,` $first_key `)` `of` `(` $num_queries `,` $num_keys `)`
    `maps` $indexing_maps `scale` $scale
    (`softcap` $softcap^)? (`mask` $mask^)? attr-dict (`score_mod` $score_mod^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = stateDeclaration # [{
    /// Positions of the domain's dimensions in every indexing map.
    enum Dim : unsigned { kGroup, kQuery, kKey, kHeadSize, kValueSize, kNumDims };
  }];
}

def Attn_OnlinePackedOp : Attn_StateOp<"online_packed", [AttrSizedOperandSegments]> {
  let summary = "one step of the streaming softmax on packed tiles";
  let description = [{
    `attn.online_attention` after its operands were packed for a CPU: query as rows [G, T, D] multiplied by
    `scale * log2(e)` (by `scale` alone if there is a softcap, a score mod or a bias), key as panels [P, D, NR],
    value as rows [K, E'] or in place. `rows` and `keys` are the rows and keys that are there.
    Rows of the query beyond `rows` are zero; so are keys of the last panel beyond `keys`.

    ```mlir
    func.func @step(%q: memref<1x96x64xf32>, %k: memref<8x64x32xf32>, %v: memref<?x64xf32>, %acc: memref<1x96x64xf32>,
                    %max: memref<1x96xf32>, %sum: memref<1x96xf32>, %z: index, %n: index) {
      attn.online_packed ins(%q, %k, %v : memref<1x96x64xf32>, memref<8x64x32xf32>, memref<?x64xf32>)
          state(%acc, %max, %sum : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
          tile(%n, %n) at(%z, %z, %z, %z) of(%n, %n) mask #attn.causal<top_left>
      return
    }
    ```

    Constraints:
    * C1: query is [G, T, D], key [P, D, NR], value [K, E'], acc [G, T, E'], max and sum [G, T]; all but K static.
    * C2: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value, Optional<Attn_Shaped>:$bias,
                       Optional<Attn_Shaped>:$key_valid, Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum,
                       Index:$rows, Index:$keys, Index:$batch, Index:$head, Index:$first_query, Index:$first_key,
                       Index:$num_queries, Index:$num_keys,
                       OptionalAttr<AffineMapAttr>:$bias_map, OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<Attn_AnyMask>:$mask);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`bias` `(` $bias^ `:` type($bias) `,` $bias_map `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)`
    `tile` `(` $rows `,` $keys `)`
    `at` `(` $batch `,` $head `,` $first_query `,` $first_key `)` `of` `(` $num_queries `,` $num_keys `)`
    (`softcap` $softcap^)? (`mask` $mask^)? attr-dict (`score_mod` $score_mod^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = stateDeclaration;
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
    * C2: one map per destination over three dimensions; output is a permutation of (g, i, e), lse of (g, i).
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

def Attn_PackOp : Attn_TileOp<"pack"> {
  let summary = "a tile copied into the layout that a register-tile kernel reads";
  let description = [{
    Copies a matrix into a dense, padded layout and converts it to the destination's element type, multiplied by
    `scale`. `map`, over (g, row, depth), says how the source lies.

    * `rows`: `dest[g, row, depth]`. Columns beyond the source's are zero; so are rows up to the next multiple of
      `align`; rows after that are unspecified.
    * `panels`: `dest[g, row / NR, depth, row % NR]`, NR the last extent. Rows of the last panel beyond the source's are
      zero; further panels are unspecified.

    A destination of f16 or bf16 with one more dimension of extent 2 holds pairs of neighbours along the depth that a
    dot-product instruction reads: `panels` is then [g, row / NR, depth / 2, NR, 2] and `rows` [g, row / 2, depth, 2]
    with pairs along the rows. g is left out where the map does not use it.
    Where `valid` is given, rows whose flag is 0 are zero whatever the source holds.

    ```mlir
    func.func @panels(%k: tensor<?x64xf32>, %dest: tensor<8x64x32xf32>) -> tensor<8x64x32xf32> {
      %r = attn.pack panels ins(%k : tensor<?x64xf32>) outs(%dest : tensor<8x64x32xf32>)
          map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64x32xf32>
      return %r : tensor<8x64x32xf32>
    }
    ```

    Constraints:
    * C1: map results are distinct dimensions of (g, row, depth) with row and depth among them, as many as the source's rank.
    * C2: the destination has the rank that the layout asks for, and every extent but that of rows (`rows` layout) static.
    * C3: static extents fit: the destination's depth is at least the source's, its g equal to the source's.
    * C4: result type equals the destination's, on tensors; on memrefs there is no result.
  }];
  let arguments = (ins Attn_PackLayout:$layout, Attn_Shaped:$source, Optional<Attn_Shaped>:$valid, Attn_Shaped:$dest,
                       AffineMapAttr:$map, DefaultValuedAttr<F64Attr, "1.0">:$scale,
                       DefaultValuedAttr<I64Attr, "1">:$align);
  let assemblyFormat = [{
    $layout `ins` `(` $source `:` type($source) `)` (`valid` `(` $valid^ `:` type($valid) `)`)?
    `outs` `(` $dest `:` type($dest) `)` `map` $map (`scale` $scale^)? (`align` $align^)? attr-dict
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getDestMutable(); }
  }];
}

#endif // ATTN_TILE_OPS
