//===- AttnAsymmetricLsh.td - LSH with keys of their own --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LSH attention for queries and keys that were trained apart. Its tile-level operations are those of AttnLshTileOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ASYMMETRIC_LSH
#define ATTN_ASYMMETRIC_LSH

include "attn/Dialect/Attn/IR/AttnOps.td"

def Attn_AsymmetricLshAttentionOp : Attn_SequenceOp<"asymmetric_lsh_attention", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "softmax attention within clusters of queries and keys that were sorted apart";
  let description = [{
    The attention of SMYRF (Daras et al. 2020). Queries and keys are lifted to one length, which keeps their products:
    with Mq and Mk the largest lengths of a head's valid queries and keys, `F(q) = [q; 0; sqrt(Mq^2 + Mk^2 - |q|^2)]` and
    `G(k) = [k; sqrt(Mq^2 + Mk^2 - |k|^2); 0]`. A round projects both on one direction, sorts queries and keys by that
    number, each for themselves (equal numbers by position, invalid ones last), and cuts both orders into the same number
    of clusters: L = ceil(n / chunk) of `chunk` queries, and of `chunk` keys where there are as many as queries, of
    ceil(m / L) else. A query sees the keys of the clusters from
    `look_back` before its own to `look_ahead` after it, up to its own position if `causal`. Over the union of what it
    sees in all rounds it takes the softmax of the scores that `attn.attention` computes; a query that sees nothing, or is
    invalid, gives 0, and -inf as its log-sum-exp.

    Maps are over (b, h, i, j, d, e) as in `attn.attention`, in the order query, key, value, query_valid, key_valid,
    output, lse for the operands that are there. `directions` is [H, R, D + 2], one H for all heads if 1, the last two for
    the components that lifting adds, keys' first. `hashes` are the projections themselves, [B, H, R, n] and [B, H, R, m]
    (B or H may be 1), in place of directions. `scale` and the score-mod region are those of `attn.attention`.

    ```mlir
    #q = affine_map<(b, h, i, j, d, e) -> (b, i, h, d)>
    #k = affine_map<(b, h, i, j, d, e) -> (b, j, h, d)>
    #v = affine_map<(b, h, i, j, d, e) -> (b, j, h, e)>
    #o = affine_map<(b, h, i, j, d, e) -> (b, i, h, e)>
    func.func @smyrf(%q: tensor<1x?x8x64xf32>, %k: tensor<1x?x8x64xf32>, %v: tensor<1x?x8x64xf32>,
                     %a: tensor<8x4x66xf32>, %init: tensor<1x?x8x64xf32>) -> tensor<1x?x8x64xf32> {
      %o = attn.asymmetric_lsh_attention ins(%q, %k, %v : tensor<1x?x8x64xf32>, tensor<1x?x8x64xf32>, tensor<1x?x8x64xf32>)
          directions(%a : tensor<8x4x66xf32>) outs(%init : tensor<1x?x8x64xf32>) maps [#q, #k, #v, #o]
          rounds 4 chunk 64 -> tensor<1x?x8x64xf32>
      return %o : tensor<1x?x8x64xf32>
    }
    ```

    Constraints:
    * C1: there is one map for each of query, key, value, query_valid, key_valid, output, lse that is there, over six
      dimensions, with as many results as the operand's rank.
    * C2: map results are distinct dimensions: i, d for query; j, d for key; j, e for value; i, e for output; i for
      query_valid and lse; j for key_valid; besides, any of b, h, but no h for query_valid and key_valid; output has every
      b, h that another operand has, lse those of output.
    * C3: static extents agree; those of d and e are static and in [1, 1024].
    * C4: query, key, value and output have one element type of f16, bf16, f32, f64; lse is f32 (f64 for f64);
      query_valid and key_valid are i1; directions and hashes are f32, or of the type of query.
    * C5: rounds is in [1, 64]; chunk is at least 1 and at most n; look_back and look_ahead are not negative, and a window
      of (1 + look_back + look_ahead) chunks has at most 65536 queries.
    * C6: exactly one of directions and hashes is there, with the extents above; directions are static.
    * C7: look_ahead is 0 if causal. Queries are as many as keys if causal, and where a length is dynamic.
    * C8: the score-mod region is as in attn.attention; scale is finite.
    * C9: result types equal the types of output and lse.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       Optional<AnyRankedTensor>:$query_valid, Optional<AnyRankedTensor>:$key_valid,
                       Optional<AnyRankedTensor>:$directions, Variadic<AnyRankedTensor>:$hashes,
                       AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse,
                       AffineMapArrayAttr:$indexing_maps, I64Attr:$rounds, I64Attr:$chunk,
                       DefaultValuedAttr<I64Attr, "1">:$look_back, DefaultValuedAttr<I64Attr, "0">:$look_ahead,
                       UnitAttr:$causal, OptionalAttr<F64Attr>:$scale);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`query_valid` `(` $query_valid^ `:` type($query_valid) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    (`directions` `(` $directions^ `:` type($directions) `)`)?
    (`hashes` `(` $hashes^ `:` type($hashes) `)`)?
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    `maps` $indexing_maps `rounds` $rounds `chunk` $chunk
    (`look_back` $look_back^)? (`look_ahead` $look_ahead^)? (`causal` $causal^)? (`scale` $scale^)?
    attr-dict (`score_mod` $score_mod^)? `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Positions of the domain's dimensions in every indexing map: those of attn.attention.
    enum Dim : unsigned { kBatch, kHead, kQuery, kKey, kHeadSize, kValueSize, kNumDims };

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 2 : 1);
    }
    /// The operands that have maps, in the order of the maps.
    SmallVector<OpOperand *> getMappedOperands();
    AffineMap getMapOf(OpOperand &operand);
    AffineMap getQueryMap() { return getMapOf(getQueryMutable()); }
    AffineMap getKeyMap() { return getMapOf(getKeyMutable()); }
    AffineMap getValueMap() { return getMapOf(getValueMutable()); }
    AffineMap getOutputMap() { return getMapOf(getOutputMutable()); }
    /// The map of an optional operand, or a null map.
    AffineMap getQueryValidMap() { return getQueryValid() ? getMapOf(*getQueryValidMutable().begin()) : AffineMap(); }
    AffineMap getKeyValidMap() { return getKeyValid() ? getMapOf(*getKeyValidMutable().begin()) : AffineMap(); }
    AffineMap getLseMap() { return getLse() ? getMapOf(*getLseMutable().begin()) : AffineMap(); }

    /// Static extent of a dimension, ShapedType::kDynamic if unknown, 1 if no operand has it.
    int64_t getStaticExtent(Dim dim);
    /// Extent of a dimension, read from the first operand that has it.
    OpFoldResult getExtent(OpBuilder &builder, Location loc, Dim dim);
    /// f64 if the operands are f64, else f32: the type of scores and sums.
    FloatType getAccumulatorType();
    /// Keys of a cluster.
    int64_t getKeyChunk();
    /// The factor of the scores: D^-1/2 unless given.
    double getScaleValue();
  }];
}

#endif // ATTN_ASYMMETRIC_LSH
