// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds images that were cut short or overwritten; what their bytes mean is for
// the driver to judge.

#include "GpuImage.h"

#include <cstdint>
#include <cstring>
#include <elf.h>

namespace attn::runtime {

/// Whether [offset, offset + size) is within `bytes`.
static bool isInside(uint64_t offset, uint64_t size, uint64_t bytes) {
  return offset <= bytes && size <= bytes - offset;
}

static const char *findElfDamage(const char *data, size_t bytes) {
  Elf64_Ehdr header;
  if (bytes < sizeof(header))
    return "fewer bytes than an ELF header has";
  memcpy(&header, data, sizeof(header));
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_shentsize != sizeof(Elf64_Shdr))
    return "bytes that are no ELF file of 64 bits";
  if (!isInside(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Elf64_Shdr),
                bytes))
    return "an ELF file without all its section headers";
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    memcpy(&section, data + header.e_shoff + i * sizeof(section),
           sizeof(section));
    if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
        !isInside(section.sh_offset, section.sh_size, bytes))
      return "an ELF file without all its sections";
  }
  return nullptr;
}

const char *findDamage(AttnGpuImageKind kind, const void *data, size_t bytes) {
  auto *text = static_cast<const char *>(data);
  switch (kind) {
  case ATTN_GPU_CUBIN:
    return findElfDamage(text, bytes);
  case ATTN_GPU_PTX:
    return bytes > 0 && text[bytes - 1] == 0 ? nullptr
                                             : "text that does not end in a "
                                               "zero";
  case ATTN_GPU_LLVM:
    return nullptr; // its reader knows the length
  }
  return "an image of a kind that is not known";
}

} // namespace attn::runtime
