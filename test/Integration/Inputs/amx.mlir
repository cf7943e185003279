// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What AMX's instructions do, for CPUs without them: a tile is 16 rows of 64 bytes, one after the other in a vector. The
// products are in the order of Intel's manual but for fused multiplications, and denormals are kept.

#c = affine_map<(m, n, k, p) -> (m, n)>
#a = affine_map<(m, n, k, p) -> (m, k, p)>
#b = affine_map<(m, n, k, p) -> (k, n, p)>

func.func @tilezero(%rows: i16, %bytes: i16) -> vector<256xf32> {
  %zero = arith.constant dense<0.0> : vector<256xf32>
  return %zero : vector<256xf32>
}

// Copies 16 rows of 64 bytes.
func.func @copy_rows(%from: !llvm.ptr, %from_stride: i64, %to: !llvm.ptr, %to_stride: i64) {
  %begin = arith.constant 0 : index
  %end = arith.constant 16 : index
  %one = arith.constant 1 : index
  scf.for %row = %begin to %end step %one {
    %number = arith.index_cast %row : index to i64
    %from_offset = arith.muli %number, %from_stride : i64
    %to_offset = arith.muli %number, %to_stride : i64
    %source = llvm.getelementptr %from[%from_offset] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %target = llvm.getelementptr %to[%to_offset] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %values = llvm.load %source {alignment = 1 : i64} : !llvm.ptr -> vector<16xf32>
    llvm.store %values, %target {alignment = 1 : i64} : vector<16xf32>, !llvm.ptr
  }
  return
}

func.func @tileloadd64(%rows: i16, %bytes: i16, %base: !llvm.ptr, %stride: i64) -> vector<256xf32> {
  %one = arith.constant 1 : i64
  %dense = arith.constant 64 : i64
  %memory = llvm.alloca %one x vector<256xf32> : (i64) -> !llvm.ptr
  call @copy_rows(%base, %stride, %memory, %dense) : (!llvm.ptr, i64, !llvm.ptr, i64) -> ()
  %tile = llvm.load %memory : !llvm.ptr -> vector<256xf32>
  return %tile : vector<256xf32>
}

func.func @tilestored64(%rows: i16, %bytes: i16, %base: !llvm.ptr, %stride: i64, %tile: vector<256xf32>) {
  %one = arith.constant 1 : i64
  %dense = arith.constant 64 : i64
  %memory = llvm.alloca %one x vector<256xf32> : (i64) -> !llvm.ptr
  llvm.store %tile, %memory : vector<256xf32>, !llvm.ptr
  call @copy_rows(%memory, %dense, %base, %stride) : (!llvm.ptr, i64, !llvm.ptr, i64) -> ()
  return
}

func.func @tdpbf16ps(%rows: i16, %bytes: i16, %depth: i16, %c: vector<256xf32>, %a: vector<256xf32>,
                     %b: vector<256xf32>) -> vector<256xf32> {
  %sums = vector.shape_cast %c : vector<256xf32> to vector<16x16xf32>
  %pairsOfA = vector.bitcast %a : vector<256xf32> to vector<512xbf16>
  %pairsOfB = vector.bitcast %b : vector<256xf32> to vector<512xbf16>
  %wideA = arith.extf %pairsOfA : vector<512xbf16> to vector<512xf32>
  %wideB = arith.extf %pairsOfB : vector<512xbf16> to vector<512xf32>
  %rowsOfA = vector.shape_cast %wideA : vector<512xf32> to vector<16x16x2xf32>
  %rowsOfB = vector.shape_cast %wideB : vector<512xf32> to vector<16x16x2xf32>
  %product = vector.contract {indexing_maps = [#a, #b, #c],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"], kind = #vector.kind<add>}
      %rowsOfA, %rowsOfB, %sums : vector<16x16x2xf32>, vector<16x16x2xf32> into vector<16x16xf32>
  %flat = vector.shape_cast %product : vector<16x16xf32> to vector<256xf32>
  return %flat : vector<256xf32>
}
