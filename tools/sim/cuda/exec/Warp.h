// A warp: registers of 32 lanes with poison bits, the groups of lanes that run together, and what the warp waits for.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_WARP_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_WARP_H

#include "../memory/Fault.h"
#include "Instr.h"
#include "Program.h"

#include <string>
#include <vector>

namespace adze::sim {

class Block;

/// State that another folder keeps by warp (clocks, pending cp.async groups, wgmma locks ...).
struct WarpExtension {
  virtual ~WarpExtension() = default;
};

struct CallExtra;
struct CallRecord {
  const Instr *returnTo = nullptr; ///< the join after the call
  const CallExtra *call = nullptr;
  const KernelCode *code = nullptr; ///< the caller
  uint32_t frame = 0, poisonFrame = 0, localFrame = 0;
  int32_t join = -1; ///< made by the call
};

/// Lanes that share a program counter. A warp without divergence is one split.
struct Split {
  const Instr *pc = nullptr;
  Mask mask = 0;
  int32_t join = -1;
  uint32_t depth = 0; ///< of the call stack
  uint32_t frame = 0; ///< byte offset of the current frame in the register file
  uint32_t poisonFrame = 0;
  uint32_t localFrame = 0; ///< byte offset of the function's .local variables in each lane's local memory
  std::vector<CallRecord> calls;
  const KernelCode *code = nullptr;                               ///< the function it is in
  std::string (*describe)(const Warp &, const Instr &) = nullptr; ///< what it waits for
  /// Scratch of a handler that answered Wait: 0 when an instruction starts, kept while it is retried.
  uint64_t waitState = 0;
  Mask gathering = 0;   ///< lanes that wait in gather()
  bool blocked = false; ///< answered Wait since the last progress
};

/// Where diverged lanes meet again: the immediate post-dominator of the branch.
struct Join {
  const Instr *at = nullptr;
  uint32_t depth = 0; ///< of the call stack
  Mask expected = 0;  ///< lanes that will come, unless they exit
  Mask arrived = 0;
  int32_t parent = -1; ///< the join of the code around the branch
  bool free = true;
  Split resume; ///< the first that arrived: frames and calls are the same for all
};

class Warp {
public:
  Block *block = nullptr;
  unsigned index = 0; ///< in the block
  Mask live = 0;      ///< lanes that exist and have not exited
  Mask exists = 0;

  // --- registers of the current split ---
  /// The 32 lanes of a register or constant. T: uint16_t, uint32_t, uint64_t or a type of the same size.
  template <typename T>
  const T *read(Slot slot) const {
    const uint8_t *base = slot.constant() ? constants : registers;
    return reinterpret_cast<const T *>(base + (slot.offset & ~Slot::constantBit));
  }
  template <typename T>
  T *write(Slot slot) {
    return reinterpret_cast<T *>(registers + slot.offset);
  }
  /// Lanes whose value derives from something uninitialised.
  Mask poison(Slot slot) const { return poisons[slot.poison]; }
  /// Sets the poison bits of the lanes of `active`; the other lanes keep theirs.
  void setPoison(Slot slot, Mask active, Mask poisoned) {
    Mask *p = &poisons[slot.poison];
    p[0] = (p[0] & ~active) | (poisoned & active);
    if (poisoned & active) {
      p[1] &= ~active;
      p[2] &= ~active;
    }
  }
  /// The same for the two 16-bit halves of a 32-bit register. What does not know of halves poisons both.
  Mask lowPoison(Slot slot) const { return poisons[slot.poison] & ~poisons[slot.poison + 1]; }
  Mask highPoison(Slot slot) const { return poisons[slot.poison] & ~poisons[slot.poison + 2]; }
  void setHalfPoison(Slot slot, Mask active, Mask low, Mask high) {
    Mask *p = &poisons[slot.poison];
    p[0] = (p[0] & ~active) | ((low | high) & active);
    p[1] = (p[1] & ~active) | (~low & active);
    p[2] = (p[2] & ~active) | (~high & active);
  }
  /// A predicate register: a bit a lane.
  Mask predicate(Slot slot) const { return *read<Mask>(slot); }
  void setPredicate(Slot slot, Mask active, Mask value) {
    Mask *p = write<Mask>(slot);
    *p = (*p & ~active) | (value & active);
  }
  /// One lane of an operand of `bytes` (1, 2, 4 or 8), zero-extended.
  uint64_t readLane(Slot slot, unsigned lane, unsigned bytes) const;
  void writeLane(Slot slot, unsigned lane, unsigned bytes, uint64_t value);
  /// A value that must be the same in all lanes of `active` (descriptors, barrier ids, counts ...); faults if it is not
  /// or if it is poisoned.
  uint64_t uniform(Slot slot, Mask active, unsigned bytes, const char *what);

  Mask carry = 0, carryPoison = fullMask; ///< CC.CF of extended-precision arithmetic

  // --- waiting ---
  /// What the warp waits for; set it before answering Flow::Wait. Called for the deadlock report only.
  using Describe = std::string (*)(const Warp &, const Instr &);
  Flow wait(Describe text) {
    splits[active].describe = text;
    return Flow::Wait;
  }
  Split &current() { return splits[active]; }
  const Split &current() const { return splits[active]; }
  uint64_t &waitState() { return splits[active].waitState; }

  // --- register locks and marks (programs with Program::trackRegisters only; see Block::track) ---
  /// Registers that an asynchronous unit still uses, by poison index (frame of the kernel): 0 free, 1 may be read, 2
  /// may not be touched. lockCount > 0 switches the checks on.
  std::vector<uint8_t> locks;
  uint32_t lockCount = 0;
  /// Serial number of the last instruction of the warp that read or wrote the register (writes and reads alike).
  std::vector<uint64_t> touched;
  uint64_t serial = 0; ///< instructions that the warp has started

  // --- extensions of the other folders ---
  std::unique_ptr<WarpExtension> memory, async, tensor;
  bool done() const { return live == 0; }

  // --- raw state, for the executor ---
  uint8_t *registers = nullptr;       ///< frame of the running split
  const uint8_t *constants = nullptr; ///< constant bank of the program
  Mask *poisons = nullptr;
  std::vector<uint8_t> registerFile;
  std::vector<Mask> poisonFile;
  std::vector<Split> splits;
  std::vector<Join> joins;
  unsigned active = 0;            ///< index of the running split
  unsigned turn = 0;              ///< which split begins the next slice
  uint64_t parkedAt = 0;          ///< Cluster::progress when no split could go on
  uint32_t tid[3][warpSize] = {}; ///< %tid.x, .y, .z

  // --- control, for control instructions ---
  void enter(unsigned split); ///< makes it the running one
  /// Lanes of `taken` go to `target`, the others to `rest`; they meet at `meet` (null: nowhere before the end).
  void diverge(Mask taken, const Instr *target, const Instr *rest, const Instr *meet);
  void arrive(const Instr *at); ///< the running split is at a join's instruction
  void exitLanes(Mask lanes);   ///< of the running split
  void call(const Instr *instr, const CallExtra &call, Mask lanes);
  void returnLanes(Mask lanes);
  void removeSplit(); ///< the running one, which has no lanes left
  void leaveJoins(Mask lanes, int32_t from, int32_t to);

  unsigned threads() const { return unsigned(__builtin_popcount(live)); }
  /// Linear thread index in the block.
  unsigned thread(unsigned lane) const { return index * warpSize + lane; }
};

/// The lowest lane of a mask that is not 0.
inline unsigned firstLane(Mask mask) { return unsigned(__builtin_ctz(mask)); }

/// A fault with the lane that caused it. The executor adds kernel, PTX line and text, block and thread.
class LaneFault : public MemoryFault {
public:
  LaneFault(FaultCode code, unsigned lane, const std::string &text) : MemoryFault(code, text), lane(lane) {}
  unsigned lane;
};

[[noreturn]] void fault(unsigned lane, FaultCode code, const std::string &text);
/// Faults if any lane of `active` has a poisoned `slot`: "the address derives from an uninitialised value".
inline void requireDefined(const Warp &warp, Slot slot, Mask active, const char *what) {
  if (Mask bad = warp.poison(slot) & active)
    fault(firstLane(bad), FaultCode::LaunchFailed, std::string(what) + " derives from an uninitialised value");
}
/// `.aligned` forms: all live lanes of the warp must execute the instruction together.
void requireConverged(const Warp &warp, Mask active, const char *what);
/// membermask of .sync forms: every active lane must be in its own mask. Answers the lanes that execute the instruction
/// together: `active`, or more when other splits of the warp wait at the same instruction (they then go on too); 0 when
/// named live lanes are still missing, and the handler must answer warp.wait(...).
Mask gather(Warp &warp, const Instr &instr, Mask active, Slot members, const char *what);

} // namespace adze::sim
#endif
