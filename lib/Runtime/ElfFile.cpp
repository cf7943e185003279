// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A look at a file before it is given to dlopen: is it a shared object for this
// machine, and is all of it there? This does not protect from a hostile file
// (its code is going to run anyway), only from a wrong or damaged one.

#include "ElfFile.h"

#include "Error.h"

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attn::runtime {

#if defined(__aarch64__)
static constexpr uint16_t hostMachine = EM_AARCH64;
#else
static constexpr uint16_t hostMachine = EM_X86_64;
#endif

static bool readAt(int file, void *buffer, size_t size, uint64_t offset) {
  return pread(file, buffer, size, off_t(offset)) == ssize_t(size);
}

static AttnStatus checkSegments(int file, const char *path,
                                const Elf64_Ehdr &header, uint64_t fileSize) {
  bool hasDynamic = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    uint64_t at = header.e_phoff + uint64_t(i) * sizeof(segment);
    if (at < header.e_phoff || at > fileSize ||
        !readAt(file, &segment, sizeof(segment), at))
      return fail(ATTN_BAD_LIBRARY,
                  "'%s': expected %u program headers, got a truncated file",
                  path, unsigned(header.e_phnum));
    if (segment.p_filesz > fileSize ||
        segment.p_offset > fileSize - segment.p_filesz)
      return fail(ATTN_BAD_LIBRARY,
                  "'%s': expected segment %u to end inside the file, got a "
                  "truncated file",
                  path, i);
    hasDynamic |= segment.p_type == PT_DYNAMIC;
  }
  if (!hasDynamic)
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a shared library, got an ELF file without a "
                "dynamic section",
                path);
  return ATTN_OK;
}

static AttnStatus checkOpenFile(int file, const char *path) {
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a shared library, got something that is no "
                "regular file",
                path);
  Elf64_Ehdr header;
  if (!readAt(file, &header, sizeof(header), 0) ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a shared library, got a file that is not ELF",
                path);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != hostMachine)
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a library for this machine, got ELF machine %u",
                path, unsigned(header.e_machine));
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr))
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a shared library, got ELF type %u", path,
                unsigned(header.e_type));
  return checkSegments(file, path, header, uint64_t(info.st_size));
}

AttnStatus checkElfFile(const char *path) {
  // Not blocking, so that a named pipe is refused and not waited for.
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return fail(ATTN_NOT_FOUND, "cannot open '%s': %s", path, strerror(errno));
  AttnStatus status = checkOpenFile(file, path);
  close(file);
  return status;
}

} // namespace attn::runtime
