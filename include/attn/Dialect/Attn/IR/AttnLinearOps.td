//===- AttnLinearOps.td - products with packed matrices ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The linear layers around attention: a product with a matrix that lies in panels, as register-tile kernels read it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LINEAR_OPS
#define ATTN_LINEAR_OPS

include "attn/Dialect/Attn/IR/AttnPackedOps.td"
include "attn/Dialect/Attn/IR/AttnRowWise.td"

def Attn_PackedMatmulOp : Attn_TileOp<"packed_matmul", [
    DeclareOpInterfaceMethods<Attn_RowWiseOpInterface>]> {
  let summary = "product of rows with a matrix in panels";
  let description = [{
    `output[m, n] = sum_k lhs[m, k] * panels[n / NR, k, n % NR]`, with the panels that `attn.pack panels` makes (its
    rows are the columns n). What the output held before is not read. Rows are independent of each other, so that a
    chain of such products and row-wise operations can be cut into tiles of rows.

    ```mlir
    func.func @project(%x: tensor<?x384xf32>, %w: tensor<48x384x32xf32>, %init: tensor<?x1536xf32>)
        -> tensor<?x1536xf32> {
      %r = attn.packed_matmul ins(%x, %w : tensor<?x384xf32>, tensor<48x384x32xf32>)
          outs(%init : tensor<?x1536xf32>) -> tensor<?x1536xf32>
      return %r : tensor<?x1536xf32>
    }
    ```

    Constraints:
    * C1: lhs is [M, K], panels is [P, K, NR], output is [M, N]; K, P, NR and N are static, and P = ceil(N / NR).
    * C2: all have one element type of f32, f64.
    * C3: static extents of M agree.
    * C4: result type equals the output's, on tensors; on memrefs there is no result.
  }];
  let arguments = (ins Attn_Shaped:$lhs, Attn_Shaped:$panels, Attn_Shaped:$output);
  let assemblyFormat = [{
    `ins` `(` $lhs `,` $panels `:` type($lhs) `,` type($panels) `)` `outs` `(` $output `:` type($output) `)` attr-dict
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
  }];
}

#endif // ATTN_LINEAR_OPS
