// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the kernels of a limits folder's lsh.c callable, with the benchmark's
// own inputs. Compiled with the folder on the include path.
#define main limit_main
#include "lsh.c"
#undef main

int limit_setup(int threads, int longest) {
  omp_set_num_threads(threads);
  for (int i = 0; i < 64 && i < threads; i++) {
    Work *w = &works[i];
    w->rinv = falloc(longest), w->GT = falloc(8L * longest / 32 * D);
    w->order = alloc(4L * 8 * longest), w->start = alloc(4L * 8 * longest);
    w->code = alloc(2L * 8 * longest), w->sum = falloc(longest);
    w->bound = falloc(longest), w->max = falloc(longest);
  }
  buckets = alloc(2L * H * MAXR * longest);
  return D;
}

void limit_lsh(float *x, float *v, float *o, float *g, int n, int rounds,
               int same) {
  lsh(x, v, o, g, n, rounds, 1, rounds > 1, n > 8192 ? 16 : 1, same);
}
