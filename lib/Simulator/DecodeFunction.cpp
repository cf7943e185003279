//===- DecodeFunction.cpp - values, blocks and edges of a function --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Blocks in an order that keeps loops together, cells for values, and branches
// with the copies of PHIs. What only rearranges scalars (extractvalue, shuffles
// of vectors …) costs nothing: its result is a list of its operands' cells.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "InstructionCost.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Dominators.h"

using namespace attn::sim;
using namespace llvm;

namespace {
/// Topological order of the blocks of a loop (or of a function), each inner
/// loop as one step, so that lanes still in a loop run before its exits.
class LoopOrder {
public:
  LoopOrder(const LoopInfo &loops, SmallVectorImpl<const BasicBlock *> &order)
      : loops(loops), order(order) {}

  void run(const BasicBlock *header, const Loop *loop) {
    SmallVector<const BasicBlock *> finished;
    SmallPtrSet<const BasicBlock *, 16> seen;
    visit(header, header, loop, seen, finished);
    for (const BasicBlock *node : reverse(finished)) {
      const Loop *inner = innerLoop(node, loop);
      if (inner)
        run(node, inner);
      else
        order.push_back(node);
    }
  }

private:
  /// The loop directly inside `loop` that has `block`, if any.
  const Loop *innerLoop(const BasicBlock *block, const Loop *loop) const {
    const Loop *inner = loops.getLoopFor(block);
    while (inner && inner->getParentLoop() != loop && inner != loop)
      inner = inner->getParentLoop();
    return inner == loop ? nullptr : inner;
  }

  /// Post-order over steps; a step is named by its block or its loop's header.
  void visit(const BasicBlock *node, const BasicBlock *header, const Loop *loop,
             SmallPtrSetImpl<const BasicBlock *> &seen,
             SmallVectorImpl<const BasicBlock *> &finished) {
    struct Item {
      const BasicBlock *node;
      SmallVector<const BasicBlock *> next;
    };
    SmallVector<Item> stack;
    auto enter = [&](const BasicBlock *block) {
      if (const Loop *inner = innerLoop(block, loop))
        block = inner->getHeader();
      if (seen.insert(block).second)
        stack.push_back({block, successorsOf(block, header, loop)});
    };
    enter(node);
    while (!stack.empty()) {
      if (stack.back().next.empty()) {
        finished.push_back(stack.back().node);
        stack.pop_back();
        continue;
      }
      enter(stack.back().next.pop_back_val());
    }
  }

  SmallVector<const BasicBlock *> successorsOf(const BasicBlock *node,
                                               const BasicBlock *header,
                                               const Loop *loop) const {
    SmallVector<const BasicBlock *> result;
    auto add = [&](const BasicBlock *from) {
      for (const BasicBlock *to : successors(from))
        if (to != header && (!loop || loop->contains(to)))
          result.push_back(to);
    };
    const Loop *inner = innerLoop(node, loop);
    if (!inner) {
      add(node);
      return result;
    }
    for (const BasicBlock *block : inner->blocks())
      for (const BasicBlock *to : successors(block))
        if (!inner->contains(to) && to != header &&
            (!loop || loop->contains(to)))
          result.push_back(to);
    return result;
  }

  const LoopInfo &loops;
  SmallVectorImpl<const BasicBlock *> &order;
};
} // namespace

void FunctionDecoder::orderBlocks() {
  DominatorTree dominators(const_cast<llvm::Function &>(function));
  LoopInfo loops(dominators);
  LoopOrder(loops, order).run(&function.getEntryBlock(), nullptr);
  for (auto [number, block] : enumerate(order))
    numbers[block] = uint32_t(number);
}

uint32_t FunctionDecoder::newCells(unsigned count) {
  uint32_t first = out.cells;
  out.cells += count;
  return first;
}

uint32_t FunctionDecoder::constantCell(uint64_t value) {
  auto [it, isNew] = constants.try_emplace(value, uint32_t(constants.size()));
  if (isNew) {
    Cell cell;
    std::fill_n(cell.lane, kLanes, value);
    out.constants.push_back(cell);
  }
  return it->second | kConstant;
}

/// Whether a value is only a list of other values' scalars.
static bool isAlias(const Instruction &inst) {
  switch (inst.getOpcode()) {
  case Instruction::ExtractValue:
  case Instruction::InsertValue:
  case Instruction::ShuffleVector:
  case Instruction::Freeze:
    return true;
  case Instruction::ExtractElement:
    return isa<ConstantInt>(inst.getOperand(1));
  case Instruction::InsertElement:
    return isa<ConstantInt>(inst.getOperand(2));
  default:
    return false;
  }
}

Error FunctionDecoder::assignCells() {
  auto assign = [&](const Value &value) -> Error {
    auto count = cellCount(value.getType());
    if (!count)
      return count.takeError();
    SmallVector<uint32_t, 4> list(*count);
    uint32_t first = newCells(*count);
    for (unsigned k = 0; k < *count; ++k)
      list[k] = first + k;
    cells[&value] = std::move(list);
    return Error::success();
  };
  for (const Argument &argument : function.args())
    if (Error error = assign(argument))
      return error;
  out.parameters = out.cells;
  for (const BasicBlock *block : order)
    for (const Instruction &inst : *block)
      if (!inst.getType()->isVoidTy() && !isAlias(inst))
        if (Error error = assign(inst))
          return error;
  return Error::success();
}

/// The first scalar of an aggregate's member.
static Expected<unsigned> memberOffset(const Type *type,
                                       ArrayRef<unsigned> indices) {
  unsigned offset = 0;
  for (unsigned index : indices) {
    if (auto *structure = dyn_cast<StructType>(type)) {
      for (unsigned i = 0; i < index; ++i) {
        auto count = cellCount(structure->getElementType(i));
        if (!count)
          return count.takeError();
        offset += *count;
      }
      type = structure->getElementType(index);
      continue;
    }
    type = type->getArrayElementType();
    auto count = cellCount(type);
    if (!count)
      return count.takeError();
    offset += index * *count;
  }
  return offset;
}

Expected<SmallVector<uint32_t, 4>>
FunctionDecoder::aliasOf(const Instruction *inst) {
  auto first = cellsOf(inst->getOperand(0));
  if (!first)
    return first.takeError();
  auto size = cellCount(inst->getType());
  if (!size)
    return size.takeError();
  if (isa<FreezeInst>(inst))
    return first;
  if (auto *extract = dyn_cast<ExtractValueInst>(inst)) {
    auto offset = memberOffset(extract->getAggregateOperand()->getType(),
                               extract->getIndices());
    if (!offset)
      return offset.takeError();
    return SmallVector<uint32_t, 4>(ArrayRef(*first).slice(*offset, *size));
  }
  if (isa<ExtractElementInst>(inst)) {
    uint64_t at =
        cast<ConstantInt>(inst->getOperand(1))->getValue().getLimitedValue();
    return SmallVector<uint32_t, 4>{at < first->size() ? (*first)[at]
                                                       : constantCell(0)};
  }
  auto second = cellsOf(inst->getOperand(1));
  if (!second)
    return second.takeError();
  if (auto *insert = dyn_cast<InsertValueInst>(inst)) {
    auto offset = memberOffset(insert->getType(), insert->getIndices());
    if (!offset)
      return offset.takeError();
    llvm::copy(*second, first->begin() + *offset);
    return first;
  }
  if (isa<InsertElementInst>(inst)) {
    uint64_t at =
        cast<ConstantInt>(inst->getOperand(2))->getValue().getLimitedValue();
    if (at < first->size())
      (*first)[at] = second->front();
    return first;
  }
  SmallVector<uint32_t, 4> result;
  for (int from : cast<ShuffleVectorInst>(inst)->getShuffleMask())
    result.push_back(from < 0 ? constantCell(0)
                     : unsigned(from) < first->size()
                         ? (*first)[unsigned(from)]
                         : (*second)[unsigned(from) - first->size()]);
  return result;
}

Expected<SmallVector<uint32_t, 4>>
FunctionDecoder::cellsOf(const Value *value) {
  auto it = cells.find(value);
  if (it != cells.end())
    return it->second;
  SmallVector<uint32_t, 4> list;
  if (auto *constant = dyn_cast<Constant>(value)) {
    SmallVector<uint64_t> values;
    if (Error error = evaluator.flatten(constant, values))
      return error;
    for (uint64_t scalar : values)
      list.push_back(constantCell(scalar));
  } else if (auto *inst = dyn_cast<Instruction>(value)) {
    auto alias = aliasOf(inst);
    if (!alias)
      return alias.takeError();
    list = std::move(*alias);
  } else {
    return unsupported("an operand of type {0}", print(value->getType()));
  }
  cells[value] = list;
  return list;
}

uint32_t FunctionDecoder::pool(ArrayRef<uint32_t> list) {
  auto position = uint32_t(out.pool.size());
  out.pool.insert(out.pool.end(), list.begin(), list.end());
  return position;
}

Expected<uint32_t> FunctionDecoder::pool(ArrayRef<const Value *> values) {
  auto position = uint32_t(out.pool.size());
  for (const Value *value : values) {
    auto list = cellsOf(value);
    if (!list)
      return list.takeError();
    out.pool.insert(out.pool.end(), list->begin(), list->end());
  }
  return position;
}

uint32_t FunctionDecoder::sourceOf(const Instruction &inst) {
  std::string text;
  raw_string_ostream os(text);
  if (const DebugLoc &loc = inst.getDebugLoc()) {
    os << cast<DIScope>(loc.getScope())->getFilename() << ':' << loc.getLine()
       << ':' << loc.getCol();
  } else {
    inst.print(os, parent.slots, /*IsForDebug=*/false);
    size_t from = text.find_first_not_of(' ');
    text = "'" + text.substr(std::min(from, text.size())) + "'";
  }
  out.sources.push_back(std::move(text));
  return uint32_t(out.sources.size() - 1);
}

uint32_t FunctionDecoder::addEdge(const BasicBlock *from,
                                  const BasicBlock *to) {
  auto position = uint32_t(out.edges.size());
  out.edges.emplace_back();
  branches.push_back({position, from, to});
  return position;
}

Error FunctionDecoder::addEdges() {
  for (const Branch &branch : branches) {
    Edge &edge = out.edges[branch.edge];
    edge.target = numbers.lookup(branch.to);
    edge.first = uint32_t(out.moves.size());
    for (const PHINode &phi : branch.to->phis()) {
      auto from = cellsOf(phi.getIncomingValueForBlock(branch.from));
      auto to = cellsOf(&phi);
      if (!from || !to)
        return joinErrors(from.takeError(), to.takeError());
      for (auto [target, source] : zip_equal(*to, *from))
        if (target != source)
          out.moves.push_back({target, source});
    }
    ArrayRef<Move> moves = ArrayRef(out.moves).drop_front(edge.first);
    edge.moves = uint32_t(moves.size());
    SmallDenseSet<uint32_t> written;
    for (const Move &move : moves) {
      edge.buffered |= written.contains(move.from);
      written.insert(move.to);
    }
  }
  return Error::success();
}

Error FunctionDecoder::decode() {
  out.name = function.getName().str();
  if (function.isVarArg())
    return unsupported("the variadic function {0}", out.name);
  parent.slots.incorporateFunction(function);
  orderBlocks();
  if (Error error = assignCells())
    return error;
  findProducts();
  constexpr uint32_t kMostCells = 1 << 18; // 64 MiB a warp
  if (out.cells > kMostCells)
    return unsupported("a function of {0} scalars", out.cells);
  for (const BasicBlock *block : order) {
    out.blocks.push_back(uint32_t(out.code.size()));
    for (const Instruction &inst : *block) {
      if (isa<PHINode>(inst))
        continue;
      if (!products.empty() && !isAlias(inst))
        if (Error error = addProductCheck(inst))
          return error;
      size_t first = out.code.size();
      if (Error error = isAlias(inst) ? cellsOf(&inst).takeError()
                                      : decodeInstruction(inst))
        return handleErrors(std::move(error),
                            [&](std::unique_ptr<Fault> fault) -> Error {
                              if (fault->location.empty())
                                fault->location = out.sources[sourceOf(inst)];
                              return Error(std::move(fault));
                            });
      if (first < out.code.size()) {
        Cost cost = costOf(inst, layout);
        out.code[first].pipe = cost.pipe;
        out.code[first].slots = uint8_t(std::min(cost.slots, 255u));
      }
    }
  }
  return addEdges();
}
