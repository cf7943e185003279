// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Does this CPU have what a library was compiled for? The compiler's builtin
// covers the vector extensions; AMX is asked by cpuid, and its tile registers
// must be asked of Linux once in a process.

#include "CpuFeatures.h"

#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace attn::runtime {

#if defined(__x86_64__)
static bool hasLeaf7Edx(unsigned bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> bit & 1);
}

/// The builtin takes literals only, hence the macro.
static bool hasFeature(std::string_view name) {
#define ATTN_FEATURE(NAME)                                                     \
  if (name == NAME)                                                            \
  return __builtin_cpu_supports(NAME)
  ATTN_FEATURE("avx");
  ATTN_FEATURE("avx2");
  ATTN_FEATURE("fma");
  ATTN_FEATURE("bmi");
  ATTN_FEATURE("bmi2");
  ATTN_FEATURE("avx512f");
  ATTN_FEATURE("avx512bw");
  ATTN_FEATURE("avx512cd");
  ATTN_FEATURE("avx512dq");
  ATTN_FEATURE("avx512vl");
  ATTN_FEATURE("avx512vbmi");
  ATTN_FEATURE("avx512vbmi2");
  ATTN_FEATURE("avx512vnni");
  ATTN_FEATURE("avx512bf16");
#undef ATTN_FEATURE
  if (name == "f16c") {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
  }
  if (name == "avx512fp16")
    return hasLeaf7Edx(23);
  if (name == "amx-bf16")
    return hasLeaf7Edx(22);
  if (name == "amx-tile")
    return hasLeaf7Edx(24);
  if (name == "amx-int8")
    return hasLeaf7Edx(25);
  return true;
}
#else
static bool hasFeature(std::string_view) { return true; }
#endif

std::string firstMissingFeature(const std::string &features) {
  std::string_view rest = features;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    if (item.size() > 1 && item[0] == '+' && !hasFeature(item.substr(1)))
      return std::string(item.substr(1));
  }
  return "";
}

bool requestTiles(const std::string &features) {
  if (features.find("+amx-") == std::string::npos)
    return true;
#if defined(__x86_64__)
  constexpr long requestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr long tileData = 18;              // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

} // namespace attn::runtime
