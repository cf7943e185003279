// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many threads to use when the program does not say. The environment comes
// first, since that is how people limit the other libraries of the same
// process.

#ifndef ATTN_LIB_RUNTIME_THREADCOUNT_H
#define ATTN_LIB_RUNTIME_THREADCOUNT_H

namespace attn::runtime {

constexpr int maxThreads = 1024;

/// The CPUs that this process may run on, at least 1.
int availableCpus();

/// ATTN_NUM_THREADS, else the first number of OMP_NUM_THREADS, else
/// availableCpus(). Values that are no number in [1, maxThreads] are passed
/// over.
int defaultThreadCount();

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_THREADCOUNT_H
