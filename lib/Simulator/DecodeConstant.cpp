//===- DecodeConstant.cpp - types and constants ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Types flattened to scalars, constants to their bits. An undefined value is
// all ones: NaN, minus one, an address of nothing.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Numbers.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Operator.h"

#include <cstring>

using namespace attn::sim;
using namespace llvm;

std::string attn::sim::print(const Type *type) {
  std::string text;
  raw_string_ostream os(text);
  type->print(os);
  return text;
}

Expected<unsigned> attn::sim::cellCount(const Type *type) {
  if (type->isVoidTy())
    return 0;
  if (auto *integer = dyn_cast<IntegerType>(type); integer)
    if (integer->getBitWidth() <= 64)
      return 1;
  if (type->isPointerTy() || type->isHalfTy() || type->isBFloatTy() ||
      type->isFloatTy() || type->isDoubleTy())
    return 1;
  uint64_t count = 0;
  if (auto *vector = dyn_cast<FixedVectorType>(type)) {
    auto each = cellCount(vector->getElementType());
    if (!each)
      return each.takeError();
    count = *each * uint64_t(vector->getNumElements());
  } else if (auto *array = dyn_cast<ArrayType>(type)) {
    auto each = cellCount(array->getElementType());
    if (!each)
      return each.takeError();
    count = *each * array->getNumElements();
  } else if (auto *structure = dyn_cast<StructType>(type)) {
    for (const Type *element : structure->elements()) {
      auto each = cellCount(element);
      if (!each)
        return each.takeError();
      count += *each;
    }
  } else {
    return unsupported("values of type {0}", print(type));
  }
  if (count > 4096)
    return unsupported("a value of {0} scalars", count);
  return unsigned(count);
}

Kind attn::sim::kindOf(const Type *type) {
  type = type->getScalarType();
  if (type->isHalfTy())
    return Kind::F16;
  if (type->isBFloatTy())
    return Kind::BF16;
  if (type->isFloatTy())
    return Kind::F32;
  if (type->isDoubleTy())
    return Kind::F64;
  return type->isPointerTy() ? Kind::Pointer : Kind::Int;
}

unsigned attn::sim::bitsOf(const Type *type, const DataLayout &layout) {
  type = type->getScalarType();
  if (auto *pointer = dyn_cast<PointerType>(type))
    return std::min(64u,
                    layout.getPointerSizeInBits(pointer->getAddressSpace()));
  if (type->isStructTy() || type->isArrayTy() || type->isVoidTy())
    return 64;
  return unsigned(type->getPrimitiveSizeInBits());
}

Error attn::sim::addFields(const Type *type, const DataLayout &layout,
                           uint32_t offset, std::vector<Field> &fields) {
  if (auto *structure = dyn_cast<StructType>(type)) {
    const StructLayout *places =
        layout.getStructLayout(const_cast<StructType *>(structure));
    for (unsigned i = 0; i < structure->getNumElements(); ++i)
      if (Error error =
              addFields(structure->getElementType(i), layout,
                        offset + uint32_t(places->getElementOffset(i)), fields))
        return error;
    return Error::success();
  }
  if (auto *array = dyn_cast<ArrayType>(type)) {
    Type *element = array->getElementType();
    uint64_t stride = layout.getTypeAllocSize(element);
    for (uint64_t i = 0; i < array->getNumElements(); ++i)
      if (Error error =
              addFields(element, layout, offset + uint32_t(i * stride), fields))
        return error;
    return Error::success();
  }
  unsigned count = 1, bits = bitsOf(type, layout);
  if (auto *vector = dyn_cast<FixedVectorType>(type)) {
    count = vector->getNumElements();
    if (bits % 8)
      return unsupported("{0} in memory", print(type));
  }
  for (unsigned i = 0; i < count; ++i)
    fields.push_back({offset + i * (bits / 8), (bits + 7) / 8});
  return Error::success();
}

Expected<uint64_t> attn::sim::windowShiftOf(unsigned from, unsigned to) {
  auto window = [](unsigned space) {
    return space == 3 || space == 7 ? kSharedWindow
           : space == 5             ? kLocalWindow
                                    : uint64_t(0);
  };
  if (from == to || (from == 3 && to == 7) || (from == 7 && to == 3))
    return 0;
  if (from != 0 && to != 0)
    return unsupported("a cast from address space {0} to {1}", from, to);
  return window(from) - window(to);
}

Expected<uint64_t>
ConstantEvaluator::expression(const ConstantExpr *expr) const {
  switch (expr->getOpcode()) {
  case Instruction::AddrSpaceCast: {
    auto value = scalar(expr->getOperand(0));
    auto shift =
        windowShiftOf(expr->getOperand(0)->getType()->getPointerAddressSpace(),
                      expr->getType()->getPointerAddressSpace());
    if (!value || !shift)
      return joinErrors(value.takeError(), shift.takeError());
    return *value + *shift;
  }
  case Instruction::GetElementPtr: {
    auto *gep = cast<GEPOperator>(expr);
    APInt offset(layout.getIndexTypeSizeInBits(gep->getType()), 0);
    if (!gep->accumulateConstantOffset(layout, offset))
      break;
    auto base = scalar(cast<Constant>(gep->getPointerOperand()));
    if (!base)
      return base.takeError();
    return (*base + uint64_t(offset.getSExtValue())) &
           widthMask(bitsOf(gep->getType(), layout));
  }
  case Instruction::IntToPtr:
  case Instruction::PtrToInt:
  case Instruction::PtrToAddr:
  case Instruction::BitCast:
  case Instruction::Trunc: {
    auto value = scalar(expr->getOperand(0));
    if (!value)
      return value.takeError();
    return *value & widthMask(bitsOf(expr->getType(), layout));
  }
  case Instruction::Add:
  case Instruction::Sub:
  case Instruction::Xor: {
    auto a = scalar(expr->getOperand(0)), b = scalar(expr->getOperand(1));
    if (!a || !b)
      return joinErrors(a.takeError(), b.takeError());
    uint64_t value = expr->getOpcode() == Instruction::Add   ? *a + *b
                     : expr->getOpcode() == Instruction::Sub ? *a - *b
                                                             : *a ^ *b;
    return value & widthMask(bitsOf(expr->getType(), layout));
  }
  }
  return unsupported("the constant expression {0}", expr->getOpcodeName());
}

Expected<uint64_t> ConstantEvaluator::scalar(const Constant *constant) const {
  uint64_t mask = widthMask(bitsOf(constant->getType(), layout));
  if (auto *integer = dyn_cast<ConstantInt>(constant);
      integer && integer->getBitWidth() <= 64)
    return integer->getZExtValue();
  if (auto *real = dyn_cast<ConstantFP>(constant))
    return real->getValueAPF().bitcastToAPInt().getLimitedValue();
  if (isa<UndefValue>(constant)) // poison too
    return mask;
  if (constant->isNullValue())
    return 0;
  if (auto *variable = dyn_cast<GlobalVariable>(constant)) {
    auto it = variables.find(variable);
    if (it != variables.end())
      return it->second;
    return unsupported("the variable {0}, which has no address",
                       variable->getName());
  }
  if (auto *expr = dyn_cast<ConstantExpr>(constant))
    return expression(expr);
  return unsupported("a constant of type {0}", print(constant->getType()));
}

Error ConstantEvaluator::flatten(const Constant *constant,
                                 SmallVectorImpl<uint64_t> &cells) const {
  const Type *type = constant->getType();
  if (!type->isAggregateType() && !type->isVectorTy()) {
    auto value = scalar(constant);
    if (!value)
      return value.takeError();
    cells.push_back(*value);
    return Error::success();
  }
  auto count = cellCount(type);
  if (!count)
    return count.takeError();
  unsigned elements =
      isa<StructType>(type)
          ? type->getStructNumElements()
          : unsigned(isa<ArrayType>(type)
                         ? type->getArrayNumElements()
                         : cast<FixedVectorType>(type)->getNumElements());
  for (unsigned i = 0; i < elements; ++i) {
    Constant *element = constant->getAggregateElement(i);
    if (!element)
      return unsupported("a constant of type {0}", print(type));
    if (Error error = flatten(element, cells))
      return error;
  }
  return Error::success();
}

Error ConstantEvaluator::write(const Constant *constant,
                               MutableArrayRef<uint8_t> bytes) const {
  if (isa<UndefValue>(constant) || constant->isNullValue()) {
    if (!isa<UndefValue>(constant))
      std::memset(bytes.data(), 0, bytes.size());
    return Error::success();
  }
  Type *type = constant->getType();
  if (auto *array = dyn_cast<ArrayType>(type)) {
    uint64_t stride = layout.getTypeAllocSize(array->getElementType());
    for (unsigned i = 0; i < array->getNumElements(); ++i)
      if (Error error = write(constant->getAggregateElement(i),
                              bytes.slice(i * stride, stride)))
        return error;
    return Error::success();
  }
  std::vector<Field> fields;
  SmallVector<uint64_t> values;
  if (Error error = flatten(constant, values))
    return error;
  if (Error error = addFields(type, layout, 0, fields))
    return error;
  for (auto [field, value] : zip_equal(fields, values))
    std::memcpy(bytes.data() + field.offset, &value, field.bytes);
  return Error::success();
}
