// IR is compiled first, and its exact evaluation in f64 can be compared with. A ready library takes the compiler's place
// here, so that its wrong results are known.

// DEFINE: %{run} = env FAKE_LIBRARY=%build/fixtures/good.so attn-run --compiler=%S/Inputs/fake-compile.sh
// DEFINE: %{data} = --random-inputs=3 --dim=N=4 --dim=M=6

// RUN: %{run} %s --entry=add %{data} --compare=exact --tolerance=1e-6 --compile-arg=--cpu=native | FileCheck %s
// CHECK: flags: --cpu=native
// CHECK: entry   add
// CHECK: result  result0 float32[4, 6]
// CHECK-NEXT: error   {{[0-9.]+}}e-0{{[78]}} absolute, {{[0-9.]+}}e-08 relative, {{[0-9.]+}}e-0{{[78]}} in norm, 0 elements not finite in one of the two
func.func @add(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %sum = linalg.add ins(%a, %b : tensor<?x?xf32>, tensor<?x?xf32>)
                    outs(%a : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %sum : tensor<?x?xf32>
}

// The library adds up; this is twice that.

// RUN: %{run} %s --entry=sum --random-inputs=3 --dim=N=5 --compare=exact --json | FileCheck %s --check-prefix=JSON
// JSON: "absolute": {{[0-9.]+}}
// JSON-NEXT: "mismatches": 0
// JSON-NEXT: "norm": 0.5
// JSON-NEXT: "relative": 0.5
// RUN: not %{run} %s --entry=sum --random-inputs=3 --dim=N=5 --compare=exact --tolerance=0.25 --output=%t.npy 2>&1 \
// RUN:   | FileCheck %s --check-prefix=TOLERANCE
// TOLERANCE: attn-run: error: result 'result0': expected a relative error of at most 0.25, got 0.5 and 0 elements
// RUN: not ls %t.npy
func.func @sum(%x: tensor<?xf64>) -> tensor<f64> {
  %zero = arith.constant dense<0.0> : tensor<f64>
  %one = linalg.reduce ins(%x : tensor<?xf64>) outs(%zero : tensor<f64>) dimensions = [0]
    (%value: f64, %sum: f64) {
      %twice = arith.addf %value, %value : f64
      %next = arith.addf %sum, %twice : f64
      linalg.yield %next : f64
    }
  return %one : tensor<f64>
}

// Entries that only one side has, IR that does not compile, and no compiler.

// RUN: not %{run} %s --entry=copy --random-inputs=3 --dim=N=5 --compare=exact 2>&1 | FileCheck %s --check-prefix=ENTRY
// ENTRY: attn-run: error: --compare=exact: the reference could not evaluate @copy
// RUN: echo broken > %t.mlir
// RUN: not %{run} %t.mlir 2>&1 | FileCheck %s --check-prefix=BROKEN
// BROKEN: mlir:1:1: error: broken
// BROKEN-NEXT: attn-run: error: cannot compile '{{.*}}.mlir'
// RUN: not attn-run %s --compiler=%t.none 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: attn-run: error: cannot compile '{{.*}}': expected attn-compile at '{{.*}}.none'
