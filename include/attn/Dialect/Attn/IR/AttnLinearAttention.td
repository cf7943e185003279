//===- AttnLinearAttention.td - attention by feature maps -------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention without a softmax, in time linear in the length: on whole sequences here, on tiles in AttnLinearTiles.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LINEAR_ATTENTION
#define ATTN_LINEAR_ATTENTION

include "attn/Dialect/Attn/IR/AttnOps.td"

def Attn_FeatureMap : I32EnumAttr<"FeatureMap", "what turns queries and keys into features", [
    I32EnumAttrCase<"Custom", 0, "custom">,
    I32EnumAttrCase<"EluPlusOne", 1, "elu_plus_one">,
    I32EnumAttrCase<"Relu", 2, "relu">,
    I32EnumAttrCase<"GeneralizedRelu", 3, "generalized_relu">,
    I32EnumAttrCase<"SoftmaxPositive", 4, "softmax_positive">,
    I32EnumAttrCase<"SoftmaxHyperbolic", 5, "softmax_hyperbolic">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_LinearAttentionOp : Attn_SequenceOp<"linear_attention", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "attention by feature maps, in linear time";
  let description = [{
    `out[b,h,i,e] = sum_j a[i,j] * value[j,e] / (sum_j a[i,j] + denominator_eps)` with
    `a[i,j] = sum_r phi(query_i)[r] * phi(key_j)[r]`, over the keys j that are valid and, if `causal`, at most
    `i + off` (`off` as in `#attn.causal`); 0 where the denominator is 0. Katharopoulos et al. 2020; Choromanski et al.
    2021 for random features.

    With `x' = sqrt(scale) * x` and, where there is a projection, `u = projection * x'` (else `u = x'`), phi is
    * `elu_plus_one`: `u > 0 ? u + 1 : e^u`; `relu`: `max(u, 0)`; `generalized_relu`: `max(u, 0)`; `custom`: the region's;
    * `softmax_positive`: `R^-1/2 e^(u - |x'|^2 / 2)`; `softmax_hyperbolic`: the same of u and -u, side by side, so R = 2 r;

    plus `feature_eps`. For the softmax maps exponents are lowered before `feature_eps` is added, by the row's largest
    for a query and by the largest of all valid keys for keys, which changes nothing where the epsilons are 0; it is then
    inside the factor R^-1/2. Defaults: `scale` is 1 without a projection, D^-1/2 with one; `feature_eps` 1e-3 for
    `generalized_relu`, 1e-6 for softmax maps that are neither causal nor have a state, else 0; `denominator_eps` 0 for
    softmax maps, 1e-6 for others.

    The state is what the queries read of all keys so far: `S = sum_j phi(key_j) value_j^T` as [b, h, R, E] and
    `z = sum_j phi(key_j)` as [b, h, R], with b and h where output has them; for softmax maps also c as [b, h], the
    base-2 logarithm of a power of two that S and z have still to be multiplied by. `initial` is the state before the
    first key, `final` receives the state after the last key that any query sees. States are f32 (f64 for f64).
    `chunk` is how many positions a causal kernel takes at a time; it changes nothing but rounding.

    Maps are as in `attn.attention`, in the order query, key, value, key_valid, output.

    ```mlir
    #q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
    #k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
    #v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
    #o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
    func.func @linear(%q: tensor<8x?x64xf32>, %k: tensor<8x?x64xf32>, %v: tensor<8x?x64xf32>, %init: tensor<8x?x64xf32>)
        -> tensor<8x?x64xf32> {
      %o = attn.linear_attention elu_plus_one
          ins(%q, %k, %v : tensor<8x?x64xf32>, tensor<8x?x64xf32>, tensor<8x?x64xf32>)
          outs(%init : tensor<8x?x64xf32>) maps [#q, #k, #v, #o] causal top_left -> tensor<8x?x64xf32>
      return %o : tensor<8x?x64xf32>
    }
    ```

    Constraints:
    * C1: there is one map for each of query, key, value, key_valid, output, over six dimensions, its results distinct
      dimensions, or `h floordiv g` for key and value, as in `attn.attention`.
    * C2: query uses i, d; key j, d; value j, e; key_valid j; output i, e and every b, h that another operand uses. Of the
      others, each may use b and h, key_valid only b.
    * C3: static extents of one dimension agree; d and e are static, in [1, 1024].
    * C4: query, key, value and output have one element type of f16, bf16, f32, f64; key_valid is i1.
    * C5: a projection is [r, D], or [H, r, D] with a static H, with 1 <= r <= 4096, of the accumulator's type.
    * C6: softmax maps and generalized_relu need a projection; relu and elu_plus_one take none.
    * C7: `custom` has a region of one block with one argument of the accumulator's type, which yields the feature and
      contains only pure operations; other maps have none.
    * C8: scale is positive and finite; the epsilons are finite and not negative; chunk is in [1, 4096].
    * C9: softmax maps have a denominator_eps of 0, and a feature_eps of 0 where they are causal or have a state.
    * C10: initial and final are S, z and, for softmax maps alone, c, of the shapes and types above.
    * C11: result types equal the types of output and final.
  }];
  let arguments = (ins Attn_FeatureMap:$feature_map, AnyRankedTensor:$query, AnyRankedTensor:$key,
                       AnyRankedTensor:$value, Optional<AnyRankedTensor>:$projection,
                       Optional<AnyRankedTensor>:$key_valid, Variadic<AnyRankedTensor>:$initial,
                       AnyRankedTensor:$output, Variadic<AnyRankedTensor>:$final, AffineMapArrayAttr:$indexing_maps,
                       OptionalAttr<Attn_Alignment>:$causal, OptionalAttr<F64Attr>:$scale,
                       OptionalAttr<F64Attr>:$feature_eps, OptionalAttr<F64Attr>:$denominator_eps,
                       OptionalAttr<I64Attr>:$chunk);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region MaxSizedRegion<1>:$feature);
  let assemblyFormat = [{
    $feature_map `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`projection` `(` $projection^ `:` type($projection) `)`)?
    (`key_valid` `(` $key_valid^ `:` type($key_valid) `)`)?
    (`initial` `(` $initial^ `:` type($initial) `)`)?
    `outs` `(` $output `:` type($output) `)`
    (`final` `(` $final^ `:` type($final) `)`)?
    `maps` $indexing_maps
    (`causal` $causal^)? (`scale` $scale^)? (`feature_eps` $feature_eps^)? (`denominator_eps` $denominator_eps^)?
    (`chunk` $chunk^)? attr-dict (`feature` $feature^)? `->` type($results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    using Dim = AttentionOp::Dim;

    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), 1 + getFinal().size());
    }
    AffineMap getMapAt(unsigned index) { return cast<AffineMapAttr>(getIndexingMaps()[index]).getValue(); }
    AffineMap getQueryMap() { return getMapAt(0); }
    AffineMap getKeyMap() { return getMapAt(1); }
    AffineMap getValueMap() { return getMapAt(2); }
    /// The map of an optional operand, or a null map.
    AffineMap getKeyValidMap() { return getKeyValid() ? getMapAt(3) : AffineMap(); }
    AffineMap getOutputMap() { return getMapAt(getIndexingMaps().size() - 1); }
    /// Static extent of a dimension, ShapedType::kDynamic if unknown, 1 if no operand has it.
    int64_t getStaticExtent(Dim dim);
    /// Extent of a dimension, read from the first operand that has it.
    OpFoldResult getExtent(OpBuilder &builder, Location loc, Dim dim);
    int64_t getGroupSize();
    /// f64 if the operands are f64, else f32: the type of features, sums and states.
    FloatType getAccumulatorType();
    bool hasSoftmaxMap() { return isSoftmaxMap(getFeatureMap()); }
    bool hasState() { return !getInitial().empty() || !getFinal().empty(); }
    /// Features of a query or a key.
    int64_t getNumFeatures();
    double getEffectiveScale();
    double getEffectiveFeatureEps();
    double getEffectiveDenominatorEps();
  }];
}

#endif // ATTN_LINEAR_ATTENTION
