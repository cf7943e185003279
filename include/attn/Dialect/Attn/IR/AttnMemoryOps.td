//===- AttnMemoryOps.td - memories of earlier segments ----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How memories move on from segment to segment: rows that leave one, and what of them goes into the next.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_MEMORY_OPS
#define ATTN_MEMORY_OPS

include "attn/Dialect/Attn/IR/AttnPositionOps.td"

def Attn_Compression : I32EnumAttr<"Compression", "how rows of a memory become fewer", [
    I32EnumAttrCase<"MeanPool", 0, "mean_pool">,
    I32EnumAttrCase<"MaxPool", 1, "max_pool">,
    I32EnumAttrCase<"Conv", 2, "conv">,
    I32EnumAttrCase<"MostUsed", 3, "most_used">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_CompressOp : Attn_TensorOp<"compress", [AttrSizedOperandSegments]> {
  let summary = "rows of a memory made fewer";
  let description = [{
    Makes R / c rows of R, c being `rate` (Compressive Transformer, Rae et al. 2019):

    * `mean_pool`, `max_pool`: of every c rows.
    * `conv`: `out[o] = bias + sum_(tap, d) weight[:, d, tap] * x[c o + e tap - z, d]` with `dilation` e and
      `z = e (taps - 1) + 1 - c` zeros before the first row, so that output o reads rows up to c o + c - 1. With c taps
      and dilation 1 the kernel equals the stride.
    * `most_used`: the R / c rows with the highest `received`, in their order; of equal ones the older.

    ```mlir
    func.func @compress(%evicted: tensor<1x512x256xf32>, %w: tensor<256x256x4xf32>, %b: tensor<256xf32>,
                        %init: tensor<1x128x256xf32>) -> tensor<1x128x256xf32> {
      %r = attn.compress conv ins(%evicted : tensor<1x512x256xf32>) weights(%w, %b : tensor<256x256x4xf32>, tensor<256xf32>)
          outs(%init : tensor<1x128x256xf32>) rate 4 -> tensor<1x128x256xf32>
      return %r : tensor<1x128x256xf32>
    }
    ```

    Constraints:
    * C1: input is [R, D] or [B, R, D], output and result are [R / c, D] or [B, R / c, D], of one floating-point type.
    * C2: `rate` is positive; static rows of the input are a multiple of it, and output has that many over it.
    * C3: `conv` has weights [D, D, taps] and bias [D] of the input's element type, all static, and no other function has
      them; `dilation` is positive, and 1 elsewhere; `dilation * (taps - 1) + 1` is at least `rate`.
    * C4: `most_used` has `received`, [R] or [B, R] of floating-point elements, and no other function has it.
  }];
  let arguments = (ins Attn_Compression:$function, AnyRankedTensor:$input, Optional<AnyRankedTensor>:$weight,
                       Optional<AnyRankedTensor>:$bias, Optional<AnyRankedTensor>:$received, AnyRankedTensor:$output,
                       I64Attr:$rate, DefaultValuedAttr<I64Attr, "1">:$dilation);
  let assemblyFormat = [{
    $function `ins` `(` $input `:` type($input) `)`
    (`weights` `(` $weight^ `,` $bias `:` type($weight) `,` type($bias) `)`)?
    (`received` `(` $received^ `:` type($received) `)`)?
    `outs` `(` $output `:` type($output) `)` `rate` $rate (`dilation` $dilation^)? attr-dict `->` type($result)
  }];
}

def Attn_UpdateMemoryOp : Attn_SequenceOp<"update_memory", [
    Attn_Expandable, Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "new rows enter a memory, the oldest leave it";
  let description = [{
    Of the rows of `memory` followed by `added`, oldest first, the last go to `kept` and the ones before them to
    `evicted`, as many as these have. A memory of a recurrent model, its rows that wait for compression and its
    compressed memory are all updated by it.

    ```mlir
    func.func @next(%memory: tensor<1x512x256xf32>, %h: tensor<1x128x256xf32>, %kept: tensor<1x512x256xf32>,
                    %evicted: tensor<1x128x256xf32>) -> tensor<1x512x256xf32> {
      %r:2 = attn.update_memory ins(%memory, %h : tensor<1x512x256xf32>, tensor<1x128x256xf32>)
          outs(%kept, %evicted : tensor<1x512x256xf32>, tensor<1x128x256xf32>)
          -> tensor<1x512x256xf32>, tensor<1x128x256xf32>
      return %r#0 : tensor<1x512x256xf32>
    }
    ```

    Constraints:
    * C1: all are [R, D] or [B, R, D] of one element type, and agree but for R.
    * C2: static rows of kept and evicted are together those of memory and added.
    * C3: result types equal the types of kept and evicted.
  }];
  let arguments = (ins AnyRankedTensor:$memory, AnyRankedTensor:$added, AnyRankedTensor:$kept,
                       AnyRankedTensor:$evicted);
  let results = (outs AnyRankedTensor:$kept_result, AnyRankedTensor:$evicted_result);
  let assemblyFormat = [{
    `ins` `(` $memory `,` $added `:` type($memory) `,` type($added) `)`
    `outs` `(` $kept `,` $evicted `:` type($kept) `,` type($evicted) `)` attr-dict
    `->` type($kept_result) `,` type($evicted_result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getKeptMutable().getOperandNumber(), 2);
    }
  }];
}

#endif // ATTN_MEMORY_OPS
