//===- Phases.h - the phases of a compilation -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases by name, and the passes of each.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_PHASES_H
#define ATTN_PIPELINES_PHASES_H

#include "attn/Pipelines/Pipelines.h"

#include <optional>

namespace mlir::attn {

enum class Phase {
#define ATTN_PHASE(NAME, FLAG, DUMP, WHAT) NAME,
#include "attn/Pipelines/Phases.def"
};

/// Every phase, in order.
ArrayRef<Phase> getPhases();

/// The name on the command line.
StringRef getPhaseName(Phase phase);

/// The file that --dump-phases writes after the phase.
StringRef getPhaseDump(Phase phase);

/// The phase called `name`.
std::optional<Phase> parsePhase(StringRef name);

/// All names with commas between, for messages.
std::string listPhaseNames();

/// Adds the passes of a phase and, last, the check of its border. The phase
/// `emit` has none: it is not made of passes.
void buildPhasePipeline(Phase phase, OpPassManager &manager,
                        const CpuPipelineOptions &options,
                        const RewritePipelineOptions &rewrite);

/// The same for NVIDIA GPUs.
void buildGpuPhasePipeline(Phase phase, OpPassManager &manager,
                           const CpuPipelineOptions &options,
                           const RewritePipelineOptions &rewrite);

} // namespace mlir::attn

#endif // ATTN_PIPELINES_PHASES_H
