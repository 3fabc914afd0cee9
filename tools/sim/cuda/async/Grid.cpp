// griddepcontrol, setmaxnreg, and the answers of the memory system to a cluster at rest.
// PTX ISA, "griddepcontrol", "setmaxnreg".
#include "tools/sim/cuda/async/Common.h"

using namespace adze::sim;

// --- griddepcontrol ---

/// The thread, and whoever is ordered after it, may touch what the preceding grid used.
static Flow execGridWait(Warp &warp, const Instr &, Mask active) {
  WarpState &state = WarpState::of(warp);
  const Unit &unit = state.block->cluster->unit;
  if (!unit.dependent)
    return Flow::Next;
  Knowledge knowledge;
  knowledge.generic.at(unit.gridActor).all = 1;
  state.clocks.acquire(active, knowledge);
  return Flow::Next;
}

static Flow execGridLaunch(Warp &, const Instr &, Mask) { return Flow::Next; }

static void decodeGrid(Decoder &d, Instr &out) {
  d.requireTarget(90);
  out.handler = d.requireOne("an action", {"wait", "launch_dependents"}) == 0 ? execGridWait : execGridLaunch;
}

// --- setmaxnreg ---

/// Registers a thread that the kernel starts with, from its directives; 0 if they do not fix it.
static uint32_t entryRegisters(const KernelCode &kernel) {
  if (kernel.maxRegisters)
    return kernel.maxRegisters / 8 * 8;
  const Dim3 &threads = kernel.requiredThreads.x ? kernel.requiredThreads : kernel.maxThreads;
  if (!threads.x || !kernel.minBlocksPerSm)
    return 0;
  uint64_t registers = 65536 / (threads.count() * kernel.minBlocksPerSm) / 8 * 8;
  return uint32_t(std::min<uint64_t>(registers, 248));
}

static std::string describePool(const Warp &warp, const Instr &instr) {
  const WarpState &state = static_cast<const WarpState &>(*warp.memory);
  return "waits in setmaxnreg.inc for " + std::to_string(instr.immediate - state.registers) +
         " registers a thread; the block's pool has " + std::to_string(state.block->freeRegisters);
}

static Flow execRegisters(Warp &warp, const Instr &instr, Mask active) {
  requireConverged(warp, active, "setmaxnreg");
  WarpState &state = WarpState::of(warp);
  BlockState &block = *state.block;
  uint32_t wanted = uint32_t(instr.immediate);
  if (!state.registers)
    state.registers = entryRegisters(*warp.block->launch->kernel);
  if (!state.registers)
    fault(firstLane(active), FaultCode::IllegalInstruction,
          "setmaxnreg would be ignored: the kernel needs .maxntid (or .reqntid) and .minnctapersm, or .maxnreg");
  bool increases = instr.flags;
  if (increases ? wanted < state.registers : wanted > state.registers)
    fault(firstLane(active), FaultCode::IllegalInstruction,
          std::string("setmaxnreg.") + (increases ? "inc" : "dec") + " to " + std::to_string(wanted) +
              " registers, but the thread has " + std::to_string(state.registers));
  if (!increases) {
    block.freeRegisters += state.registers - wanted;
    state.registers = wanted;
    block.cluster->progress();
    return Flow::Next;
  }
  if (block.freeRegisters < int64_t(wanted - state.registers))
    return warp.wait(describePool);
  block.freeRegisters -= wanted - state.registers;
  state.registers = wanted;
  return Flow::Next;
}

static void decodeRegisters(Decoder &d, Instr &out) {
  d.requireTarget(90, /*exactSuffix=*/true);
  out.flags = d.requireOne("a direction", {"dec", "inc"});
  d.take("sync");
  d.take("aligned");
  d.take("u32");
  int64_t count = d.immediate(d.operand(0), "the number of registers");
  if (count < 24 || count > 256 || count % 8)
    d.fail("setmaxnreg of " + std::to_string(count) + " registers: allowed are multiples of 8 from 24 to 256");
  out.immediate = uint64_t(count);
  out.handler = execRegisters;
}

static void refuseTensorMapEdit(Decoder &d, Instr &) {
  d.fail("tensor maps changed on the device are not modelled: encode them on the host");
}

// --- a cluster at rest ---

bool LaunchState::advance(Cluster &cluster) {
  ClusterState &state = ClusterState::of(cluster);
  if (state.copies.deliverOne()) {
    state.progress();
    return true;
  }
  for (std::unique_ptr<Block> &block : cluster.blocks)
    for (Warp &warp : block->warps)
      if (!warp.done() && deliverArrival(warp)) {
        state.progress();
        return true;
      }
  // Nothing is held back. Threads inside test_wait may go round their loops a while.
  if (state.pollers && ++state.polls < 64) {
    ++cluster.progress;
    return true;
  }
  return false;
}

namespace adze::sim {
void registerMBarriers(DecodeTable &table);
void registerCpAsync(DecodeTable &table);
void registerBulk(DecodeTable &table);
void registerAsync(DecodeTable &table) {
  registerMBarriers(table);
  registerCpAsync(table);
  registerBulk(table);
  table.add("griddepcontrol", decodeGrid);
  table.add("setmaxnreg", decodeRegisters);
  table.add("tensormap", refuseTensorMapEdit);
}
} // namespace adze::sim
