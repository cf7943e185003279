//===- AttnLinearForms.td - attention by feature maps, on request -*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The forms that put `attn.linear_attention` in the place of a softmax.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LINEAR_FORMS
#define ATTN_LINEAR_FORMS

include "attn/Dialect/Attn/IR/AttnForms.td"
include "attn/Dialect/Attn/IR/AttnLinearAttention.td"

def Attn_FeatureMapParameter : EnumParameter<Attn_FeatureMap> {
  let defaultValue = "::mlir::attn::FeatureMap::EluPlusOne";
}

def Attn_LinearForm : Attn_FormAttr<"Linear", "linear", (ins Attn_FeatureMapParameter:$feature)> {
  let summary = "a feature map in place of the softmax";
  let description = [{
    `attn.linear_attention` with a feature map without parameters (Katharopoulos et al. 2020). The scale of scores has no
    meaning there and is dropped. For models that were trained with it.

    Error contract: another function than softmax, not an approximation of it.

    ```mlir
    #form = #attn.linear_form<feature = relu>
    ```
    Constraints: C1 `feature` is elu_plus_one or relu.
  }];
  let genVerifyDecl = 1;
}

def Attn_FavorForm : Attn_FormAttr<"Favor", "favor", (ins
    DefaultValuedParameter<"int64_t", "256">:$features, DefaultValuedParameter<"int64_t", "0">:$seed,
    DefaultValuedParameter<"int64_t", "0">:$draw, DefaultValuedParameter<"bool", "false">:$hyperbolic,
    DefaultValuedParameter<"bool", "false">:$regularized,
    OptionalParameter<"::mlir::StringAttr">:$weights)> {
  let summary = "random features that estimate the softmax";
  let description = [{
    `attn.linear_attention` with positive random features (FAVOR+, Choromanski et al. 2021), which estimates the softmax:
    weights of a pretrained model run unchanged. `features` directions a head are orthogonal within blocks of the head
    size; they depend on `seed`, `draw`, the operation's place among those that ask, and the head alone, and become a
    constant of the program. Their lengths are those of Gaussian vectors, or all D^1/2 if `regularized`, which is biased
    but varies less. With `hyperbolic` each direction counts in both signs, as two features.

    Directions never change within a program, so that what was cached stays valid. To draw again is to compile again with
    the next `draw`. `weights` names a dense resource of f32 that holds [features, D] or [heads, features, D] directions
    to take instead; where directions are to change from call to call, `attn.linear_attention` takes them as an operand.

    Error contract: on average proportional to features^-1/2, and growing exponentially with the squared norms of queries
    and keys times the scale.

    ```mlir
    #form = #attn.favor_form<features = 512, seed = 7>
    ```
    Constraints: C1 `features` lies in [1, 4096]; C2 `draw` lies in [0, 65536).
  }];
  let genVerifyDecl = 1;
}

#endif // ATTN_LINEAR_FORMS
