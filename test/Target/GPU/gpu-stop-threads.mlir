// RUN: attn-opt %s --attn-gpu-stop-threads --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: gpu.func @checked
// CHECK: cf.cond_br %{{.*}}, ^[[GO:.*]], ^[[STOP:.*]]
// CHECK: ^[[GO]]:
// CHECK: memref.store
// CHECK: ^[[STOP]]:
// CHECK-NEXT: gpu.return
gpu.module @attn_kernels {
  gpu.func @checked(%ok: i1, %x: f32, %to: memref<f32>) kernel {
    cf.assert %ok, "expected an index in range"
    memref.store %x, %to[] : memref<f32>
    gpu.return
  }
}

// -----

gpu.module @attn_kernels {
  gpu.func @negative_nested(%ok: i1) kernel {
    scf.if %ok {
      // expected-error @+1 {{expected an assertion outside of regions}}
      cf.assert %ok, "expected an index in range"
    }
    gpu.return
  }
}
