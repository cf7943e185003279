//===- AttnLsh.td - attention by locality-sensitive hashing -----*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The attention of Reformer on whole sequences. Its tile-level operations are in AttnLshTileOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LSH
#define ATTN_LSH

include "attn/Dialect/Attn/IR/AttnOps.td"

def Attn_LshDuplicates : I32EnumAttr<"LshDuplicates", "what a key met in several rounds weighs", [
    I32EnumAttrCase<"Exact", 0, "exact">,
    I32EnumAttrCase<"None", 1, "none">,
    I32EnumAttrCase<"Lr", 2, "lr">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_LshSelf : I32EnumAttr<"LshSelf", "how a query treats its own position", [
    I32EnumAttrCase<"Exclude", 0, "exclude">,
    I32EnumAttrCase<"Subtract", 1, "subtract">,
    I32EnumAttrCase<"Overwrite", 2, "overwrite">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_LshAttentionOp : Attn_SequenceOp<"lsh_attention", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "softmax attention within buckets of a locality-sensitive hash";
  let description = [{
    The attention of Reformer (Kitaev et al. 2020) over shared queries and keys x. In each of `rounds` rounds a token's
    bucket is `argmax [u; -u]`, the lowest on ties, with u = x . rotations; with several factors in `buckets` each digit
    has its own columns of the rotations, and bucket = b1 + f1 * b2 + ... Tokens are sorted by (bucket, position) and cut
    into chunks; a query sees the keys of the chunks from `look_back` before its own to `look_ahead` after it, in its own
    bucket, up to its own position if `causal`, and not itself. Over the union of what it sees in all rounds it takes the
    softmax of `scale * x_i . x_j / rho_j`, rho_j^2 = |x_j|^2 + D * key_eps. A query that sees nothing gives its own
    value, and -inf as its log-sum-exp. Invalid tokens are in a bucket of their own, the last; their output is 0.

    Maps are over (b, h, i, d, e): batch, head, position, head size, value size, in the order x, value, valid, output,
    lse for the operands that are there. `rotations` is [H, D, R, sum of buckets / 2], one H for all heads if 1;
    `injected`, [B, H, R, N], gives the buckets instead (B or H may be 1). The score-mod region is that of
    `attn.attention`; positions are those of the sequence, not of the sorted order.

    The rest of the attributes reproduces public implementations. `same_bucket = false` drops the test of the bucket.
    `wrap` puts the chunks of all rounds on one axis that is rolled; a key met twice counts twice. `dup`: `exact` divides
    a key's weight by the number of rounds that meet it, `none` does not, `lr` divides by that number within the round
    plus 1e-9. `self_mode`: `exclude`; `subtract` lowers the score of the own position by |self_value|; `overwrite`
    makes it `self_value`, valid or not. `mask_query = false` lets invalid queries attend; `pad_bucket = false` hashes
    invalid tokens like others.

    ```mlir
    #x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
    #v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
    func.func @reformer(%x: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>, %g: tensor<8x64x4x64xf32>,
                        %init: tensor<1x8x?x64xf32>) -> tensor<1x8x?x64xf32> {
      %o = attn.lsh_attention ins(%x, %v : tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>)
          rotations(%g : tensor<8x64x4x64xf32>) outs(%init : tensor<1x8x?x64xf32>) maps [#x, #v, #v]
          rounds 4 chunk 64 buckets [128] causal -> tensor<1x8x?x64xf32>
      return %o : tensor<1x8x?x64xf32>
    }
    ```

    Constraints:
    * C1: there is one map for each of x, value, valid, output, lse that is there, over five dimensions, with as many
      results as the operand's rank.
    * C2: map results are distinct dimensions: i, d for x; i, e for value and output; i for valid and lse; besides, any
      of b, h, but no h for valid; output has every b, h that another operand has, lse those of output.
    * C3: static extents agree; those of d and e are static and in [1, 1024].
    * C4: x, value and output have one element type of f16, bf16, f32, f64; lse is f32 (f64 for f64); valid is i1;
      injected is i16, i32 or i64; rotations are f32, or of the type of x.
    * C5: rounds is in [1, 64]; chunk is at least 1 and at most N; look_back and look_ahead are not negative, and a window
      of (1 + look_back + look_ahead) chunks has at most 65536 keys.
    * C6: every factor in buckets is even and positive; their product is at most 2^20.
    * C7: exactly one of rotations and injected is there. Rotations are static, [H or 1, D, rounds, half the sum of the
      factors]; injected is [B or 1, H or 1, rounds, N].
    * C8: look_ahead is 0 if causal.
    * C9: the score-mod region is as in attn.attention; there is none where self_mode is overwrite.
    * C10: scale and self_value are finite; key_eps is finite and not negative.
    * C11: result types equal the types of output and lse.
  }];
  let arguments = (ins AnyRankedTensor:$x, AnyRankedTensor:$value, Optional<AnyRankedTensor>:$valid,
                       Optional<AnyRankedTensor>:$rotations, Optional<AnyRankedTensor>:$injected,
                       AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse,
                       AffineMapArrayAttr:$indexing_maps, I64Attr:$rounds, I64Attr:$chunk,
                       DefaultValuedAttr<I64Attr, "1">:$look_back, DefaultValuedAttr<I64Attr, "0">:$look_ahead,
                       DenseI64ArrayAttr:$buckets, UnitAttr:$causal, DefaultValuedAttr<F64Attr, "1.0">:$scale,
                       DefaultValuedAttr<BoolAttr, "true">:$same_bucket, DefaultValuedAttr<BoolAttr, "false">:$wrap,
                       DefaultValuedAttr<F64Attr, "1e-6">:$key_eps,
                       DefaultValuedAttr<Attn_LshDuplicates, "LshDuplicates::Exact">:$dup,
                       DefaultValuedAttr<Attn_LshSelf, "LshSelf::Exclude">:$self_mode,
                       DefaultValuedAttr<F64Attr, "-1e5">:$self_value,
                       DefaultValuedAttr<BoolAttr, "true">:$mask_query,
                       DefaultValuedAttr<BoolAttr, "true">:$pad_bucket);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $x `,` $value `:` type($x) `,` type($value) `)`
    (`valid` `(` $valid^ `:` type($valid) `)`)?
    (`rotations` `(` $rotations^ `:` type($rotations) `)`)?
    (`injected` `(` $injected^ `:` type($injected) `)`)?
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    `maps` $indexing_maps `rounds` $rounds `chunk` $chunk `buckets` $buckets
    (`look_back` $look_back^)? (`look_ahead` $look_ahead^)? (`causal` $causal^)? (`scale` $scale^)?
    (`dup` $dup^)? (`self_mode` $self_mode^)?
    attr-dict (`score_mod` $score_mod^)? `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Positions of the domain's dimensions in every indexing map.
    enum Dim : unsigned { kBatch, kHead, kPosition, kHeadSize, kValueSize, kNumDims };

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 2 : 1);
    }
    /// The operands that have maps, in the order of the maps.
    SmallVector<OpOperand *> getMappedOperands();
    AffineMap getMapOf(OpOperand &operand);
    AffineMap getXMap() { return getMapOf(getXMutable()); }
    AffineMap getValueMap() { return getMapOf(getValueMutable()); }
    AffineMap getOutputMap() { return getMapOf(getOutputMutable()); }
    /// The map of an optional operand, or a null map.
    AffineMap getValidMap() { return getValid() ? getMapOf(*getValidMutable().begin()) : AffineMap(); }
    AffineMap getLseMap() { return getLse() ? getMapOf(*getLseMutable().begin()) : AffineMap(); }

    /// Static extent of a dimension, ShapedType::kDynamic if unknown, 1 if no operand has it.
    int64_t getStaticExtent(Dim dim);
    /// Extent of a dimension, read from the first operand that has it.
    OpFoldResult getExtent(OpBuilder &builder, Location loc, Dim dim);
    /// The product of the factors.
    int64_t getNumBuckets();
    /// f64 if the operands are f64, else f32: the type of scores and sums.
    FloatType getAccumulatorType();
  }];
}

#endif // ATTN_LSH
