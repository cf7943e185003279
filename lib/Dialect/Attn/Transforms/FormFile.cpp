//===- FormFile.cpp - files that map labels to forms ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// JSON is a part of YAML, so that LLVM's one parser reads both; rules keep the
// order of the file, since a later one has precedence.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"

using namespace mlir;
using namespace mlir::attn;
namespace yaml = llvm::yaml;

namespace {
/// Reads one file.
class FormFile {
public:
  FormFile(StringRef path, Location loc, SmallVectorImpl<FormRule> &rules)
      : path(path), loc(loc), rules(rules) {
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic &diagnostic, void *self) {
          (void)static_cast<FormFile *>(self)->report(diagnostic.getLineNo(),
                                                      diagnostic.getMessage());
        },
        this);
  }

  LogicalResult read();

private:
  LogicalResult report(unsigned line, const Twine &message) {
    if (failed)
      return failure();
    failed = true;
    return emitError(FileLineColLoc::get(loc.getContext(), path, line, 1),
                     message);
  }
  LogicalResult report(yaml::Node *node, const Twine &message) {
    unsigned line = 1;
    if (node)
      line = sources.getLineAndColumn(node->getSourceRange().Start).first;
    return report(line, message);
  }
  LogicalResult readRule(yaml::KeyValueNode &entry);
  /// The text of a scalar; nothing for what is none.
  static std::optional<std::string> readScalar(yaml::Node *node);
  std::optional<std::string> readParameters(yaml::MappingNode &mapping);

  StringRef path;
  Location loc;
  SmallVectorImpl<FormRule> &rules;
  llvm::SourceMgr sources;
  bool failed = false;
};
} // namespace

std::optional<std::string> FormFile::readScalar(yaml::Node *node) {
  auto *scalar = dyn_cast_or_null<yaml::ScalarNode>(node);
  if (!scalar)
    return std::nullopt;
  SmallString<32> storage;
  return scalar->getValue(storage).str();
}

std::optional<std::string>
FormFile::readParameters(yaml::MappingNode &mapping) {
  std::string name, parameters;
  for (yaml::KeyValueNode &entry : mapping) {
    std::optional<std::string> key = readScalar(entry.getKey());
    std::optional<std::string> value = readScalar(entry.getValue());
    if (!key || !value)
      return std::nullopt;
    if (*key == "form")
      name = *value;
    else
      parameters += "," + *key + "=" + *value;
  }
  if (name.empty())
    return std::nullopt;
  return name + parameters;
}

LogicalResult FormFile::readRule(yaml::KeyValueNode &entry) {
  yaml::Node *keyNode = entry.getKey();
  std::optional<std::string> pattern = readScalar(keyNode);
  if (!pattern)
    return report(keyNode, "expected a label as a key");
  yaml::Node *node = entry.getValue();
  std::optional<std::string> text = readScalar(node);
  if (auto *mapping = dyn_cast_or_null<yaml::MappingNode>(node))
    text = readParameters(*mapping);
  if (!text)
    return report(keyNode, "expected a form as text or as a mapping with the "
                           "key 'form' for '" +
                               *pattern + "'");
  unsigned line =
      sources.getLineAndColumn(keyNode->getSourceRange().Start).first;
  FailureOr<FormAttrInterface> form =
      parseForm(*text, FileLineColLoc::get(loc.getContext(), path, line, 1));
  if (mlir::failed(form))
    return failure();
  rules.push_back({*pattern, *form});
  return success();
}

LogicalResult FormFile::read() {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return emitError(loc, "cannot read '")
           << path << "': " << file.getError().message();
  yaml::Stream stream((*file)->getMemBufferRef(), sources);
  yaml::document_iterator document = stream.begin();
  yaml::Node *root = document == stream.end() ? nullptr : document->getRoot();
  auto *mapping = dyn_cast_or_null<yaml::MappingNode>(root);
  if (!mapping)
    return report(root, "expected a mapping from labels to forms");
  for (yaml::KeyValueNode &entry : *mapping)
    if (mlir::failed(readRule(entry)))
      return failure();
  return failure(failed || stream.failed());
}

LogicalResult mlir::attn::readFormFile(StringRef path, Location loc,
                                       SmallVectorImpl<FormRule> &rules) {
  return FormFile(path, loc, rules).read();
}
