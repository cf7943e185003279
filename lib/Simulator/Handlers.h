//===- Handlers.h - what executes each kind of instruction ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decoder asks here for the function that runs an instruction; null means
// that there is none. Comments say what a handler reads of its Inst.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_HANDLERS_H
#define ATTN_LIB_SIMULATOR_HANDLERS_H

#include "Machine.h"
#include "Operations.h"

namespace attn::sim {

// Elementwise: dst[k] = f(a[k], b[k], c[k]) for k < count.

/// llvm::Instruction opcode (Add … Xor); bits.
Handler integerBinary(unsigned opcode);
/// llvm::CmpInst integer predicate; bits are the operands'.
Handler integerCompare(unsigned predicate);
/// SExt, ZExt, Trunc, PtrToInt …: from, bits; `isSigned` extends the sign.
Handler integerCast(bool isSigned);
Handler integerFunction(IntegerOp op);
/// dst = a[0] + signed(b[0], from bits) * imm + extra (signed): addresses.
Step addScaled(Warp &, const Inst &);
/// Overflow flags follow the values: dst[0] value, dst[1] overflow.
Handler overflow(unsigned opcode, bool isSigned);

/// flags & kFlush: subnormal f32 operands and results become zeros of their
/// sign; flags & kRelu: negative results and -0 become +0.
Handler realFunction(RealOp op, Kind kind);
enum : uint8_t { kFlush = 1, kRelu = 2 };
/// imm: llvm::FCmpInst predicate.
Handler realCompare(Kind kind);
Handler realCast(Kind from, Kind to);
/// To bits wide integers: saturating, NaN to zero. imm: 0 towards zero, 1
/// nearest even, 2 down, 3 up.
Handler realToInteger(Kind from, bool isSigned);
Handler integerToReal(Kind to, bool isSigned); // from
Handler isClass(Kind kind);                    // imm: llvm::FPClassTest
Step roundToTf32(Warp &, const Inst &);        // imm: 1 ties away, 0 even

Step copy(Warp &, const Inst &); // dst[k] = a[k]
/// dst[k] = c[0] ? a[k] : b[k]; with flags, c[k].
Step select(Warp &, const Inst &);
/// from bits of each of extra operand cells to bits of each of count results.
Step bitcast(Warp &, const Inst &);
Step extractElement(Warp &, const Inst &); // a vector of imm, b index
Step insertElement(Warp &, const Inst &);  // a vector, b value, c index
/// Integer reduction of a vector: imm elements of a; extra: IntegerOp-free
/// llvm opcode; floats: start value b.
Handler reduceIntegers(unsigned opcode);
Handler reduceReals(RealOp op, Kind kind);

// Control.
Step branch(Warp &, const Inst &);       // extra: edge
Step condBranch(Warp &, const Inst &);   // a; extra: edges of true and false
Step switchBranch(Warp &, const Inst &); // a; imm cases from c; extra: edges
Step returnValue(Warp &, const Inst &);  // a, count
Step unreachable(Warp &, const Inst &);
Step call(Warp &, const Inst &); // imm: Function *, a: operands, count results
Step exitLanes(Warp &, const Inst &);

Step specialRegister(Warp &, const Inst &); // imm: Special
Step activeMask(Warp &, const Inst &);

// Memory: a[0] address, space, from alignment; fields from extra, count of
// them; load: dst, store: b values.
Step load(Warp &, const Inst &);
Step store(Warp &, const Inst &);
Step localAddress(Warp &, const Inst &); // imm: offset in the frame, generic?
Step windowShift(Warp &, const Inst &);  // dst = a + imm, addrspacecast
Step isSpace(Warp &, const Inst &);      // isspacep: space
/// memcpy and memmove: a to, b from, c bytes; space, imm the source's space.
Step copyMemory(Warp &, const Inst &);
Step fillMemory(Warp &, const Inst &); // a to, b byte, c bytes
/// a address, b value; imm: llvm::AtomicRMWInst::BinOp; bits; kind in flags.
Step atomic(Warp &, const Inst &);
Step compareExchange(Warp &, const Inst &); // a address, b expected, c new

// Collectives.
/// a: mask, value, lane, clamp in c's list of four; imm: Shuffle; flags:
/// whether a predicate follows.
Step shuffle(Warp &, const Inst &);
Step vote(Warp &, const Inst &);        // a: mask and value; imm: Vote
Step warpBarrier(Warp &, const Inst &); // a: mask
/// a: barrier and thread count (extra operands); flags below.
Step barrier(Warp &, const Inst &);
enum : uint8_t { kCounted = 1, kArriveOnly = 2, kAligned = 4, kReduce = 8 };

// Matrices; see MatrixOps.cpp.
/// a: all operands; imm: shape | input << 8 | C is f16 << 16 | D is f16 << 17.
Step mma(Warp &, const Inst &);
Step ldmatrix(Warp &, const Inst &); // a address; count 1, 2, 4; flags: trans
Step stmatrix(Warp &, const Inst &); // a address, b values

/// a: four registers of A or its descriptor, then B's; b: C; c: whether to add
/// C; imm: n | input << 16; flags below.
Step wgmma(Warp &, const Inst &);
enum : uint8_t {
  kRegistersA = 1,
  kNegateA = 2,
  kNegateB = 4,
  kTransposedA = 8,
  kTransposedB = 16,
  kUnfenced = 32, // registers were written and not fenced
  kWithoutC = 64  // there is no C
};
Step passRegisters(Warp &, const Inst &); // wgmma.fence: dst[k] = a[k]
Step commitProducts(Warp &, const Inst &);
/// imm: groups that may stay; then as passRegisters.
Step waitForProducts(Warp &, const Inst &);
/// Fails if one of imm registers from a is still a product's.
Step checkRegisters(Warp &, const Inst &);
/// What the copies of an edge pass on of products under way.
void moveProducts(Warp &, const Edge &);
Step fenceProxy(Warp &, const Inst &);
Step setRegisters(Warp &, const Inst &); // imm: of a lane

// Asynchronous copies.
/// a: shared, b: global; imm bytes; c: source bytes when flags.
Step copyAsync(Warp &, const Inst &);
Step commitGroup(Warp &, const Inst &);
Step waitGroup(Warp &, const Inst &); // imm: groups that may stay; ~0: all

// mbarriers: a address, b a number or state, space.
Step initBarrier(Warp &, const Inst &);  // b: expected arrivals
Step endBarrier(Warp &, const Inst &);   // mbarrier.inval
Step fenceInit(Warp &, const Inst &);    // fence.mbarrier_init
Step arrive(Warp &, const Inst &);       // imm: Arrival; b: count or bytes
Step testBarrier(Warp &, const Inst &);  // b: parity with imm, else a state
Step awaitBarrier(Warp &, const Inst &); // b: parity; waits until complete
Step arriveAfterCopies(Warp &, const Inst &); // flags: noinc
/// a shared, b mbarrier, c global, extra: position of the byte count.
Step copyBulkIn(Warp &, const Inst &);
Step copyBulkOut(Warp &, const Inst &); // a global, b shared, c bytes
/// a shared, b mbarrier, c imm coordinates, extra: position of the map.
Step copyTensorIn(Warp &, const Inst &);
Step prefetchMap(Warp &, const Inst &); // a map, space

Step nothing(Warp &, const Inst &);
Step yieldWarp(Warp &, const Inst &);

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_HANDLERS_H
