//===- AttnPositionOps.td - positions, absolute and relative ----*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What models tell attention about positions: rotations of queries and keys, sinusoids, and biases by relative position.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_POSITION_OPS
#define ATTN_POSITION_OPS

include "attn/Dialect/Attn/IR/AttnLinearOps.td"

/// Destination style on tensors, with one result; runs as what it decomposes to.
class Attn_TensorOp<string mnemonic, list<Trait> traits = []> : Attn_SequenceOp<mnemonic, traits # [
    Attn_Expandable, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
  }];
}

def Attn_Pairing : I32EnumAttr<"Pairing", "which elements of a row are rotated together", [
    I32EnumAttrCase<"Half", 0, "half">,
    I32EnumAttrCase<"Interleaved", 1, "interleaved">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_RotaryOp : Attn_TensorOp<"rotary"> {
  let summary = "rows of queries or keys rotated by their position";
  let description = [{
    Rotates pair t of a row at position p by the angle `p * base^(-2t/D)` (Su et al. 2021). Pairs are elements
    (t, t + D/2) for `half`, (2t, 2t + 1) for `interleaved`. Positions run along dimension `dim`, from `first` on, which
    is 0 if not given. Angles are reduced before they are rounded, so that late positions are as exact as early ones.

    ```mlir
    func.func @rotate(%q: tensor<8x?x64xf32>, %first: index, %init: tensor<8x?x64xf32>) -> tensor<8x?x64xf32> {
      %r = attn.rotary half ins(%q : tensor<8x?x64xf32>) first(%first) outs(%init : tensor<8x?x64xf32>) dim 1
          -> tensor<8x?x64xf32>
      return %r : tensor<8x?x64xf32>
    }
    ```

    Constraints:
    * C1: input, output and result have one type, of floating-point elements.
    * C2: the last extent is static and even.
    * C3: `dim` is a dimension before the last.
    * C4: `base` is positive and finite.
  }];
  let arguments = (ins Attn_Pairing:$pairing, AnyRankedTensor:$input, Optional<Index>:$first,
                       AnyRankedTensor:$output, I64Attr:$dim, DefaultValuedAttr<F64Attr, "10000.0">:$base);
  let assemblyFormat = [{
    $pairing `ins` `(` $input `:` type($input) `)` (`first` `(` $first^ `)`)? `outs` `(` $output `:` type($output) `)`
    `dim` $dim (`base` $base^)? attr-dict `->` type($result)
  }];
}

def Attn_SinusoidOp : Attn_TensorOp<"sinusoid"> {
  let summary = "sinusoids of positions";
  let description = [{
    Row u is `[sin(p w_0), ..., sin(p w_(D/2-1)), cos(p w_0), ...]` with `w_t = 10000^(-2t/D)` and position
    `p = first + u`, or `first - u` with `descending`: the rows that `relative` of attn.attention reads before their
    projection are descending from m - 1 (Dai et al. 2019).

    ```mlir
    func.func @positions(%last: index, %init: tensor<?x512xf32>) -> tensor<?x512xf32> {
      %r = attn.sinusoid first(%last) outs(%init : tensor<?x512xf32>) descending -> tensor<?x512xf32>
      return %r : tensor<?x512xf32>
    }
    ```

    Constraints:
    * C1: output and result have one type, [T, D] of floating-point elements, with D static and even.
  }];
  let arguments = (ins Index:$first, AnyRankedTensor:$output, UnitAttr:$descending);
  let assemblyFormat = [{
    `first` `(` $first `)` `outs` `(` $output `:` type($output) `)` (`descending` $descending^)? attr-dict
    `->` type($result)
  }];
}

/// A bias [H, T] by relative position, for a bias of attn.attention whose map is (h, j - i).
class Attn_RelativeBiasBase<string mnemonic> : Attn_TensorOp<mnemonic>;

def Attn_AlibiOp : Attn_RelativeBiasBase<"alibi"> {
  let summary = "linear biases by distance";
  let description = [{
    Element (h, u) is `-slope_h * t` for the distance `t = keys - 1 - u` of a query to the key at position u, or
    `-slope_h * |t|` with `bidirectional` (Press et al. 2021): a bias of attn.attention with the map (h, j - i). Slopes
    are `2^(-8 (h + 1) / H)`; where H is no power of two, those of the next lower power P, and then every second one of
    2 P.

    ```mlir
    func.func @bias(%m: index, %init: tensor<8x?xf32>) -> tensor<8x?xf32> {
      %r = attn.alibi keys(%m) outs(%init : tensor<8x?xf32>) -> tensor<8x?xf32>
      return %r : tensor<8x?xf32>
    }
    ```

    Constraints:
    * C1: output and result have one type, [H, T] of floating-point elements, with H static and positive.
  }];
  let arguments = (ins Index:$keys, AnyRankedTensor:$output, UnitAttr:$bidirectional);
  let assemblyFormat = [{
    `keys` `(` $keys `)` `outs` `(` $output `:` type($output) `)` (`bidirectional` $bidirectional^)? attr-dict
    `->` type($result)
  }];
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
    /// The slopes of so many heads, for any number.
    static ::llvm::SmallVector<double> getSlopes(int64_t heads);
  }];
}

def Attn_BucketBiasOp : Attn_RelativeBiasBase<"bucket_bias"> {
  let summary = "biases by bucketed distance";
  let description = [{
    Element (h, u) is `table[bucket(u - (keys - 1)), h]`: a bias of attn.attention with the map (h, j - i). Buckets are
    those of T5 (Raffel et al. 2020): half of them hold one distance each, the others grow with its logarithm up to
    `max_distance`; with `bidirectional` half of all buckets are for keys after the query, without it those share
    bucket 0.

    ```mlir
    func.func @bias(%table: tensor<32x8xf32>, %m: index, %init: tensor<8x?xf32>) -> tensor<8x?xf32> {
      %r = attn.bucket_bias ins(%table : tensor<32x8xf32>) keys(%m) outs(%init : tensor<8x?xf32>) max_distance 128
          bidirectional -> tensor<8x?xf32>
      return %r : tensor<8x?xf32>
    }
    ```

    Constraints:
    * C1: table is [buckets, H] and output [H, T], of one floating-point type; the output has the result's type.
    * C2: buckets are static, at least 2, with `bidirectional` at least 4 and even.
    * C3: `max_distance` is more than the buckets of one distance each.
  }];
  let arguments = (ins AnyRankedTensor:$table, Index:$keys, AnyRankedTensor:$output, I64Attr:$max_distance,
                       UnitAttr:$bidirectional);
  let assemblyFormat = [{
    `ins` `(` $table `:` type($table) `)` `keys` `(` $keys `)` `outs` `(` $output `:` type($output) `)`
    `max_distance` $max_distance (`bidirectional` $bidirectional^)? attr-dict `->` type($result)
  }];
}

#endif // ATTN_POSITION_OPS
