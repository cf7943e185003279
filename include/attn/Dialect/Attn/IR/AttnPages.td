//===- AttnPages.td - keys and values in pages ------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Caches that grow without moving: rows lie in pages of one pool, and a table says where.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PAGES
#define ATTN_PAGES

include "attn/Dialect/Attn/IR/AttnOps.td"

def Attn_GatherPagesOp : Attn_SequenceOp<"gather_pages", [
    Pure, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "rows that lie in pages, in order";
  let description = [{
    `result[b, h, j, d] = pool[table[b, j floordiv S], h, j mod S, d]`, where S is the rows of a page (Kwon et al. 2023).
    The batch may be missing from table and result, the heads from pool and result. As key or value of an attention with
    few queries the rows are read where they lie; elsewhere they are copied. Entries of the table that rows need have to
    be pages of the pool.

    ```mlir
    func.func @rows(%pool: tensor<?x8x256x64xf32>, %table: tensor<2x16xi32>, %init: tensor<2x8x?x64xf32>)
        -> tensor<2x8x?x64xf32> {
      %r = attn.gather_pages ins(%pool, %table : tensor<?x8x256x64xf32>, tensor<2x16xi32>)
          outs(%init : tensor<2x8x?x64xf32>) -> tensor<2x8x?x64xf32>
      return %r : tensor<2x8x?x64xf32>
    }
    ```

    Constraints:
    * C1: table is [T] or [B, T] of integers.
    * C2: pool is [pages, S, D] or [pages, H, S, D], output [H, N, D] or [N, D], with B before it where the table has it, of
      one element type; extents of B, H and D agree.
    * C3: S is static and a power of two.
    * C4: the result's type is that of output.
  }];
  let arguments = (ins AnyRankedTensor:$pool, AnyRankedTensor:$table, AnyRankedTensor:$output);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    `ins` `(` $pool `,` $table `:` type($pool) `,` type($table) `)` `outs` `(` $output `:` type($output) `)` attr-dict
    `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
    bool hasBatch() { return ::llvm::cast<::mlir::RankedTensorType>(getTable().getType()).getRank() == 2; }
    /// Rows of a page.
    int64_t getPageSize() {
      return ::llvm::cast<::mlir::RankedTensorType>(getPool().getType()).getShape().take_back(2).front();
    }
  }];
}

#endif // ATTN_PAGES
