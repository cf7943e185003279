// RUN: attn-opt %s --split-input-file --attn-verify-target --verify-diagnostics | FileCheck %s

// CHECK-LABEL: llvm.func @legal
llvm.func @legal(%x: i64) -> i64 {
  llvm.return %x : i64
}

// -----

// expected-error @+1 {{expected an operation that is legal after the phase 'target', got 'func.func'}}
func.func @negative_function() {
  return
}
