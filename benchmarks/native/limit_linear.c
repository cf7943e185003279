// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the kernels of a limits folder's linear.c callable, with the
// benchmark's own inputs. Compiled with the folder on the include path. Causal
// random features go by 64 positions, which is the program's best.
#define FC 64
#define main limit_main
#include "linear.c"
#undef main

static float *limit_rows, *limit_panels;

int limit_setup(int threads, float *projection) {
  omp_set_num_threads(threads);
  if (!limit_rows)
    limit_rows = falloc(M * D), limit_panels = falloc(M * D);
  pack_features(projection, limit_rows, limit_panels);
  return D;
}

// Forms: 0 and 1 without a projection, 2 and 3 with it; odd ones are causal.
void limit_linear(int form, float *q, float *k, float *v, float *o, int n) {
  float *tensors[] = {q, k, v, o};
  run(form, tensors, n, limit_panels, limit_rows);
}
