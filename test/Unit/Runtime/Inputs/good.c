// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A library as the compiler emits them, written by hand: what the tests of the
// runtime load. It has one small entry for each thing that the runtime must do
// or refuse.

#include <stdint.h>

typedef struct {
  void *allocated, *aligned;
  int64_t offset, dims[]; // sizes, then strides
} Memref;

typedef void Body(void *context, int64_t index, void *scratch);

#define T(TYPE, SHAPE) "{\"dtype\":\"" TYPE "\",\"shape\":" SHAPE "}"
#define ENTRY(NAME, ARGS, RESULTS)                                             \
  "{\"name\":\"" NAME "\",\"symbol\":\"attn_entry_" NAME                       \
  "\",\"shape_symbol\":\"attn_shape_" NAME "\",\"args\":[" ARGS                \
  "],\"results\":[" RESULTS "]}"
#define MATRIX T("float32", "[\"N\",\"M\"]")

const char attn_manifest[] =
    "{\"version\":1,\"target\":\"cpu\",\"cpu\":\"generic\",\"features\":\"\","
    "\"entries\":[" ENTRY("add", MATRIX "," MATRIX, MATRIX) ","               //
    ENTRY("sum", T("float64", "[\"N\"]"), T("float64", "[]")) ","             //
    ENTRY("copy", T("bfloat16", "[4,\"N\"]"), T("bfloat16", "[4,\"N\"]")) "," //
    ENTRY("count", T("int64", "[null]"), T("int64", "[null]")) ","            //
    ENTRY("fail", "", "") ","                                                 //
    ENTRY("greedy", "", "") ","                                               //
    ENTRY("badshape", "", T("int64", "[null]")) "]}";

static void serial(Body *body, void *context, int64_t count, int64_t bytes) {
  static char scratch[4096] __attribute__((aligned(64)));
  for (int64_t i = 0; bytes <= 4096 && i < count; ++i)
    body(context, i, scratch);
}
void (*attn_parallel_for)(Body *, void *, int64_t, int64_t) = serial;

const char *attn_last_error(void) { return "broken on purpose"; }

static void addRow(void *context, int64_t row, void *scratch) {
  Memref **m = context;
  int64_t width = m[0]->dims[1];
  const float *a = (float *)m[0]->aligned + row * width;
  const float *b = (float *)m[1]->aligned + row * width;
  float *c = (float *)m[2]->aligned + row * width;
  *(float *)scratch = 0;
  for (int64_t i = 0; i < width; ++i)
    c[i] = a[i] + b[i];
}
int32_t attn_entry_add(void *const *args, void *const *results) {
  void *all[] = {args[0], args[1], results[0]};
  attn_parallel_for(addRow, all, ((Memref *)args[0])->dims[0], 256);
  return 0;
}
void attn_shape_add(void *const *args, int64_t *const *sizes) {
  sizes[0][0] = ((Memref *)args[0])->dims[0];
  sizes[0][1] = ((Memref *)args[0])->dims[1];
}

int32_t attn_entry_sum(void *const *args, void *const *results) {
  Memref *x = args[0];
  double total = 0;
  for (int64_t i = 0; i < x->dims[0]; ++i)
    total += ((double *)x->aligned)[i];
  *(double *)((Memref *)results[0])->aligned = total;
  return 0;
}
void attn_shape_sum(void *const *args, int64_t *const *sizes) {}

int32_t attn_entry_copy(void *const *args, void *const *results) {
  Memref *x = args[0], *y = results[0];
  for (int64_t i = 0; i < 4 * x->dims[1]; ++i)
    ((uint16_t *)y->aligned)[i] = ((uint16_t *)x->aligned)[i];
  return 0;
}
void attn_shape_copy(void *const *args, int64_t *const *sizes) {
  sizes[0][0] = 4;
  sizes[0][1] = ((Memref *)args[0])->dims[1];
}

// One result element for each element of a doubled range, each written from
// inside two nested regions.
static void inner(void *context, int64_t index, void *scratch) {
  *(int64_t *)scratch = -1;
  __atomic_fetch_add((int64_t *)context, index, __ATOMIC_RELAXED);
}
static void outer(void *context, int64_t index, void *scratch) {
  *(int64_t *)scratch = index;
  int64_t *out = (int64_t *)((Memref *)context)->aligned + index;
  *out = 0;
  attn_parallel_for(inner, out, 10, 64);
  *out += *(int64_t *)scratch; // the inner region must have left it alone
}
int32_t attn_entry_count(void *const *args, void *const *results) {
  attn_parallel_for(outer, results[0], ((Memref *)results[0])->dims[0], 64);
  return 0;
}
void attn_shape_count(void *const *args, int64_t *const *sizes) {
  sizes[0][0] = 2 * ((Memref *)args[0])->dims[0];
}

int32_t attn_entry_fail(void *const *args, void *const *results) { return 7; }
void attn_shape_fail(void *const *args, int64_t *const *sizes) {}

int32_t attn_entry_greedy(void *const *args, void *const *results) {
  attn_parallel_for(inner, 0, 4, (int64_t)1 << 60);
  return 0;
}
void attn_shape_greedy(void *const *args, int64_t *const *sizes) {}

int32_t attn_entry_badshape(void *const *a, void *const *r) { return 0; }
void attn_shape_badshape(void *const *args, int64_t *const *sizes) {
  sizes[0][0] = -5;
}
