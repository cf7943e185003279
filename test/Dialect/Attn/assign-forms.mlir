// RUN: attn-opt %s --attn-assign-forms=form=enc7:exact --verify-diagnostics
// RUN: attn-opt %s --attn-assign-forms=form=exact | FileCheck %s --check-prefix=ALL
// RUN: attn-opt %s --attn-assign-forms=form=enc*:exact | FileCheck %s --check-prefix=SOME
// RUN: attn-opt %s --attn-assign-forms | FileCheck %s --check-prefix=NONE

// Files are JSON or YAML; the command line goes before them.
// RUN: echo '{"enc0": "exact", "dec": {"form": "exact"}}' > %t.json
// RUN: attn-opt %s --attn-assign-forms=file=%t.json | FileCheck %s --check-prefix=FILE
// RUN: echo 'enc0: exact' > %t.yaml
// RUN: echo 'dec: {form: exact}' >> %t.yaml
// RUN: attn-opt %s --attn-assign-forms=form=@%t.yaml | FileCheck %s --check-prefix=FILE

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// ALL-COUNT-3: attn.form = #attn.exact_form
// SOME: attn.form = #attn.exact_form, attn.label = "enc0"
// SOME: attn.form = #attn.exact_form, attn.label = "enc1"
// SOME: {attn.label = "dec"}
// FILE: attn.form = #attn.exact_form, attn.label = "enc0"
// FILE: {attn.label = "enc1"}
// FILE: attn.form = #attn.exact_form, attn.label = "dec"
// NONE-NOT: attn.form
// expected-error @+1 {{expected the label of an attention, one of enc0, enc1, dec, got 'enc7'}}
module @negative_labels {
func.func @three(%q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = attn.attention ins(%q, %q, %q : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "enc0"} -> tensor<?x4xf32>
  %1 = attn.attention ins(%0, %0, %0 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "enc1"} -> tensor<?x4xf32>
  %2 = attn.attention ins(%1, %1, %1 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%q : tensor<?x4xf32>) maps [#q, #k, #v, #o] {attn.label = "dec"} -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
}

// Whatever a person writes is answered by what was expected.

// RUN: not attn-opt %s --attn-assign-forms=form=magic 2>&1 | FileCheck %s --check-prefix=FORM
// FORM: error: expected one of {{.*}}exact{{.*}} as a form, got 'magic'
// RUN: not attn-opt %s --attn-assign-forms=form=exact,rounds=4 2>&1 | FileCheck %s --check-prefix=KEY
// KEY: error: expected no key of the form 'exact', got 'rounds'
// RUN: not attn-opt %s --attn-assign-forms=form=exact,rounds 2>&1 | FileCheck %s --check-prefix=VALUE
// VALUE: error: expected KEY=VALUE in the form 'exact,rounds', got 'rounds'
// RUN: not attn-opt %s --attn-assign-forms=form=[:exact 2>&1 | FileCheck %s --check-prefix=GLOB
// GLOB: error: expected a label or a pattern of labels, got '[': invalid glob pattern
// RUN: not attn-opt %s --attn-assign-forms=file=%t.none 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: cannot read '{{.*}}.none': No such file or directory

// Errors in a file are at its lines.

// RUN: printf '{"enc0": "exact",\n "dec": "magic"}' > %t.json
// RUN: not attn-opt %s --attn-assign-forms=file=%t.json 2>&1 | FileCheck %s --check-prefix=LINE
// LINE: .json:2:1: error: expected one of {{.*}} as a form, got 'magic'
// RUN: printf 'enc0: exact\ndec: [exact]' > %t.yaml
// RUN: not attn-opt %s --attn-assign-forms=file=%t.yaml 2>&1 | FileCheck %s --check-prefix=KIND
// KIND: .yaml:2:1: error: expected a form as text or as a mapping with the key 'form' for 'dec'
// RUN: printf '[exact]' > %t.json
// RUN: not attn-opt %s --attn-assign-forms=file=%t.json 2>&1 | FileCheck %s --check-prefix=LIST
// LIST: .json:1:1: error: expected a mapping from labels to forms
// RUN: printf '{"enc0: exact' > %t.json
// RUN: not attn-opt %s --attn-assign-forms=file=%t.json 2>&1 | FileCheck %s --check-prefix=SYNTAX
// SYNTAX: .json:1:1: error: {{.+}}
