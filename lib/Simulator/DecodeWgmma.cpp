//===- DecodeWgmma.cpp - wgmma.mma_async in inline assembly ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// There is no intrinsic for it: the text that MLIR writes, and any of its kind,
// is taken apart. Results are f32, inputs f16, bf16 or tf32.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/InlineAsm.h"

using namespace attn::sim;
using namespace llvm;

namespace {
/// One operand of the instruction: `$N`, a number, or a list of registers.
struct Term {
  SmallVector<StringRef> names;
};

/// Splits "{$0,$1},$2,p,1" at the commas outside of braces.
SmallVector<Term> split(StringRef text) {
  SmallVector<Term> terms;
  while (!text.empty()) {
    Term term;
    if (text.consume_front("{")) {
      size_t end = text.find('}');
      text.take_front(end).split(term.names, ',');
      text = text.drop_front(std::min(text.size(), end + 1));
    } else {
      term.names.push_back(text.take_until([](char c) { return c == ','; }));
      text = text.drop_front(term.names[0].size());
    }
    text.consume_front(",");
    terms.push_back(std::move(term));
  }
  return terms;
}

/// What an inline assembly's names mean: results first, then arguments.
struct Names {
  const CallInst &call;
  unsigned results;

  const Value *value(StringRef name) const {
    unsigned number = 0;
    if (!name.consume_front("$") || name.getAsInteger(10, number) ||
        number < results || number - results >= call.arg_size())
      return nullptr;
    return call.getArgOperand(number - results);
  }
  std::optional<int64_t> immediate(StringRef name) const {
    int64_t number = 0;
    if (!name.getAsInteger(10, number))
      return number;
    if (auto *constant = dyn_cast_or_null<ConstantInt>(value(name)))
      return constant->getSExtValue();
    return std::nullopt;
  }
};
} // namespace

/// The name that sets the predicate of C, or a number.
static StringRef scaleOfC(StringRef text, StringRef predicate) {
  std::string set = ("setp.ne.b32" + predicate + ",").str();
  size_t at = text.find(set);
  if (at == StringRef::npos)
    return predicate;
  return text.drop_front(at + set.size()).take_until([](char c) {
    return c == ',';
  });
}

namespace {
/// What follows the mnemonic, with its shape and types.
struct Product {
  unsigned n = 0;
  MmaInput input = MmaInput::F16;
  SmallVector<Term> terms; // D, A, B, whether to add C, signs, transpositions
};
} // namespace

static std::optional<Product> parseProduct(StringRef text) {
  StringRef rest = text.drop_front(text.find("wgmma.mma_async"));
  Product product;
  unsigned k = 0;
  if (!rest.consume_front("wgmma.mma_async.sync.aligned.m64n") ||
      rest.consumeInteger(10, product.n) || !rest.consume_front("k") ||
      rest.consumeInteger(10, k) || !rest.consume_front(".f32."))
    return std::nullopt;
  StringRef type = rest.take_until([](char c) { return c == '.'; });
  auto input = StringSwitch<std::optional<MmaInput>>(type)
                   .Case("f16", MmaInput::F16)
                   .Case("bf16", MmaInput::BF16)
                   .Case("tf32", MmaInput::TF32)
                   .Default(std::nullopt);
  if (!input || k != (input == MmaInput::TF32 ? 8u : 16u))
    return std::nullopt;
  product.input = *input;
  if (!rest.consume_front((type + "." + type).str()))
    return std::nullopt;
  product.terms = split(rest.take_until([](char c) { return c == ';'; }));
  if (product.n % 8 || product.n > 256 || product.terms.size() < 6)
    return std::nullopt;
  return product;
}

/// Signs and transpositions; with A in registers the third is about B.
static std::optional<uint8_t> parseFlags(const Product &product,
                                         const Names &names) {
  bool registers = product.terms[1].names.size() == 4;
  uint8_t flags = registers ? kRegistersA : 0;
  const uint8_t meanings[] = {kNegateA, kNegateB, kTransposedA, kTransposedB};
  for (auto [at, term] : enumerate(ArrayRef(product.terms).drop_front(4))) {
    auto number = names.immediate(term.names[0]);
    if (!number || at > 3)
      return std::nullopt;
    if (at < 2 ? *number < 0 : *number != 0)
      flags |= meanings[at == 2 && registers ? 3 : at];
  }
  return flags;
}

Error FunctionDecoder::decodeWgmma(const CallInst &call, StringRef text) {
  auto bad = [&] { return unsupported("the inline assembly '{0}'", text); };
  auto product = parseProduct(text);
  auto *results = dyn_cast<StructType>(call.getType());
  if (!product || !results || results->getNumElements() != product->n / 2)
    return bad();
  Names names{call, product->n / 2};
  SmallVector<const Value *> sources, accumulators;
  for (const Term &term : {product->terms[1], product->terms[2]})
    for (StringRef name : term.names)
      sources.push_back(names.value(name));
  auto constraints =
      cast<InlineAsm>(call.getCalledOperand())->ParseConstraints();
  bool isTied = !constraints.empty() && constraints[0].hasMatchingInput();
  if (isTied)
    for (unsigned e = 0; e < product->n / 2; ++e)
      accumulators.push_back(e < call.arg_size() ? call.getArgOperand(e)
                                                 : nullptr);
  auto flags = parseFlags(*product, names);
  StringRef scale = scaleOfC(text, product->terms[3].names[0]);
  const Value *add = names.value(scale);
  auto constant = names.immediate(scale);
  if (is_contained(sources, nullptr) || is_contained(accumulators, nullptr) ||
      (!add && !constant) || !flags || (!isTied && constant != 0) ||
      sources.size() != (*flags & kRegistersA ? 5 : 2))
    return bad();
  auto a = pool(sources), b = pool(accumulators);
  if (!a || !b)
    return joinErrors(a.takeError(), b.takeError());
  auto number = uint64_t(constant.value_or(0));
  uint32_t c = pool(ArrayRef<uint32_t>(constantCell(number)));
  if (add) {
    auto position = pool(add);
    if (!position)
      return position.takeError();
    c = *position;
  }
  Inst &inst = emit(wgmma, call);
  inst.a = *a;
  inst.b = *b;
  inst.c = c;
  inst.imm = product->n | uint64_t(product->input) << 16;
  inst.flags =
      *flags | (isTied ? 0 : kWithoutC) | (isFenced(call) ? 0 : kUnfenced);
  return Error::success();
}
