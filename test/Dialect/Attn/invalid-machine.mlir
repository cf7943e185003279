// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of #attn.machine, and of where it stands.

// expected-error @below {{expected gflops and gbs in [1, 2^40], cache_kib and start_us in [0, 2^40] (C1), got 0, 41, 8192 and 30}}
module attributes {attn.machine = #attn.machine<gflops = 0>} {}

// -----

// expected-error @below {{expected gflops and gbs in [1, 2^40], cache_kib and start_us in [0, 2^40] (C1), got 233, 41, -1 and 30}}
module attributes {attn.machine = #attn.machine<cache_kib = -1>} {}

// -----

// expected-error @below {{expected #attn.machine as 'attn.machine', got 7 : i64}}
module attributes {attn.machine = 7} {}
