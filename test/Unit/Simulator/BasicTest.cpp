//===- BasicTest.cpp - arithmetic, control and launches -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels that use one thread at a time, and what a launch may be given.
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"

using namespace attn::sim;
using namespace attn::sim::test;

static const char *kAdd = R"(
  define ptx_kernel void @k(ptr addrspace(1) %a, ptr addrspace(1) %b, ptr addrspace(1) %c, i32 %n) {
    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    %g = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
    %d = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
    %base = mul i32 %g, %d
    %i = add i32 %base, %t
    %inside = icmp slt i32 %i, %n
    br i1 %inside, label %body, label %end
  body:
    %pa = getelementptr float, ptr addrspace(1) %a, i32 %i
    %pb = getelementptr float, ptr addrspace(1) %b, i32 %i
    %pc = getelementptr float, ptr addrspace(1) %c, i32 %i
    %x = load float, ptr addrspace(1) %pa, align 4
    %y = load float, ptr addrspace(1) %pb, align 4
    %z = fadd float %x, %y
    store float %z, ptr addrspace(1) %pc, align 4
    br label %end
  end:
    ret void
  })";

TEST(SimulatorTest, addsVectors) {
  for (uint64_t seed : {0, 1, 2}) {
    SimulatorOptions options;
    options.seed = seed;
    Kernel kernel(kAdd, options);
    std::vector<float> a(200), b(200), expected(200);
    for (int i = 0; i < 200; ++i) {
      a[i] = float(i);
      b[i] = 0.5f * float(i);
      expected[i] = a[i] + b[i];
    }
    kernel.array(a);
    kernel.array(b);
    uint64_t c = kernel.array(std::vector<float>(200));
    kernel.scalar(int32_t(200));
    Counts counts = kernel.run({4}, {64});
    EXPECT_EQ(kernel.read<float>(c, 200), expected);
    EXPECT_EQ(counts.globalLoads.requests, 14u);
    EXPECT_EQ(counts.globalLoads.units, 50u); // 2 x 800 bytes in sectors
    EXPECT_EQ(counts.uncoalesced(), 0u);
    EXPECT_EQ(counts.globalStores.bytes, 800u);
    EXPECT_EQ(counts.floatOps, 7u);
  }
}

TEST(SimulatorTest, refusesWrongLaunches) {
  Kernel kernel(kAdd);
  kernel.expectFault(FaultKind::BadLaunch, "expected 4 arguments, got 0", {1},
                     {32});
  kernel.array(std::vector<float>(1));
  kernel.array(std::vector<float>(1));
  kernel.array(std::vector<float>(1));
  kernel.scalar(int64_t(1));
  kernel.expectFault(FaultKind::BadLaunch, "expected 4 bytes for argument 3",
                     {1}, {32});
  kernel.expectFault(FaultKind::BadLaunch, "1 to 1024 threads", {1}, {1025});
  kernel.expectFault(FaultKind::BadLaunch, "grid", {0}, {32});
  kernel.expectFault(FaultKind::BadLaunch, "bytes of shared memory", {1}, {32},
                     1 << 20);
  auto info = kernel.simulator->info("nothing");
  EXPECT_EQ(llvm::toString(info.takeError()),
            "bad launch: no kernel is called 'nothing'");
}

TEST(SimulatorTest, reportsBadGlobalAccesses) {
  Kernel kernel(kAdd);
  kernel.array(std::vector<float>(200));
  kernel.array(std::vector<float>(190));
  kernel.array(std::vector<float>(200));
  kernel.scalar(int32_t(200));
  kernel.expectFault(FaultKind::OutOfBounds,
                     "byte 760 of an allocation of 760, in kernel k, block "
                     "(2, 0, 0), thread (62, 0, 0) (warp 1, lane 30), at "
                     "'%y = load float",
                     {4}, {64});
}

TEST(SimulatorTest, reportsMisalignedAccesses) {
  Kernel kernel(kAdd);
  uint64_t a = kernel.array(std::vector<float>(64));
  kernel.arguments.clear();
  kernel.scalar(a + 2);
  kernel.scalar(a);
  kernel.scalar(a);
  kernel.scalar(int32_t(1));
  kernel.expectFault(FaultKind::Misaligned, "expected a multiple of 4", {1},
                     {1});
}

TEST(SimulatorTest, divergesAndReconverges) {
  // Collatz steps: lanes loop for different times, then meet at a shuffle.
  Kernel kernel(R"(
    declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
    define ptx_kernel void @k(ptr addrspace(1) %out) {
    entry:
      %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
      %start = add i32 %t, 1
      br label %head
    head:
      %x = phi i32 [ %start, %entry ], [ %next, %latch ]
      %n = phi i32 [ 0, %entry ], [ %n1, %latch ]
      %one = icmp eq i32 %x, 1
      br i1 %one, label %exit, label %body
    body:
      %bit = and i32 %x, 1
      %odd = icmp ne i32 %bit, 0
      br i1 %odd, label %up, label %down
    up:
      %x3 = mul i32 %x, 3
      %u = add i32 %x3, 1
      br label %latch
    down:
      %d = lshr i32 %x, 1
      br label %latch
    latch:
      %next = phi i32 [ %u, %up ], [ %d, %down ]
      %n1 = add i32 %n, 1
      br label %head
    exit:
      %other = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %n, i32 1, i32 31)
      %p = getelementptr i32, ptr addrspace(1) %out, i32 %t
      store i32 %other, ptr addrspace(1) %p, align 4
      ret void
    })");
  uint64_t out = kernel.array(std::vector<int32_t>(32));
  kernel.run({1}, {32});
  std::vector<int32_t> expected(32);
  for (int i = 0; i < 32; ++i)
    for (int x = (i ^ 1) + 1; x != 1; ++expected[i])
      x = x % 2 ? 3 * x + 1 : x / 2;
  EXPECT_EQ(kernel.read<int32_t>(out, 32), expected);
}

TEST(SimulatorTest, callsFunctions) {
  Kernel kernel(R"(
    define internal i32 @fib(i32 %n) {
      %small = icmp ult i32 %n, 2
      br i1 %small, label %base, label %more
    base:
      ret i32 %n
    more:
      %a = sub i32 %n, 1
      %b = sub i32 %n, 2
      %x = call i32 @fib(i32 %a)
      %y = call i32 @fib(i32 %b)
      %z = add i32 %x, %y
      ret i32 %z
    }
    define ptx_kernel void @k(ptr %out) {
      %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
      %r = call i32 @fib(i32 %t)
      %p = getelementptr i32, ptr %out, i32 %t
      store i32 %r, ptr %p, align 4
      ret void
    })");
  uint64_t out = kernel.array(std::vector<int32_t>(13));
  kernel.run({1}, {13});
  EXPECT_EQ(
      kernel.read<int32_t>(out, 13),
      (std::vector<int32_t>{0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144}));
}

TEST(SimulatorTest, keepsPrivateMemoryAndConstants) {
  Kernel kernel(R"(
    @table = internal addrspace(4) constant [4 x half] [half 1.0, half 2.0, half 4.0, half 0xH3800]
    define ptx_kernel void @k(ptr addrspace(1) %out) {
      %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
      %own = alloca [8 x i32], align 4
      %i = and i32 %t, 7
      %p = getelementptr [8 x i32], ptr %own, i32 0, i32 %i
      store i32 %t, ptr %p, align 4
      %back = load i32, ptr %p, align 4
      %j = and i32 %back, 3
      %q = getelementptr [4 x half], ptr addrspace(4) @table, i32 0, i32 %j
      %h = load half, ptr addrspace(4) %q, align 2
      %f = fpext half %h to float
      %o = getelementptr float, ptr addrspace(1) %out, i32 %t
      store float %f, ptr addrspace(1) %o, align 4
      ret void
    })");
  uint64_t out = kernel.array(std::vector<float>(32));
  Counts counts = kernel.run({1}, {32});
  EXPECT_EQ(counts.localLoads, 1u);
  EXPECT_EQ(counts.localStores, 1u);
  std::vector<float> values = kernel.read<float>(out, 32);
  EXPECT_EQ(values[5], 2.0f);
  EXPECT_EQ(values[31], 0.5f);
}

TEST(SimulatorTest, takesExtremeConstants) {
  Kernel kernel(R"(
    define ptx_kernel void @k(ptr addrspace(1) %out, i64 %x) {
      %a = add i64 %x, -1
      %b = add i64 %a, -2
      %c = mul i64 %b, 9223372036854775807
      %d = sdiv i64 %c, -1
      %e = srem i64 %d, 0
      %f = shl i64 %e, 70
      %g = xor i64 %f, %b
      store i64 %g, ptr addrspace(1) %out, align 8
      ret void
    })");
  uint64_t out = kernel.array(std::vector<int64_t>(1));
  kernel.scalar(int64_t(7));
  kernel.run({1}, {1});
  EXPECT_EQ(kernel.read<int64_t>(out, 1)[0], 4);
}

TEST(SimulatorTest, stopsRunawayKernels) {
  SimulatorOptions options;
  options.stepLimit = 1000;
  Kernel kernel(R"(
    define ptx_kernel void @k() {
      br label %loop
    loop:
      br label %loop
    })",
                options);
  kernel.expectFault(FaultKind::StepLimit, "more than 1000", {1}, {32});
}

TEST(SimulatorTest, namesWhatItDoesNotKnow) {
  Kernel kernel(R"(
    declare i32 @llvm.nvvm.suq.width(i64)
    define ptx_kernel void @k() {
      %x = call i32 @llvm.nvvm.suq.width(i64 0)
      ret void
    })");
  kernel.expectFault(FaultKind::Unsupported, "llvm.nvvm.suq.width", {1}, {32});
  Kernel assembly(R"(
    define ptx_kernel void @k() {
      call void asm sideeffect "whatever;", ""()
      ret void
    })");
  assembly.expectFault(FaultKind::Unsupported, "whatever;", {1}, {32});
}

TEST(SimulatorTest, mistrustsDeclarations) {
  for (std::string arguments :
       {"float 1.0, float 2.0, float 3.0, float 4.0, float 5.0", "",
        "double 1.0"}) {
    std::string types = arguments.empty()     ? ""
                        : arguments[0] == 'd' ? "double"
                                              : "float, float, float, float, "
                                                "float";
    Kernel kernel("declare float @__nv_expf(" + types +
                  ")\ndefine ptx_kernel void @k() {\n%x = call float "
                  "@__nv_expf(" +
                  arguments + ")\nret void\n}");
    kernel.expectFault(FaultKind::Unsupported, "__nv_expf", {1}, {32});
  }
}
