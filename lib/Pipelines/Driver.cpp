//===- Driver.cpp - one compilation from a file to a file -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs the phases one after another, with dumps, progress and times.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Driver.h"

#include "Border.h"

#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace mlir;
using namespace mlir::attn;

namespace {

/// Names the phase that runs, and keeps the times.
class Progress {
public:
  explicit Progress(const CompileOptions &options) : options(options) {}

  LogicalResult run(StringRef name, llvm::function_ref<LogicalResult()> body) {
    if (options.progress)
      llvm::errs() << "attn-compile: " << name << " ...";
    auto start = std::chrono::steady_clock::now();
    LogicalResult result = body();
    std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    times.push_back({name.str(), seconds.count()});
    if (options.progress)
      llvm::errs() << llvm::format(" %.2f s", seconds.count())
                   << (failed(result) ? ", failed\n" : "\n");
    return result;
  }

  void printTimes() const {
    double total = 0;
    for (auto &[name, seconds] : times) {
      llvm::errs() << llvm::format("%-10s %8.3f s\n", name.c_str(), seconds);
      total += seconds;
    }
    llvm::errs() << llvm::format("%-10s %8.3f s\n", "total", total);
  }

private:
  const CompileOptions &options;
  SmallVector<std::pair<std::string, double>> times;
};

/// One compilation.
class Compilation {
public:
  Compilation(MLIRContext &context, const CompileOptions &options)
      : context(context), options(options), progress(options),
        handler(sources, &context),
        filter(&context, [&options](Diagnostic &diagnostic) {
          bool isRemark =
              diagnostic.getSeverity() == DiagnosticSeverity::Remark;
          return success(isRemark && !options.remarks);
        }) {}
  LogicalResult run();

private:
  LogicalResult fail(const Twine &message) {
    return emitError(UnknownLoc::get(&context), message);
  }
  LogicalResult checkOptions();
  LogicalResult checkTarget();
  LogicalResult checkOutput();
  LogicalResult parse();
  LogicalResult runPhase(Phase phase);
  LogicalResult emit();
  LogicalResult writeModule(StringRef path);
  std::string dumpPath(Phase phase) const {
    SmallString<128> path(options.dumpFolder);
    llvm::sys::path::append(path, getPhaseDump(phase));
    return path.str().str();
  }

  MLIRContext &context;
  const CompileOptions &options;
  Progress progress;
  /// Errors of every phase show the line of the input that they are about.
  llvm::SourceMgr sources;
  SourceMgrDiagnosticHandler handler;
  /// Remarks are for those who ask.
  ScopedDiagnosticHandler filter;
  CpuDescription cpu;
  /// Empty for CPUs.
  SmallVector<GpuArchitecture> architectures;
  OwningOpRef<ModuleOp> module;
};

} // namespace

/// What is emitted must fit the target.
LogicalResult Compilation::checkTarget() {
  if (options.target != "cpu" && options.target != "nvptx")
    return fail("expected --target to be cpu or nvptx, got '" + options.target +
                "'");
  using enum EmitKind;
  bool isForGpus = llvm::is_contained({Ptx, Cubin, Fatbin}, options.emit);
  bool isForCpus = llvm::is_contained({Assembly, Object}, options.emit);
  if (options.target == "cpu") {
    if (options.sm || options.embedIR || !options.ptxas.empty())
      return fail("expected --target=nvptx with --sm, --ptxas and --embed-ir, "
                  "got --target=cpu");
    return isForGpus ? fail("expected --emit=mlir, llvm, asm, obj or so with "
                            "--target=cpu, got one for --target=nvptx")
                     : success();
  }
  if (isForCpus)
    return fail("expected --emit=mlir, llvm, ptx, cubin, fatbin or so with "
                "--target=nvptx, got one for --target=cpu");
  std::string error;
  auto parsed = parseArchitectures(options.sm.value_or("80,90a"), error);
  if (failed(parsed))
    return fail(error);
  architectures = *parsed;
  if (options.embedIR && options.emit != SharedLibrary)
    return fail("expected --emit=so with --embed-ir, which libraries alone "
                "have room for");
  return success();
}

/// What is emitted must fit where it goes.
LogicalResult Compilation::checkOutput() {
  if (options.to != Phase::Emit || options.output != "-")
    return success();
  using enum EmitKind;
  if (options.emit == SharedLibrary)
    return fail("expected a file for --emit=so, got '-'");
  if (llvm::is_contained({Ptx, Cubin}, options.emit) &&
      architectures.size() > 1)
    return fail("expected one architecture of --sm with -o -, got " +
                Twine(architectures.size()));
  return success();
}

LogicalResult Compilation::checkOptions() {
  if (failed(checkTarget()) || failed(checkOutput()))
    return failure();
  if (options.pageSize != 0 && options.steps == 0)
    return fail("expected --steps with --page-size, whose caches it is about");
  if (options.from > options.to)
    return fail("expected --from before --to, got '" +
                getPhaseName(options.from) + "' and '" +
                getPhaseName(options.to) + "'");
  if (!options.forms.empty() &&
      (options.from > Phase::Rewrite || options.to < Phase::Rewrite))
    return fail("expected the phase rewrite between --from and --to, which "
                "--form is for");
  std::string error;
  FailureOr<CpuDescription> described = describeCpu(options.cpu, error);
  if (failed(described))
    return fail(error);
  cpu = *described;
  if (cpu.vectorBits < 256)
    return fail("expected a CPU with AVX2 or AVX-512, such as native or "
                "x86-64-v3, got '" +
                options.cpu + "'");
  if (!options.dumpFolder.empty())
    if (std::error_code code =
            llvm::sys::fs::create_directories(options.dumpFolder))
      return fail("cannot make the folder '" + options.dumpFolder +
                  "': " + code.message());
  return success();
}

LogicalResult Compilation::parse() {
  std::string error;
  auto file = openInputFile(options.input, &error);
  if (!file)
    return fail(error);
  sources.AddNewSourceBuffer(std::move(file), SMLoc());
  // Unknown operations are parsed all the same, for an error with their names.
  context.allowUnregisteredDialects();
  module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return failure();
  WalkResult known = module->walk<WalkOrder::PreOrder>([](Operation *op) {
    if (op->isRegistered())
      return WalkResult::advance();
    op->emitError("expected a known operation, got '") << op->getName() << "'";
    return WalkResult::interrupt();
  });
  if (known.wasInterrupted())
    return failure();
  // What a later phase starts from must be what the phase before it leaves.
  if (options.from == Phase::Import)
    return success();
  auto before = static_cast<Phase>(static_cast<int>(options.from) - 1);
  return checkBorder(*module, before);
}

LogicalResult Compilation::runPhase(Phase phase) {
  PassManager manager(&context, ModuleOp::getOperationName());
  CpuPipelineOptions pipeline;
  pipeline.vectorBits = cpu.vectorBits;
  pipeline.bf16Dot = cpu.hasBf16Dot;
  pipeline.amxBf16 = cpu.hasAmxBf16;
  RewritePipelineOptions rewrite;
  rewrite.form = llvm::join(options.forms, ";");
  rewrite.steps = options.steps;
  rewrite.pageSize = options.pageSize;
  // Who sees no remarks need not wait for estimates.
  rewrite.rank = options.remarks;
  rewrite.machine = options.machine;
  if (architectures.empty())
    buildPhasePipeline(phase, manager, pipeline, rewrite);
  else
    buildGpuPhasePipeline(phase, manager, pipeline, rewrite);
  // The manifest says what the code needs; a dump must carry it.
  if (phase == Phase::Target) {
    Builder builder(&context);
    (*module)->setAttr("attn.cpu", builder.getStringAttr(cpu.name));
    (*module)->setAttr("attn.cpu_features",
                       builder.getStringAttr(cpu.required));
    if (!architectures.empty()) {
      auto names = llvm::map_to_vector(
          architectures, [](const GpuArchitecture &gpu) { return gpu.name; });
      (*module)->setAttr("attn.target", builder.getStringAttr("nvptx"));
      (*module)->setAttr("attn.sm", builder.getStrArrayAttr(names));
    }
  }
  // Once a phase and not after each of its passes, which would take a third of
  // a compilation; attn-opt verifies after each.
  manager.enableVerifier(false);
  if (failed(manager.run(*module)) || failed(verify(*module)))
    return failure();
  return options.dumpFolder.empty() ? success() : writeModule(dumpPath(phase));
}

LogicalResult Compilation::writeModule(StringRef path) {
  EmitOptions text;
  text.kind = EmitKind::MLIR;
  return emitModule(*module, path, text);
}

LogicalResult Compilation::emit() {
  EmitOptions emit;
  emit.kind = options.emit;
  emit.cpu = cpu;
  emit.architectures = architectures;
  emit.ptxas = options.ptxas;
  emit.embedIR = options.embedIR;
  if (!options.dumpFolder.empty())
    emit.llvmDump = dumpPath(Phase::Emit);
  return emitModule(*module, options.output, emit);
}

LogicalResult Compilation::run() {
  if (failed(checkOptions()) ||
      failed(progress.run("parse", [&] { return parse(); })))
    return failure();
  for (Phase phase : getPhases()) {
    if (phase < options.from || phase > options.to || phase == Phase::Emit)
      continue;
    if (failed(
            progress.run(getPhaseName(phase), [&] { return runPhase(phase); })))
      return failure();
  }
  bool toCode = options.to == Phase::Emit && options.emit != EmitKind::MLIR;
  if (failed(toCode ? progress.run("emit", [&] { return emit(); })
                    : writeModule(options.output)))
    return failure();
  if (options.timePhases)
    progress.printTimes();
  return success();
}

LogicalResult mlir::attn::compile(MLIRContext &context,
                                  const CompileOptions &options) {
  if (options.remarks) {
    remark::RemarkCategories categories;
    categories.all = categories.passed = categories.missed = ".*";
    categories.analysis = categories.failed = ".*";
    auto policy = std::make_unique<remark::RemarkEmittingPolicyAll>();
    if (failed(remark::enableOptimizationRemarks(context, nullptr,
                                                 std::move(policy), categories,
                                                 /*printAsEmitRemarks=*/true)))
      return failure();
  }
  return Compilation(context, options).run();
}
