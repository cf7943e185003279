// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C functions of the public header: they look at their own arguments and
// leave the work to the classes behind. Nothing here trusts a pointer or an
// index that a caller gave.

#include "CallCheck.h"
#include "GpuCall.h"
#include "Module.h"
#include "Results.h"
#include "ThreadCount.h"
#include "ThreadPool.h"

#include <cinttypes>
#include <cstring>
#include <memory>
#include <new>

using namespace attn::runtime;

static AttnStatus expectPointer(const void *pointer, const char *what) {
  return pointer ? ATTN_OK
                 : fail(ATTN_INVALID_ARGUMENT,
                        "expected %s, got a null pointer", what);
}

static AttnStatus checkEntry(const AttnModule *module, int64_t entry) {
  if (AttnStatus status = expectPointer(module, "a module"))
    return status;
  size_t count = module->manifest.entries.size();
  if (entry < 0 || uint64_t(entry) >= count)
    return fail(ATTN_INVALID_ARGUMENT,
                "expected an entry below %zu, got %" PRId64, count, entry);
  return ATTN_OK;
}

const char *attn_runtime_message(void) { return lastMessage(); }
const char *attn_runtime_version(void) { return ATTN_VERSION; }

AttnStatus attn_module_open(const char *path, AttnModule **module) {
  clearMessage();
  if (AttnStatus status = expectPointer(module, "a place for the module"))
    return status;
  *module = nullptr;
  if (AttnStatus status = expectPointer(path, "a path"))
    return status;
  std::unique_ptr<AttnModule> loading(new (std::nothrow) AttnModule);
  if (!loading)
    return fail(ATTN_OUT_OF_MEMORY, "no memory for a module");
  if (AttnStatus status = loading->load(path))
    return status;
  *module = loading.release();
  return ATTN_OK;
}

void attn_module_close(AttnModule *module) { delete module; }

const char *attn_module_manifest(const AttnModule *module) {
  return expectPointer(module, "a module") ? nullptr : module->manifestText;
}

int64_t attn_module_entry_count(const AttnModule *module) {
  return expectPointer(module, "a module")
             ? -1
             : int64_t(module->manifest.entries.size());
}

const char *attn_module_entry_name(const AttnModule *module, int64_t entry) {
  return checkEntry(module, entry)
             ? nullptr
             : module->manifest.entries[entry].name.c_str();
}

AttnStatus attn_module_find_entry(const AttnModule *module, const char *name,
                                  int64_t *entry) {
  clearMessage();
  if (AttnStatus status = expectPointer(module, "a module"))
    return status;
  if (AttnStatus status = expectPointer(name, "the name of an entry"))
    return status;
  if (AttnStatus status = expectPointer(entry, "a place for the entry"))
    return status;
  std::string known;
  for (const EntrySpec &candidate : module->manifest.entries) {
    if (candidate.name == name) {
      *entry = &candidate - module->manifest.entries.data();
      return ATTN_OK;
    }
    known += (known.empty() ? "'" : ", '") + candidate.name + "'";
  }
  return fail(ATTN_NOT_FOUND, "no entry '%s'; this library has %s", name,
              known.empty() ? "none" : known.c_str());
}

int64_t attn_module_arg_count(const AttnModule *module, int64_t entry) {
  return checkEntry(module, entry)
             ? -1
             : int64_t(module->manifest.entries[entry].args.size());
}

int64_t attn_module_result_count(const AttnModule *module, int64_t entry) {
  return checkEntry(module, entry)
             ? -1
             : int64_t(module->manifest.entries[entry].results.size());
}

static AttnStatus describeTensor(const std::vector<TensorSpec> &specs,
                                 int64_t index, AttnTensorInfo *info) {
  if (AttnStatus status = expectPointer(info, "a place for the description"))
    return status;
  if (index < 0 || uint64_t(index) >= specs.size())
    return fail(ATTN_INVALID_ARGUMENT,
                "expected an index below %zu, got %" PRId64, specs.size(),
                index);
  const TensorSpec &spec = specs[index];
  *info = {spec.name.c_str(), spec.dtypeName.c_str(), spec.dtype,
           spec.rank(),       spec.shape.data(),      spec.symbols.data()};
  return ATTN_OK;
}

AttnStatus attn_module_arg(const AttnModule *module, int64_t entry,
                           int64_t index, AttnTensorInfo *info) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  return describeTensor(module->manifest.entries[entry].args, index, info);
}

AttnStatus attn_module_result(const AttnModule *module, int64_t entry,
                              int64_t index, AttnTensorInfo *info) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  return describeTensor(module->manifest.entries[entry].results, index, info);
}

/// Checks the inputs and asks for the results' shapes; what every call begins
/// with.
static AttnStatus prepare(const AttnModule *module, int64_t entry,
                          const DLTensor *const *inputs, int64_t numInputs,
                          CallCheck &check, ResultShapes &shapes) {
  if (AttnStatus status = check.bindArgs(inputs, numInputs))
    return status;
  return shapes.infer(module->manifest.entries[entry],
                      module->entryPoints[entry], check.argDescriptors());
}

static AttnStatus checkOutputs(const EntrySpec &entry, const void *outputs,
                               int64_t count) {
  size_t expected = entry.results.size();
  if (count < 0 || uint64_t(count) != expected)
    return fail(ATTN_INVALID_ARGUMENT,
                "'%s': expected room for %zu results, got %" PRId64,
                entry.name.c_str(), expected, count);
  return count ? expectPointer(outputs, "an array for the results") : ATTN_OK;
}

AttnStatus attn_module_result_shapes(const AttnModule *module, int64_t entry,
                                     const DLTensor *const *inputs,
                                     int64_t num_inputs, int64_t *const *shapes,
                                     int64_t num_results) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  const EntrySpec &spec = module->manifest.entries[entry];
  if (AttnStatus status = checkOutputs(spec, shapes, num_results))
    return status;
  CallCheck check(spec, module->gpu != nullptr);
  ResultShapes inferred;
  if (AttnStatus status =
          prepare(module, entry, inputs, num_inputs, check, inferred))
    return status;
  std::vector<const int64_t *> rows = inferred.get();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (spec.results[i].rank() == 0)
      continue;
    if (AttnStatus status = expectPointer(shapes[i], "room for a shape"))
      return status;
    std::copy_n(rows[i], spec.results[i].rank(), shapes[i]);
  }
  return ATTN_OK;
}

AttnStatus attn_module_allocate(const AttnModule *module, int64_t entry,
                                const DLTensor *const *inputs,
                                int64_t num_inputs, DLManagedTensor **outputs,
                                int64_t num_outputs) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  const EntrySpec &spec = module->manifest.entries[entry];
  if (AttnStatus status = checkOutputs(spec, outputs, num_outputs))
    return status;
  std::fill_n(outputs, num_outputs, nullptr);
  CallCheck check(spec, module->gpu != nullptr);
  ResultShapes inferred;
  if (AttnStatus status =
          prepare(module, entry, inputs, num_inputs, check, inferred))
    return status;
  std::vector<const int64_t *> rows = inferred.get();
  for (size_t i = 0; i < rows.size(); ++i) {
    const TensorSpec &result = spec.results[i];
    outputs[i] = module->gpu ? allocateGpuTensor(check.device(), result.dtype,
                                                 rows[i], result.rank())
                             : allocateTensor(result, rows[i]);
    if (outputs[i])
      continue;
    for (size_t done = 0; done < i; ++done) {
      outputs[done]->deleter(outputs[done]);
      outputs[done] = nullptr;
    }
    if (module->gpu) {
      std::string reason = lastMessage();
      return fail(gpuDriver() ? ATTN_OUT_OF_MEMORY : ATTN_NO_DEVICE,
                  "result %zu of '%s': %s", i, spec.name.c_str(),
                  reason.c_str());
    }
    return fail(ATTN_OUT_OF_MEMORY, "no memory for result %zu of '%s'", i,
                spec.name.c_str());
  }
  return ATTN_OK;
}

/// What the library's own code said of a call that failed.
static AttnStatus reportCode(const AttnModule *module, const EntrySpec &spec,
                             int32_t code) {
  const char *reason = module->lastError ? module->lastError() : nullptr;
  bool isMemory = reason && strncmp(reason, "no memory", 9) == 0;
  return fail(isMemory ? ATTN_OUT_OF_MEMORY : ATTN_FAILED, "'%s': error %d%s%s",
              spec.name.c_str(), int(code), reason ? ": " : "",
              reason ? reason : "");
}

static AttnStatus runOnCpu(const AttnModule *module, int64_t entry,
                           const CallCheck &check) {
  const EntrySpec &spec = module->manifest.entries[entry];
  takeRegionFailure();
  int32_t code = module->entryPoints[entry].call(
      check.argDescriptors().get(), check.resultDescriptors().get());
  if (takeRegionFailure())
    return fail(ATTN_OUT_OF_MEMORY, "'%s': no memory for a thread's scratch",
                spec.name.c_str());
  return code == 0 ? ATTN_OK : reportCode(module, spec, code);
}

static AttnStatus runOnGpu(const AttnModule *module, int64_t entry,
                           const CallCheck &check, void *stream, bool wait) {
  GpuCall call(*module->gpu, stream);
  if (AttnStatus status = call.begin(check.device()))
    return status;
  if (AttnStatus status = check.checkOwners(*gpuDriver()))
    return status;
  int32_t code = module->entryPoints[entry].call(
      check.argDescriptors().get(), check.resultDescriptors().get());
  if (AttnStatus status = call.end(wait))
    return status;
  return code == 0 ? ATTN_OK
                   : reportCode(module, module->manifest.entries[entry], code);
}

static AttnStatus callEntry(const AttnModule *module, int64_t entry,
                            const DLTensor *const *inputs, int64_t numInputs,
                            const DLTensor *const *outputs, int64_t numOutputs,
                            void *stream, bool wait) {
  const EntrySpec &spec = module->manifest.entries[entry];
  CallCheck check(spec, module->gpu != nullptr);
  ResultShapes inferred;
  if (AttnStatus status =
          prepare(module, entry, inputs, numInputs, check, inferred))
    return status;
  if (AttnStatus status =
          check.bindResults(outputs, numOutputs, inferred.get()))
    return status;
  return module->gpu ? runOnGpu(module, entry, check, stream, wait)
                     : runOnCpu(module, entry, check);
}

AttnStatus attn_module_call(const AttnModule *module, int64_t entry,
                            const DLTensor *const *inputs, int64_t num_inputs,
                            const DLTensor *const *outputs,
                            int64_t num_outputs) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  return callEntry(module, entry, inputs, num_inputs, outputs, num_outputs,
                   nullptr, /*wait=*/true);
}

AttnStatus attn_module_call_on_stream(const AttnModule *module, int64_t entry,
                                      const DLTensor *const *inputs,
                                      int64_t num_inputs,
                                      const DLTensor *const *outputs,
                                      int64_t num_outputs, void *stream) {
  clearMessage();
  if (AttnStatus status = checkEntry(module, entry))
    return status;
  if (!module->gpu)
    return fail(ATTN_INVALID_ARGUMENT,
                "expected a library for GPUs, got one for CPUs, which has no "
                "streams");
  return callEntry(module, entry, inputs, num_inputs, outputs, num_outputs,
                   stream, /*wait=*/false);
}

AttnStatus attn_runtime_set_num_threads(int32_t count) {
  clearMessage();
  if (count < 0 || count > maxThreads)
    return fail(ATTN_INVALID_ARGUMENT,
                "expected a number of threads in 0..%d, got %d", maxThreads,
                int(count));
  if (!ThreadPool::get().setNumThreads(count))
    return fail(ATTN_INVALID_ARGUMENT,
                "the number of threads cannot change inside a parallel region");
  return ATTN_OK;
}

int32_t attn_runtime_num_threads(void) { return ThreadPool::numThreads(); }

void attn_runtime_parallel_for(void (*body)(void *context, int64_t index,
                                            void *scratch),
                               void *context, int64_t count,
                               int64_t scratch_bytes) {
  if (!body || !ThreadPool::get().run({body, context, count, scratch_bytes}))
    noteRegionFailure();
}
