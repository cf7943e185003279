//===- FormText.cpp - forms as people write them --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `lsh,rounds=4` becomes the text `#attn.lsh_form<rounds = 4>`, so that there
// is one parser and one set of checks.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::attn;

/// Splits at commas that stand in no bracket, so that a value may be a list or
/// an attribute.
static SmallVector<StringRef> splitParameters(StringRef text) {
  SmallVector<StringRef> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    depth += StringRef("<[({").contains(text[at]);
    depth -= StringRef(">])}").contains(text[at]);
    if (text[at] != ',' || depth > 0)
      continue;
    parts.push_back(text.slice(start, at).trim());
    start = at + 1;
  }
  parts.push_back(text.substr(start).trim());
  return parts;
}

/// How names are spelled in IR.
static std::string toIdentifier(StringRef name) {
  std::string text = name.str();
  llvm::replace(text, '-', '_');
  return text;
}

/// The text of the attribute; nothing after an error.
static std::optional<std::string> spellForm(StringRef text, Location loc) {
  SmallVector<StringRef> parts = splitParameters(text);
  SmallVector<FormInfo> forms = getForms();
  std::string name = toIdentifier(parts.front());
  auto *info = llvm::find_if(forms, [&](const FormInfo &form) {
    return toIdentifier(form.name) == name;
  });
  if (info == forms.end()) {
    auto names =
        llvm::map_range(forms, [](const FormInfo &form) { return form.name; });
    emitError(loc, "expected one of ")
        << llvm::join(names, ", ") << " as a form, got '" << parts.front()
        << "'";
    return std::nullopt;
  }
  std::string keys;
  for (StringRef part : ArrayRef(parts).drop_front()) {
    auto [key, value] = part.split('=');
    std::string identifier = toIdentifier(key.trim());
    if (!part.contains('=') || value.trim().empty()) {
      emitError(loc, "expected KEY=VALUE in the form '")
          << text << "', got '" << part << "'";
      return std::nullopt;
    }
    if (!llvm::is_contained(info->keys, identifier)) {
      InFlightDiagnostic error = emitError(loc, "expected ");
      if (info->keys.empty())
        error << "no key";
      else
        error << (info->keys.size() > 1 ? "one of " : "")
              << llvm::join(info->keys, ", ") << " as a key";
      error << " of the form '" << info->name << "', got '" << key.trim()
            << "'";
      return std::nullopt;
    }
    keys +=
        (keys.empty() ? "<" : ", ") + identifier + " = " + value.trim().str();
  }
  return "#attn." + name + "_form" + (keys.empty() ? "" : keys + ">");
}

FailureOr<FormAttrInterface> mlir::attn::parseForm(StringRef text,
                                                   Location loc) {
  std::optional<std::string> spelled = spellForm(text, loc);
  if (!spelled)
    return failure();
  MLIRContext *context = loc.getContext();
  context->getOrLoadDialect<AttnDialect>();
  // The parser's errors are about a text that nobody wrote.
  std::string message;
  Attribute parsed;
  {
    ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
    });
    parsed = parseAttribute(*spelled, context);
  }
  if (auto form = dyn_cast_or_null<FormAttrInterface>(parsed))
    return form;
  emitError(loc, "in the form '") << text << "': " << message;
  return failure();
}

LogicalResult mlir::attn::parseFormRules(StringRef text, Location loc,
                                         SmallVectorImpl<FormRule> &rules) {
  SmallVector<StringRef> parts;
  text.split(parts, ';', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    part = part.trim();
    if (part.consume_front("@")) {
      if (failed(readFormFile(part, loc, rules)))
        return failure();
      continue;
    }
    // A colon after the first equals sign belongs to a value.
    std::string pattern = "*";
    size_t colon = part.find(':');
    if (colon < part.find('=')) {
      pattern = part.take_front(colon).trim().str();
      part = part.drop_front(colon + 1).trim();
    }
    FailureOr<FormAttrInterface> form = parseForm(part, loc);
    if (failed(form))
      return failure();
    rules.push_back({pattern, *form});
  }
  return success();
}
