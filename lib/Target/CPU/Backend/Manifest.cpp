//===- Manifest.cpp - what a library says about itself --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the signatures on record to JSON.
//
//===----------------------------------------------------------------------===//

#include "Manifest.h"

#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace mlir::attn;

/// The tensors that an entry takes or gives, as they were on record.
static ArrayRef<Attribute> getTensors(LLVM::LLVMFuncOp entry, StringRef part) {
  auto signature = entry->getAttrOfType<DictionaryAttr>("attn.signature");
  auto tensors = signature ? signature.getAs<ArrayAttr>(part) : ArrayAttr();
  return tensors ? tensors.getValue() : ArrayRef<Attribute>();
}

static ArrayRef<Attribute> getShape(Attribute tensor) {
  auto record = dyn_cast<DictionaryAttr>(tensor);
  auto shape = record ? record.getAs<ArrayAttr>("shape") : ArrayAttr();
  return shape ? shape.getValue() : ArrayRef<Attribute>();
}

static std::string getText(Attribute tensor, StringRef key) {
  auto record = dyn_cast<DictionaryAttr>(tensor);
  auto text = record ? record.getAs<StringAttr>(key) : StringAttr();
  return text ? text.str() : std::string();
}

SmallVector<int64_t> cpu::getRanks(LLVM::LLVMFuncOp entry, StringRef part) {
  return llvm::map_to_vector(getTensors(entry, part), [](Attribute tensor) {
    return static_cast<int64_t>(getShape(tensor).size());
  });
}

/// Kernels read 16 bytes at a time.
static constexpr int64_t kGpuAlignment = 16;

static llvm::json::Array toJson(ArrayRef<Attribute> tensors, bool isForGpus) {
  llvm::json::Array list;
  for (Attribute tensor : tensors) {
    llvm::json::Array shape;
    for (Attribute extent : getShape(tensor)) {
      if (auto integer = dyn_cast<IntegerAttr>(extent))
        shape.push_back(integer.getInt());
      else if (auto symbol = dyn_cast<StringAttr>(extent))
        shape.push_back(symbol.str());
    }
    llvm::json::Object record{{"name", getText(tensor, "name")},
                              {"dtype", getText(tensor, "dtype")},
                              {"shape", std::move(shape)}};
    if (isForGpus)
      record["alignment"] = kGpuAlignment;
    list.push_back(std::move(record));
  }
  return list;
}

std::string cpu::writeManifest(ModuleOp module,
                               ArrayRef<LLVM::LLVMFuncOp> entries) {
  auto text = [&](StringRef name) {
    auto attribute = module->getAttrOfType<StringAttr>(name);
    return attribute ? attribute.str() : std::string();
  };
  std::string target = text("attn.target");
  if (target.empty())
    target = "cpu";
  bool isForGpus = target != "cpu";
  llvm::json::Array list;
  for (LLVM::LLVMFuncOp entry : entries) {
    std::string name = entry.getName().str();
    list.push_back(llvm::json::Object{
        {"name", name},
        {"symbol", "attn_entry_" + name},
        {"shape_symbol", "attn_shape_" + name},
        {"args", toJson(getTensors(entry, "args"), isForGpus)},
        {"results", toJson(getTensors(entry, "results"), isForGpus)}});
  }
  llvm::json::Object manifest{{"version", 1},
                              {"target", target},
                              {"cpu", text("attn.cpu")},
                              {"features", text("attn.cpu_features")},
                              {"entries", std::move(list)}};
  // What a library for GPUs says besides.
  for (StringRef key : {"sm", "kernels"})
    if (auto names = module->getAttrOfType<ArrayAttr>(("attn." + key).str())) {
      llvm::json::Array texts;
      for (auto name : names.getAsRange<StringAttr>())
        texts.push_back(name.getValue());
      manifest[key] = std::move(texts);
    }
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(std::move(manifest));
  return json;
}
