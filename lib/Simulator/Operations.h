//===- Operations.h - names of what handlers do -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations that the decoder asks a handler for.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_OPERATIONS_H
#define ATTN_LIB_SIMULATOR_OPERATIONS_H

#include <cstdint>

namespace attn::sim {

enum class IntegerOp {
  Abs,
  Min,
  Max,
  UMin,
  UMax,
  PopCount,
  LeadingZeros,
  TrailingZeros,
  ByteSwap,
  BitReverse,
  FunnelLeft,
  FunnelRight,
  MulHigh,
  UMulHigh,
  Permute, // prmt.b32: a, b, selector c
  AddSaturated,
  SubSaturated,
  UAddSaturated,
  USubSaturated,
  FindLeading // flo: position of the leading one, all ones for none
};

enum class RealOp {
  Neg,
  Abs,
  Sqrt,
  Rsqrt,
  Reciprocal,
  Exp,
  Exp2,
  Exp10,
  Log,
  Log2,
  Log10,
  Sin,
  Cos,
  Tanh,
  Erf,
  Floor,
  Ceil,
  Truncate,
  Round,
  RoundEven,
  Saturate, // to [0, 1], NaN to 0
  Canonical,
  Add,
  Sub,
  Mul,
  Div,
  Rem,
  MinNumber, // the other operand for a NaN
  MaxNumber,
  Minimum, // NaN for a NaN
  Maximum,
  CopySign,
  Power,
  Fma
};

enum class Special {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  WarpCount,
  WarpSize,
  Zero,
  One,
  Steps,
  MaskEq,
  MaskLt,
  MaskLe,
  MaskGt,
  MaskGe,
  DynamicShared,
  TotalShared
};

enum class Shuffle { Up, Down, Butterfly, Index };

enum class Vote {
  All,
  Any,
  Uniform,
  Ballot,
  MatchAny,
  MatchAll,
  Add,
  Min,
  Max,
  UMin,
  UMax,
  And,
  Or,
  Xor,
  Elect
};

enum class MmaShape : uint8_t { M16N8K16, M16N8K8, M16N8K4, M8N8K4 };

enum class MmaInput : uint8_t { F16, BF16, TF32, F64 };

/// What an arrival's number is: nothing, arrivals, or bytes to expect (with or
/// without an arrival), or bytes that have come.
enum class Arrival { One, Count, ExpectBytes, OnlyExpectBytes, Complete };

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_OPERATIONS_H
