//===- AttnLinearTiles.td - linear attention on tiles -----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The state recurrence that linear attention lowers to: keys go into a state, queries read it, or both by chunks.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LINEAR_TILES
#define ATTN_LINEAR_TILES

include "attn/Dialect/Attn/IR/AttnLinearAttention.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

/// What all of them share: features, and a state in three parts.
class Attn_LinearTileOp<string mnemonic, list<Trait> traits = []> : Attn_TileOp<mnemonic, traits> {
  let regions = (region MaxSizedRegion<1>:$feature);
  let hasVerifier = 1;
}

defvar Attn_linearState = (ins Attn_Shaped:$sum, Attn_Shaped:$norm, Attn_Shaped:$reference);
defvar Attn_linearFeatures = (ins AffineMapArrayAttr:$indexing_maps, F64Attr:$scale, F64Attr:$feature_eps,
                                  F64Attr:$denominator_eps, I64Attr:$chunk);

def Attn_LinearStateOp : Attn_LinearTileOp<"linear_state", [AttrSizedOperandSegments]> {
  let summary = "a tile of keys added to the state of linear attention";
  let description = [{
    `sum += phi(key)^T value` and `norm += sum_j phi(key_j)` for the tile's valid keys (see `attn.linear_attention`).

    The state of one head: sum [R, E'], norm [R'] and reference [A + E'], with E' and R' at least E and R. For softmax
    maps sum and norm hold features lowered by the whole number c = reference[0] in their base-2 exponents; c rises with the
    largest exponent, reference[1], and as a power of two rounds nothing. reference[2] counts keys, and reference[A..]
    sums their values, where `feature_eps` needs that in the end. A state before any key is 0, with reference[0] and
    reference[1] -1e30. The projection is [r, D], or panels that `attn.pack` made, scaled by `sqrt(scale)` and for softmax
    maps by log2(e).

    Maps are over (i, j, d, e). `chunk` bounds the keys of the tile.

    ```mlir
    func.func @add(%k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<80xf32>,
                   %c: tensor<80xf32>) -> tensor<64x64xf32> {
      %r:3 = attn.linear_state elu_plus_one ins(%k, %v : tensor<?x64xf32>, tensor<?x64xf32>)
          state(%s, %z, %c : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>)
          maps [affine_map<(i, j, d, e) -> (j, d)>, affine_map<(i, j, d, e) -> (j, e)>]
          scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
      return %r#0 : tensor<64x64xf32>
    }
    ```

    Constraints:
    * C1: one map per operand of key, value, key_valid, over (i, j, d, e): (j, d), (j, e), (j) in any order.
    * C2: sum [R, E'], norm [R'], reference are static, of one type of f32 or f64, with R' >= R.
    * C3: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = !con((ins Attn_FeatureMap:$feature_map, Attn_Shaped:$key, Attn_Shaped:$value,
                            Optional<Attn_Shaped>:$projection, Optional<Attn_Shaped>:$key_valid),
                       Attn_linearState, Attn_linearFeatures);
  let assemblyFormat = [{
    $feature_map `ins` `(` $key `,` $value `:` type($key) `,` type($value) `)`
    (`projection` `(` $projection^ `:` type($projection) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $sum `,` $norm `,` $reference `:` type($sum) `,` type($norm) `,` type($reference) `)`
    `maps` $indexing_maps `scale` $scale `feature_eps` $feature_eps `denominator_eps` $denominator_eps `chunk` $chunk
    attr-dict (`feature` $feature^)? (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getSumMutable().getOperandNumber(), 3);
    }
  }];
}

def Attn_LinearOutputOp : Attn_LinearTileOp<"linear_output"> {
  let summary = "a tile of queries reads a state of linear attention";
  let description = [{
    `output = phi(query) sum / (phi(query) . norm + denominator_eps)`, 0 where the denominator is 0; the state as in
    `attn.linear_state`.

    ```mlir
    func.func @read(%q: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<80xf32>, %c: tensor<80xf32>,
                    %o: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %r = attn.linear_output elu_plus_one ins(%q : tensor<?x64xf32>)
          state(%s, %z, %c : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>) outs(%o : tensor<?x64xf32>)
          maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (i, e)>]
          scale 1.0 feature_eps 0.0 denominator_eps 1.0e-6 chunk 64 -> tensor<?x64xf32>
      return %r : tensor<?x64xf32>
    }
    ```

    Constraints:
    * C1: maps of query and output over (i, j, d, e): (i, d) and (i, e) in any order.
    * C2: the state is as in `attn.linear_state`.
    * C3: result type equals the output's, on tensors; on memrefs there is no result.
  }];
  let arguments = !con((ins Attn_FeatureMap:$feature_map, Attn_Shaped:$query, Optional<Attn_Shaped>:$projection),
                       Attn_linearState, (ins Attn_Shaped:$output), Attn_linearFeatures);
  let assemblyFormat = [{
    $feature_map `ins` `(` $query `:` type($query) `)` (`projection` `(` $projection^ `:` type($projection) `)`)?
    `state` `(` $sum `,` $norm `,` $reference `:` type($sum) `,` type($norm) `,` type($reference) `)`
    `outs` `(` $output `:` type($output) `)`
    `maps` $indexing_maps `scale` $scale `feature_eps` $feature_eps `denominator_eps` $denominator_eps `chunk` $chunk
    attr-dict (`feature` $feature^)? (`->` type($results)^)?
  }];
  let extraClassDeclaration = "MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }";
}

def Attn_LinearChunkOp : Attn_LinearTileOp<"linear_chunk", [AttrSizedOperandSegments]> {
  let summary = "one chunk of causal linear attention";
  let description = [{
    Query i of the tile reads the state and the tile's keys up to key i; then the keys are added to the state
    (`attn.linear_state`). The destinations are the state and the output.

    ```mlir
    func.func @chunk(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %s: tensor<64x64xf32>,
                     %z: tensor<80xf32>, %c: tensor<80xf32>, %o: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %r:4 = attn.linear_chunk elu_plus_one ins(%q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
          state(%s, %z, %c : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>) outs(%o : tensor<?x64xf32>)
          maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (j, d)>,
                affine_map<(i, j, d, e) -> (j, e)>, affine_map<(i, j, d, e) -> (i, e)>]
          scale 1.0 feature_eps 0.0 denominator_eps 1.0e-6 chunk 64
          -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>, tensor<?x64xf32>
      return %r#3 : tensor<?x64xf32>
    }
    ```

    Constraints:
    * C1: one map for each of query, key, value, key_valid, output over (i, j, d, e): (i, d), (j, d), (j, e), (j),
      (i, e), each in any order.
    * C2: the state is as in `attn.linear_state`.
    * C3: result types equal those of the state and the output, on tensors; on memrefs there are no results.
  }];
  let arguments = !con((ins Attn_FeatureMap:$feature_map, Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value,
                            Optional<Attn_Shaped>:$projection, Optional<Attn_Shaped>:$key_valid),
                       Attn_linearState, (ins Attn_Shaped:$output), Attn_linearFeatures);
  let assemblyFormat = [{
    $feature_map `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`projection` `(` $projection^ `:` type($projection) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $sum `,` $norm `,` $reference `:` type($sum) `,` type($norm) `,` type($reference) `)`
    `outs` `(` $output `:` type($output) `)`
    `maps` $indexing_maps `scale` $scale `feature_eps` $feature_eps `denominator_eps` $denominator_eps `chunk` $chunk
    attr-dict (`feature` $feature^)? (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getSumMutable().getOperandNumber(), 4);
    }
  }];
}

def Attn_LinearMergeOp : Attn_TileOp<"linear_merge"> {
  let summary = "partial states of linear attention added to a state";
  let description = [{
    Adds the first `count` of T partial states to the state, those of softmax maps after lowering all to the largest
    reference. With a `feature_eps` other than 0 the state is then finished: that of all keys, with the epsilon added.

    ```mlir
    func.func @merge(%a: tensor<4x64x64xf32>, %b: tensor<4x80xf32>, %c: tensor<4x80xf32>, %n: index,
                     %s: tensor<64x64xf32>, %z: tensor<80xf32>, %r: tensor<80xf32>) -> tensor<64x64xf32> {
      %m:3 = attn.linear_merge ins(%a, %b, %c : tensor<4x64x64xf32>, tensor<4x80xf32>, tensor<4x80xf32>) count(%n)
          state(%s, %z, %r : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>)
          -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
      return %m#0 : tensor<64x64xf32>
    }
    ```

    Constraints:
    * C1: the partial states have the shapes of the state with one more dimension in front, the same for all three.
    * C2: the state is as in `attn.linear_state`.
    * C3: result types equal the types of the state, on tensors; on memrefs there are no results.
  }];
  let arguments = !con((ins Attn_Shaped:$partial_sum, Attn_Shaped:$partial_norm, Attn_Shaped:$partial_reference,
                            Index:$count),
                       Attn_linearState, (ins UnitAttr:$softmax, OptionalAttr<F64Attr>:$feature_eps));
  let assemblyFormat = [{
    (`softmax` $softmax^)? `ins` `(` $partial_sum `,` $partial_norm `,` $partial_reference `:` type($partial_sum) `,`
    type($partial_norm) `,` type($partial_reference) `)` `count` `(` $count `)`
    `state` `(` $sum `,` $norm `,` $reference `:` type($sum) `,` type($norm) `,` type($reference) `)`
    (`feature_eps` $feature_eps^)? attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getSumMutable().getOperandNumber(), 3);
    }
  }];
}

#endif // ATTN_LINEAR_TILES
