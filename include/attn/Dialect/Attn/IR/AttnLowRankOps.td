//===- AttnLowRankOps.td - attention over projected keys --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Low-rank attention on whole sequences, and the masks of its causal form. Projections are in AttnProjectionOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LOW_RANK_OPS
#define ATTN_LOW_RANK_OPS

include "attn/Dialect/Attn/IR/AttnOps.td"

def Attn_OwnBlockAttr : Attn_MaskAttrBase<"OwnBlock", "own_block"> {
  let summary = "keys of the block of positions that the query lies in";
  let description = [{
    `j floordiv size = i floordiv size`.

    ```mlir
    #own = #attn.all_of<[#attn.causal<top_left>, #attn.own_block<size = 64>]>
    ```
    Constraints: C1 `size` lies in [1, 2^40].
  }];
  let parameters = (ins "int64_t":$size);
  let assemblyFormat = "`<` `size` `=` $size `>`";
  let genVerifyDecl = 1;
}

def Attn_FinishedBlocksAttr : Attn_MaskAttrBase<"FinishedBlocks", "finished_blocks"> {
  let summary = "slots of the blocks of positions before the query's own";
  let description = [{
    Keys are slots, `slots` of them for every block of `size` positions: `j < (i floordiv size) * slots`.

    ```mlir
    #past = #attn.finished_blocks<size = 64, slots = 4>
    ```
    Constraints: C1 `size` lies in [1, 2^40]; C2 `slots` lies in [1, 2^20].
  }];
  let parameters = (ins "int64_t":$size, "int64_t":$slots);
  let assemblyFormat = "`<` `size` `=` $size `,` `slots` `=` $slots `>`";
  let genVerifyDecl = 1;
}

def Attn_LowRankAttentionOp : Attn_SequenceOp<"low_rank_attention", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "softmax attention over keys and values projected to few slots";
  let description = [{
    With `slot_key[s] = sum_j key_projection[s, j] * key[j]` and likewise `slot_value`, the output is
    `sum_s softmax_s(scale * query . slot_key[s]) * slot_value[s]` (Linformer, Wang et al. 2020). Rows of key and value
    that are not valid count as zero before the projection, and no slot is ever masked. A sequence shorter than the
    projections' columns uses the first of them; a longer one is an error.

    Operands are read through `maps` over the domain (b, h, i, j, s, d, e): batch, query head, query position, key
    position, slot, head size, value size, with the rules of `attn.attention`. How projections are shared is a matter of
    maps and values: with h in their maps each head has its own, without it they are head-wise, the same value twice is
    key-value sharing, and one value in several operations is layer-wise sharing.

    With `block c` every block of c positions projects to slots of its own by one pair of projections with c columns,
    which makes pooling and strided convolutions; of a shorter last block the first columns serve. With `causal` a query
    attends to the slots of the finished blocks before its own and to the keys of its own block up to itself, in one
    softmax. Then a block without a valid key has no slots, the last block never becomes slots unless it is whole, and
    keys that are not valid are left out.

    ```mlir
    #q = affine_map<(b, h, i, j, s, d, e) -> (b, h, i, d)>
    #k = affine_map<(b, h, i, j, s, d, e) -> (b, h, j, d)>
    #v = affine_map<(b, h, i, j, s, d, e) -> (b, h, j, e)>
    #p = affine_map<(b, h, i, j, s, d, e) -> (s, j)>
    #o = affine_map<(b, h, i, j, s, d, e) -> (b, h, i, e)>
    func.func @linformer(%q: tensor<1x8x?x64xf32>, %k: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>,
                         %e: tensor<256x4096xf32>, %f: tensor<256x4096xf32>, %init: tensor<1x8x?x64xf32>)
        -> tensor<1x8x?x64xf32> {
      %o = attn.low_rank_attention ins(%q, %k, %v : tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>)
          projections(%e, %f : tensor<256x4096xf32>, tensor<256x4096xf32>)
          outs(%init : tensor<1x8x?x64xf32>) maps [#q, #k, #v, #p, #p, #o] -> tensor<1x8x?x64xf32>
      return %o : tensor<1x8x?x64xf32>
    }
    ```

    Constraints:
    * C1: there is one indexing map per operand, over seven dimensions, with as many results as the operand's rank.
    * C2: map results are distinct dimensions, or `h floordiv g` with a constant g > 0.
    * C3: query has i, d and of the others only b, h; key has j, d, of the others only b, h; value has j, e, of the
      others only b, h; projections have s, j and of the others only h; output has i, e and every b, h that another
      operand has; lse has i and the b, h of output; key_valid has j, of the others only b. `floordiv` is for key,
      value and projections, everywhere with the same g.
    * C4: static extents of one dimension agree between operands, but for j of the projections; under `h floordiv g`
      the extent is that of h over g.
    * C5: the extents of d and e are static and between 1 and 1024, that of s is static and between 1 and 2^16.
    * C6: query, key, value and output have one element type of f16, bf16, f32, f64; lse is f32 (f64 for f64);
      projections are floating point; key_valid is i1.
    * C7: result types equal the types of output and lse.
    * C8: there are no more slots than keys (with `block c`: than c), where the number is known.
    * C9: the projections have at least as many columns as there are keys; with `block c` they have c.
    * C10: `causal` needs `block`: without blocks every slot mixes all positions.
    * C11: c is positive, and with `causal` there are as many queries as keys.
    * C12: scale is finite.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       AnyRankedTensor:$key_projection, AnyRankedTensor:$value_projection,
                       Optional<AnyRankedTensor>:$key_valid,
                       AnyRankedTensor:$output, Optional<AnyRankedTensor>:$lse,
                       AffineMapArrayAttr:$indexing_maps, OptionalAttr<I64Attr>:$block, UnitAttr:$causal,
                       OptionalAttr<F64Attr>:$scale);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    `projections` `(` $key_projection `,` $value_projection `:` type($key_projection) `,` type($value_projection) `)`
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    `maps` $indexing_maps
    (`block` $block^)?
    (`causal` $causal^)?
    (`scale` $scale^)?
    attr-dict `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Positions of the domain's dimensions in every indexing map.
    enum Dim : unsigned { kBatch, kHead, kQuery, kKey, kSlot, kHeadSize, kValueSize, kNumDims };

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 2 : 1);
    }
    AffineMap getMapOf(OpOperand &operand) {
      return cast<AffineMapAttr>(getIndexingMaps()[operand.getOperandNumber()]).getValue();
    }
    /// The map of an optional operand, or a null map.
    AffineMap getKeyValidMap() { return getKeyValid() ? getMapOf(*getKeyValidMutable().begin()) : AffineMap(); }
    AffineMap getLseMap() { return getLse() ? getMapOf(*getLseMutable().begin()) : AffineMap(); }

    /// Static extent of a dimension (of keys, not of the projections' columns), ShapedType::kDynamic if unknown, 1 if
    /// no operand has it.
    int64_t getStaticExtent(Dim dim);
    /// Extent of a dimension, read from the first operand that has it.
    OpFoldResult getExtent(OpBuilder &builder, Location loc, Dim dim);
    /// `scale`, or its default D^-1/2.
    double getEffectiveScale();
    /// f64 if the operands are f64, else f32: the type of slots, scores and sums.
    FloatType getAccumulatorType();
  }];
}

#endif // ATTN_LOW_RANK_OPS
