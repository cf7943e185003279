//===- Forms.h - what every rewrite of attention shares ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finding the operations that ask for a form, replacing them, and saying what
// was done, what was refused and what it costs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_FORMS_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_FORMS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace mlir::attn {

/// What a form makes of an attention: the operation that takes its place, or
/// the reason why none does.
struct FormRewrite {
  /// The operation that computes the form. May be the attention itself, changed
  /// in place; null if the form is refused.
  Operation *op = nullptr;
  /// What takes the place of the attention's results.
  SmallVector<Value> results;
  /// Why not: lower case, no full stop.
  std::string reason;

  /// `op` takes the place of the attention, result by result.
  static FormRewrite replace(Operation *op) {
    return {op, SmallVector<Value>(op->getResults()), ""};
  }
  static FormRewrite refuse(const Twine &reason) {
    return {nullptr, {}, reason.str()};
  }
};

/// Stands for a length that is not known, in costs.
inline constexpr int64_t kAssumedLength = 4096;

struct FormCounts {
  int64_t rewritten = 0, refused = 0;
};

/// Calls `rewrite` for every attention below `root` whose `attn.form` is
/// accepted by `isOwn`, with a builder in front of it. Where it returns an
/// operation, that gets the attention's label and, as `attn.rewritten`, its
/// form, and the attention is erased; else the attention stays as it is. Either
/// way there is a remark. `assumedLength` stands for lengths in costs that are
/// not known.
FormCounts rewriteForms(
    Operation *root, llvm::function_ref<bool(Attribute)> isOwn,
    llvm::function_ref<FormRewrite(OpBuilder &, AttentionOp, Attribute)>
        rewrite,
    int64_t assumedLength = kAssumedLength);

/// The same for one class of form.
template <typename FormT>
FormCounts rewriteForms(
    Operation *root,
    llvm::function_ref<FormRewrite(OpBuilder &, AttentionOp, FormT)> rewrite) {
  return rewriteForms(
      root, [](Attribute form) { return isa<FormT>(form); },
      [&](OpBuilder &builder, AttentionOp op, Attribute form) {
        return rewrite(builder, op, cast<FormT>(form));
      });
}

/// Gives an attention the mask that `makeMask` makes, besides the one that it
/// has. Refused where positions of queries and keys are not the same, or the
/// mask does not fit.
FormRewrite restrictKeys(AttentionOp op,
                         llvm::function_ref<Attribute(Alignment)> makeMask);

/// `rewrite` of an attention whose bias, where that only hides padding, has
/// become key validity. For forms that have no place for a bias.
FormRewrite
rewriteWithoutPadding(OpBuilder &builder, AttentionOp op,
                      llvm::function_ref<FormRewrite(AttentionOp)> rewrite);

/// A remark that `op`, once an attention of that shape, now is `form`: costs of
/// both, and the error contract.
void reportRewritten(Operation *op, FormAttrInterface form,
                     const AttentionShape &shape);

/// A remark that `op` stays exact, and why.
void reportRefused(Operation *op, FormAttrInterface form, StringRef reason);

/// What attn-tap-forms returns beside the results of an attention: the operands
/// that it reads, and the tensors that its score-mod region captures.
SmallVector<Value> getTapInputs(AttentionOp op);

/// Whether the operation asks for a form other than the exact one.
bool asksForForm(Operation *op);

/// The operation's label in quotes, or its name without one.
std::string describeOp(Operation *op);

/// Parses `NAME[,KEY=VALUE]...`, as on the command line. Errors are reported
/// at `loc`.
FailureOr<FormAttrInterface> parseForm(StringRef text, Location loc);

/// A form for the operations whose label matches a glob pattern.
struct FormRule {
  std::string pattern;
  FormAttrInterface form;
};

/// Parses `[PATTERN:]NAME[,KEY=VALUE]...` or `@FILE`, several with semicolons
/// between; without a pattern a rule is for every operation.
LogicalResult parseFormRules(StringRef text, Location loc,
                             SmallVectorImpl<FormRule> &rules);

/// Reads a file of JSON or YAML that maps patterns to forms: `PATTERN:
/// "NAME,KEY=VALUE"` or `PATTERN: {form: NAME, KEY: VALUE}`.
LogicalResult readFormFile(StringRef path, Location loc,
                           SmallVectorImpl<FormRule> &rules);

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_FORMS_H
