// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Probes of what the machine can do, each run by one thread over its own data
// and returning seconds. They are denominators of the benchmark's ratios and
// are linked into nothing.
#include <stdint.h>
#include <time.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { WIDTH = 16, CHAINS = 16 };
#else
enum { WIDTH = 8, CHAINS = 12 };
#endif
typedef float Vector __attribute__((vector_size(4 * WIDTH)));

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// Floating-point operations of one iteration of fma_seconds.
int64_t fma_flops(void) { return 2 * WIDTH * CHAINS; }

double fma_seconds(int64_t iterations, float *sink) {
  Vector chain[CHAINS], x, y;
  for (int i = 0; i < CHAINS; i++)
    for (int j = 0; j < WIDTH; j++)
      chain[i][j] = 0.1f * i + sink[j];
  for (int j = 0; j < WIDTH; j++)
    x[j] = 1.0000001f + sink[j], y[j] = 1e-9f + sink[j];
  const double start = now();
  for (int64_t it = 0; it < iterations; it++) {
    for (int i = 0; i < CHAINS; i++)
      chain[i] = chain[i] * x + y;
    for (int i = 0; i < CHAINS; i++)
#ifdef __AVX512F__
      __asm__ volatile("" : "+v"(chain[i]));
#else
      __asm__ volatile("" : "+x"(chain[i]));
#endif
  }
  const double seconds = now() - start;
  for (int i = 0; i < CHAINS; i++)
    for (int j = 0; j < WIDTH; j++)
      sink[16 + j] += chain[i][j];
  return seconds;
}

// As above for the bfloat16 dot product; 0 operations where the processor has
// none.
#ifdef __AVX512BF16__
int64_t dot_flops(void) { return 64 * 16; }

double dot_seconds(int64_t iterations, float *sink) {
  __m512 chain[16];
  const __m512bh x = (__m512bh)_mm512_loadu_ps(sink), y = x;
  for (int i = 0; i < 16; i++)
    chain[i] = _mm512_set1_ps(0.1f * i);
  const double start = now();
  for (int64_t it = 0; it < iterations; it++) {
    for (int i = 0; i < 16; i++)
      chain[i] = _mm512_dpbf16_ps(chain[i], x, y);
    for (int i = 0; i < 16; i++)
      __asm__ volatile("" : "+v"(chain[i]));
  }
  const double seconds = now() - start;
  for (int i = 0; i < 16; i++)
    sink[16 + i] += _mm512_reduce_add_ps(chain[i]);
  return seconds;
}
#else
int64_t dot_flops(void) { return 0; }
double dot_seconds(int64_t iterations, float *sink) { return 0; }
#endif

// Streams through memory once; the caller gives each thread a part far larger
// than the caches.
double read_seconds(const float *data, int64_t count, float *sink) {
  Vector sum[8] = {0};
  const double start = now();
  for (int64_t i = 0; i + 8 * WIDTH <= count; i += 8 * WIDTH)
    for (int j = 0; j < 8; j++)
      sum[j] += *(const Vector *)(data + i + j * WIDTH);
  const double seconds = now() - start;
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < WIDTH; j++)
      sink[j] += sum[i][j];
  return seconds;
}
