// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C3 of #attn.lsh_form.

// expected-error @below {{expected rounds in [1, 64] (C1), got 0}}
func.func @c1() attributes {form = #attn.lsh_form<rounds = 0>} { return }

// -----

// expected-error @below {{expected a chunk in [1, 65536] (C2), got 0}}
func.func @c2_chunk() attributes {form = #attn.lsh_form<chunk = 0>} { return }

// -----

// expected-error @below {{expected look_back and look_ahead in [0, 1024] (C2), got -1}}
func.func @c2_look() attributes {form = #attn.lsh_form<look_back = -1>} { return }

// -----

// expected-error @below {{expected an even number of buckets in [0, 2^20] (C3), got 7}}
func.func @c3() attributes {form = #attn.lsh_form<buckets = 7>} { return }
