//===- AttnLinearStep.td - one token of linear attention --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Generation: what `attn.linear_attention` is for a sequence of one token, state in and state out.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LINEAR_STEP
#define ATTN_LINEAR_STEP

include "attn/Dialect/Attn/IR/AttnLinearAttention.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

/// Before the phase tile of all batches and heads, and from it on of one head.
def Attn_LinearStepOp : Attn_Op<"linear_step", [
    AttrSizedOperandSegments, DestinationStyleOpInterface, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ConditionallySpeculatable>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "one token of causal linear attention";
  let description = [{
    `sum' = sum + phi(key) value^T`, `norm' = norm + phi(key)`, and then
    `output = phi(query) sum' / (phi(query) . norm' + denominator_eps)`, 0 where the denominator is 0: what a causal
    `attn.linear_attention` with that `initial` state makes of a sequence of one token. phi, `scale` and the epsilons are
    as there, with the defaults of a causal operation, and so is the state: sum, norm and, for softmax maps alone, the
    reference. The state of no token is zero, its reference -1e30. A token that is not valid leaves the state as it is
    and reads it.

    Operands have one layout, that of a projection's output with its columns split into heads, without positions: batch,
    head, size. Where there is no batch, or neither batch nor heads, those extents are left out. Every Hq / Hk query
    heads share a key and a value, but each has a state of its own. `state` and `final` may be one buffer.

    ```mlir
    func.func @step(%q: tensor<?x8x64xf32>, %k: tensor<?x8x64xf32>, %v: tensor<?x8x64xf32>,
                    %s: tensor<?x8x64x64xf32>, %z: tensor<?x8x64xf32>, %init: tensor<?x8x64xf32>)
        -> (tensor<?x8x64xf32>, tensor<?x8x64x64xf32>, tensor<?x8x64xf32>) {
      %r:3 = attn.linear_step elu_plus_one
          ins(%q, %k, %v : tensor<?x8x64xf32>, tensor<?x8x64xf32>, tensor<?x8x64xf32>)
          state(%s, %z : tensor<?x8x64x64xf32>, tensor<?x8x64xf32>)
          outs(%init : tensor<?x8x64xf32>) final(%s, %z : tensor<?x8x64x64xf32>, tensor<?x8x64xf32>)
          -> tensor<?x8x64xf32>, tensor<?x8x64x64xf32>, tensor<?x8x64xf32>
      return %r#0, %r#1, %r#2 : tensor<?x8x64xf32>, tensor<?x8x64x64xf32>, tensor<?x8x64xf32>
    }
    ```

    Constraints:
    * C1: query is [B, H, D], key [B, Hk, D], value [B, Hk, E], output [B, H, E], key_valid [B], with B, or B and the
      heads, left out of all of them.
    * C2: heads are static, and Hk divides H.
    * C3: static extents of B agree; D and E are static, in [1, 1024].
    * C4: query, key, value and output have one element type of f16, bf16, f32, f64; key_valid is i1.
    * C5: a projection is [r, D], or [H, r, D] where there are heads, with 1 <= r <= 4096, of the accumulator's type.
    * C6: softmax maps and generalized_relu need a projection; relu and elu_plus_one take none.
    * C7: `custom` has a region of one block with one argument of the accumulator's type, which yields the feature and
      contains only pure operations; other maps have none.
    * C8: scale is positive and finite; the epsilons are finite and not negative.
    * C9: softmax maps have epsilons of 0.
    * C10: state and final are sum [B, H, R, E], norm [B, H, R] and, for softmax maps alone, reference [B, H], of the
      accumulator's type, with B and H where output has them.
    * C11: on tensors result types equal the types of output and final; on memrefs there are no results.
  }];
  let arguments = (ins Attn_FeatureMap:$feature_map, Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value,
                       Optional<Attn_Shaped>:$projection, Optional<Attn_Shaped>:$key_valid,
                       Variadic<Attn_Shaped>:$initial, Attn_Shaped:$output, Variadic<Attn_Shaped>:$final,
                       OptionalAttr<F64Attr>:$scale, OptionalAttr<F64Attr>:$feature_eps,
                       OptionalAttr<F64Attr>:$denominator_eps);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region MaxSizedRegion<1>:$feature);
  let assemblyFormat = [{
    $feature_map `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`projection` `(` $projection^ `:` type($projection) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    `state` `(` $initial `:` type($initial) `)`
    `outs` `(` $output `:` type($output) `)` `final` `(` $final `:` type($final) `)`
    (`scale` $scale^)? (`feature_eps` $feature_eps^)? (`denominator_eps` $denominator_eps^)? attr-dict
    (`feature` $feature^)? (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    using Dim = AttentionOp::Dim;

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), 1 + getFinal().size());
    }
    ::mlir::ShapedType getQueryType() { return ::llvm::cast<::mlir::ShapedType>(getQuery().getType()); }
    bool hasBatch() { return getQueryType().getRank() == 3; }
    bool hasHeads() { return getQueryType().getRank() >= 2; }
    /// Static extent of a dimension but positions, 1 where operands do not have it.
    int64_t getStaticExtent(Dim dim);
    /// Query heads that share a key.
    int64_t getGroupSize();
    FloatType getAccumulatorType();
    bool hasSoftmaxMap() { return isSoftmaxMap(getFeatureMap()); }
    int64_t getNumFeatures();
    double getEffectiveScale();
    double getEffectiveFeatureEps();
    double getEffectiveDenominatorEps();
  }];
}

#endif // ATTN_LINEAR_STEP
