// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Does this CPU have what a library was compiled for? Without the question, the
// answer would be SIGILL.

#ifndef ATTN_LIB_RUNTIME_CPUFEATURES_H
#define ATTN_LIB_RUNTIME_CPUFEATURES_H

#include <string>

namespace attn::runtime {

/// The first of "+avx2,+fma,…" that this CPU lacks, or "". Names that we cannot
/// ask for are taken as present.
std::string firstMissingFeature(const std::string &features);

/// Asks the kernel for the right to use AMX tiles, when `features` want them.
/// False if it refuses.
bool requestTiles(const std::string &features);

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_CPUFEATURES_H
