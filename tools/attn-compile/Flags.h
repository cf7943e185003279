//===- Flags.h - the options of attn-compile --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line as it is parsed; --help is made from it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTNCOMPILE_FLAGS_H
#define ATTN_TOOLS_ATTNCOMPILE_FLAGS_H

#include "attn/Pipelines/Driver.h"

#include "llvm/Support/CommandLine.h"

namespace mlir::attn {
namespace cl = llvm::cl;

/// The options of this tool; those of LLVM stay hidden.
struct Flags {
  cl::OptionCategory category{"attn-compile options"};
  cl::opt<std::string> input{cl::Positional, cl::Required, cl::desc("IN"),
                             cl::cat(category)};
  cl::opt<std::string> output{"o", cl::Required, cl::value_desc("OUT"),
                              cl::desc("Output file"), cl::cat(category)};
  cl::opt<std::string> target{"target", cl::init("cpu"),
                              cl::desc("Target: cpu or nvptx"),
                              cl::cat(category)};
  cl::opt<std::string> cpu{"cpu", cl::init("native"),
                           cl::desc("CPU: native, x86-64-v3, znver4, ..."),
                           cl::cat(category)};
  cl::opt<std::string> sm{
      "sm", cl::init("80,90"), cl::value_desc("list"),
      cl::desc("GPU architectures of --target=nvptx: 80, 86, 89, 90, 90a, ..."),
      cl::cat(category)};
  cl::opt<std::string> ptxas{"ptxas", cl::value_desc("file"),
                             cl::desc("NVIDIA's assembler; default: found"),
                             cl::cat(category)};
  cl::opt<bool> embedIR{"embed-ir",
                        cl::desc("Put the kernels' LLVM IR into the library, "
                                 "for attn-run --simulate"),
                        cl::cat(category)};
  cl::opt<EmitKind> emit{
      "emit", cl::init(EmitKind::SharedLibrary), cl::desc("Kind of output"),
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
  cl::list<std::string> forms{
      "form", cl::value_desc("[LABEL:]FORM[,KEY=VALUE]...|@FILE"),
      cl::desc("Form of attention, for all or by label; may be repeated"),
      cl::cat(category)};
  cl::opt<std::string> machine{"machine", cl::value_desc("KEY=VALUE,..."),
                               cl::desc("Limits that estimates are for"),
                               cl::cat(category)};
  cl::opt<int64_t> steps{"steps", cl::init(0), cl::value_desc("CAPACITY"),
                         cl::desc("Add entries NAME_step, piece by piece, and "
                                  "NAME_token, one position"),
                         cl::cat(category)};
  cl::opt<int64_t> pageSize{
      "page-size", cl::init(0), cl::value_desc("POSITIONS"),
      cl::desc("Caches of these in pages, with an index table"),
      cl::cat(category)};
  cl::opt<Phase> from{"from", cl::init(Phase::Import),
                      cl::desc("First phase to run"), phaseValues(),
                      cl::cat(category)};
  cl::opt<Phase> to{"to", cl::init(Phase::Emit), cl::desc("Last phase to run"),
                    phaseValues(), cl::cat(category)};
  cl::opt<std::string> dump{"dump-phases", cl::value_desc("DIR"),
                            cl::desc("A folder for the IR of every phase"),
                            cl::cat(category)};
  cl::opt<bool> remarks{"remarks",
                        cl::desc("Print what the compiler chose and missed"),
                        cl::cat(category)};
  cl::opt<bool> time{"time-phases", cl::desc("Print the time of every phase"),
                     cl::cat(category)};

  static cl::ValuesClass phaseValues() {
    return {
#define ATTN_PHASE(NAME, FLAG, DUMP, WHAT) clEnumValN(Phase::NAME, FLAG, WHAT),
#include "attn/Pipelines/Phases.def"
    };
  }
};

} // namespace mlir::attn

#endif // ATTN_TOOLS_ATTNCOMPILE_FLAGS_H
