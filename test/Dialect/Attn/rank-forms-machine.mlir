// RUN: attn-opt %s --attn-rank-forms --verify-diagnostics
// RUN: not attn-opt %s --attn-rank-forms=machine=speed=7 2>&1 | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the limits of the machine come from: the module here, where the option does not say.

// CHECK: error: expected KEY=VALUE of gflops, gbs, cache_kib and start_us with commas between as machine, got 'speed=7'
#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
module attributes {attn.machine = #attn.machine<gflops = 1, gbs = 1, cache_kib = 0, start_us = 5000000>} {
  func.func @slow(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %init: tensor<64x16xf32>) -> tensor<64x16xf32> {
    // expected-remark @below {{linear 5000}}
    %o = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
        outs(%init : tensor<64x16xf32>) maps [#q, #k, #v, #o] -> tensor<64x16xf32>
    return %o : tensor<64x16xf32>
  }
}
