//===- Passes.td - passes of the import phase -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What turns a front end's output into linalg that the rest of the compiler understands, in alphabetical order.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_IMPORT_PASSES
#define ATTN_IMPORT_PASSES

include "mlir/Pass/PassBase.td"

def AttnImportPass : Pass<"attn-import"> {
  let summary = "a front end's own operations as linalg, its shape arithmetic as reshapes";
  let description = [{
    * `tm_tensor.scan` becomes a reduction over the elements up to each position, `tm_tensor.attention` a product,
      `linalg.softmax` and another product, which `raise-linalg-to-attn` finds.
    * `tensor.reshape` to computed extents becomes `tensor.collapse_shape` and `tensor.expand_shape` where the extents
      are products of extents of the source. Extents are taken to be non-negative and their products not to overflow,
      which every tensor that fits into memory satisfies.
    * Broadcasts that test at run time whether an extent is 1 become plain ones where the extent stays the same.
    * `cf.assert` goes where its condition is proven.
    * Elementwise code between `tensor.expand_shape` and the `tensor.collapse_shape` that undoes it takes the values as they
      were before, where extents are dynamic.
    * In tanh(0.797724 (x + 0.044715 x³)), as torch-mlir writes the tanh form of GELU, the constant becomes √(2/π), with
      which PyTorch computes.

    A scan whose combination is no sum, product, maximum or minimum is an error.

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

    becomes

    ```mlir
    ...
      %0 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0 : tensor<2x10xi64>) outs(%broadcasted : tensor<2x10xi64>) {
      ^bb0(%in: i64, %out: i64):
    ...
      } -> tensor<2x10xi64>
    ...
    ```
  }];
  let statistics = [Statistic<"numReplaced", "num-replaced", "operations of a front end that were replaced">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

#endif // ATTN_IMPORT_PASSES
