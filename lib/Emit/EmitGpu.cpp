//===- EmitGpu.cpp - the files that a module of kernels becomes -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LLVM IR, PTX, cubin, fatbin, and the images in a library.
//
//===----------------------------------------------------------------------===//

#include "EmitGpu.h"

#include "Assembler.h"
#include "DeviceCode.h"

#include "attn/Runtime/GpuTable.h"

#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

/// One image as a library carries it.
struct Image {
  AttnGpuImageKind kind;
  StringRef sm;
  std::string bytes;
};

/// The kernels of one architecture.
struct CompiledPart : FatbinPart {
  SmallVector<MapParameter> maps;
};

/// What the records before the images say of launches.
struct LaunchRecords {
  SmallVector<AttnGpuLaunch> launches;
  SmallVector<AttnGpuMap> maps;
};

/// The kernels of one module, for one architecture after another.
class KernelWriter {
public:
  KernelWriter(ModuleOp module, const EmitOptions &options)
      : module(module), options(options) {}

  LogicalResult start() { return code.translate(module); }
  bool hasKernels() const { return code.hasKernels(); }
  LogicalResult emit(StringRef path);
  FailureOr<std::string> makeImages();

private:
  /// Images from number `first` on have the launches of `gpu`, and kernels that
  /// copy through the tensor maps of `part`.
  void addRecords(const GpuArchitecture &gpu, const CompiledPart &part,
                  size_t first, size_t count, LaunchRecords &records);
  uint32_t numberOf(StringRef kernel);
  LogicalResult fail(const Twine &message) { return module.emitError(message); }
  FailureOr<CompiledPart> compile(const GpuArchitecture &gpu, bool assemble);
  LogicalResult emitEach(StringRef path);
  LogicalResult emitFatbin(StringRef path);
  FailureOr<std::string> printLLVM();
  LogicalResult write(StringRef path, StringRef bytes);
  void warnWithoutAssembler();

  ModuleOp module;
  const EmitOptions &options;
  DeviceCode code;
  std::string bitcode;
};

} // namespace

LogicalResult KernelWriter::write(StringRef path, StringRef bytes) {
  llvm::Error error =
      llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) -> llvm::Error {
        stream << bytes;
        return llvm::Error::success();
      });
  if (!error)
    return success();
  return fail("cannot write '" + path +
              "': " + llvm::toString(std::move(error)));
}

void KernelWriter::warnWithoutAssembler() {
  module.emitWarning("found no ptxas with --ptxas, CUDA_HOME, PATH, "
                     "/usr/local/cuda or nvidia-cuda-nvcc; the output carries "
                     "PTX alone, which the driver compiles at the first use");
}

/// PTX for one architecture and, if wanted and possible, its machine code.
FailureOr<CompiledPart> KernelWriter::compile(const GpuArchitecture &gpu,
                                              bool assemble) {
  std::unique_ptr<llvm::Module> optimised = code.optimise(gpu);
  if (!optimised)
    return failure();
  if (options.embedIR && bitcode.empty()) {
    llvm::raw_string_ostream stream(bitcode);
    llvm::WriteBitcodeToFile(*optimised, stream);
  }
  SmallVector<MapParameter> maps = findMaps(*optimised);
  FailureOr<std::string> ptx = code.writePtx(*optimised, gpu);
  if (failed(ptx))
    return failure();
  CompiledPart part{{gpu.name.str(), *ptx, ""}, maps};
  if (!assemble)
    return part;
  std::optional<std::string> ptxas = findCudaTool("ptxas", options.ptxas);
  if (!ptxas)
    return part;
  std::string error;
  FailureOr<std::string> cubin = assemblePtx(*ptxas, *ptx, gpu.name, error);
  if (failed(cubin))
    return fail(error);
  part.cubin = *cubin;
  return part;
}

/// `path` with the architecture before its extension.
static std::string nameFor(StringRef path, StringRef sm) {
  StringRef extension = llvm::sys::path::extension(path);
  return (path.drop_back(extension.size()) + ".sm_" + sm + extension).str();
}

/// A file an architecture.
LogicalResult KernelWriter::emitEach(StringRef path) {
  bool assemble = options.kind == EmitKind::Cubin;
  if (assemble && !findCudaTool("ptxas", options.ptxas))
    return fail("expected ptxas by --ptxas, CUDA_HOME, PATH, /usr/local/cuda "
                "or nvidia-cuda-nvcc, got none; --emit=ptx needs none");
  for (const GpuArchitecture &gpu : options.architectures) {
    FailureOr<CompiledPart> part = compile(gpu, assemble);
    if (failed(part))
      return failure();
    bool isOne = options.architectures.size() == 1 || path == "-";
    if (failed(write(isOne ? path.str() : nameFor(path, gpu.name),
                     assemble ? part->cubin : part->ptx)))
      return failure();
  }
  return success();
}

LogicalResult KernelWriter::emitFatbin(StringRef path) {
  std::optional<std::string> fatbinary = findCudaTool("fatbinary", "");
  if (!fatbinary) {
    module.emitWarning("found no fatbinary; the output is a container that "
                       "this project's runtime reads, but not NVIDIA's");
    FailureOr<std::string> images = makeImages();
    return failed(images) ? failure() : write(path, *images);
  }
  SmallVector<FatbinPart> parts;
  for (const GpuArchitecture &gpu : options.architectures) {
    FailureOr<CompiledPart> part = compile(gpu, /*assemble=*/true);
    if (failed(part))
      return failure();
    parts.push_back(*part);
  }
  if (parts.front().cubin.empty())
    warnWithoutAssembler();
  std::string error;
  FailureOr<std::string> bytes = makeFatbin(*fatbinary, parts, error);
  return failed(bytes) ? fail(error) : write(path, *bytes);
}

FailureOr<std::string> KernelWriter::printLLVM() {
  std::unique_ptr<llvm::Module> optimised =
      code.optimise(options.architectures.front());
  if (!optimised)
    return failure();
  std::string text;
  llvm::raw_string_ostream(text) << *optimised;
  return text;
}

LogicalResult KernelWriter::emit(StringRef path) {
  if (!hasKernels())
    return fail("expected a program with kernels, got one without");
  if (options.kind == EmitKind::Fatbin)
    return emitFatbin(path);
  if (options.kind != EmitKind::LLVMIR)
    return emitEach(path);
  FailureOr<std::string> text = printLLVM();
  return failed(text) ? failure() : write(path, *text);
}

template <typename T>
static void append(std::string &bytes, ArrayRef<T> records) {
  bytes.append(reinterpret_cast<const char *>(records.data()),
               records.size() * sizeof(T));
}

/// The header, the records, and the images.
static std::string pack(ArrayRef<Image> images, const LaunchRecords &records) {
  constexpr uint64_t alignment = 64;
  AttnGpuHeader header = {};
  std::memcpy(header.magic, "ATTNGPU3", sizeof(header.magic));
  header.count = images.size();
  header.launches = records.launches.size();
  header.maps = records.maps.size();
  uint64_t at = sizeof(header) + images.size() * sizeof(AttnGpuImage) +
                records.launches.size() * sizeof(AttnGpuLaunch) +
                records.maps.size() * sizeof(AttnGpuMap);
  std::string bytes;
  append(bytes, ArrayRef(header));
  for (const Image &image : images) {
    AttnGpuImage record = {};
    record.kind = image.kind;
    std::memcpy(record.sm, image.sm.data(),
                std::min(image.sm.size(), sizeof(record.sm) - 1));
    at = record.offset = llvm::alignTo(at, alignment);
    at += record.bytes = image.bytes.size();
    append(bytes, ArrayRef(record));
  }
  append(bytes, ArrayRef(records.launches));
  append(bytes, ArrayRef(records.maps));
  for (const Image &image : images) {
    bytes.resize(llvm::alignTo(bytes.size(), alignment));
    bytes += image.bytes;
  }
  return bytes;
}

uint32_t KernelWriter::numberOf(StringRef kernel) {
  auto names = module->getAttrOfType<ArrayAttr>("attn.kernels");
  auto all = names.getAsRange<StringAttr>();
  auto isIt = [&](StringAttr name) { return name == kernel; };
  return uint32_t(std::distance(all.begin(), llvm::find_if(all, isIt)));
}

void KernelWriter::addRecords(const GpuArchitecture &gpu,
                              const CompiledPart &part, size_t first,
                              size_t count, LaunchRecords &records) {
  for (size_t image = first; image < first + count; ++image) {
    for (const KernelLaunch &launch : code.getLaunches(gpu))
      records.launches.push_back({uint32_t(image), numberOf(launch.kernel),
                                  launch.threads, launch.sharedBytes});
    for (const MapParameter &map : part.maps)
      records.maps.push_back(
          {uint32_t(image), numberOf(map.kernel), map.parameter});
  }
}

FailureOr<std::string> KernelWriter::makeImages() {
  SmallVector<Image> images;
  LaunchRecords records;
  CompiledPart embedded;
  bool hasAll = true;
  for (const GpuArchitecture &gpu : options.architectures) {
    FailureOr<CompiledPart> part = compile(gpu, /*assemble=*/true);
    if (failed(part))
      return failure();
    hasAll &= !part->cubin.empty();
    addRecords(gpu, *part, images.size(), part->cubin.empty() ? 1 : 2, records);
    if (options.embedIR && &gpu == options.architectures.begin())
      embedded = *part;
    if (!part->cubin.empty())
      images.push_back({ATTN_GPU_CUBIN, gpu.name, part->cubin});
    part->ptx.push_back('\0');
    images.push_back({ATTN_GPU_PTX, gpu.name, part->ptx});
  }
  if (options.embedIR) {
    const GpuArchitecture &gpu = options.architectures.front();
    addRecords(gpu, embedded, images.size(), 1, records);
    images.push_back({ATTN_GPU_LLVM, gpu.name, bitcode});
  }
  if (!hasAll)
    warnWithoutAssembler();
  return pack(images, records);
}

LogicalResult mlir::attn::emitKernels(ModuleOp module, StringRef path,
                                      const EmitOptions &options) {
  KernelWriter writer(module, options);
  return failed(writer.start()) ? failure() : writer.emit(path);
}

FailureOr<std::string> mlir::attn::makeImages(ModuleOp module,
                                              const EmitOptions &options) {
  KernelWriter writer(module, options);
  if (failed(writer.start()))
    return failure();
  return writer.hasKernels() ? writer.makeImages() : std::string();
}
