//===- TileSizes.h - what a target contributes to phase tile ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes of all tiling passes together, so that a target is one value to the
// pipeline of phase tile.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_TILESIZES_H
#define ATTN_PIPELINES_TILESIZES_H

#include "attn/Dialect/Attn/Transforms/Passes.h"

namespace mlir::attn {

struct CpuPipelineOptions;

struct TileSizes {
  AttnTilePassOptions attention;
  AttnTileLowRankPassOptions lowRank;
  AttnTileLshPassOptions lsh;
  AttnTileAsymmetricLshPassOptions asymmetricLsh;
};

TileSizes getCpuTileSizes(const CpuPipelineOptions &options);
/// Rows of a query tile are those of a block of warps. All keys of a range are
/// one tile, which the kernel walks through shared memory.
TileSizes getGpuTileSizes();

void buildTilePipeline(OpPassManager &manager, const TileSizes &sizes);

} // namespace mlir::attn

#endif // ATTN_PIPELINES_TILESIZES_H
