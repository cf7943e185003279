//===- AttnMachine.td - what a machine can do -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The few numbers of a machine that turn operations and bytes into time.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_MACHINE
#define ATTN_MACHINE

include "attn/Dialect/Attn/IR/AttnAttrs.td"

def Attn_Machine : AttrDef<Attn_Dialect, "Machine"> {
  let summary = "limits of a machine";
  let mnemonic = "machine";
  let parameters = (ins DefaultValuedParameter<"int64_t", "233">:$gflops, DefaultValuedParameter<"int64_t", "41">:$gbs,
      DefaultValuedParameter<"int64_t", "8192">:$cache_kib, DefaultValuedParameter<"int64_t", "30">:$start_us);
  let description = [{
    What all threads together reach: `gflops`, 10^9 operations of multiply-adds of f32 a second; `gbs`, 10^9 bytes a second
    read from memory; `cache_kib`, the KiB of operands that stay in caches from call to call; `start_us`, the microseconds
    of a call that has nothing to do. As `attn.machine` on a module, or `--machine=gflops=500,gbs=70` of attn-compile, it is
    what estimates of time are made with (`attn-rank-forms`); it changes no code. `make bench` measures the first two.
    What is left out is that of two cores of a Zen 4 server.

    ```mlir
    module attributes {attn.machine = #attn.machine<gflops = 500, gbs = 70>} {
    }
    ```
    Constraints: C1 `gflops` and `gbs` lie in [1, 2^40], `cache_kib` and `start_us` in [0, 2^40].
  }];
  let assemblyFormat = "(`<` struct(params)^ `>`)?";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Seconds that `cost` takes: its work at the peak, then what no cache holds. Streams are read and written by turns.
    double estimateSeconds(::mlir::attn::Cost cost) const;
  }];
}

#endif // ATTN_MACHINE
