// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the feed-forward kernel of a limits folder's matmul.c callable, with
// the benchmark's own inputs, and schedules the gated layer by hand from the
// folder's register kernel. Compiled with the folder on the include path.
#define main limit_main
#include "matmul.c"
#undef main

// Rows of a slice, and hidden columns made and consumed at a time.
#ifndef GATED_ROWS
#define GATED_ROWS 192
#endif
#ifndef GATED_COLUMNS
#define GATED_COLUMNS 704
#endif

int limit_setup(int threads, int longest) {
  omp_set_num_threads(threads);
  return DM * DF;
}

// Panels of 32 columns of a matrix [rows, columns].
float *limit_pack(const float *matrix, int rows, int columns) {
  float *packed = falloc((long)rows * columns);
  pack_weight(matrix, rows, columns, packed);
  return packed;
}

void limit_feed_forward(const float *x, const float *up, const float *upBias,
                        const float *down, const float *downBias, float *y,
                        int n) {
  ffn(x, up, upBias, down, downBias, y, n);
}

INL vf silu(vf x) {
  const vf u = _mm512_min_ps(MUL(x, SET(-LOG2E)), SET(126));
  return _mm512_div_ps(x, ADD(SET(1), exp2v5(u)));
}

// Columns [j, j + 32) of a product of `rows` rows and `width` deep.
INL void panel(int rows, const float *x, const float *w, float *to, long lines,
               int width) {
  for (int k = 0; k < width; k += DEP)
    gemm(rows, 32, DEP, x + k, width, 1, w + k * 32, 32, 0, to, lines, k > 0);
}

// y = (silu(x gate) * (x up)) down with `width` columns of x and y.
void limit_gated(const float *x, const float *up, const float *gate,
                 const float *down, float *y, int n, int width, int hidden) {
  enum { LINE = GATED_COLUMNS + 16 };
#pragma omp parallel for schedule(dynamic)
  for (int first = 0; first < n; first += GATED_ROWS) {
    static __thread float made[GATED_ROWS * LINE] __attribute__((aligned(64)));
    static __thread float gates[GATED_ROWS * 32] __attribute__((aligned(64)));
    const int rows = n - first < GATED_ROWS ? n - first : GATED_ROWS;
    const float *in = x + (long)first * width;
    float *out = y + (long)first * width;
    for (int h0 = 0; h0 < hidden; h0 += GATED_COLUMNS) {
      for (int j = 0; j < GATED_COLUMNS; j += 32) {
        const long at = (long)(h0 + j) * width;
        panel(rows, in, up + at, made + j, LINE, width);
        panel(rows, in, gate + at, gates, 32, width);
        for (int i = 0; i < rows; i++)
          for (int v = 0; v < 32; v += 16) {
            float *p = made + i * LINE + j + v;
            ST(p, MUL(LD(p), silu(LD(gates + i * 32 + v))));
          }
      }
      gemm(rows, width, GATED_COLUMNS, made, LINE, 1, down + h0 * 32, 32,
           (long)hidden * 32, out, width, h0 > 0);
    }
  }
}
