//===- MatrixTest.cpp - mma.sync and ldmatrix against matrix products -----===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tiles in shared memory go through ldmatrix into mma and must come out as the
// product; fragments loaded by hand follow the tables of the PTX ISA.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"
#include "Numbers.h"

using namespace attn::sim;
using namespace attn::sim::test;

namespace {
/// Small integers: every product and sum is exact, so results must be equal.
std::vector<float> integers(size_t count, unsigned seed) {
  std::vector<float> values(count);
  for (float &value : values) {
    seed = seed * 1664525 + 1013904223;
    value = float(int(seed >> 28) - 8);
  }
  return values;
}

std::vector<uint16_t> halves(const std::vector<float> &values, bool bfloat) {
  std::vector<uint16_t> result;
  for (float value : values)
    result.push_back(bfloat ? floatToBfloat(value) : floatToHalf(value));
  return result;
}

/// a (m x k) times b (k x n), row major.
std::vector<float> product(const std::vector<float> &a,
                           const std::vector<float> &b, size_t m, size_t n,
                           size_t k) {
  std::vector<float> c(m * n);
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t l = 0; l < k; ++l)
        c[i * n + j] += a[i * k + l] * b[l * n + j];
  return c;
}

std::vector<float> transpose(const std::vector<float> &a, size_t rows,
                             size_t columns) {
  std::vector<float> result(a.size());
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j)
      result[j * rows + i] = a[i * columns + j];
  return result;
}

/// `declare` and `call` lines of the operation, over i32 registers %a0 to %a3,
/// %b0 and %b1; the result is %d.
std::string callMma(bool bfloat) {
  std::string arguments, text;
  for (int i = 0; i < 6; ++i) {
    std::string name =
        i < 4 ? "a" + std::to_string(i) : "b" + std::to_string(i - 4);
    if (bfloat) {
      arguments += "i32 %" + name + ", ";
      continue;
    }
    text += "%h" + name + " = bitcast i32 %" + name + " to <2 x half>\n";
    arguments += "<2 x half> %h" + name + ", ";
  }
  return text +
         "%d = call {float, float, float, float} "
         "@llvm.nvvm.mma.m16n8k16.row.col." +
         (bfloat ? "bf16(" : "f32.f32(") + arguments +
         "float 0.0, float 1.0, float 0.0, float 1.0)\n";
}

std::string declareMma(bool bfloat) {
  std::string type = bfloat ? "i32" : "<2 x half>", text;
  for (int i = 0; i < 6; ++i)
    text += type + ", ";
  return std::string("declare {float, float, float, float} "
                     "@llvm.nvvm.mma.m16n8k16.row.col.") +
         (bfloat ? "bf16(" : "f32.f32(") + text +
         "float, float, float, float)\n";
}

/// Stores %d at rows g and g + 8, columns 2 q and 2 q + 1.
const char *kStoreResult = R"(
    %g = lshr i32 %t, 2
    %q = and i32 %t, 3
    %row = mul i32 %g, 8
    %q2 = mul i32 %q, 2
    %at = add i32 %row, %q2
    %p0 = getelementptr float, ptr addrspace(1) %c, i32 %at
    %p1 = getelementptr float, ptr addrspace(1) %p0, i32 1
    %p2 = getelementptr float, ptr addrspace(1) %p0, i32 64
    %p3 = getelementptr float, ptr addrspace(1) %p0, i32 65
    %d0 = extractvalue {float, float, float, float} %d, 0
    %d1 = extractvalue {float, float, float, float} %d, 1
    %d2 = extractvalue {float, float, float, float} %d, 2
    %d3 = extractvalue {float, float, float, float} %d, 3
    store float %d0, ptr addrspace(1) %p0, align 4
    store float %d1, ptr addrspace(1) %p1, align 4
    store float %d2, ptr addrspace(1) %p2, align 4
    store float %d3, ptr addrspace(1) %p3, align 4
    ret void
  })";

/// Copies A (16 x 16) and B (8 x 16, or 16 x 8) to shared memory; %la is what
/// ldmatrix.x4 wants of a lane for A.
const char *kCopyTiles = R"(
    %o16 = mul i32 %t, 16
    %o8 = mul i32 %t, 8
    %ga = getelementptr i8, ptr addrspace(1) %a, i32 %o16
    %gb = getelementptr i8, ptr addrspace(1) %b, i32 %o8
    %pa = getelementptr i8, ptr addrspace(3) @sa, i32 %o16
    %pb = getelementptr i8, ptr addrspace(3) @sb, i32 %o8
    %va = load <4 x i32>, ptr addrspace(1) %ga, align 16
    %vb = load <2 x i32>, ptr addrspace(1) %gb, align 8
    store <4 x i32> %va, ptr addrspace(3) %pa, align 16
    store <2 x i32> %vb, ptr addrspace(3) %pb, align 8
    call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
    %r = and i32 %t, 15
    %r32 = mul i32 %r, 32
    %hi = lshr i32 %t, 4
    %hi16 = mul i32 %hi, 16
    %oa = add i32 %r32, %hi16
    %la = getelementptr i8, ptr addrspace(3) @sa, i32 %oa
)";

/// The offset of a lane's row of B: keys along rows, or columns with .trans.
const char *kRowOfB = R"(
    %n = and i32 %t, 7
    %n32 = mul i32 %n, 32
    %half = and i32 %t, 8
    %half16 = mul i32 %half, 2
    %ob = add i32 %n32, %half16
)";
const char *kTransposedRowOfB = "%ob = mul i32 %r, 16\n";

const char *kRegisters = R"(
    %a0 = extractvalue {i32, i32, i32, i32} %ra, 0
    %a1 = extractvalue {i32, i32, i32, i32} %ra, 1
    %a2 = extractvalue {i32, i32, i32, i32} %ra, 2
    %a3 = extractvalue {i32, i32, i32, i32} %ra, 3
    %b0 = extractvalue {i32, i32} %rb, 0
    %b1 = extractvalue {i32, i32} %rb, 1
)";

/// A times B through shared memory; B as 8 x 16, or as 16 x 8 with `trans`.
std::string tileKernel(bool bfloat, bool trans) {
  std::string x4 = "@llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3";
  std::string x2 = trans ? "@llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.trans.b16"
                           ".p3"
                         : "@llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.b16.p3";
  std::string text = "@sa = internal addrspace(3) global [512 x i8] undef, "
                     "align 16\n@sb = internal addrspace(3) global [256 x i8] "
                     "undef, align 16\n";
  text += "declare {i32, i32, i32, i32} " + x4 + "(ptr addrspace(3))\n";
  text += "declare {i32, i32} " + x2 + "(ptr addrspace(3))\n";
  text += declareMma(bfloat);
  text += "define ptx_kernel void @k(ptr addrspace(1) %a, ptr addrspace(1) %b, "
          "ptr addrspace(1) %c) {\n"
          "%t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()\n";
  text += kCopyTiles;
  text += "%ra = call {i32, i32, i32, i32} " + x4 + "(ptr addrspace(3) %la)\n";
  text += trans ? kTransposedRowOfB : kRowOfB;
  text += "%lb = getelementptr i8, ptr addrspace(3) @sb, i32 %ob\n";
  text += "%rb = call {i32, i32} " + x2 + "(ptr addrspace(3) %lb)\n";
  return text + kRegisters + callMma(bfloat) + kStoreResult;
}

struct TileTest : testing::TestWithParam<std::tuple<bool, bool>> {};
} // namespace

TEST_P(TileTest, multiplies) {
  auto [bfloat, trans] = GetParam();
  std::vector<float> a = integers(256, 1), b = integers(128, 2);
  std::vector<float> expected = product(a, b, 16, 8, 16);
  for (size_t i = 1; i < expected.size(); i += 2)
    expected[i] += 1; // C
  Kernel kernel(tileKernel(bfloat, trans));
  kernel.array(halves(a, bfloat));
  kernel.array(halves(trans ? b : transpose(b, 16, 8), bfloat));
  uint64_t c = kernel.array(std::vector<float>(128));
  Counts counts = kernel.run({1}, {32});
  EXPECT_EQ(kernel.read<float>(c, 128), expected);
  EXPECT_EQ(counts.mma, 1u);
  EXPECT_EQ(counts.mmaFlops, 4096u);
  EXPECT_EQ(counts.ldmatrix, 2u);
  // Rows of 32 bytes: eight of them span two wavefronts' worth of banks; rows
  // of 16 bytes fill one.
  EXPECT_EQ(counts.sharedLoads.ideal, 6u);
  EXPECT_EQ(counts.sharedLoads.units, trans ? 4 * 2u + 2 : 6 * 2u);
}

INSTANTIATE_TEST_SUITE_P(Types, TileTest,
                         testing::Combine(testing::Bool(), testing::Bool()));

TEST(MatrixTest, multipliesTf32) {
  // a0 (g, q), a1 (g + 8, q), a2 (g, q + 4), a3 (g + 8, q + 4); b0 (q, g), b1
  // (q + 4, g).
  std::vector<float> a = integers(128, 3), b = integers(64, 4);
  std::vector<float> fragments(32 * 6);
  for (size_t lane = 0; lane < 32; ++lane) {
    size_t g = lane / 4, q = lane % 4;
    float *f = &fragments[lane * 6];
    f[0] = a[g * 8 + q];
    f[1] = a[(g + 8) * 8 + q];
    f[2] = a[g * 8 + q + 4];
    f[3] = a[(g + 8) * 8 + q + 4];
    f[4] = b[q * 8 + g];
    f[5] = b[(q + 4) * 8 + g];
  }
  for (float &value : fragments) // bits that do not take part
    value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) | 0x1fff);
  std::string text = R"(
  declare {float, float, float, float} @llvm.nvvm.mma.m16n8k8.row.col.tf32(i32, i32, i32, i32, i32, i32, float, float, float, float)
  define ptx_kernel void @k(ptr addrspace(1) %f, ptr addrspace(1) %c) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %first = mul i32 %t, 6
)";
  std::string arguments;
  for (int i = 0; i < 6; ++i) {
    std::string n = std::to_string(i);
    text += "%o" + n + " = add i32 %first, " + n + "\n%src" + n +
            " = getelementptr i32, ptr addrspace(1) %f, i32 %o" + n + "\n%v" +
            n + " = load i32, ptr addrspace(1) %src" + n + ", align 4\n";
    arguments += "i32 %v" + n + ", ";
  }
  text += "%d = call {float, float, float, float} "
          "@llvm.nvvm.mma.m16n8k8.row.col.tf32(" +
          arguments + "float 0.0, float 0.0, float 0.0, float 0.0)\n" +
          kStoreResult;
  Kernel kernel(text);
  kernel.array(fragments);
  uint64_t c = kernel.array(std::vector<float>(128));
  kernel.run({1}, {32});
  EXPECT_EQ(kernel.read<float>(c, 128), product(a, b, 16, 8, 8));
}

TEST(MatrixTest, refusesPartOfAWarp) {
  Kernel kernel(tileKernel(false, false));
  for (size_t bytes : {512, 256, 512})
    kernel.array(std::vector<uint8_t>(bytes));
  kernel.expectFault(FaultKind::Divergence, "expected the whole warp", {1},
                     {16});
}
