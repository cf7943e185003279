// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of random projections, and of masks by blocks of positions.

func.func @gaussian_c1_rank() {
  // expected-error @below {{expected [slots, columns] or [heads, slots, columns] (C1)}}
  %r = attn.gaussian_projection seed 1 : tensor<4xf32>
  return
}

// -----

func.func @gaussian_c1_empty() {
  // expected-error @below {{expected slots and columns in [1, 2^32) (C1)}}
  %r = attn.gaussian_projection seed 1 : tensor<0x4xf32>
  return
}

// -----

// expected-error @below {{expected a size in [1, 2^40] (C1), got 0}}
#own = #attn.own_block<size = 0>

// -----

// expected-error @below {{expected slots in [1, 2^20] (C2), got 0}}
#past = #attn.finished_blocks<size = 4, slots = 0>
