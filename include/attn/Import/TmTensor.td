//===- TmTensor.td - operations of torch-mlir beyond stock MLIR -*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// torch-mlir's linalg-on-tensors output may contain operations of its own dialect tm_tensor. They are declared here
// just far enough to be read; attn-import replaces them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_IMPORT_TMTENSOR
#define ATTN_IMPORT_TMTENSOR

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def TmTensor_Dialect : Dialect {
  let name = "tm_tensor";
  let cppNamespace = "::mlir::attn::tm_tensor";
  let summary = "operations of torch-mlir beyond stock MLIR";
}

class TmTensor_Op<string mnemonic, list<Trait> traits = []> : Op<TmTensor_Dialect, mnemonic, traits>;

def TmTensor_ScanOp : TmTensor_Op<"scan", [Pure, AttrSizedOperandSegments]> {
  let summary = "cumulative combination along a dimension";
  let description = [{
    `output[.., k, ..]` combines the input's elements up to k (before k, if not `inclusive`) and the second destination,
    which the second result holds at the end. The region gets (input element, accumulator).

    ```mlir
    func.func @cumsum(%x: tensor<2x10xi64>, %out: tensor<2x10xi64>, %acc: tensor<2xi64>) -> tensor<2x10xi64> {
      %r:2 = tm_tensor.scan dimension(1) inclusive(true) ins(%x : tensor<2x10xi64>)
          outs(%out, %acc : tensor<2x10xi64>, tensor<2xi64>) {
      ^bb0(%a: i64, %b: i64):
        %s = arith.addi %a, %b : i64
        tm_tensor.yield %s : i64
      } -> tensor<2x10xi64>, tensor<2xi64>
      return %r#0 : tensor<2x10xi64>
    }
    ```

    Constraints:
    * C1: there are one input and two destinations; the second destination lacks the scanned dimension.
    * C2: the region has one block with two arguments of the element type.
  }];
  let arguments = (ins I64Attr:$dimension, BoolAttr:$inclusive, Variadic<AnyRankedTensor>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    attr-dict `dimension` `(` $dimension `)` `inclusive` `(` $inclusive `)`
    `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outputs `:` type($outputs) `)` $body `->` type($results)
  }];
  let hasVerifier = 1;
}

def TmTensor_AttentionOp : TmTensor_Op<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "softmax attention over (batch, position, size) tensors";
  let description = [{
    Inputs are query, key, value and optionally a mask over (batch, query, key): floating point is added to the scores,
    i1 says which keys may be seen. `scale` defaults to D^-1/2.

    ```mlir
    func.func @attention(%q: tensor<8x6x8xf32>, %k: tensor<8x5x8xf32>, %out: tensor<8x6x8xf32>) -> tensor<8x6x8xf32> {
      %r = tm_tensor.attention {scale = 3.000000e-01 : f64}
          ins(%q, %k, %k : tensor<8x6x8xf32>, tensor<8x5x8xf32>, tensor<8x5x8xf32>)
          outs(%out : tensor<8x6x8xf32>) -> tensor<8x6x8xf32>
      return %r : tensor<8x6x8xf32>
    }
    ```

    Constraints:
    * C1: there are three or four inputs and one destination, all of rank 3.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Variadic<AnyRankedTensor>:$outputs,
                       OptionalAttr<F64Attr>:$scale);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    attr-dict `ins` `(` $inputs `:` type($inputs) `)` `outs` `(` $outputs `:` type($outputs) `)` `->` type($results)
  }];
  let hasVerifier = 1;
}

def TmTensor_YieldOp : TmTensor_Op<"yield", [Pure, Terminator, ParentOneOf<["ScanOp"]>]> {
  let summary = "the combined value of a scan";
  let description = [{
    ```mlir
    func.func @cumsum(%x: tensor<4xf32>, %out: tensor<4xf32>, %acc: tensor<f32>) -> tensor<4xf32> {
      %r:2 = tm_tensor.scan dimension(0) inclusive(false) ins(%x : tensor<4xf32>)
          outs(%out, %acc : tensor<4xf32>, tensor<f32>) {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %b : f32
        tm_tensor.yield %s : f32
      } -> tensor<4xf32>, tensor<f32>
      return %r#0 : tensor<4xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // ATTN_IMPORT_TMTENSOR
