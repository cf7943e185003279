//===- AttnForms.td - what attention can be rewritten to --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A form is an attribute that asks for a rewrite of one attention operation and says what it costs and what it gives up.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FORMS
#define ATTN_FORMS

include "attn/Dialect/Attn/IR/AttnAttrs.td"

def Attn_FormAttrInterface : AttrInterface<"FormAttrInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    A form of attention with its parameters. As the discardable attribute `attn.form` on `attn.attention` it is a request,
    which the phase rewrite grants or refuses; as `attn.rewritten` on what took its place it is the record of that.
  }];
  let methods = [
    InterfaceMethod<"The name on the command line: `low-rank` for `#attn.low_rank_form`.",
      "::llvm::StringRef", "getFormName", (ins), "", [{ return ConcreteAttr::kFormName; }]>,
    InterfaceMethod<"What the form costs in place of an exact attention of that shape.",
      "::mlir::attn::Cost", "getCost", (ins "const ::mlir::attn::AttentionShape &":$shape)>,
    InterfaceMethod<"How the result may differ from exact attention, in one line: a bound, or that there is none.",
      "std::string", "getErrorContract">
  ];
}

/// `#attn.NAME_form<key = value, ...>` for the form NAME, whose dashes are underscores in IR. Every parameter has a
/// default, so that `--form=NAME,key=value` can leave any of them out.
class Attn_FormAttr<string name, string formName, dag formParameters = (ins)>
    : AttrDef<Attn_Dialect, name # "Form", [DeclareAttrInterfaceMethods<Attn_FormAttrInterface>]> {
  let mnemonic = !subst("-", "_", formName) # "_form";
  let parameters = formParameters;
  let assemblyFormat = !if(!empty(formParameters), "", "(`<` struct(params)^ `>`)?");
  defvar keys = !foreach(i, !range(!size(formParameters)), "\"" # !getdagname(formParameters, i) # "\"");
  code base = [{
    static constexpr ::llvm::StringLiteral kFormName = "}] # formName # [{";
    static ::llvm::SmallVector<::llvm::StringRef> getKeys() { return }] # "{" # !interleave(keys, ", ") # "}" # [{; }
  }];
  let extraClassDeclaration = base;
}

def Attn_ExactForm : Attn_FormAttr<"Exact", "exact"> {
  let summary = "attention as it is";
  let description = [{
    Asks for no rewrite: a way to keep one operation exact where a form is asked for all the others.

    Error contract: none but rounding.

    ```mlir
    #form = #attn.exact_form
    ```
  }];
}

def Attn_WindowForm : Attn_FormAttr<"Window", "window", (ins
    DefaultValuedParameter<"int64_t", "256">:$before, DefaultValuedParameter<"int64_t", "256">:$after,
    DefaultValuedParameter<"int64_t", "1">:$dilation, DefaultValuedParameter<"int64_t", "0">:$globals)> {
  let summary = "keys around the query's own position, and global tokens";
  let description = [{
    Restricts an attention to the keys `before` and `after` a query's own position, every `dilation`-th of them, and to the
    first `globals` tokens, which all queries see and which see all keys (Longformer, section 3.1; global tokens use the
    projections of the others). The mask that the attention has stays. For queries and keys of one length.

    Error contract: what the other keys would have contributed is lost; there is no bound.

    ```mlir
    #form = #attn.window_form<before = 128, after = 128, globals = 16>
    ```
    Constraints: C1 `before` and `after` lie in [0, 2^40]; C2 `dilation` lies in [1, 2^20]; C3 `globals` lies in
    [0, 2^20].
  }];
  let genVerifyDecl = 1;
}

def Attn_LocalForm : Attn_FormAttr<"Local", "local", (ins
    DefaultValuedParameter<"int64_t", "64">:$chunk, DefaultValuedParameter<"int64_t", "1">:$look_back,
    DefaultValuedParameter<"int64_t", "1">:$look_ahead)> {
  let summary = "keys of the query's own chunk and of its neighbours";
  let description = [{
    Cuts positions into chunks of `chunk` and restricts an attention to the keys of a query's own chunk, of `look_back`
    chunks before it and of `look_ahead` after it, without wraparound (the local attention of Reformer models). The mask
    that the attention has stays. For queries and keys of one length.

    Error contract: what the other keys would have contributed is lost; there is no bound.

    ```mlir
    #form = #attn.local_form<chunk = 128, look_ahead = 0>
    ```
    Constraints: C1 `chunk` lies in [1, 2^40]; C2 `look_back` and `look_ahead` lie in [0, 2^20].
  }];
  let genVerifyDecl = 1;
}

def Attn_BigBirdForm : Attn_FormAttr<"BigBird", "bigbird", (ins
    DefaultValuedParameter<"int64_t", "64">:$block, DefaultValuedParameter<"int64_t", "3">:$random,
    DefaultValuedParameter<"int64_t", "0">:$seed)> {
  let summary = "neighbouring blocks, the first and the last, and random ones";
  let description = [{
    Restricts an attention to the pattern of BigBird (Zaheer et al. 2020): of positions cut into blocks of `block` a query
    sees its own, the two beside it, the first, the last and `random` others, which are drawn from `seed` for every row of
    blocks and every head; the first and the last block see all. The mask that the attention has stays. For queries and
    keys of one length.

    Error contract: what the other keys would have contributed is lost; there is no bound.

    ```mlir
    #form = #attn.bigbird_form<block = 32, random = 2>
    ```
    Constraints: C1 `block` lies in [1, 2^20]; C2 `random` lies in [0, 16]; C3 `seed` is not negative.
  }];
  let genVerifyDecl = 1;
}

def Attn_LshForm : Attn_FormAttr<"Lsh", "lsh", (ins
    DefaultValuedParameter<"int64_t", "8">:$rounds, DefaultValuedParameter<"int64_t", "64">:$chunk,
    DefaultValuedParameter<"int64_t", "1">:$look_back, DefaultValuedParameter<"int64_t", "0">:$look_ahead,
    DefaultValuedParameter<"int64_t", "0">:$buckets, DefaultValuedParameter<"int64_t", "0">:$seed,
    DefaultValuedParameter<"bool", "true">:$same_bucket, DefaultValuedParameter<"bool", "false">:$shared_qk)> {
  let summary = "buckets of a locality-sensitive hash";
  let description = [{
    Where keys are the queries, or `shared_qk = true` gives an attention's own keys up, asks for `attn.lsh_attention`
    (Kitaev et al. 2020): queries see keys of their own bucket around them, in `rounds` rounds of hashing with Gaussian
    rotations that are drawn from `seed`, the operation's place in the function and the head. `buckets = 0` means two for a
    chunk; more than 128 are factorised. Keys are scaled to length 1. Else asks for `attn.asymmetric_lsh_attention`
    (Daras et al. 2020): queries and keys are sorted apart and see each other in equal chunks; there are no buckets, and
    scores are those of the attention.

    Error contract: pairs that no round meets lose their weight; with shared queries and keys, for models that were trained
    with it, keys lose their length too.

    ```mlir
    #form = #attn.lsh_form<rounds = 4, chunk = 64>
    ```
    Constraints: C1 `rounds` lies in [1, 64]; C2 `chunk`, `look_back`, `look_ahead` lie in [1, 65536], [0, 1024] and
    [0, 1024]; C3 `buckets` is even and lies in [0, 2^20].
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = base # [{
    /// Even factors of the number of buckets for `tokens` tokens.
    ::llvm::SmallVector<int64_t> getFactors(int64_t tokens) const;
  }];
}

#endif // ATTN_FORMS
