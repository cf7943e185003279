// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the bf16 and decode kernels of a limits folder's other.c callable, with
// the benchmark's own inputs. Compiled with the folder (or a copy with another
// head size) on the include path.
#define main limit_main
#include "other.c"
#undef main

static float *packed[64][2];
static Part *parts;

int limit_setup(int threads, int longest) {
  omp_set_num_threads(threads);
  for (int i = 0; i < threads && i < 64; i++)
    for (int j = 0; j < 2; j++)
      packed[i][j] = falloc((long)longest * D);
  parts = alloc(sizeof(Part) * HK * (longest / SPLIT + 1));
  return D;
}

void limit_bf16(bf *q, bf *k, bf *v, bf *o, int n, int heads) {
#pragma omp parallel for schedule(dynamic)
  for (int h = 0; h < heads; h++) {
    const long at = (long)h * n * D;
    float **pack = packed[omp_get_thread_num()];
    attend_bf16(q + at, k + at, v + at, o + at, n, pack[0], pack[1]);
  }
}

void limit_decode(float *q, float *k, float *v, float *o, int n) {
  decode(q, k, v, o, n, parts);
}
