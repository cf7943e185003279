//===- AttnInterfaces.td - what a mask can be asked -------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A mask is a symbolic attribute. Lowerings ask it which keys a range of queries may see, never for an N x M tensor.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_INTERFACES
#define ATTN_INTERFACES

include "mlir/IR/OpBase.td"

def Attn_MaskAttrInterface : AttrInterface<"MaskAttrInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    A predicate over query position i in [0, n) and key position j in [0, m), which says whether i may attend to j.
    All index values are `index`; `buildAllowed` also takes a vector of `index` for j and then gives a vector of `i1`.
  }];
  let methods = [
    InterfaceMethod<"Whether query i of n may attend to key j of m: the meaning, for the reference evaluator.",
      "bool", "allows", (ins "int64_t":$i, "int64_t":$j, "int64_t":$n, "int64_t":$m)>,
    InterfaceMethod<[{
        Builds the half-open key range [first, second) that contains every key that some query in [first_query,
        last_query] may see, clamped to [0, m]. An empty range has first >= second.
      }],
      "std::pair<::mlir::Value, ::mlir::Value>", "buildKeyRange",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$first_query,
           "::mlir::Value":$last_query, "::mlir::Value":$n, "::mlir::Value":$m)>,
    InterfaceMethod<"Builds the predicate for one query and one key or a vector of keys.",
      "::mlir::Value", "buildAllowed",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$i, "::mlir::Value":$j,
           "::mlir::Value":$n, "::mlir::Value":$m)>,
    InterfaceMethod<"Whether every key of the range that `buildKeyRange` gives for a single query is allowed.",
      "bool", "isContiguous">,
    InterfaceMethod<"An upper bound of the keys from the first to the last that one query sees, if there is one.",
      "std::optional<int64_t>", "getMaxSpan">
  ];
}

#endif // ATTN_INTERFACES
