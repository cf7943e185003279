//===- AttnDialect.td - the attn dialect ------------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dialect and the base class of its operations.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT
#define ATTN_DIALECT

include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
  let summary = "attention, exact and approximate";
  let description = [{
    Attention as one operation with symbolic masks and indexing maps, and the tile-level operations that every form of
    attention lowers to: a streaming softmax over key tiles with state (accumulator, maximum, sum), its merge and its
    finalisation, and the packing of tiles.

    Discardable attributes:
    * `attn.label`, a string on an operation of the dialect: the name that files, messages and measured errors use.
    * `attn.form`, a form on `attn.attention`: what the phase rewrite is asked to make of it.
    * `attn.rewritten`, a form on an operation of the dialect: what the phase rewrite made it from an exact attention.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasCanonicalizer = 1;
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

class Attn_Trait<string name> : NativeOpTrait<name> {
  let cppNamespace = "::mlir::attn";
}

/// The levels of the dialect: whole sequences before the phase tile, tiles from it on. Borders go by them.
def Attn_SequenceLevel : Attn_Trait<"SequenceLevel">;
def Attn_TileLevel : Attn_Trait<"TileLevel">;

/// The decomposition that is the operation's meaning is also how it runs.
def Attn_Expandable : Attn_Trait<"Expandable">;

class Attn_Op<string mnemonic, list<Trait> traits = []> : Op<Attn_Dialect, mnemonic, traits>;

/// An operation on whole sequences, on tensors.
class Attn_SequenceOp<string mnemonic, list<Trait> traits = []>
    : Attn_Op<mnemonic, traits # [Attn_SequenceLevel]>;

#endif // ATTN_DIALECT
