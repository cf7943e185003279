// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loading: what a library says of itself can be asked, and files that are
// missing, damaged or something else are refused with the reason.

#include "Tensor.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace attn::test;

namespace {
/// A file that is deleted at the end of the test.
struct TemporaryFile {
  explicit TemporaryFile(const std::string &content) {
    int file = mkstemp(path.data());
    EXPECT_EQ(write(file, content.data(), content.size()),
              ssize_t(content.size()));
    close(file);
  }
  ~TemporaryFile() { unlink(path.c_str()); }
  std::string path = "/tmp/attn-test-XXXXXX";
};

std::string readFixture(const std::string &name) {
  std::ifstream file(std::string(ATTN_FIXTURES) + "/" + name + ".so",
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expectRefused(const std::string &content, const std::string &text) {
  TemporaryFile file(content);
  AttnModule *module = nullptr;
  expectError(attn_module_open(file.path.c_str(), &module), ATTN_BAD_LIBRARY,
              text);
  EXPECT_EQ(module, nullptr);
}
} // namespace

TEST(ModuleTest, describesItself) {
  Module library("good");
  ASSERT_EQ(library.status, ATTN_OK) << attn_runtime_message();
  EXPECT_EQ(attn_module_entry_count(library.module), 7);
  EXPECT_STREQ(attn_module_entry_name(library.module, 1), "sum");
  EXPECT_EQ(attn_module_entry_name(library.module, 7), nullptr);
  EXPECT_EQ(attn_module_arg_count(library.module, 0), 2);
  EXPECT_EQ(attn_module_result_count(library.module, -1), -1);
  EXPECT_EQ(std::string(attn_module_manifest(library.module))[0], '{');

  AttnTensorInfo info;
  ASSERT_EQ(attn_module_arg(library.module, 2, 0, &info), ATTN_OK);
  EXPECT_STREQ(info.name, "arg0");
  EXPECT_STREQ(info.dtype_name, "bfloat16");
  ASSERT_EQ(info.ndim, 2);
  EXPECT_EQ(info.shape[0], 4);
  EXPECT_EQ(info.symbols[0], nullptr);
  EXPECT_EQ(info.shape[1], -1);
  EXPECT_STREQ(info.symbols[1], "N");
  expectInvalid(attn_module_result(library.module, 2, 1, &info),
                "expected an index below 1, got 1");
}

TEST(ModuleTest, namesTheEntriesItHas) {
  Module library("good");
  int64_t entry;
  expectError(attn_module_find_entry(library.module, "main", &entry),
              ATTN_NOT_FOUND, "no entry 'main'; this library has 'add', 'sum'");
}

TEST(ModuleTest, refusesNullPointers) {
  AttnModule *module = nullptr;
  expectInvalid(attn_module_open(nullptr, &module), "expected a path");
  expectInvalid(attn_module_open("x", nullptr), "expected a place");
  attn_module_close(nullptr);
  EXPECT_EQ(attn_module_manifest(nullptr), nullptr);
  EXPECT_EQ(attn_module_entry_count(nullptr), -1);
}

TEST(ModuleTest, refusesWrongFiles) {
  AttnModule *module = nullptr;
  expectError(attn_module_open("/no/such/file.so", &module), ATTN_NOT_FOUND,
              "cannot open '/no/such/file.so': No such file");
  expectError(attn_module_open("/tmp", &module), ATTN_BAD_LIBRARY, "regular");
  expectRefused("", "got a file that is not ELF");
  expectRefused("#!/bin/sh\n", "got a file that is not ELF");
}

TEST(ModuleTest, refusesTruncatedFiles) {
  std::string whole = readFixture("good");
  ASSERT_GT(whole.size(), 4096u);
  for (size_t size : {size_t(64), size_t(100), size_t(1000), size_t(4096)})
    expectRefused(whole.substr(0, size), "got a truncated file");
}

TEST(ModuleTest, refusesOtherMachines) {
  std::string other = readFixture("good");
  other[18] = 8; // e_machine: MIPS
  expectRefused(other, "expected a library for this machine");
}

TEST(ModuleTest, refusesBadLibraries) {
  const std::pair<const char *, const char *> cases[] = {
      {"no-manifest", "without attn_manifest"},
      {"bad-json", "expected JSON text"},
      {"bad-version", "expected version to be 1"},
      {"bad-target", "expected target 'cpu' or 'nvptx', got 'abacus'"},
      {"bad-text", "expected attn_manifest to be text that ends in a zero"},
      {"bad-kind", "expected attn_manifest to be text"},
      {"bad-dtype", "entries[0].args[0].dtype to be the name of a data type"},
      {"bad-extent", "entries[0].args[0].shape[0] to be an extent"},
      {"bad-symbol", "expected function 'attn_entry_f' of entry 'f', got none"},
      {"bad-pool", "expected attn_parallel_for to be a function pointer"},
  };
  for (auto [name, text] : cases) {
    Module library(name);
    expectError(library.status, ATTN_BAD_LIBRARY, text);
  }
}

TEST(ModuleTest, refusesFeaturesThatThisMachineLacks) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string text{std::istreambuf_iterator<char>(cpuinfo), {}};
  Module library("bad-feature");
  if (text.find("amx_tile") == std::string::npos)
    expectError(library.status, ATTN_BAD_LIBRARY, "CPU feature 'amx-tile'");
}

TEST(ModuleTest, loadsTheFileThatReplacedAnother) {
  TemporaryFile file(readFixture("good"));
  AttnModule *first = nullptr, *second = nullptr;
  ASSERT_EQ(attn_module_open(file.path.c_str(), &first), ATTN_OK);
  TemporaryFile next(readFixture("no-manifest"));
  ASSERT_EQ(rename(next.path.c_str(), file.path.c_str()), 0);
  expectError(attn_module_open(file.path.c_str(), &second), ATTN_BAD_LIBRARY,
              "without attn_manifest");
  attn_module_close(first);
}
