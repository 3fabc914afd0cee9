// Branches, calls, exits, and the instructions that only steer. PTX ISA, "Control Flow Instructions", "Miscellaneous
// Instructions".
#include "Block.h"
#include "DecodeState.h"

#include <cstring>

namespace adze::sim {

Flow execJoin(Warp &warp, const Instr &instr, Mask) {
  const Split &split = warp.current();
  if (split.join < 0)
    return Flow::Next;
  const Join &join = warp.joins[size_t(split.join)];
  if (join.at != &instr || join.depth != split.depth)
    return Flow::Next;
  warp.arrive(&instr);
  return Flow::Jumped;
}

namespace {

enum BranchFlags : uint8_t { Uniform = 1 };

[[noreturn]] void divergesUniform(Mask lanes) {
  fault(firstLane(lanes), FaultCode::LaunchFailed, "the branch is marked .uni, but only some lanes take it");
}

Flow execBranch(Warp &warp, const Instr &instr, Mask active) {
  Split &split = warp.current();
  const Instr *target = &instr + int64_t(instr.immediate);
  if (active == split.mask) {
    split.pc = target;
    return Flow::Jumped;
  }
  if (instr.flags & Uniform)
    divergesUniform(split.mask & ~active);
  warp.diverge(active, target, &instr + 1, instr.immediate2 ? &instr + int64_t(instr.immediate2) : nullptr);
  return Flow::Jumped;
}

void decodeBranch(Decoder &d, Instr &out) {
  out.flags = d.take("uni") ? Uniform : 0;
  d.operand(0);
  out.handler = execBranch;
}

Flow execIndexedBranch(Warp &warp, const Instr &instr, Mask active) {
  const auto &distances = static_cast<const BranchExtra *>(instr.extra)->distances;
  requireDefined(warp, instr.slot[0], active, "the index of brx.idx");
  const uint32_t *index = warp.read<uint32_t>(instr.slot[0]);
  const Instr *meet = instr.immediate2 ? &instr + int64_t(instr.immediate2) : nullptr;
  for (Mask rest = active; rest; rest &= rest - 1)
    if (index[firstLane(rest)] >= distances.size())
      fault(firstLane(rest), FaultCode::LaunchFailed,
            "index " + std::to_string(index[firstLane(rest)]) + " of brx.idx, the list has " +
                std::to_string(distances.size()) + " targets");
  unsigned self = warp.active;
  for (Mask rest = active; rest;) {
    uint32_t value = index[firstLane(rest)];
    Mask same = 0;
    for (Mask left = rest; left; left &= left - 1)
      if (index[firstLane(left)] == value)
        same |= Mask(1) << firstLane(left);
    rest &= ~same;
    const Instr *target = &instr + distances[value];
    Split &split = warp.splits[self];
    if (same == split.mask) {
      split.pc = target;
      return Flow::Jumped;
    }
    if (instr.flags & Uniform)
      divergesUniform(split.mask & ~same);
    warp.diverge(same, target, &instr + 1, meet);
  }
  return Flow::Jumped;
}

void decodeIndexedBranch(Decoder &d, Instr &out) {
  out.flags = d.take("uni") ? Uniform : 0;
  out.slot[0] = d.readOperand(d.operand(0), 4);
  d.operand(1);
  out.handler = execIndexedBranch;
}

Flow leave(Warp &warp, Mask active) {
  bool all = active == warp.current().mask;
  warp.block->launch->memory->lanesExited(warp, active);
  warp.exitLanes(active);
  warp.block->notify();
  return all ? Flow::Jumped : Flow::Next;
}

Flow execExit(Warp &warp, const Instr &, Mask active) { return leave(warp, active); }
Flow execReturn(Warp &warp, const Instr &, Mask active) {
  if (warp.current().depth == 0)
    return leave(warp, active);
  warp.returnLanes(active);
  return Flow::Jumped;
}
void decodeExit(Decoder &, Instr &out) { out.handler = execExit; }
void decodeReturn(Decoder &d, Instr &out) {
  d.take("uni");
  out.handler = execReturn;
}

Flow execTrap(Warp &, const Instr &, Mask active) {
  fault(firstLane(active), FaultCode::LaunchFailed, "the kernel executed trap");
}
void decodeTrap(Decoder &, Instr &out) { out.handler = execTrap; }

Flow execCall(Warp &warp, const Instr &instr, Mask active) {
  warp.call(&instr, *static_cast<const CallExtra *>(instr.extra), active);
  return Flow::Jumped;
}

Flow execNothing(Warp &, const Instr &, Mask) { return Flow::Next; }
Flow execSleep(Warp &, const Instr &, Mask) { return Flow::Yield; }
void decodeSleep(Decoder &d, Instr &out) {
  if (!d.take("u32"))
    d.fail("needs .u32");
  d.readOperand(d.operand(0), 4);
  out.handler = execSleep;
}
void decodeBreakpoint(Decoder &, Instr &out) { out.handler = execNothing; }
void decodePmEvent(Decoder &d, Instr &out) {
  d.take("mask");
  d.immediate(d.operand(0), "the event");
  out.handler = execNothing;
}

} // namespace

/// call{.uni} (results), function, (arguments): parameters are .param variables or registers of 32 or 64 bits.
class CallDecoder {
public:
  CallDecoder(Decoder &d, Decoder::State &state) : d(d), state(state) {}
  void run(Instr &out) {
    d.take("uni");
    unsigned at = 0;
    const ptx::Operand *results = nullptr, *arguments = nullptr;
    if (d.operandCount() && d.operand(0).kind == ptx::Operand::Kind::List)
      results = &d.operand(at++);
    const ptx::Operand &callee = d.operand(at++);
    if (at < d.operandCount())
      arguments = &d.operand(at++);
    auto it = state.callable.find(callee.name);
    if (callee.kind != ptx::Operand::Kind::Name || it == state.callable.end())
      d.fail("'" + callee.name +
             "' is no function defined in this module; indirect and external calls are not supported");
    CallExtra &extra = d.makeExtra<CallExtra>(out);
    extra.callee = it->second;
    const std::vector<Symbol> &formal = state.callParams[callee.name];
    size_t resultCount = state.callResults[callee.name];
    copies(results, formal.data(), resultCount, extra.results, true);
    copies(arguments, formal.data() + resultCount, formal.size() - resultCount, extra.arguments, false);
    out.handler = execCall;
  }

private:
  void copies(const ptx::Operand *list, const Symbol *formal, size_t count, std::vector<CallExtra::Copy> &to,
              bool results) {
    size_t given = list ? list->elements.size() : 0;
    if (given != count)
      d.fail("the function has " + std::to_string(count) + (results ? " results" : " parameters") + ", the call " +
             std::to_string(given));
    for (size_t i = 0; i != count; ++i) {
      const Symbol *actual = state.find(list->elements[i].name);
      if (!actual || actual->kind != Symbol::Kind::CallParam || actual->bytes != formal[i].bytes)
        d.fail("'" + list->elements[i].name + "' is no .param variable of " + std::to_string(formal[i].bytes) +
               " bytes");
      to.push_back(results ? CallExtra::Copy{formal[i].slot, actual->slot, formal[i].bytes}
                           : CallExtra::Copy{actual->slot, formal[i].slot, formal[i].bytes});
    }
  }
  Decoder &d;
  Decoder::State &state;
};

static void decodeCall(Decoder &d, Instr &out) { CallDecoder(d, d.internals()).run(out); }

void registerControl(DecodeTable &table) {
  table.add("bra", decodeBranch);
  table.add("brx.idx", decodeIndexedBranch);
  table.add("call", decodeCall);
  table.add("ret", decodeReturn);
  table.add("exit", decodeExit);
  table.add("trap", decodeTrap);
  table.add("nanosleep", decodeSleep);
  table.add("brkpt", decodeBreakpoint);
  table.add("pmevent", decodePmEvent);
}

} // namespace adze::sim
