//===- DecodeMemory.cpp - loads, stores, atomics and private memory -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Accesses with the place of each scalar and the alignment that was promised.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/Support/MathExtras.h"

using namespace attn::sim;
using namespace llvm;

Error FunctionDecoder::decodeAlloca(const AllocaInst &alloca) {
  if (!alloca.isStaticAlloca())
    return unsupported("private memory of a size that is not constant");
  auto size = alloca.getAllocationSize(layout);
  if (!size || size->isScalable())
    return unsupported("private memory of an unknown size");
  uint64_t offset = alignTo(out.localBytes, alloca.getAlign());
  uint64_t end = offset + size->getFixedValue();
  if (end > 512 * 1024)
    return unsupported("{0} bytes of private memory", end);
  Inst &inst = emit(localAddress, alloca);
  inst.imm = offset;
  inst.flags = alloca.getAddressSpace() == 0;
  out.localBytes = uint32_t(alignTo(end, 16));
  return Error::success();
}

Expected<uint32_t> FunctionDecoder::fieldsOf(const Type *type) {
  auto position = uint32_t(out.fields.size());
  if (Error error = addFields(type, layout, 0, out.fields))
    return error;
  return position;
}

Error FunctionDecoder::decodeLoad(const LoadInst &load) {
  auto fields = fieldsOf(load.getType());
  auto address = pool(load.getPointerOperand());
  if (!fields || !address)
    return joinErrors(fields.takeError(), address.takeError());
  Inst &inst = emit(attn::sim::load, load);
  inst.a = *address;
  inst.extra = *fields;
  inst.space = uint8_t(load.getPointerAddressSpace());
  inst.from = uint16_t(std::min<uint64_t>(load.getAlign().value(), 32768));
  return Error::success();
}

Error FunctionDecoder::decodeStore(const StoreInst &store) {
  const Value *value = store.getValueOperand();
  auto fields = fieldsOf(value->getType());
  auto address = pool(store.getPointerOperand());
  auto values = pool(value);
  if (!fields || !address || !values)
    return joinErrors(joinErrors(fields.takeError(), address.takeError()),
                      values.takeError());
  Inst &inst = emit(attn::sim::store, store);
  inst.a = *address;
  inst.b = *values;
  inst.extra = *fields;
  inst.count = uint16_t(out.pool.size() - *values);
  inst.space = uint8_t(store.getPointerAddressSpace());
  inst.from = uint16_t(std::min<uint64_t>(store.getAlign().value(), 32768));
  return Error::success();
}

Error FunctionDecoder::decodeAtomic(const AtomicRMWInst &rmw) {
  using Op = AtomicRMWInst;
  Op::BinOp op = rmw.getOperation();
  bool known = op <= Op::FMin || op == Op::UIncWrap || op == Op::UDecWrap;
  unsigned bits = bitsOf(rmw.getType(), layout);
  if (!known || rmw.getType()->isVectorTy() || bits < 16)
    return unsupported("atomicrmw {0} on {1}", Op::getOperationName(op),
                       print(rmw.getType()));
  if (Error error = emitElementwise(
          atomic, rmw, {rmw.getPointerOperand(), rmw.getValOperand()},
          Tally::Other, op, uint8_t(kindOf(rmw.getType()))))
    return error;
  out.code.back().space = uint8_t(rmw.getPointerAddressSpace());
  return Error::success();
}

Error FunctionDecoder::decodeCompareExchange(const AtomicCmpXchgInst &inst) {
  unsigned bits = bitsOf(inst.getCompareOperand()->getType(), layout);
  if (bits < 16)
    return unsupported("cmpxchg on {0}",
                       print(inst.getCompareOperand()->getType()));
  if (Error error =
          emitElementwise(compareExchange, inst,
                          {inst.getPointerOperand(), inst.getCompareOperand(),
                           inst.getNewValOperand()},
                          Tally::Other))
    return error;
  out.code.back().bits = uint16_t(bits);
  out.code.back().space = uint8_t(inst.getPointerAddressSpace());
  return Error::success();
}

Error FunctionDecoder::decodeMemoryIntrinsic(const CallInst &call,
                                             StringRef name) {
  auto space = [&](unsigned operand) {
    return call.getArgOperand(operand)->getType()->getPointerAddressSpace();
  };
  bool fill = name.starts_with("llvm.memset");
  if (Error error = emitElementwise(
          fill ? fillMemory : copyMemory, call,
          {call.getArgOperand(0), call.getArgOperand(1), call.getArgOperand(2)},
          Tally::Other, fill ? 0 : space(1)))
    return error;
  out.code.back().space = uint8_t(space(0));
  return Error::success();
}
