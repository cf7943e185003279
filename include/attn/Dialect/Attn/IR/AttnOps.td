//===- AttnOps.td - attention on whole sequences ----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations that a model is raised to. Tile-level operations are in AttnTileOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_OPS
#define ATTN_OPS

include "attn/Dialect/Attn/IR/AttnForms.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_AttentionOp : Attn_SequenceOp<"attention", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "exact softmax attention";
  let description = [{
    `out[b,h,i,e] = sum_j softmax_j(s[b,h,i,j]) * value[b,h,j,e]` over the keys j that are allowed, where the score is
    built in this order: `scale * query . key`, `softcap * tanh(s / softcap)`, the score-mod region, the additive bias,
    the mask, key validity. Reductions and exponents are computed in f32 (f64 for f64 operands) for every operand type.
    A query without any allowed key gives 0, and -inf as its log-sum-exp.

    Operands are read through `maps` over the fixed domain (b, h, i, j, d, e): batch, query head, query position, key
    position, head size, value size. A map's results are distinct dimensions in any order, so `[B,N,H,D]` costs no
    transpose; a batch or head dimension that a map lacks is broadcast; and key heads are shared by `h floordiv g`
    (grouped-query attention, Ainslie et al. 2023). Maps come in the order query, key, value, bias, key_valid, output,
    lse, relative, documents, for the operands that are there.

    `segments` continues the keys: pairs of key and value, read through the maps of key and value, whose positions follow
    those of the pair before. Memories and caches need no concatenation then; masks, bias, key validity and score mod see
    the positions of the whole.

    A result `j - i` of a map is a relative position: the operand is read at `j - i + n - 1`, so that position 0 belongs
    to the first key and the last query, n being the queries. It serves `bias`, and `relative(q', r)`, which adds
    `q'_i . r_(j - i + n - 1)` to `query_i . key_j` (Dai et al. 2019, whose distance t is position m - 1 - t, m being the
    keys): the operand holds O(n + m) elements, and no n x m tensor is made. Positions beyond its extent contribute
    nothing; under a bottom-right causal mask m positions are all there are.

    `documents`, integers by position, makes one sequence of several: runs of equal numbers, between which nothing is seen.
    Mask and positions are those within a document, where queries and keys have one end.

    `scale` defaults to D^-1/2. The score-mod region gets (score, b, h, i, j): an f32 (f64) and four indices, positions
    being those of the original sequence, and yields the new score; it must be pure. `lse`, if given, receives the
    natural-log log-sum-exp of the scores. What `output` and `lse` held before is not read.

    ```mlir
    #q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
    #k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
    #v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
    #o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
    func.func @causal(%q: tensor<1x8x?x64xf32>, %k: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>,
                      %init: tensor<1x8x?x64xf32>) -> tensor<1x8x?x64xf32> {
      %o = attn.attention ins(%q, %k, %v : tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>)
          outs(%init : tensor<1x8x?x64xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
          -> tensor<1x8x?x64xf32>
      return %o : tensor<1x8x?x64xf32>
    }
    ```

    Constraints:
    * C1: there is one indexing map per operand, over six dimensions, with as many results as the operand's rank.
    * C2: map results are distinct dimensions, or `h floordiv g` with a constant g > 0.
    * C3: query has i, d and of the others only b, h; key has j, d, of the others only b, h; value has j, e, of the
      others only b, h; output has i, e and every b, h that another operand has; lse has i and the b, h of output;
      bias has any of b, h, i, j; key_valid has j, of the others only b. `floordiv` is for key and value, in both the same.
    * C4: static extents of one dimension agree between operands; under `h floordiv g` the extent is that of h over g.
    * C5: the extents of d and e are static and between 1 and 1024.
    * C6: query, key, value and output have one element type of f16, bf16, f32, f64; lse is f32 (f64 for f64);
      key_valid is i1; bias is floating point.
    * C7: result types equal the types of output and lse.
    * C8: the score-mod region has one block with arguments (f32 or f64, index, index, index, index), contains only
      pure operations and yields one value of the score's type.
    * C9: softcap is positive and finite; scale is finite.
    * C10: segments are pairs of key and value of the element type and rank of key and value; each pair has one extent of
      j, and all other extents agree.
    * C11: relative has j - i and d, and otherwise only h, shared as in key; its query has the type of query; there is no
      softcap; a bias with j - i has neither i nor j.
    * C12: an operand with j - i has an extent of at least m for it.
    * C13: documents are integers with i, and otherwise only b; there are as many queries as keys, no segments, no
      relative, no j - i, no score-mod region, and no mask but causal and window.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       Optional<AnyRankedTensor>:$bias, Optional<AnyRankedTensor>:$key_valid,
                       AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse,
                       Optional<AnyRankedTensor>:$relative, Optional<AnyRankedTensor>:$relative_query,
                       Variadic<AnyRankedTensor>:$segments, Optional<AnyRankedTensor>:$documents,
                       AffineMapArrayAttr:$indexing_maps, OptionalAttr<Attn_AnyMask>:$mask,
                       OptionalAttr<F64Attr>:$scale, OptionalAttr<F64Attr>:$softcap);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`segments` `(` $segments^ `:` type($segments) `)`)?
    (`documents` `(` $documents^ `:` type($documents) `)`)?
    (`relative` `(` $relative_query^ `,` $relative `:` type($relative_query) `,` type($relative) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    `maps` $indexing_maps
    (`mask` $mask^)?
    (`scale` $scale^)?
    (`softcap` $softcap^)?
    attr-dict
    (`score_mod` $score_mod^)?
    `->` type($results)
  }];
  let hasCanonicalizer = 1;
  let hasVerifier = 1;
  let builders = [
    OpBuilder<(ins "TypeRange":$results, "Value":$query, "Value":$key, "Value":$value, "Value":$bias,
                   "Value":$key_valid, "Value":$output, "Value":$lse, "ArrayAttr":$indexing_maps,
                   "MaskAttrInterface":$mask, "FloatAttr":$scale, "FloatAttr":$softcap), [{
      build($_builder, $_state, results, query, key, value, bias, key_valid, output, lse, /*relative=*/Value(),
            /*relative_query=*/Value(), /*segments=*/ValueRange(), /*documents=*/Value(), indexing_maps, mask, scale, softcap);
    }]>
  ];
  let extraClassDeclaration = [{
    /// Positions of the domain's dimensions in every indexing map; kRelative stands for `j - i`.
    enum Dim : unsigned { kBatch, kHead, kQuery, kKey, kHeadSize, kValueSize, kNumDims, kRelative = kNumDims };

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 2 : 1);
    }
    AffineMap getMapOf(OpOperand &operand);
    AffineMap getQueryMap() { return getMapOf(getQueryMutable()); }
    AffineMap getKeyMap() { return getMapOf(getKeyMutable()); }
    AffineMap getValueMap() { return getMapOf(getValueMutable()); }
    AffineMap getOutputMap() { return getMapOf(getOutputMutable()); }
    /// The map of an optional operand, or a null map.
    AffineMap getBiasMap() { return getBias() ? getMapOf(*getBiasMutable().begin()) : AffineMap(); }
    AffineMap getKeyValidMap() { return getKeyValid() ? getMapOf(*getKeyValidMutable().begin()) : AffineMap(); }
    AffineMap getLseMap() { return getLse() ? getMapOf(*getLseMutable().begin()) : AffineMap(); }
    AffineMap getDocumentsMap() { return getDocuments() ? getMapOf(*getDocumentsMutable().begin()) : AffineMap(); }
    AffineMap getRelativeMap() { return getRelative() ? getMapOf(*getRelativeMutable().begin()) : AffineMap(); }

    /// Key and value, then the pairs of `segments`: the parts that keys come in.
    SmallVector<std::pair<Value, Value>> getKeyParts();
    /// The part that an operand is the key or value of, if it is one.
    std::optional<unsigned> getKeyPartOf(OpOperand &operand);
    /// Extent of j in one part.
    OpFoldResult getPartExtent(OpBuilder &builder, Location loc, unsigned part);
    /// The dimension that a map's result reads: kRelative for `j - i`, h for `h floordiv g`.
    static unsigned getDimOf(AffineExpr result);
    /// Whether a map has the result `j - i`.
    static bool isRelative(AffineMap map) {
      return llvm::any_of(map.getResults(), [](AffineExpr result) { return getDimOf(result) == kRelative; });
    }

    /// How many query heads share a key head (g of `h floordiv g`), 1 without sharing.
    int64_t getGroupSize();
    /// Static extent of a dimension, ShapedType::kDynamic if unknown, 1 if no operand has it.
    int64_t getStaticExtent(Dim dim);
    /// Extent of a dimension, read from the first operand that has it.
    OpFoldResult getExtent(OpBuilder &builder, Location loc, Dim dim);
    /// `scale`, or its default D^-1/2.
    double getEffectiveScale();
    /// f64 if the operands are f64, else f32: the type of scores and sums.
    FloatType getAccumulatorType();
  }];
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator, ReturnLike,
                                     ParentOneOf<["AsymmetricLshAttentionOp", "AttentionOp",
                                                  "LinearAttentionOp", "LinearChunkOp",
                                                  "LinearOutputOp", "LinearStateOp", "LinearStepOp",
                                                  "LshAttentionOp",
                                                  "LshChunksOp", "OnlineAttentionOp", "OnlinePackedOp"]>]> {
  let summary = "the value of a score-mod region";
  let description = [{
    ```mlir
    func.func @alibi(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
          outs(%init : tensor<8x?x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          score_mod {
          ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
            %distance = arith.subi %j, %i : index
            %int = arith.index_cast %distance : index to i32
            %float = arith.sitofp %int : i32 to f32
            %slope = arith.constant 0.5 : f32
            %bias = arith.mulf %float, %slope : f32
            %new = arith.addf %score, %bias : f32
            attn.yield %new : f32
          } -> tensor<8x?x64xf32>
      return %o : tensor<8x?x64xf32>
    }
    ```
  }];
  let arguments = (ins AnyFloat:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

#endif // ATTN_OPS
