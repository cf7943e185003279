// RUN: attn-opt %s --attn-cpu-mask-as-integers | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// CHECK-LABEL: llvm.func @load
// CHECK-SAME: %[[PTR:.*]]: !llvm.ptr, %[[MASK:.*]]: vector<16xi1>, %[[ELSE:.*]]: vector<16xbf16>
// CHECK: %[[BITS:.*]] = llvm.bitcast %[[ELSE]] : vector<16xbf16> to vector<16xi16>
// CHECK: %[[LOADED:.*]] = llvm.intr.masked.load %[[PTR]], %[[MASK]], %[[BITS]]
// CHECK-SAME: -> vector<16xi16>
// CHECK: %[[RESULT:.*]] = llvm.bitcast %[[LOADED]] : vector<16xi16> to vector<16xbf16>
// CHECK: llvm.return %[[RESULT]]
llvm.func @load(%p: !llvm.ptr, %mask: vector<16xi1>, %else: vector<16xbf16>) -> vector<16xbf16> {
  %v = llvm.intr.masked.load %p, %mask, %else {alignment = 2 : i32}
      : (!llvm.ptr, vector<16xi1>, vector<16xbf16>) -> vector<16xbf16>
  llvm.return %v : vector<16xbf16>
}

// CHECK-LABEL: llvm.func @store
// CHECK: llvm.intr.masked.store {{.*}} : vector<16xi16>, vector<16xi1> into !llvm.ptr
llvm.func @store(%p: !llvm.ptr, %mask: vector<16xi1>, %v: vector<16xbf16>) {
  llvm.intr.masked.store %v, %p, %mask {alignment = 2 : i32} : vector<16xbf16>, vector<16xi1> into !llvm.ptr
  llvm.return
}

// CHECK-LABEL: llvm.func @negative_f32
// CHECK-NOT: llvm.bitcast
llvm.func @negative_f32(%p: !llvm.ptr, %mask: vector<16xi1>, %v: vector<16xf32>) {
  llvm.intr.masked.store %v, %p, %mask {alignment = 4 : i32} : vector<16xf32>, vector<16xi1> into !llvm.ptr
  llvm.return
}
