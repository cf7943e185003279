//===- AttnPackedOps.td - attention on packed tiles -------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The packing of tiles for a register-tile kernel, and the step of the streaming softmax that reads packed tiles.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PACKED_OPS
#define ATTN_PACKED_OPS

include "attn/Dialect/Attn/IR/AttnTileOps.td"

def Attn_OnlinePackedOp : Attn_StateOp<"online_packed", [AttrSizedOperandSegments]> {
  let summary = "one step of the streaming softmax on packed tiles";
  let description = [{
    `attn.online_attention` after its operands were packed for a CPU: query as rows [G, T, D] multiplied by
    `scale * log2(e)` (by `scale` alone if there is a softcap, a score mod or a bias), key as panels [P, D, NR],
    value as rows [K, E'] or in place. `rows` and `keys` are the rows and keys that are there. Operands of bf16 hold
    pairs, as attn.pack makes them: query [G, T, D] unscaled, key [P, D / 2, NR, 2], value [K / 2, E', 2]; then `scale`
    multiplies the scores. Few queries, whose keys would be used too rarely to be worth panels, read keys as rows.
    Rows of the query beyond `rows` are zero; so are keys of the last panel beyond `keys`. `relative(q', r)` are the query
    and the rows of relative positions in the same layouts as query and key, the first `positions` of them given.

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
    * C1: query is [G, T, D], key [P, D, NR], value [K, E'], acc [G, T, E'], max and sum [G, T]; all but K static. Or key
      is rows [K, D] in any floating-point type, and `key_limit` says how many there can be. Relative is panels of the
      shape that key's have but for P, its query has the type of query, and key is panels then.
    * C2: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value, Optional<Attn_Shaped>:$bias,
                       Optional<Attn_Shaped>:$key_valid, Attn_Shaped:$acc, Attn_Shaped:$max, Attn_Shaped:$sum,
                       Index:$rows, Index:$keys, Index:$batch, Index:$head, Index:$first_query, Index:$first_key,
                       Index:$num_queries, Index:$num_keys, Optional<Attn_Shaped>:$relative,
                       Optional<Attn_Shaped>:$relative_query, Optional<Index>:$positions,
                       OptionalAttr<AffineMapAttr>:$bias_map, OptionalAttr<F64Attr>:$scale,
                       OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<Attn_AnyMask>:$mask, OptionalAttr<I64Attr>:$key_limit);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`relative` `(` $relative_query^ `,` $relative `of` $positions `:` type($relative_query) `,` type($relative) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `,` $bias_map `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $acc `,` $max `,` $sum `:` type($acc) `,` type($max) `,` type($sum) `)`
    `tile` `(` $rows `,` $keys `)`
    `at` `(` $batch `,` $head `,` $first_query `,` $first_key `)` `of` `(` $num_queries `,` $num_keys `)`
    (`scale` $scale^)? (`softcap` $softcap^)? (`mask` $mask^)?
    (`key_limit` $key_limit^)? attr-dict (`score_mod` $score_mod^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = stateDeclaration;
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
    * C3: the source's depth is static, and the destination's at least that; its g is the source's where that is static.
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

#endif // ATTN_PACKED_OPS
