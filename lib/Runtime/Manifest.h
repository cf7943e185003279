// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a compiled library says of itself: target, entries, and the types and
// shapes that each entry takes. Reading it is strict, because every later check
// relies on it.

#ifndef ATTN_LIB_RUNTIME_MANIFEST_H
#define ATTN_LIB_RUNTIME_MANIFEST_H

#include "attn/Runtime/Attn.h"

#include <set>
#include <string>
#include <vector>

namespace attn::runtime {

constexpr int maxRank = 16;

struct TensorSpec {
  std::string name;
  std::string dtypeName;
  DLDataType dtype{};
  int64_t alignment = 1;      // of the data, in bytes
  std::vector<int64_t> shape; // -1 where dynamic
  std::vector<const char *>
      symbols; // interned in Manifest::symbols: equal names are equal pointers

  int rank() const { return int(shape.size()); }
};

struct EntrySpec {
  std::string name, symbol, shapeSymbol;
  std::vector<TensorSpec> args, results;
};

struct Manifest {
  std::string target, cpu, features;
  std::vector<std::string> kernels; // of a library for GPUs, in order

  bool isForGpus() const { return target == "nvptx"; }
  std::vector<EntrySpec> entries;
  std::set<std::string>
      symbols; // node based, so that its strings stay where they are

  /// Replaces this manifest by what `text` says, or explains in `error` which
  /// key is wrong.
  bool parse(const char *text, std::string &error);
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_MANIFEST_H
