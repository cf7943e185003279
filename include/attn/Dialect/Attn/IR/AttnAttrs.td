//===- AttnAttrs.td - masks and enumerations --------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The masks that attention operations carry, each a small predicate that composes with the others.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ATTRS
#define ATTN_ATTRS

include "attn/Dialect/Attn/IR/AttnDialect.td"
include "attn/Dialect/Attn/IR/AttnInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Attn_Alignment : I32EnumAttr<"Alignment", "which corner of the score matrix the diagonal starts from", [
    I32EnumAttrCase<"TopLeft", 0, "top_left">,
    I32EnumAttrCase<"BottomRight", 1, "bottom_right">]> {
  let cppNamespace = "::mlir::attn";
}

class Attn_MaskAttrBase<string name, string attrMnemonic, list<string> overridden = []>
    : AttrDef<Attn_Dialect, name, [DeclareAttrInterfaceMethods<Attn_MaskAttrInterface, overridden>]> {
  let mnemonic = attrMnemonic;
}

def Attn_CausalAttr : Attn_MaskAttrBase<"Causal", "causal"> {
  let summary = "keys up to the query's own position";
  let description = [{
    `j <= i + off`, where `off` is 0 for `top_left` and `m - n` for `bottom_right` (right for caches and memories).
    PyTorch's `is_causal` is top-left, FlashAttention's since 2.1 bottom-right.

    ```mlir
    #causal = #attn.causal<bottom_right>
    ```
  }];
  let parameters = (ins EnumParameter<Attn_Alignment>:$alignment);
  let assemblyFormat = "`<` $alignment `>`";
}

/// A list of integers with a default.
class Attn_IntegersOr<string value> : ArrayRefParameter<"int64_t"> {
  let defaultValue = "::llvm::SmallVector<int64_t>(1, " # value # ")";
  let comparator = "::llvm::ArrayRef<int64_t>($_lhs) == ::llvm::ArrayRef<int64_t>($_rhs)";
}

def Attn_WindowAttr : Attn_MaskAttrBase<"Window", "window", ["dependsOnHead", "verifyFor"]> {
  let summary = "keys around the query's own position";
  let description = [{
    `j - (i + off) = t * dilation` for an integer t in [-before, after]; `off` as in `causal`. Both sides count keys
    besides the query's own position (Longformer, section 3.1): a causal window of 256 keys is `before = 255, after = 0`.
    `dilation` is one number, or one for each query head.

    ```mlir
    #local = #attn.window<before = 255, after = 0, bottom_right>
    #dilated = #attn.window<before = 4, after = 4, dilation = 2, top_left>
    #by_head = #attn.window<before = 4, after = 4, dilation = [1, 1, 2, 4], top_left>
    ```
    Constraints: C1 `before` and `after` lie in [0, 2^40]; C2 `dilation` lies in [1, 2^20]; C3 a list of
    dilations has one for each query head.
  }];
  let parameters = (ins "int64_t":$before, "int64_t":$after,
                        Attn_IntegersOr<"1">:$dilation,
                        EnumParameter<Attn_Alignment>:$alignment);
  let assemblyFormat = [{
    `<` `before` `=` $before `,` `after` `=` $after `,` (`dilation` `=` custom<Integers>($dilation)^ `,`)? $alignment `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// A window whose dilation is the same for all heads.
    static WindowAttr get(::mlir::MLIRContext *context, int64_t before, int64_t after, int64_t dilation,
                          Alignment alignment);
    int64_t getDilationOf(int64_t head) const;
  }];
}

def Attn_GlobalSide : I32EnumAttr<"GlobalSide", "in which role global tokens are seen or see", [
    I32EnumAttrCase<"Keys", 0, "keys">,
    I32EnumAttrCase<"Queries", 1, "queries">,
    I32EnumAttrCase<"Both", 2, "both">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_GlobalAttr
    : Attn_MaskAttrBase<"Global", "global", ["buildQueryRanges", "verifyFor", "getMinKeys"]> {
  let summary = "tokens that all see, or that see all";
  let description = [{
    With the set G of key positions `tokens`: `keys` allows j in G to every query, `queries` allows every key to a query
    i with i + off in G, `both` allows either; `off` as in `causal` (Longformer, section 3.1). In a union with a window a
    key that is in both is one key.

    ```mlir
    #first = #attn.global<tokens = [0 to 64, 100], both, top_left>
    #longformer = #attn.any_of<[#attn.window<before = 256, after = 256, top_left>, #first]>
    ```
    Constraints: C1 tokens are not negative, ascending and distinct, at least one; C2 they are below the number of keys,
    which a call checks where that number is dynamic.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$bounds, EnumParameter<Attn_GlobalSide>:$side,
                        EnumParameter<Attn_Alignment>:$alignment);
  let assemblyFormat = "`<` `tokens` `=` custom<TokenRanges>($bounds) `,` $side `,` $alignment `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Runs of tokens as half-open ranges; none of them touch.
    ::llvm::SmallVector<std::pair<int64_t, int64_t>> getRuns() const;
    bool contains(int64_t token) const;
    /// The same tokens on one side.
    ::mlir::attn::GlobalAttr onSide(GlobalSide side) const;
  }];
}

def Attn_LocalChunksAttr : Attn_MaskAttrBase<"LocalChunks", "local_chunks", ["verifyFor"]> {
  let summary = "keys of the query's own chunk and of its neighbours";
  let description = [{
    With positions cut into chunks of `chunk`, `-look_back <= chunk of j - chunk of (i + off) <= look_ahead`, without
    wraparound; `off` as in `causal` (the local attention of Reformer models).

    ```mlir
    #local = #attn.local_chunks<chunk = 64, look_back = 1, look_ahead = 0, top_left>
    ```
    Constraints: C1 `chunk` lies in [1, 2^40]; C2 `look_back` and `look_ahead` lie in [0, 2^20]; C3 there are at least
    `chunk` keys where their number is static.
  }];
  let parameters = (ins "int64_t":$chunk, "int64_t":$look_back, "int64_t":$look_ahead,
                        EnumParameter<Attn_Alignment>:$alignment);
  let assemblyFormat = [{
    `<` `chunk` `=` $chunk `,` `look_back` `=` $look_back `,` `look_ahead` `=` $look_ahead `,` $alignment `>`
  }];
  let genVerifyDecl = 1;
}

def Attn_BigBirdAttr
    : Attn_MaskAttrBase<"BigBird", "bigbird", ["dependsOnHead", "verifyFor", "buildQueryRanges", "getQueryBlock"]> {
  let summary = "neighbouring blocks, the first and the last, and random ones";
  let description = [{
    With positions cut into blocks of `block`, a query sees its own block, the two beside it, the first, the last and
    `random` others, which differ for every row of blocks and every head; queries of the first and of the last block see
    all keys (Zaheer et al. 2020). Each block counts once. The random blocks are drawn without replacement from those
    that are not seen anyway, as many as there are, by a counter-based generator keyed by seed, head, row of blocks and
    draw. Or `table` [heads, rows, random] names them for the rows between the first and the last.

    ```mlir
    #bigbird = #attn.bigbird<block = 64, random = 3, seed = 1>
    #given = #attn.bigbird<block = 2, random = 1, seed = 0, table = dense<[[[3], [4], [0]]]> : tensor<1x3x1xi64>>
    ```
    Constraints: C1 `block` lies in [1, 2^20]; C2 `random` lies in [0, 16] and `seed` is not negative; C3 a table is of
    i64 and not negative, with `random` entries a row; C4 a table fits the heads and static lengths.
  }];
  let parameters = (ins "int64_t":$block, "int64_t":$random, "int64_t":$seed,
                        OptionalParameter<"::mlir::DenseIntElementsAttr">:$table);
  let assemblyFormat = [{
    `<` `block` `=` $block `,` `random` `=` $random `,` `seed` `=` $seed (`,` `table` `=` $table^)? `>`
  }];
  let genVerifyDecl = 1;
}

class Attn_MaskListAttr<string name, string attrMnemonic>
    : Attn_MaskAttrBase<name, attrMnemonic,
                        ["dependsOnHead", "verifyFor", "buildQueryRanges", "getMinKeys", "getQueryBlock"]> {
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$masks);
  let assemblyFormat = "`<` `[` $masks `]` `>`";
  let genVerifyDecl = 1;
}

def Attn_AllOfAttr : Attn_MaskListAttr<"AllOf", "all_of"> {
  let summary = "keys that every mask of a list allows";
  let description = [{
    ```mlir
    #both = #attn.all_of<[#attn.causal<top_left>, #attn.window<before = 8, after = 8, dilation = 2, top_left>]>
    ```
    Constraints: C1 every element is a mask; C2 the list is not empty.
  }];
}

def Attn_AnyOfAttr : Attn_MaskListAttr<"AnyOf", "any_of"> {
  let summary = "keys that at least one mask of a list allows";
  let description = [{
    ```mlir
    #strided = #attn.any_of<[#attn.window<before = 8, after = 0, top_left>,
                             #attn.window<before = 64, after = 0, dilation = 8, top_left>]>
    ```
    Constraints: C1 every element is a mask; C2 the list is not empty.
  }];
}

def Attn_AnyMask : Attr<CPred<"::llvm::isa<::mlir::attn::MaskAttrInterface>($_self)">, "attention mask"> {
  let storageType = "::mlir::attn::MaskAttrInterface";
  let returnType = "::mlir::attn::MaskAttrInterface";
  let convertFromStorage = "$_self";
}

def Attn_PackLayout : I32EnumAttr<"PackLayout", "how a packed tile lies in memory", [
    I32EnumAttrCase<"Rows", 0, "rows">,
    I32EnumAttrCase<"Panels", 1, "panels">]> {
  let cppNamespace = "::mlir::attn";
}

#endif // ATTN_ATTRS
