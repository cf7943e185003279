// RUN: attn-opt %s --attn-cpu-plan-memory | FileCheck %s

// Three buffers, of which at most two live at once.
// CHECK-LABEL: func.func @shares
// CHECK:         %[[MEMORY:.*]] = memref.alloc() {alignment = 64 : i64} : memref<192xi8>
// CHECK:         memref.view %[[MEMORY]][%{{.*}}][] : memref<192xi8> to memref<16xf32>
// CHECK:         memref.view %[[MEMORY]][%{{.*}}][] : memref<192xi8> to memref<32xf32>
// CHECK:         memref.view %[[MEMORY]][%{{.*}}][] : memref<192xi8> to memref<16xf32>
// CHECK:         memref.dealloc %[[MEMORY]]
// CHECK-NEXT:    return
func.func @shares(%x: f32, %i: index) -> f32 {
  %a = memref.alloc() : memref<16xf32>
  memref.store %x, %a[%i] : memref<16xf32>
  %b = memref.alloc() : memref<32xf32>
  %sub = memref.subview %b[0] [16] [1] : memref<32xf32> to memref<16xf32, strided<[1]>>
  memref.copy %a, %sub : memref<16xf32> to memref<16xf32, strided<[1]>>
  %c = memref.alloc() : memref<16xf32>
  memref.copy %sub, %c : memref<16xf32, strided<[1]>> to memref<16xf32>
  %y = memref.load %c[%i] : memref<16xf32>
  return %y : f32
}

// A buffer that is read in a loop lives until the loop's end.
// CHECK-LABEL: func.func @loop
// CHECK:         memref.alloc() {alignment = 64 : i64} : memref<128xi8>
func.func @loop(%x: f32, %n: index, %m: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = memref.alloc() : memref<16xf32>
  memref.store %x, %a[%c0] : memref<16xf32>
  scf.for %i = %c0 to %n step %c1 {
    %y = memref.load %a[%c0] : memref<16xf32>
    %b = memref.alloc() : memref<16xf32>
    memref.store %y, %b[%c0] : memref<16xf32>
    %z = memref.load %b[%c0] : memref<16xf32>
    memref.store %z, %m[%i] : memref<?xf32>
  }
  return
}

// Buffers of equal dynamic size take turns; each memory is freed.
// CHECK-LABEL: func.func @dynamic
// CHECK-SAME:    %[[N:[a-z0-9]*]]: index
// CHECK:         %[[BYTES:.*]] = arith.muli %{{.*}}, %[[N]] : index
// CHECK:         %[[MEMORY:.*]] = memref.alloc(%[[BYTES]]) {alignment = 64 : i64} : memref<?xi8>
// CHECK:         memref.view %[[MEMORY]][%{{.*}}][%[[N]]] : memref<?xi8> to memref<?x4xf32>
// CHECK:         %[[OTHER:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<4x?xf32>
// CHECK:         memref.view %[[MEMORY]][%{{.*}}][%[[N]]] : memref<?xi8> to memref<?x4xf32>
// CHECK:         memref.load %[[OTHER]]
// CHECK-NEXT:    memref.dealloc %[[OTHER]]
// CHECK:         memref.dealloc %[[MEMORY]]
func.func @dynamic(%n: index, %x: f32, %i: index) -> (f32, f32) {
  %a = memref.alloc(%n) : memref<?x4xf32>
  memref.store %x, %a[%i, %i] : memref<?x4xf32>
  %b = memref.alloc(%n) : memref<4x?xf32>
  memref.store %x, %b[%i, %i] : memref<4x?xf32>
  %y = memref.load %a[%i, %i] : memref<?x4xf32>
  %c = memref.alloc(%n) : memref<?x4xf32>
  memref.store %y, %c[%i, %i] : memref<?x4xf32>
  %w = memref.load %b[%i, %i] : memref<4x?xf32>
  %z = memref.load %c[%i, %i] : memref<?x4xf32>
  return %z, %w : f32, f32
}

// What the function returns is not ours to place.
// CHECK-LABEL: func.func @negative_escapes
// CHECK-NEXT:    memref.alloc() : memref<16xf32>
// CHECK-NEXT:    return
func.func @negative_escapes() -> memref<16xf32> {
  %a = memref.alloc() : memref<16xf32>
  return %a : memref<16xf32>
}

// Memory of a parallel loop belongs to its threads.
// CHECK-LABEL: func.func @negative_parallel
// CHECK:         scf.forall
// CHECK-NEXT:      memref.alloc() : memref<16xf32>
func.func @negative_parallel(%x: f32) {
  scf.forall (%i) in (8) {
    %a = memref.alloc() : memref<16xf32>
    memref.store %x, %a[%i] : memref<16xf32>
  }
  return
}
