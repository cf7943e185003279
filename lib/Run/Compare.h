// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// --compare=exact: the results against the exact evaluation in f64, and, where
// forms were asked for, every attention against an exact one on its own inputs.

#ifndef ATTN_LIB_RUN_COMPARE_H
#define ATTN_LIB_RUN_COMPARE_H

#include "Report.h"
#include "Session.h"

#include "attn/Run/Run.h"

namespace attn::run {

/// Adds the differences to a report that has the session's results.
llvm::Error compareExactly(const Options &options, const Session &session,
                           Report &report);

} // namespace attn::run

#endif // ATTN_LIB_RUN_COMPARE_H
