//===- AttnFeedForward.td - feed-forward layers -----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two products around an activation as one operation, so that what lies between them never exists as a whole.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FEED_FORWARD
#define ATTN_FEED_FORWARD

include "attn/Dialect/Attn/IR/AttnRowWise.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

def Attn_Activation : I32EnumAttr<"Activation", "the function between the products of a feed-forward layer", [
    I32EnumAttrCase<"Gelu", 0, "gelu">,
    I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">,
    I32EnumAttrCase<"Relu", 2, "relu">,
    I32EnumAttrCase<"Silu", 3, "silu">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_FeedForwardOp : Attn_Op<"feed_forward", [
    AttrSizedOperandSegments, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "two products around an activation, row by row";
  let description = [{
    `out[m, n] = down_bias[n] + sum_h hidden[m, h] * down[h, n]` with `hidden[m, h] = f(u[m, h])`, or with a gate (Shazeer
    2020) `f(g[m, h]) * u[m, h]`, where `u[m, h] = up_bias[h] + sum_k x[m, k] * up[k, h]` and g likewise by gate and its
    bias. Biases are optional. f is one of

    * `gelu`: `x / 2 * (1 + erf(x / sqrt(2)))`;
    * `gelu_tanh`: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`;
    * `relu`: `max(x, 0)`;
    * `silu`: `x / (1 + e^-x)`.

    Sums, biases and hidden values are in f32 (f64 for f64) whatever the operands' types; no row depends on another. Maps
    of up, gate and down are over (m, k, h, n), so that weights lie as a model has them. `rows` is how many rows are taken
    at a time: at most so many have hidden values at once, and it changes no result.

    ```mlir
    #up = affine_map<(m, k, h, n) -> (h, k)>
    #down = affine_map<(m, k, h, n) -> (n, h)>
    func.func @layer(%x: tensor<?x512xf32>, %w: tensor<2048x512xf32>, %a: tensor<2048xf32>, %v: tensor<512x2048xf32>,
                     %init: tensor<?x512xf32>) -> tensor<?x512xf32> {
      %r = attn.feed_forward gelu ins(%x : tensor<?x512xf32>) up(%w : tensor<2048x512xf32>) up_bias(%a : tensor<2048xf32>)
          down(%v : tensor<512x2048xf32>) outs(%init : tensor<?x512xf32>) maps [#up, #down] rows 64 -> tensor<?x512xf32>
      return %r : tensor<?x512xf32>
    }
    ```

    Constraints:
    * C1: there is one map for each of up, gate, down, over four dimensions: k and h for up and gate, h and n for down, in
      any order.
    * C2: x is [M, K] and output is [M, N]; up, gate and down are matrices with the extents of their maps' dimensions; K,
      H and N are static and positive, and static extents of M agree.
    * C3: up_bias and gate_bias are [H], down_bias is [N]; a gate_bias needs a gate.
    * C4: x and output have one element type of f16, bf16, f32, f64; all others are of a floating-point type of at most
      the width of the sums.
    * C5: `rows` is positive.
    * C6: the result type equals the output's.
  }];
  let arguments = (ins Attn_Activation:$activation, AnyRankedTensor:$input, AnyRankedTensor:$up,
                       Optional<AnyRankedTensor>:$up_bias, Optional<AnyRankedTensor>:$gate,
                       Optional<AnyRankedTensor>:$gate_bias, AnyRankedTensor:$down,
                       Optional<AnyRankedTensor>:$down_bias, AnyRankedTensor:$output,
                       AffineMapArrayAttr:$indexing_maps, OptionalAttr<I64Attr>:$rows);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $activation `ins` `(` $input `:` type($input) `)`
    `up` `(` $up `:` type($up) `)` (`up_bias` `(` $up_bias^ `:` type($up_bias) `)`)?
    (`gate` `(` $gate^ `:` type($gate) `)`)? (`gate_bias` `(` $gate_bias^ `:` type($gate_bias) `)`)?
    `down` `(` $down `:` type($down) `)` (`down_bias` `(` $down_bias^ `:` type($down_bias) `)`)?
    `outs` `(` $output `:` type($output) `)` `maps` $indexing_maps (`rows` $rows^)? attr-dict `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Positions of the domain's dimensions in every map.
    enum Dim : unsigned { kRow, kInput, kHidden, kOutput, kNumDims };

    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
    AffineMap getMapAt(unsigned index) { return cast<AffineMapAttr>(getIndexingMaps()[index]).getValue(); }
    AffineMap getUpMap() { return getMapAt(0); }
    /// The map of the gate, or a null map.
    AffineMap getGateMap() { return getGate() ? getMapAt(1) : AffineMap(); }
    AffineMap getDownMap() { return getMapAt(getIndexingMaps().size() - 1); }
    int64_t getInputSize() { return cast<RankedTensorType>(getInput().getType()).getDimSize(1); }
    int64_t getOutputSize() { return cast<RankedTensorType>(getOutput().getType()).getDimSize(1); }
    int64_t getHiddenSize();
    /// f64 if the operands are f64, else f32: the type of sums and hidden values.
    FloatType getAccumulatorType();
  }];
}

def Attn_PackedFeedForwardOp : Attn_TileOp<"packed_feed_forward", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<Attn_RowWiseOpInterface, ["getRowChunk"]>]> {
  let summary = "a feed-forward layer whose matrices are in panels";
  let description = [{
    `attn.feed_forward` after its matrices were packed for a CPU: up and gate as panels [H / NR, K, NR] and down as
    panels [N / NR, H, NR], as `attn.pack panels` makes them. Hidden values exist for at most `rows` rows and
    `hidden_tile` columns at a time, which are made and used up before the next. What the output held before is not read.

    ```mlir
    func.func @layer(%x: tensor<?x512xf32>, %w: tensor<64x512x32xf32>, %v: tensor<16x2048x32xf32>,
                     %init: tensor<?x512xf32>) -> tensor<?x512xf32> {
      %r = attn.packed_feed_forward relu ins(%x : tensor<?x512xf32>) up(%w : tensor<64x512x32xf32>)
          down(%v : tensor<16x2048x32xf32>) outs(%init : tensor<?x512xf32>) tile 64, 512 -> tensor<?x512xf32>
      return %r : tensor<?x512xf32>
    }
    ```

    Constraints:
    * C1: input is [M, K], up and gate are [Q, K, NR], down is [P, H, NR], output is [M, N], with Q = ceil(H / NR) and
      P = ceil(N / NR); up_bias and gate_bias are [H], down_bias is [N]; all but M is static.
    * C2: all have one element type of f32, f64.
    * C3: static extents of M agree.
    * C4: `rows` and `hidden_tile` are positive, and hidden_tile is a multiple of NR.
    * C5: the result type equals the output's, on tensors; on memrefs there is no result.
  }];
  let arguments = (ins Attn_Activation:$activation, Attn_Shaped:$input, Attn_Shaped:$up, Optional<Attn_Shaped>:$up_bias,
                       Optional<Attn_Shaped>:$gate, Optional<Attn_Shaped>:$gate_bias, Attn_Shaped:$down,
                       Optional<Attn_Shaped>:$down_bias, Attn_Shaped:$output, I64Attr:$rows, I64Attr:$hidden_tile);
  let assemblyFormat = [{
    $activation `ins` `(` $input `:` type($input) `)`
    `up` `(` $up `:` type($up) `)` (`up_bias` `(` $up_bias^ `:` type($up_bias) `)`)?
    (`gate` `(` $gate^ `:` type($gate) `)`)? (`gate_bias` `(` $gate_bias^ `:` type($gate_bias) `)`)?
    `down` `(` $down `:` type($down) `)` (`down_bias` `(` $down_bias^ `:` type($down_bias) `)`)?
    `outs` `(` $output `:` type($output) `)` `tile` $rows `,` $hidden_tile attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
    int64_t getHiddenSize() { return cast<ShapedType>(getDown().getType()).getDimSize(1); }
  }];
}

#endif // ATTN_FEED_FORWARD
