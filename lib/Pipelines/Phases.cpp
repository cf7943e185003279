//===- Phases.cpp - the phases of a compilation ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names from the table, and the passes of each phase.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Phases.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
struct PhaseRecord {
  Phase phase;
  StringLiteral name, dump;
};
} // namespace

static constexpr PhaseRecord kRecords[] = {
#define ATTN_PHASE(NAME, FLAG, DUMP, WHAT) {Phase::NAME, FLAG, DUMP},
#include "attn/Pipelines/Phases.def"
};

static constexpr Phase kPhases[] = {
#define ATTN_PHASE(NAME, FLAG, DUMP, WHAT) Phase::NAME,
#include "attn/Pipelines/Phases.def"
};

ArrayRef<Phase> mlir::attn::getPhases() { return kPhases; }

StringRef mlir::attn::getPhaseName(Phase phase) {
  return kRecords[static_cast<size_t>(phase)].name;
}

StringRef mlir::attn::getPhaseDump(Phase phase) {
  return kRecords[static_cast<size_t>(phase)].dump;
}

std::optional<Phase> mlir::attn::parsePhase(StringRef name) {
  for (const PhaseRecord &record : kRecords)
    if (record.name == name)
      return record.phase;
  return std::nullopt;
}

std::string mlir::attn::listPhaseNames() {
  return llvm::join(llvm::map_range(kPhases, getPhaseName), ", ");
}

void mlir::attn::buildPhasePipeline(Phase phase, OpPassManager &manager,
                                    const CpuPipelineOptions &options,
                                    const RewritePipelineOptions &rewrite) {
  switch (phase) {
  case Phase::Import:
    return buildImportPipeline(manager);
  case Phase::Raise:
    return buildRaisePipeline(manager);
  case Phase::Rewrite:
    return buildRewritePipeline(manager, rewrite);
  case Phase::Tile:
    return buildTilePipeline(manager, options);
  case Phase::Target:
    return buildTargetPipeline(manager, options);
  case Phase::Emit:
    return;
  }
}

void mlir::attn::buildGpuPhasePipeline(Phase phase, OpPassManager &manager,
                                       const CpuPipelineOptions &options,
                                       const RewritePipelineOptions &rewrite) {
  if (phase == Phase::Tile)
    return buildGpuTilePipeline(manager, GpuPipelineOptions());
  if (phase == Phase::Target)
    return buildGpuTargetPipeline(manager, GpuPipelineOptions());
  buildPhasePipeline(phase, manager, options, rewrite);
}
