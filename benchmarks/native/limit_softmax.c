// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the kernels of a limits folder's softmax.c callable, with the
// benchmark's own inputs and sizes. Compiled with the folder (or a copy with
// another head size) on the include path.
#define main limit_main
#include "softmax.c"
#undef main

int limit_setup(int threads, int longest) {
  omp_set_num_threads(threads);
  for (int i = 0; i < 64 && i < threads; i++)
    scratch[i] = falloc((long)(longest + 256) * D);
  return D;
}

void limit_run(int mask, float *q, float *k, float *v, float *o, int n,
               int heads) {
  float *t[4] = {q, k, v, o};
  run(mask == 0   ? attend_full
      : mask == 1 ? attend_causal
                  : window,
      t, n, heads);
}
