// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The message that goes with a status, kept per thread. Text that does not fit
// is cut, which is better than failing while reporting a failure.

#include "Error.h"

#include <cstdarg>
#include <cstdio>

namespace attn::runtime {

static thread_local char message[1024];
static thread_local bool regionFailed = false;

AttnStatus fail(AttnStatus status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  return status;
}

const char *lastMessage() { return message; }
void clearMessage() { message[0] = '\0'; }

void noteRegionFailure() { regionFailed = true; }

bool takeRegionFailure() {
  bool failed = regionFailed;
  regionFailed = false;
  return failed;
}

} // namespace attn::runtime
