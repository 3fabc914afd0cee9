// A decoded instruction: a handler and the places of its operands.
//
// Registers live in the warp's frame (see Warp.h): 32 lanes side by side, of the width that the register was declared
// with: predicates are one Mask, .b16 is uint16_t[32], .b32 uint32_t[32], .b64 uint64_t[32], .b128 two uint64_t[32]
// (low halves first); .b8 is kept like .b16. Immediate operands are constants spread over 32 lanes in the program's
// constant bank, so handlers read them like registers.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_INSTR_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_INSTR_H

#include "Types.h"

#include <memory>
#include <string>
#include <vector>

namespace adze::sim {

class Warp;
struct Instr;

/// What the warp does next.
enum class Flow : uint8_t {
  Next,   ///< go on with the following instruction
  Jumped, ///< the handler has set the program counter (or ended the lanes)
  Wait,   ///< not done: the warp is suspended and the handler called again later, until it answers something else
  Yield,  ///< done; let other warps run before the next instruction
};

/// `active`: the lanes that execute it (active lanes for which the guard holds); never 0. Handlers with the same
/// instruction may run on several host threads at once: they change nothing but the warp, its block and memory.
/// Errors are thrown: fault() of Warp.h, or MemoryFault.
using Handler = Flow (*)(Warp &warp, const Instr &instr, Mask active);

/// Where an operand is. `valid()` is false for absent operands and for the sink `_`.
struct Slot {
  static constexpr uint32_t none = ~uint32_t(0);
  static constexpr uint32_t constantBit = uint32_t(1) << 31;
  uint32_t offset = none; ///< bytes in the frame, or in the constant bank (constantBit)
  uint32_t poison = 0;    ///< index of the register's poison mask in the frame; 0 (never poisoned) for constants
  bool valid() const { return offset != none; }
  bool constant() const { return offset & constantBit; }
};

/// Decoded data of an instruction that does not fit into Instr; the program owns it.
struct InstrExtra {
  virtual ~InstrExtra() = default;
};

/// Masks of a register's poison: of the whole, and the lanes whose low or high half is known all the same.
inline constexpr uint32_t poisonStride = 3;

struct Instr {
  Handler handler = nullptr;
  Slot guard; ///< a predicate
  bool guardNegated = false;
  bool pseudo = false;      ///< made by the decoder (reconvergence): not counted, never guarded
  bool checksLocks = false; ///< wgmma.mma_async: the handler looks after register locks and marks itself
  uint8_t count = 0;        ///< free for the handler: vector size ...
  uint8_t flags = 0;        ///< free for the handler
  uint32_t line = 0;        ///< in the PTX text
  /// Meaning is the handler's own; by convention destinations come first. `slot[0..3]` are enough for plain
  /// instructions; longer operand lists go into an InstrExtra.
  Slot slot[6];
  uint64_t immediate = 0; ///< free for the handler: offset of an address, selector ...
  uint64_t immediate2 = 0;
  const InstrExtra *extra = nullptr;
  uint32_t accesses = 0, accessCount = 0; ///< which registers it reads and writes: Program::accesses
};

/// One register that an instruction reads or writes, for register locks and dirty marks.
struct RegisterAccess {
  uint32_t poison; ///< index as in Slot::poison
  bool write;
};

} // namespace adze::sim
#endif
