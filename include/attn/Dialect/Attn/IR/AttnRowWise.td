//===- AttnRowWise.td - operations that work row by row ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the fusion of row-wise operations asks of those that are not linalg. linalg operations answer by their maps.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ROW_WISE
#define ATTN_ROW_WISE

include "mlir/IR/OpBase.td"

def Attn_RowWiseOpInterface : OpInterface<"RowWiseOpInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    An operation in destination style that computes each row of its results from the same row of some operands and from
    all of the others. Rows are the first dimension. The operation can be cut into tiles of rows.
  }];
  let methods = [
    InterfaceMethod<"Whether an operand is read, or written, row by row.",
      "bool", "isReadByRow", (ins "::mlir::OpOperand &":$operand)>,
    InterfaceMethod<"Multiplications and additions a row.",
      "int64_t", "getMultiplicationsPerRow">,
    InterfaceMethod<"The most rows of a tile that the operation asks for, 0 if it does not.",
      "int64_t", "getRowChunk", (ins), "", "return 0;">
  ];
}

#endif // ATTN_ROW_WISE
