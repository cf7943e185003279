//===- CommandLine.h - the options of attn-run -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of the runner, each option writing into one structure.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TOOLS_ATTNRUN_COMMANDLINE_H
#define ATTN_TOOLS_ATTNRUN_COMMANDLINE_H

#include "attn/Run/Run.h"

#include "llvm/Support/CommandLine.h"

namespace attn::run {
namespace cl = llvm::cl;

struct CommandLine {
  Options options;
  cl::OptionCategory category{"Options of attn-run"};
  using Text = cl::opt<std::string, true>;
  using Texts = cl::list<std::string, std::vector<std::string>>;

  Text path{cl::Positional, cl::Required, cl::desc("<library or IR>"),
            cl::location(options.path), cl::cat(category)};
  Text entry{"entry", cl::desc("The entry to run"), cl::value_desc("name"),
             cl::location(options.entry), cl::cat(category)};
  Texts inputs{"input", cl::desc("A file of the next argument"),
               cl::value_desc("FILE.npy|FILE.safetensors:NAME"),
               cl::location(options.inputs), cl::cat(category)};
  Texts outputs{"output", cl::desc("File of the next result"),
                cl::location(options.outputs), cl::cat(category)};
  cl::opt<uint64_t> seed{"random-inputs", cl::value_desc("seed"),
                         cl::desc("Make up the arguments without a file"),
                         cl::cat(category)};
  cl::opt<unsigned> integerLimit{"integer-limit", cl::init(2),
                                 cl::desc("Random integers are below this"),
                                 cl::cat(category)};
  Texts dims{"dim", cl::value_desc("symbol=extent"),
             cl::desc("A dynamic extent of random arguments; a dimension "
                      "without a symbol is called ARGUMENT.DIMENSION"),
             cl::location(options.dims), cl::cat(category)};
  cl::opt<unsigned, true> repeat{"repeat", cl::desc("Timed calls"),
                                 cl::location(options.repeat), cl::init(1),
                                 cl::cat(category)};
  cl::opt<unsigned, true> warmup{"warmup", cl::desc("Calls before those"),
                                 cl::location(options.warmup), cl::init(0),
                                 cl::cat(category)};
  cl::opt<int, true> threads{"threads", cl::location(options.threads),
                             cl::desc("Threads; 0: the runtime's default"),
                             cl::init(0), cl::cat(category)};
  cl::opt<Comparison, true> compare{
      "compare", cl::desc("Compare the results with"),
      cl::values(clEnumValN(Comparison::Exact, "exact", "the f64 reference")),
      cl::location(options.comparison), cl::cat(category)};
  cl::opt<double> tolerance{"tolerance", cl::cat(category),
                            cl::desc("Fail above this relative error")};
  cl::opt<bool, true> json{"json", cl::desc("Report as JSON"),
                           cl::location(options.json), cl::cat(category)};
  Text target{"target", cl::location(options.target),
              cl::desc("Target, for IR: cpu or nvptx"), cl::cat(category)};
  Text sm{"sm", cl::location(options.sm), cl::value_desc("list"),
          cl::desc("GPU architectures, for IR"), cl::cat(category)};
  cl::opt<bool, true> simulate{
      "simulate", cl::location(options.simulate), cl::cat(category),
      cl::desc("Execute the kernels of a library for GPUs on the CPU, with "
               "checks and counts")};
  cl::opt<uint64_t> simulationOrder{
      "simulation-order", cl::value_desc("seed"), cl::init(0),
      cl::desc("Order of blocks and warps; 0: ascending"), cl::cat(category)};
  Text predict{"predict", cl::location(options.predict), cl::cat(category),
               cl::value_desc("GPU|FILE.yaml"),
               cl::desc("Predict the time of a library's kernels on this GPU, "
                        "such as h100; none is needed")};
  cl::opt<uint64_t, true> predictBlocks{
      "predict-blocks", cl::location(options.predictBlocks), cl::init(8),
      cl::desc("Blocks of a launch that are simulated for it; 0: all"),
      cl::cat(category)};
  Text ptxas{
      "ptxas", cl::location(options.ptxas), cl::value_desc("file"),
      cl::desc("The assembler that says how many registers kernels take"),
      cl::cat(category)};
  Texts forms{"form", cl::value_desc("[LABEL:]FORM[,KEY=VALUE]...|@FILE"),
              cl::desc("Form of attention, for IR; may be repeated"),
              cl::location(options.forms), cl::cat(category)};
  Text compiler{"compiler", cl::location(options.compiler),
                cl::desc("Default: the attn-compile beside this program"),
                cl::value_desc("file"), cl::cat(category)};
  Texts compilerArgs{"compile-arg", cl::value_desc("flag"),
                     cl::desc("Handed to attn-compile, for IR"),
                     cl::location(options.compilerArgs), cl::cat(category)};
};

} // namespace attn::run

#endif // ATTN_TOOLS_ATTNRUN_COMMANDLINE_H
