//===- Machine.cpp - warps take turns -------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The interpreter's loop, activations of functions, barriers of a block and the
// order of blocks and warps.
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <numeric>

using namespace attn::sim;

bool Warp::push(const Function &function, Mask mask, const Inst *call) {
  constexpr unsigned kDeepest = 64;
  constexpr uint64_t kLocalLimit = 512 * 1024; // of a lane, as on hardware
  uint32_t base = 0;
  if (depth) {
    frame->pc = pc;
    frame->active = active;
    base = frame->localBase + frame->function->localBytes;
  }
  uint64_t end = uint64_t(base) + function.localBytes;
  if (depth == kDeepest || end > kLocalLimit)
    return false;
  if (frames.size() == depth)
    frames.push_back(std::make_unique<Frame>());
  Frame &top = *frames[depth++];
  if (top.capacity < function.cells) {
    top.cells.reset(new Cell[function.cells]);
    top.capacity = function.cells;
  }
  top.function = &function;
  top.alive = top.active = mask;
  top.call = call;
  top.localBase = base;
  top.pc = function.code.data() + function.blocks[0];
  for (auto &bytes : local)
    if (bytes.size() < end)
      bytes.resize(end, 0xff);
  cache();
  return true;
}

void Warp::pop() {
  if (--depth)
    cache();
}

void Warp::cache() {
  frame = frames[depth - 1].get();
  cells = frame->cells.get();
  constants = frame->function->constants.data();
  pool = frame->function->pool.data();
  pc = frame->pc;
  active = frame->active;
}

Step Warp::fail(const Inst &inst, FaultKind kind, unsigned lane,
                std::string text) {
  Fault fault(kind, std::move(text));
  fault.kernel = launch->program->info.name;
  fault.location = frame->function->sources[inst.source];
  fault.block = block->id;
  fault.thread = block->coordinates(thread(lane));
  fault.warp = index;
  fault.lane = lane;
  fault.hasThread = true;
  launch->fault = std::move(fault);
  return Step::Fault;
}

Dim3 Block::coordinates(unsigned thread) const {
  const Dim3 &size = launch->block;
  return {thread % size.x, thread / size.x % size.y, thread / size.x / size.y};
}

std::array<uint8_t, kLanes> Launch::laneOrder() {
  std::array<uint8_t, kLanes> order;
  std::iota(order.begin(), order.end(), uint8_t(0));
  if (options->seed)
    std::shuffle(order.begin(), order.end(), random);
  return order;
}

Step attn::sim::run(Warp &w, uint64_t budget) {
  Launch &launch = *w.launch;
  for (; budget; --budget) {
    const Inst &inst = *w.pc++;
    if (++launch.steps > launch.options->stepLimit)
      return w.fail(inst, FaultKind::StepLimit, w.firstLane(),
                    llvm::formatv("more than {0} warp instructions",
                                  launch.options->stepLimit));
    launch.counts.divergent += w.active != w.alive;
    launch.tallies[size_t(inst.tally)] += inst.count;
    launch.pipes[size_t(inst.pipe)] += inst.slots;
    Step step = inst.run(w, inst);
    if (step != Step::Next)
      return step;
  }
  return Step::Yield;
}

/// Threads of `warp` that a barrier of the whole block still waits for.
static uint32_t aliveThreads(const Block &block) {
  uint32_t count = 0;
  for (const Warp &warp : block.warps)
    count += uint32_t(std::popcount(warp.alive));
  return count;
}

void Block::release(unsigned id) {
  NamedBarrier &barrier = barriers[id];
  for (Warp &warp : warps) {
    if (warp.state != Warp::Waiting || warp.waitingFor != id)
      continue;
    merge(warp.clock, barrier.clock);
    ++warp.clock[warp.index];
    warp.state = Warp::Ready;
  }
  failedWaits = 0;
  barrier = NamedBarrier();
}

void Block::releaseAfterExit() {
  for (unsigned id = 0; id < barriers.size(); ++id) {
    NamedBarrier &barrier = barriers[id];
    if (barrier.arrived && !barrier.expected &&
        barrier.arrived >= aliveThreads(*this))
      release(id);
  }
}

/// One turn of a warp; false when the launch has failed.
static bool turn(Launch &launch, Block &block, Warp &warp) {
  uint64_t budget = ~uint64_t(0);
  if (launch.options->seed)
    budget = 1 + launch.random() % 256;
  switch (run(warp, budget)) {
  case Step::Fault:
    return false;
  case Step::Wait:
    if (warp.state != Warp::Ready) // else its barrier is complete already
      return true;
    break;
  case Step::Exit:
    warp.state = Warp::Done;
    block.releaseAfterExit();
    break;
  case Step::Next:
  case Step::Yield:
    break;
  }
  return true;
}

static void reportDeadlock(Launch &launch, Block &block) {
  for (Warp &warp : block.warps) {
    if (warp.state != Warp::Waiting)
      continue;
    NamedBarrier &barrier = block.barriers[warp.waitingFor];
    uint32_t wanted = barrier.expected ? barrier.expected : aliveThreads(block);
    warp.fail(warp.pc[-1], FaultKind::Deadlock, warp.firstLane(),
              llvm::formatv("barrier {0} has {1} of {2} threads and every "
                            "other warp waits or has ended",
                            warp.waitingFor, barrier.arrived, wanted));
    return;
  }
}

static bool runBlock(Launch &launch, Block &block) {
  std::vector<Warp *> ready;
  while (true) {
    ready.clear();
    bool live = false;
    for (Warp &warp : block.warps) {
      live |= warp.state != Warp::Done;
      if (warp.state == Warp::Ready)
        ready.push_back(&warp);
    }
    if (ready.empty()) {
      if (live)
        reportDeadlock(launch, block);
      return !live;
    }
    if (launch.options->seed)
      std::shuffle(ready.begin(), ready.end(), launch.random);
    for (Warp *warp : ready)
      if (!turn(launch, block, *warp))
        return false;
  }
}

/// Gives the warps of a block their first activation.
static void startBlock(Launch &launch, Block &block, Dim3 id,
                       const std::vector<std::vector<uint64_t>> &cells) {
  const Function &kernel = launch.program->functions.front();
  block.id = id;
  block.shared.reset(launch.sharedBytes, launch.options->checkRaces,
                     launch.options->checkUninitialized);
  block.barriers = {};
  block.mbarriers.clear();
  block.failedWaits = 0;
  block.engineClock = 1;
  for (unsigned i = 0; i < block.warps.size(); ++i) {
    Warp &warp = block.warps[i];
    warp.block = &block;
    warp.launch = &launch;
    warp.index = i;
    unsigned lanes = std::min(kLanes, block.threads - i * kLanes);
    warp.alive = lanes == kLanes ? ~Mask(0) : (Mask(1) << lanes) - 1;
    warp.state = Warp::Ready;
    warp.depth = 0;
    // And the copy engine; the second half is for the asynchronous proxy.
    warp.clock.assign(2 * (block.warps.size() + 1), 0);
    warp.clock[i] = 1; // others know of nothing
    warp.async = {};
    warp.products = {};
    warp.registers = 0;
    warp.push(kernel, warp.alive, nullptr);
    for (size_t p = 0, at = 0; p < cells.size(); ++p)
      for (uint64_t value : cells[p])
        std::fill_n(warp.cells[at++].lane, kLanes, value);
  }
}

/// The blocks that are executed, in order, without a table of all.
namespace {
class BlockOrder {
public:
  BlockOrder(Launch &launch) : all(launch.grid.count()), count(all) {
    uint64_t sample = launch.options->sampleBlocks;
    if (sample && sample < all)
      count = sample;
    else if (launch.options->seed && all > 1)
      permute(launch.random);
  }

  uint64_t size() const { return count; }
  uint64_t operator[](uint64_t n) const {
    if (count < all)
      return pick(n);
    return uint64_t((start + (unsigned __int128)n * stride) % all);
  }

private:
  /// Steps of a unit of the ring.
  void permute(std::mt19937_64 &random) {
    start = random() % all;
    do
      stride = 1 + random() % (all - 1);
    while (std::gcd(stride, all) != 1);
  }

  /// One of each of `count` equal parts, at places that are not in step with
  /// any period of the work, two of them at equal distances from the ends of
  /// their parts: what grows from block to block comes out right.
  uint64_t pick(uint64_t n) const {
    constexpr double golden = 0.6180339887498949;
    double place = double(n / 2 + 1) * golden;
    place -= double(uint64_t(place));
    if (n % 2)
      place = 1 - place;
    if (n + 1 == count && count % 2)
      place = 0.5;
    return std::min(uint64_t((double(n) + place) * double(all) / double(count)),
                    all - 1);
  }

  uint64_t all, count, stride = 1, start = 0;
};
} // namespace

/// Adds what was counted beside, and makes it stand for all blocks.
static void finishCounts(Launch &launch, uint64_t executed) {
  Counts &counts = launch.counts;
  auto pipe = [&](Pipe pipe) { return launch.pipes[size_t(pipe)]; };
  counts.instructions = launch.steps;
  counts.floatOps += launch.tallies[size_t(Tally::Float)];
  counts.integerOps += launch.tallies[size_t(Tally::Integer)];
  counts.special += launch.tallies[size_t(Tally::Special)];
  counts.pipeFma += pipe(Pipe::Fma);
  counts.pipeAlu += pipe(Pipe::Alu);
  counts.pipeConvert += pipe(Pipe::Convert);
  counts.pipeSpecial += pipe(Pipe::Special);
  for (uint64_t slots : launch.pipes)
    counts.issued += slots;
  counts.blocks = executed;
  uint64_t all = launch.grid.count();
  if (executed < all)
    counts.scale(all, executed);
  launch.footprint.finish(counts, executed, all);
}

void attn::sim::runGrid(Launch &launch,
                        const std::vector<std::vector<uint64_t>> &cells) {
  launch.random.seed(launch.options->seed);
  launch.footprint.reset(
      launch.options->countFootprint
          ? std::vector<const DeviceMemory *>{launch.memory, launch.variables}
          : std::vector<const DeviceMemory *>());
  Block block;
  block.launch = &launch;
  block.threads = unsigned(launch.block.count());
  block.warps.resize((block.threads + kLanes - 1) / kLanes);
  BlockOrder order(launch);
  for (uint64_t n = 0; n < order.size(); ++n) {
    uint64_t at = order[n];
    Dim3 id{uint32_t(at % launch.grid.x),
            uint32_t(at / launch.grid.x % launch.grid.y),
            uint32_t(at / launch.grid.x / launch.grid.y)};
    startBlock(launch, block, id, cells);
    if (!runBlock(launch, block))
      break;
    launch.footprint.endBlock();
  }
  finishCounts(launch, order.size());
}
