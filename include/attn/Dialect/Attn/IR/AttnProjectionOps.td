//===- AttnProjectionOps.td - projections over positions --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where low-rank attention's projections come from, how they are asked for, and the tile-level step that applies them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PROJECTION_OPS
#define ATTN_PROJECTION_OPS

include "attn/Dialect/Attn/IR/AttnForms.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

def Attn_ProjectionKind : I32EnumAttr<"ProjectionKind", "how keys and values become slots", [
    I32EnumAttrCase<"Gaussian", 0, "gaussian">,
    I32EnumAttrCase<"MeanPool", 1, "mean_pool">,
    I32EnumAttrCase<"MaxPool", 2, "max_pool">,
    I32EnumAttrCase<"Weights", 3, "weights">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_ProjectionSharing : I32EnumAttr<"ProjectionSharing", "what has projections of its own", [
    I32EnumAttrCase<"Unshared", 0, "none">,
    I32EnumAttrCase<"Headwise", 1, "headwise">,
    I32EnumAttrCase<"KeyValue", 2, "key_value">,
    I32EnumAttrCase<"Layerwise", 3, "layerwise">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_ProjectionKindParameter : EnumParameter<Attn_ProjectionKind> {
  let defaultValue = "::mlir::attn::ProjectionKind::Gaussian";
}

def Attn_ProjectionSharingParameter : EnumParameter<Attn_ProjectionSharing> {
  let defaultValue = "::mlir::attn::ProjectionSharing::Headwise";
}

def Attn_LowRankForm : Attn_FormAttr<"LowRank", "low-rank", (ins
    DefaultValuedParameter<"int64_t", "256">:$k, DefaultValuedParameter<"int64_t", "0">:$seed,
    Attn_ProjectionKindParameter:$projection, Attn_ProjectionSharingParameter:$sharing,
    DefaultValuedParameter<"int64_t", "0">:$causal_blocks, DefaultValuedParameter<"int64_t", "0">:$length,
    OptionalParameter<"::mlir::StringAttr">:$key_weights,
    OptionalParameter<"::mlir::StringAttr">:$value_weights)> {
  let summary = "softmax over keys and values projected to few slots";
  let description = [{
    Makes `attn.low_rank_attention` (Linformer). `k` is the number of slots; with `causal_blocks = c`, of each block of c
    positions. `projection` is how they are made: `gaussian` draws from `seed`, `mean_pool` and `max_pool` over k equal
    stretches of positions, `weights` are the blobs of dense resources that `key_weights` and `value_weights` name, of k
    rows in f32. `sharing` says what has projections of its own: every head (`none`), every attention (`headwise`), keys
    and values together (`key_value`), or nothing, all attentions of a module having one matrix (`layerwise`). `length` is
    the longest sequence, for lengths that are dynamic.

    Error contract: none for a given input. A Gaussian projection keeps products of keys on average, but is applied before
    the softmax; pooling is exact where keys and values are constant inside stretches.

    ```mlir
    #form = #attn.low_rank_form<k = 128, projection = mean_pool>
    #causal = #attn.low_rank_form<k = 8, seed = 3, causal_blocks = 64>
    ```
    Constraints: C1 k lies in [1, 2^16], causal_blocks and length in [0, 2^31); C2 k is at most causal_blocks, unless that
    is 0; C3 weights are named exactly where `projection` is `weights`.
  }];
  let genVerifyDecl = 1;
}

def Attn_GaussianProjectionOp : Attn_SequenceOp<"gaussian_projection", [Pure]> {
  let summary = "a random projection that needs no training";
  let description = [{
    Independent draws of N(0, 1/k), k being the slots, the last extent but one (Johnson and Lindenstrauss 1984): with R
    such a projection, R^T R is the identity on average. A draw depends on `seed`, `layer`, `purpose`, its head (0 for
    two dimensions), slot and column alone, so that a longer projection starts with the columns of a shorter one.

    ```mlir
    func.func @projection() -> tensor<256x4096xf32> {
      %e = attn.gaussian_projection seed 7 layer 3 : tensor<256x4096xf32>
      return %e : tensor<256x4096xf32>
    }
    ```
    Constraints:
    * C1: the result is [slots, columns] or [heads, slots, columns], static, with slots and columns in [1, 2^32).
  }];
  let arguments = (ins I64Attr:$seed, DefaultValuedAttr<I64Attr, "0">:$layer,
                       DefaultValuedAttr<I64Attr, "0">:$purpose);
  let results = (outs StaticShapeTensorOf<[F16, BF16, F32, F64]>:$result);
  let assemblyFormat = "`seed` $seed (`layer` $layer^)? (`purpose` $purpose^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// All draws, as a constant of the result's type.
    TypedAttr draw();
  }];
}

def Attn_ProjectOp : Attn_TileOp<"project"> {
  let summary = "rows added up into slots by weights";
  let description = [{
    `acc[s, d] += sum_t weights[s, t] * rows[t, d]` for the s, d that acc has and the t that rows has; rows whose `valid`
    flag is 0 count as zero whatever they hold. Weights may have more rows and columns than are used; columns of acc that
    rows do not have are unspecified. Maps of weights and rows are over (s, t, d). Sums are in acc's type.

    ```mlir
    func.func @project(%e: tensor<60x?xf32>, %k: tensor<?x64xf32>, %acc: tensor<60x64xf32>) -> tensor<60x64xf32> {
      %r = attn.project ins(%e, %k : tensor<60x?xf32>, tensor<?x64xf32>) outs(%acc : tensor<60x64xf32>)
          maps [affine_map<(s, t, d) -> (s, t)>, affine_map<(s, t, d) -> (t, d)>] -> tensor<60x64xf32>
      return %r : tensor<60x64xf32>
    }
    ```

    Constraints:
    * C1: acc is [S, D], static in D, of f32 or f64; weights and rows are floating point, valid is i1 of one dimension.
    * C2: the maps are permutations of (s, t) and of (t, d).
    * C3: where both are static, weights have at least S rows, and at least as many columns as there are rows.
    * C4: result type equals that of acc, on tensors; on memrefs there is no result.
  }];
  let arguments = (ins Attn_Shaped:$weights, Attn_Shaped:$rows, Optional<Attn_Shaped>:$valid, Attn_Shaped:$acc,
                       AffineMapArrayAttr:$indexing_maps);
  let assemblyFormat = [{
    `ins` `(` $weights `,` $rows `:` type($weights) `,` type($rows) `)` (`valid` `(` $valid^ `:` type($valid) `)`)?
    `outs` `(` $acc `:` type($acc) `)` `maps` $indexing_maps attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getAccMutable(); }
    /// Where an operand's dimension of (s, t, d) lies in it.
    unsigned getPositionOf(unsigned operand, unsigned dim) {
      AffineMap map = cast<AffineMapAttr>(getIndexingMaps()[operand]).getValue();
      return *map.getResultPosition(getAffineDimExpr(dim, getContext()));
    }
  }];
}

#endif // ATTN_PROJECTION_OPS
