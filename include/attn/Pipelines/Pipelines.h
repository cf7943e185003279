//===- Pipelines.h - the passes of every phase ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builders of pass pipelines with their options. Each is registered, so that
// attn-opt runs exactly what attn-compile runs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_PIPELINES_H
#define ATTN_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir::attn {

/// What the phases from tile on know of the CPU they compile for.
struct CpuPipelineOptions : PassPipelineOptions<CpuPipelineOptions> {
  Option<int64_t> vectorBits{
      *this, "vector-bits",
      llvm::cl::desc("Width of a vector register in bits: 256 or 512"),
      llvm::cl::init(512)};
  Option<bool> bf16Dot{*this, "bf16-dot",
                       llvm::cl::desc("The CPU multiplies pairs of bf16"),
                       llvm::cl::init(false)};
  Option<bool> amxBf16{*this, "amx-bf16",
                       llvm::cl::desc("The CPU multiplies tiles of bf16"),
                       llvm::cl::init(false)};
};

/// Sizes of tiles of GPUs, for those who look for better ones.
struct GpuPipelineOptions : PassPipelineOptions<GpuPipelineOptions> {
  Option<int64_t> queryTile{
      *this, "query-tile",
      llvm::cl::desc("Rows of a block, all heads of a group together; 0: the "
                     "target's choice"),
      llvm::cl::init(0)};
  Option<int64_t> rowFragments{
      *this, "row-fragments",
      llvm::cl::desc("Fragments of 16 rows of a warp; 0: the target's choice"),
      llvm::cl::init(0)};
  Option<int64_t> keyTile{
      *this, "key-tile",
      llvm::cl::desc("Keys of a tile in shared memory; 0: the target's choice"),
      llvm::cl::init(0)};
};

/// What the phase rewrite is asked to do; attn-assign-forms says how it is
/// written.
struct RewritePipelineOptions : PassPipelineOptions<RewritePipelineOptions> {
  Option<std::string> form{
      *this, "form",
      llvm::cl::desc("Forms of attention, with semicolons between"),
      llvm::cl::init("")};
  Option<std::string> formFile{
      *this, "form-file", llvm::cl::desc("A file that maps labels to forms"),
      llvm::cl::init("")};
  Option<bool> rank{*this, "rank",
                    llvm::cl::desc("Remark on the time of all forms"),
                    llvm::cl::init(false)};
  Option<std::string> machine{
      *this, "machine",
      llvm::cl::desc("Limits of the machine, for estimates of time"),
      llvm::cl::init("")};
  Option<int64_t> steps{
      *this, "steps",
      llvm::cl::desc("Positions that the caches of steps have room for; 0 for "
                     "no steps"),
      llvm::cl::init(0)};
  Option<int64_t> pageSize{
      *this, "page-size",
      llvm::cl::desc("Positions of a page of the caches of steps; 0 for caches "
                     "in one piece"),
      llvm::cl::init(0)};
};

/// The pipelines of the phases; Phases.def says what each is for. Every one
/// ends with the check of its border.
void buildImportPipeline(OpPassManager &manager);
void buildRaisePipeline(OpPassManager &manager);
void buildRewritePipeline(OpPassManager &manager,
                          const RewritePipelineOptions &options);
void buildTilePipeline(OpPassManager &manager,
                       const CpuPipelineOptions &options);
void buildTargetPipeline(OpPassManager &manager,
                         const CpuPipelineOptions &options);

/// Parts of the target phase: tensors to buffers, and loops on buffers to the
/// LLVM dialect with the entry points of a library.
void buildCpuBufferizePipeline(OpPassManager &manager,
                               const CpuPipelineOptions &options);
void buildCpuToLLVMPipeline(OpPassManager &manager,
                            const CpuPipelineOptions &options);

/// The phases tile and target for NVIDIA GPUs, and the part of the latter that
/// takes kernels to the NVVM dialect.
void buildGpuTilePipeline(OpPassManager &manager,
                          const GpuPipelineOptions &options);
void buildGpuTargetPipeline(OpPassManager &manager,
                            const GpuPipelineOptions &options);
void buildGpuKernelPipeline(OpPassManager &manager);

void registerPipelines();

} // namespace mlir::attn

#endif // ATTN_PIPELINES_PIPELINES_H
