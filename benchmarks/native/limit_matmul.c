// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the low-rank kernel of a limits folder's matmul.c callable, with the
// benchmark's own inputs. Compiled with the folder on the include path.
#define main limit_main
#include "matmul.c"
#undef main

static float *slot_keys, *slot_values;

int limit_setup(int threads, int longest) {
  omp_set_num_threads(threads);
  slot_keys = falloc((long)H * KR * D);
  slot_values = falloc((long)H * KR * D);
  return KR;
}

void limit_low_rank(float *q, float *k, float *v, float *o, float *e, float *f,
                    int n) {
  float *t[4] = {q, k, v, o};
  low_rank(t, e, f, slot_keys, slot_values, n);
}
