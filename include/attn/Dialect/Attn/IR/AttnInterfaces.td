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
    A predicate over the head h, the query position i in [0, n) and the key position j in [0, m), which says whether i
    may attend to j. All index values are `index`; `buildAllowed` also takes a vector of `index` for j and then gives a
    vector of `i1`.
  }];
  let methods = [
    InterfaceMethod<"Whether query i of n may attend to key j of m in head h: the meaning, for the reference evaluator.",
      "bool", "allows", (ins "int64_t":$h, "int64_t":$i, "int64_t":$j, "int64_t":$n, "int64_t":$m)>,
    InterfaceMethod<[{
        Builds disjoint key ranges within [0, m] that hold every key that some query in [first_query, last_query] may
        see. Within a range, its mask says what this one says; outside of all ranges nothing is allowed. How many there
        are is static; which of them are empty may depend on values.
      }],
      "::llvm::SmallVector<::mlir::attn::KeyRange>", "buildKeyRanges",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "const ::mlir::attn::MaskScope &":$scope,
           "::mlir::Value":$first_query, "::mlir::Value":$last_query)>,
    InterfaceMethod<[{
        Builds a partition of the queries into ranges that see different kinds of keys, such as the rows that see all,
        so that these do not widen the tiles of the others. How many there are is static.
      }],
      "::llvm::SmallVector<::mlir::attn::QueryRange>", "buildQueryRanges",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "const ::mlir::attn::MaskScope &":$scope), "",
      "return ::mlir::attn::getAllQueries(builder, loc, scope, $_attr);">,
    InterfaceMethod<"Builds the predicate for one query and one key or a vector of keys.",
      "::mlir::Value", "buildAllowed",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "const ::mlir::attn::MaskScope &":$scope,
           "::mlir::Value":$i, "::mlir::Value":$j)>,
    InterfaceMethod<"Whether the keys of a single query are one range, which `buildKeyRanges` gives.",
      "bool", "isContiguous">,
    InterfaceMethod<"A number s such that r consecutive queries see keys of a range of at most s + r - 1, if there is one.",
      "std::optional<int64_t>", "getMaxSpan">,
    InterfaceMethod<"Whether heads may differ in what they allow.",
      "bool", "dependsOnHead", (ins), "", "return false;">,
    InterfaceMethod<[{
        Whether the mask fits an attention of so many heads, queries and keys, ShapedType::kDynamic where unknown. If
        not, emits an error.
      }],
      "::llvm::LogicalResult", "verifyFor",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emit_error, "int64_t":$heads, "int64_t":$n,
           "int64_t":$m), "", "return ::llvm::success();">,
    InterfaceMethod<"Unless 0, the key ranges are better if the queries asked for lie between multiples of this number.",
      "int64_t", "getQueryBlock", (ins), "", "return 0;">,
    InterfaceMethod<"How many keys there must be, which a dynamic length is checked for.",
      "int64_t", "getMinKeys", (ins), "", "return 0;">
  ];
  let extraClassDeclaration = [{
    /// One range that holds all key ranges, clamped to [0, m]; begin >= end if all of them are empty.
    std::pair<::mlir::Value, ::mlir::Value> buildKeyHull(::mlir::OpBuilder &builder, ::mlir::Location loc,
                                                         const ::mlir::attn::MaskScope &scope,
                                                         ::mlir::Value firstQuery, ::mlir::Value lastQuery) const;
  }];
}

#endif // ATTN_INTERFACES
