// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Libraries that the runtime must refuse: the build compiles this file once for
// each macro below.

#include <stdint.h>

#define HEAD "{\"version\":1,\"target\":\"cpu\",\"features\":\"\",\"entries\":["
#define NAMES                                                                  \
  "{\"name\":\"f\",\"symbol\":\"attn_entry_f\",\"shape_symbol\":\"attn_shape_" \
  "f\",\"args\":["

#if defined(BAD_JSON)
const char attn_manifest[] = "{\"version\":1,";
#elif defined(BAD_VERSION)
const char attn_manifest[] =
    "{\"version\":2,\"target\":\"cpu\",\"entries\":[]}";
#elif defined(BAD_TARGET)
const char attn_manifest[] =
    "{\"version\":1,\"target\":\"abacus\",\"entries\":[]}";
#elif defined(BAD_TEXT)
const char attn_manifest[4] = {'{', '}', ' ', ' '};
#elif defined(BAD_KIND)
void attn_manifest(void) {}
#elif defined(BAD_DTYPE)
const char attn_manifest[] =
    HEAD NAMES "{\"dtype\":\"float31\",\"shape\":[1]}],\"results\":[]}]}";
#elif defined(BAD_EXTENT)
const char attn_manifest[] =
    HEAD NAMES "{\"dtype\":\"bool\",\"shape\":[-1]}],\"results\":[]}]}";
#elif defined(BAD_SYMBOL)
const char attn_manifest[] = HEAD NAMES "],\"results\":[]}]}";
int32_t attn_entry_f = 0;
void attn_shape_f(void *const *args, int64_t *const *sizes) {}
#elif defined(BAD_POOL)
const char attn_manifest[] = HEAD "]}";
void attn_parallel_for(void) {}
#elif defined(BAD_FEATURE)
const char attn_manifest[] =
    "{\"version\":1,\"target\":\"cpu\",\"features\":\"+avx,+amx-tile,+amx-"
    "bf16\",\"entries\":[]}";
#else
const int nothing = 0;
#endif
