// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The message that goes with a status. It lives in a fixed buffer of the
// thread, so that reporting an error needs no memory and cannot fail itself.

#ifndef ATTN_LIB_RUNTIME_ERROR_H
#define ATTN_LIB_RUNTIME_ERROR_H

#include "attn/Runtime/Attn.h"

namespace attn::runtime {

/// Stores the formatted message for attn_runtime_message and returns `status`.
[[gnu::format(printf, 2, 3)]] AttnStatus fail(AttnStatus status,
                                              const char *format, ...);

const char *lastMessage();
void clearMessage();

/// A parallel region returns nothing to the compiled code, so a failure inside
/// one is noted for the thread and picked up when the compiled code is back.
/// Taking it clears it.
void noteRegionFailure();
bool takeRegionFailure();

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_ERROR_H
