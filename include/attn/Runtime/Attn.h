// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API that loads a compiled library and calls its entries with DLPack
// tensors. Every argument is checked against the library's manifest first, so
// that a wrong call is answered by a status and a message and never by a crash.

#ifndef ATTN_RUNTIME_ATTN_H
#define ATTN_RUNTIME_ATTN_H

#include "attn/Runtime/DLPack.h"

#if defined(__GNUC__)
#define ATTN_API __attribute__((visibility("default")))
#else
#define ATTN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// A loaded library. It is immutable: any number of threads may use it at once,
// until one closes it.
typedef struct AttnModule AttnModule;

typedef enum {
  ATTN_OK = 0,
  ATTN_INVALID_ARGUMENT =
      1, // the caller passed something that the entry does not accept
  ATTN_NOT_FOUND = 2, // no such file or entry
  ATTN_BAD_LIBRARY =
      3, // not a compiled library, damaged, or not for this machine
  ATTN_OUT_OF_MEMORY = 4,
  ATTN_FAILED = 5, // the compiled code, or a driver, reported an error
  ATTN_NO_DEVICE =
      6, // no driver, no GPU, or none that the library has code for
} AttnStatus;

// What the manifest says of one argument or result. All pointers live as long
// as the module.
typedef struct {
  const char *name;
  const char *dtype_name; // as numpy spells it, plus "bfloat16"
  DLDataType dtype;
  int32_t ndim;
  const int64_t *shape;       // -1 where the extent is known only at run time
  const char *const *symbols; // the name of a dynamic extent, or null; equal
                              // names are equal extents
} AttnTensorInfo;

// The text of the last failure on the calling thread; "" when there was none.
ATTN_API const char *attn_runtime_message(void);
ATTN_API const char *attn_runtime_version(void);

// Loads the library at `path`, checks its manifest and that this CPU has the
// features it was compiled for.
ATTN_API AttnStatus attn_module_open(const char *path, AttnModule **module);
// Unloads it; null is allowed. No call may be running in it.
ATTN_API void attn_module_close(AttnModule *module);

// The manifest as JSON text.
ATTN_API const char *attn_module_manifest(const AttnModule *module);
ATTN_API int64_t attn_module_entry_count(const AttnModule *module);
ATTN_API const char *attn_module_entry_name(const AttnModule *module,
                                            int64_t entry);
ATTN_API AttnStatus attn_module_find_entry(const AttnModule *module,
                                           const char *name, int64_t *entry);
// The number of arguments or results; -1 for a wrong entry.
ATTN_API int64_t attn_module_arg_count(const AttnModule *module, int64_t entry);
ATTN_API int64_t attn_module_result_count(const AttnModule *module,
                                          int64_t entry);
ATTN_API AttnStatus attn_module_arg(const AttnModule *module, int64_t entry,
                                    int64_t index, AttnTensorInfo *info);
ATTN_API AttnStatus attn_module_result(const AttnModule *module, int64_t entry,
                                       int64_t index, AttnTensorInfo *info);

// Writes the extents of every result for these inputs: shapes[r] has room for
// result r's ndim numbers.
ATTN_API AttnStatus attn_module_result_shapes(
    const AttnModule *module, int64_t entry, const DLTensor *const *inputs,
    int64_t num_inputs, int64_t *const *shapes, int64_t num_results);
// Allocates every result for these inputs, on their device. Each tensor is
// freed by its own deleter, and may outlive the module.
ATTN_API AttnStatus attn_module_allocate(
    const AttnModule *module, int64_t entry, const DLTensor *const *inputs,
    int64_t num_inputs, DLManagedTensor **outputs, int64_t num_outputs);
// Runs the entry. Tensors are row-major and contiguous, on the CPU or, for a
// library for GPUs, all on one of them; aligned to their element (or to what
// the manifest asks for), of positive extents; no output may overlap an input
// or another output. On a GPU, the work is put on the default stream, and is
// done when the function returns.
ATTN_API AttnStatus attn_module_call(const AttnModule *module, int64_t entry,
                                     const DLTensor *const *inputs,
                                     int64_t num_inputs,
                                     const DLTensor *const *outputs,
                                     int64_t num_outputs);

// The same for a library for GPUs on a CUstream of the tensors' device (null:
// the default stream). The work may still be going on when the function
// returns, so its arguments must live, and its errors may come later.
ATTN_API AttnStatus attn_module_call_on_stream(
    const AttnModule *module, int64_t entry, const DLTensor *const *inputs,
    int64_t num_inputs, const DLTensor *const *outputs, int64_t num_outputs,
    void *stream);

// Threads used by one call, the calling thread included. 0 restores the
// default: ATTN_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs that the
// process may run on. Waits for a running call to end.
ATTN_API AttnStatus attn_runtime_set_num_threads(int32_t count);
ATTN_API int32_t attn_runtime_num_threads(void);

// Calls body(context, index, scratch) once for each index in [0, count), on any
// thread; indices are handed out in increasing order. `scratch` is 64-byte
// aligned memory of the thread, of undefined content. Nested calls, and calls
// made while another host thread has the pool, run on the calling thread alone.
ATTN_API void attn_runtime_parallel_for(
    void (*body)(void *context, int64_t index, void *scratch), void *context,
    int64_t count, int64_t scratch_bytes);

#ifdef __cplusplus
}
#endif

#endif // ATTN_RUNTIME_ATTN_H
