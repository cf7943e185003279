// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arguments of a run: from files, or random where a seed was given.

#ifndef ATTN_LIB_RUN_INPUTS_H
#define ATTN_LIB_RUN_INPUTS_H

#include "Library.h"

#include "attn/Run/Run.h"

namespace attn::run {

/// One array for each argument of the entry. Symbolic extents come from the
/// files, then from --dim.
llvm::Expected<std::vector<Array>> makeInputs(const Library &library,
                                              const Options &options);

/// Floats of about standard normal distribution, integers below `limit`. Each
/// element is a function of seed, stream and index alone.
void fillRandom(Array &array, uint64_t seed, uint64_t stream, int64_t limit);

} // namespace attn::run

#endif // ATTN_LIB_RUN_INPUTS_H
