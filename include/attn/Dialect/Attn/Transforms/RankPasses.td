//===- RankPasses.td - which form is fastest --------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Estimates of time for all forms of an attention; a part of Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_RANK_PASSES
#define ATTN_TRANSFORMS_RANK_PASSES

include "mlir/Pass/PassBase.td"

def AttnRankFormsPass : Pass<"attn-rank-forms", "::mlir::ModuleOp"> {
  let summary = "remarks on which form of each attention is fastest, and from which length on a form pays";
  let description = [{
    For every attention, estimates the time of each form with its default parameters (of the one that is asked for, with its
    own) and says so in a remark, fastest first; then from which number of keys on, of 16, 32 and so on up to 2^20, a form is
    faster than the attention as it is. Time is the work of the kernels at the peak of the machine and what has to come from
    memory (`attn/Analysis/Cost.h`, `#attn.machine`); that of a length that is not known is for 4096.

    Nothing is changed: which form is good enough is not for a compiler to say, and an estimate holds only where the rewrite
    grants the form.

    The machine is the option `machine`, as `gflops=500,gbs=70`, else `attn.machine` on the module.

    ```mlir
    func.func @f(%q: tensor<8x4096x64xf32>, %k: tensor<8x4096x64xf32>, %init: tensor<8x4096x64xf32>) -> tensor<8x4096x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<8x4096x64xf32>, tensor<8x4096x64xf32>, tensor<8x4096x64xf32>)
          outs(%init : tensor<8x4096x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          {attn.label = "attention0"} -> tensor<8x4096x64xf32>
      return %o : tensor<8x4096x64xf32>
    }
    ```
    stays
    ```mlir
    ...
    %o = ... {attn.label = "attention0"} -> tensor<8x4096x64xf32>
    ...
    ```
  }];
  let options = [Option<"machine", "machine", "std::string", "\"\"", "Limits of the machine, KEY=VALUE with commas between">];
  let statistics = [Statistic<"numRanked", "num-ranked", "attention operations that were estimated">];
}

#endif // ATTN_TRANSFORMS_RANK_PASSES
