//===- KernelPasses.td - passes on kernels -----------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names of kernels, and the way of their bodies to the LLVM dialect, in alphabetical order.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_GPU_KERNELPASSES
#define ATTN_TARGET_GPU_KERNELPASSES

include "mlir/Pass/PassBase.td"

def AttnGPUCheckKernelsPass : Pass<"attn-gpu-check-kernels", "::mlir::gpu::GPUModuleOp"> {
  let summary = "kernels hold only what a GPU computes without a library";
  let description = [{
    A GPU has no library of functions that a kernel could call: what no instruction and no polynomial of ours computes, such
    as an exponential on f64, is an error here and not a symbol that the driver misses. The IR stays as it is.

    ```mlir
    gpu.module @attn_kernels {
      gpu.func @half(%x: f32, %to: memref<f32>) kernel {
        %y = math.exp2 %x : f32
        memref.store %y, %to[] : memref<f32>
        gpu.return
      }
    }
    ```
    becomes
    ```mlir
    ...
    %0 = math.exp2 %arg0 : f32
    ...
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of functions checked">];
}

def AttnGPUConvertKernelsPass : Pass<"attn-gpu-convert-kernels", "::mlir::gpu::GPUModuleOp"> {
  let summary = "kernels to the NVVM and LLVM dialects";
  let description = [{
    As `convert-gpu-to-nvvm`, except for mathematical functions: they stay, for `convert-math-to-llvm`, where the upstream
    pass calls libdevice, which is no part of a driver.

    ```mlir
    gpu.module @attn_kernels {
      gpu.func @half(%x: f32, %to: memref<f32>) kernel {
        %y = math.exp2 %x : f32
        memref.store %y, %to[] : memref<f32>
        gpu.return
      }
    }
    ```
    becomes
    ```mlir
    ...
    ... = math.exp2 %arg0 : f32
    ...
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::math::MathDialect"];
  let statistics = [Statistic<"numConverted", "num-converted", "Number of kernels converted">];
}

def AttnGPUMergeKernelsPass : Pass<"attn-gpu-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "equal kernels become one";
  let description = [{
    The layers of a model launch the same kernels; each is assembled once. Kernels that nothing launches go.

    ```mlir
    module attributes {gpu.container_module} {
      gpu.module @attn_kernels {
        gpu.func @a() kernel { gpu.return }
        gpu.func @b() kernel { gpu.return }
      }
      func.func @f(%n: index) {
        gpu.launch_func @attn_kernels::@a blocks in (%n, %n, %n) threads in (%n, %n, %n)
        gpu.launch_func @attn_kernels::@b blocks in (%n, %n, %n) threads in (%n, %n, %n)
        return
      }
    }
    ```
    becomes
    ```mlir
    ...
    gpu.launch_func  @attn_kernels::@a ...
    gpu.launch_func  @attn_kernels::@a ...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::gpu::GPUDialect"];
  let statistics = [Statistic<"numMerged", "num-merged", "Number of kernels that were equal to another">];
}

def AttnGPUNameKernelsPass : Pass<"attn-gpu-name-kernels", "::mlir::ModuleOp"> {
  let summary = "launches say how their kernels are called";
  let description = [{
    Puts all kernels into one module and names each after its function and its number, for outlining; messages and
    profiles then show where a kernel comes from. A launch that has a name keeps it as the stem.

    ```mlir
    module {
      func.func @f(%n: index) {
        gpu.launch blocks(%bx, %by, %bz) in (%gx = %n, %gy = %n, %gz = %n)
                   threads(%tx, %ty, %tz) in (%sx = %n, %sy = %n, %sz = %n) {
          gpu.terminator
        }
        return
      }
    }
    ```
    becomes
    ```mlir
    ...
    ...module(@attn_kernels) function(@f_0)...
    ...
    ```
  }];
  let dependentDialects = ["::mlir::gpu::GPUDialect"];
  let statistics = [Statistic<"numNamed", "num-named", "Number of launches named">];
}

def AttnGPUStopThreadsPass : Pass<"attn-gpu-stop-threads", "::mlir::gpu::GPUModuleOp"> {
  let summary = "a failed assertion ends its thread";
  let description = [{
    Behind a failed assertion a thread returns, where upstream would call a function that ends the whole context of the
    process. That it failed is on record by then: `attn-gpu-launch-linalg` has put a number into a word that the host reads.

    ```mlir
    gpu.module @attn_kernels {
      gpu.func @checked(%ok: i1, %x: f32, %to: memref<f32>) kernel {
        cf.assert %ok, "expected an index in range"
        memref.store %x, %to[] : memref<f32>
        gpu.return
      }
    }
    ```
    becomes
    ```mlir
    ...
    cf.cond_br %arg0, ^bb1, ^bb2
    ...
    ```
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::gpu::GPUDialect"];
  let statistics = [Statistic<"numStops", "num-stops", "Number of assertions lowered">];
}

#endif // ATTN_TARGET_GPU_KERNELPASSES
