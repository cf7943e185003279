//===- Flags.h - the options of attn-compile -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of the compiler, each option writing into one structure.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTNCOMPILE_FLAGS_H
#define ATTN_TOOLS_ATTNCOMPILE_FLAGS_H

#include "attn/Pipelines/Driver.h"

#include "llvm/Support/CommandLine.h"

namespace mlir::attn {
namespace cl = llvm::cl;

struct Flags {
  CompileOptions options;
  using Text = cl::opt<std::string, true>;
  using Texts = cl::list<std::string, std::vector<std::string>>;
  using Number = cl::opt<int64_t, true>;
  using Switch = cl::opt<bool, true>;

  cl::OptionCategory category{"attn-compile options"};
  Text input{cl::location(options.input), cl::Positional, cl::Required,
             cl::desc("IN"), cl::cat(category)};
  Text output{cl::location(options.output),
              "o",
              cl::Required,
              cl::value_desc("OUT"),
              cl::desc("Output file"),
              cl::cat(category)};
  Text target{cl::location(options.target), "target",
              cl::desc("Target: cpu or nvptx"), cl::cat(category)};
  Text cpu{cl::location(options.cpu), "cpu",
           cl::desc("CPU: native, x86-64-v3, znver4, ..."), cl::cat(category)};
  cl::opt<std::string> sm{"sm", cl::value_desc("list"),
                          cl::desc("GPUs: 80, 86, 89, 90, 90a, ..."),
                          cl::cat(category)};
  Text ptxas{cl::location(options.ptxas), "ptxas", cl::value_desc("file"),
             cl::desc("NVIDIA's assembler, or none; default: found"),
             cl::cat(category)};
  Switch embedIR{cl::location(options.embedIR), "embed-ir",
                 cl::desc("Add the kernels' LLVM IR, for attn-run --simulate"),
                 cl::cat(category)};
  cl::opt<EmitKind, true> emit{
      "emit", cl::location(options.emit), cl::desc("Kind of output"),
      cl::values(clEnumValN(EmitKind::MLIR, "mlir", "MLIR after --to"),
                 clEnumValN(EmitKind::LLVMIR, "llvm", "LLVM IR"),
                 clEnumValN(EmitKind::Assembly, "asm", "assembly"),
                 clEnumValN(EmitKind::Object, "obj", "object file"),
                 clEnumValN(EmitKind::Ptx, "ptx", "PTX"),
                 clEnumValN(EmitKind::Cubin, "cubin", "GPU machine code"),
                 clEnumValN(EmitKind::Fatbin, "fatbin",
                            "PTX and machine code of every --sm"),
                 clEnumValN(EmitKind::SharedLibrary, "so", "shared library")),
      cl::cat(category)};
  Texts forms{
      cl::location(options.forms), "form",
      cl::value_desc("[LABEL:]FORM[,KEY=VALUE]...|@FILE"),
      cl::desc("Form of attention, for all or by label; may be repeated"),
      cl::cat(category)};
  Text machine{cl::location(options.machine), "machine",
               cl::value_desc("KEY=VALUE,..."),
               cl::desc("Limits that estimates are for"), cl::cat(category)};
  Number steps{cl::location(options.steps), "steps", cl::value_desc("CAPACITY"),
               cl::desc("Add entries NAME_step and NAME_token"),
               cl::cat(category)};
  Number pageSize{cl::location(options.pageSize), "page-size",
                  cl::value_desc("POSITIONS"),
                  cl::desc("Caches of these in pages, with an index table"),
                  cl::cat(category)};
  cl::opt<Phase, true> from{cl::location(options.from), "from",
                            cl::desc("First phase to run"), phaseValues(),
                            cl::cat(category)};
  cl::opt<Phase, true> to{cl::location(options.to), "to",
                          cl::desc("Last phase to run"), phaseValues(),
                          cl::cat(category)};
  Text dump{cl::location(options.dumpFolder), "dump-phases",
            cl::value_desc("DIR"),
            cl::desc("A folder for the IR of every phase"), cl::cat(category)};
  Switch remarks{cl::location(options.remarks), "remarks",
                 cl::desc("Print what the compiler chose and missed"),
                 cl::cat(category)};
  Switch time{cl::location(options.timePhases), "time-phases",
              cl::desc("Print the time of every phase"), cl::cat(category)};

  static cl::ValuesClass phaseValues() {
    return {
#define ATTN_PHASE(NAME, FLAG, DUMP, WHAT) clEnumValN(Phase::NAME, FLAG, WHAT),
#include "attn/Pipelines/Phases.def"
    };
  }
};
} // namespace mlir::attn

#endif // ATTN_TOOLS_ATTNCOMPILE_FLAGS_H
