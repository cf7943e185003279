// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The descriptions of GPUs: those that are known, and what the reader says of
// wrong ones.

#include "attn/Predict/GpuMachine.h"

#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"

using namespace attn::predict;

static const char *const kText = R"(name: mine
device: A GPU
sm: 80
multiprocessors: 10
clock_mhz: 1000
start_us: 1
tensor_flops: { f16: 2048, tf32: 1024, f64: 128 }
mma_share: 1
lanes: { fma: 64, alu: 64, convert: 64, special: 16 }
issue: 4
shared_bytes: 128
l2_gbs: 1000
memory_gbs: 100
limits: { registers: 65536, shared_kib: 164, warps: 64, blocks: 32 }
)";

/// The text with one part replaced.
static std::string with(llvm::StringRef from, llvm::StringRef to) {
  std::string text = kText;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

static void expectError(const std::string &text, const std::string &message) {
  auto machine = parseGpuMachine(text, "mine.yaml");
  ASSERT_FALSE(bool(machine)) << "expected: " << message;
  std::string got = llvm::toString(machine.takeError());
  EXPECT_NE(got.find(message), std::string::npos) << got;
}

TEST(MachineTest, readsDescriptions) {
  auto machine = parseGpuMachine(kText, "mine.yaml");
  ASSERT_TRUE(bool(machine)) << llvm::toString(machine.takeError());
  EXPECT_EQ(machine->sm, "80");
  EXPECT_EQ(machine->wgmmaShare, 0);
  EXPECT_DOUBLE_EQ(machine->cyclesPerMs(), 1e7);
  EXPECT_DOUBLE_EQ(machine->peakTflops(), 20.48);
}

TEST(MachineTest, knowsThePeaksOfDataSheets) {
  // Dense f16 with f32 sums.
  const std::pair<const char *, double> peaks[] = {
      {"a100", 312},   {"rtx3090", 71},  {"a6000", 154.8},
      {"l40s", 366},   {"rtx4090", 165}, {"h100", 989.4},
      {"h200", 989.4}, {"b200", 2225},   {"rtx5090", 209.5}};
  for (auto [name, peak] : peaks) {
    auto machine = findGpuMachine(name);
    ASSERT_TRUE(bool(machine)) << llvm::toString(machine.takeError());
    EXPECT_EQ(machine->name, name);
    EXPECT_NEAR(machine->peakTflops() / peak, 1, 0.01) << name;
  }
  EXPECT_EQ(gpuMachineNames().size(), std::size(peaks));
}

TEST(MachineTest, saysWhatIsWrong) {
  for (const char *none : {"", "# a comment", "---\n---\n", "~"})
    expectError(none, "'mine.yaml': expected the description of a GPU, got");
  expectError("[]", "line 1: not a mapping");
  expectError("name: x", "line 1: missing required key 'device'");
  expectError(with("issue: 4", "isue: 4"), "missing required key 'issue'");
  expectError(with("issue: 4", "issue: 4\nisue: 4"), "unknown key 'isue'");
  expectError(with("issue: 4", "issue: four"), "line 10: invalid");
  expectError(with("{ f16: 2048", "{ f16: [2048]"), "line 7");
  expectError("{ name: [", "line 1");
  expectError(with("clock_mhz: 1000", "clock_mhz: 0"),
              "'mine.yaml': expected 'clock_mhz' in (0, 1e12], got 0");
  for (const char *wrong : {"fma: -1", "fma: nan", "fma: inf", "fma: 1e300"})
    expectError(with("fma: 64", wrong), "expected 'fma' in (0, 1e12], got");
  for (const char *wrong : {"f64: 0", "f64: -5", "f64: nan"})
    expectError(with("f64: 128", wrong), "expected 'f64' in (0, 1e12], got");
  expectError(with("blocks: 32", "blocks: -1"),
              "expected 'blocks' in (0, 1e12], got -1");
  expectError(with("blocks: 32", "blocks: 0.5"),
              "expected 'blocks' to be a whole number, got 0.5");
  for (const char *wrong : {"sm: junk", "sm: 7", "sm: a", "sm: 90b", "sm: -80"})
    expectError(with("sm: 80", wrong),
                "expected 'sm' to be an architecture such as 80 or 90a, got");
  expectError(with("special: 16", "other: 16"),
              "missing required key 'special'");
  expectError(with("mma_share: 1", "mma_share: 2"),
              "expected 'mma_share' in (0, 1], got 2");
  expectError(with("mma_share: 1", "mma_share: 1\nwgmma_share: nan"),
              "expected 'wgmma_share' in [0, 1], got nan");
  expectError(with("start_us: 1", "start_us: -1"),
              "expected 'start_us' in [0, 1e12], got -1");
  expectError(with("sm: 80", "sm: ''"), "expected 'sm', got an empty one");
}

TEST(MachineTest, listsNamesForAnUnknownOne) {
  auto machine = findGpuMachine("v100");
  ASSERT_FALSE(bool(machine));
  EXPECT_EQ(llvm::toString(machine.takeError()),
            "expected a machine out of a100, a6000, b200, h100, h200, l40s, "
            "rtx3090, rtx4090, rtx5090 or a file NAME.yaml, got 'v100'");
  auto file = findGpuMachine("missing.yaml");
  ASSERT_FALSE(bool(file));
  EXPECT_EQ(llvm::toString(file.takeError()),
            "cannot read 'missing.yaml': No such file or directory");
}
