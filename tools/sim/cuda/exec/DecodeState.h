// What the decoder knows while it works on a module: private to exec/Decode*.cpp, Build.cpp and the decode functions of
// control instructions.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_DECODESTATE_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_DECODESTATE_H

#include "Decode.h"
#include "Warp.h"

#include <unordered_map>

namespace adze::sim {

/// A name of the PTX text.
struct Symbol {
  enum class Kind : uint8_t { Register, Range, Variable, KernelParam, CallParam } kind = Kind::Register;
  Slot slot;              ///< Register; CallParam: its bytes in the frame, lane by lane
  unsigned bytes = 0;     ///< Register, Range: width; CallParam, KernelParam: size of one lane
  bool predicate = false; ///< Register, Range
  uint32_t count = 0;     ///< Range
  Space space = Space::Global;
  uint64_t address = 0; ///< Variable: in its window (Local: in the function's frame); KernelParam: offset
  bool dynamic = false; ///< .extern .shared
};

/// One statement with the facts that control flow needs.
struct Located {
  const ptx::Statement *statement = nullptr;
  unsigned scope = 0;
  int join = -1;                 ///< statement where lanes meet that diverge here
  std::vector<unsigned> targets; ///< of bra, brx.idx: statements
};

struct Decoder::State {
  Program *program = nullptr;
  const DecodeTable *table = nullptr;
  KernelCode *function = nullptr;
  std::unordered_map<std::string, Symbol> globals;             ///< module scope
  std::vector<std::unordered_map<std::string, Symbol>> scopes; ///< of the function, innermost last
  std::vector<Instr> before;                                   ///< pseudo instructions to put before the current one
  std::map<std::pair<uint64_t, unsigned>, Slot> constants;
  std::map<std::string, KernelCode *> callable; ///< functions of the current kernel
  std::map<std::string, const ptx::Function *> declared;

  /// Results, then parameters, of the functions in `callable`.
  std::map<std::string, std::vector<Symbol>> callParams;
  std::map<std::string, size_t> callResults; ///< how many of them are results

  // control flow of the current function
  const Located *located = nullptr; ///< of the current statement
  std::vector<unsigned> codeIndex;  ///< by statement: where its code starts (pseudo instructions included)

  /// Places of registers that live inside one basic block are used again there. A first pass over a function counts
  /// newRegister() calls and finds out what becomes of each; the second one makes the same calls and shares places.
  struct Lifetime {
    unsigned first = ~0u, last = 0; ///< statements
    bool shares = true;             ///< all in one block, begins with an unconditional write
  };
  std::vector<Lifetime> lifetimes; ///< by call; empty in the first pass
  unsigned registerCalls = 0;
  std::vector<uint32_t> callPoisons;                                 ///< by call: the poison index given
  std::map<unsigned, std::vector<Slot>> released;                    ///< free places, by stored bytes
  std::map<unsigned, std::vector<std::pair<unsigned, Slot>>> ending; ///< by last statement: stored bytes and place

  Symbol *find(const std::string &name);
  Slot newRegister(unsigned bytes, bool predicate);
};

/// Byte layout of a declaration.
unsigned elementBytesOf(const std::string &type, uint32_t line);
uint64_t sizeOf(const ptx::Declaration &declaration);
uint32_t alignmentOf(const ptx::Declaration &declaration);

/// Special registers (%tid.x ...): a number for execSpecial, or -1.
int specialRegister(const std::string &name);
unsigned specialBytes(int special);
/// Fills out with the move of a special register.
void makeSpecialMove(int special, Slot to, Instr &out);

// Pseudo instructions and control.
Flow execJoin(Warp &warp, const Instr &instr, Mask active);

/// Targets of brx.idx, as distances in instructions.
struct BranchExtra : InstrExtra {
  std::vector<int64_t> distances;
};

/// Arguments of a call: copies between parameter areas of caller and callee.
struct CallExtra : InstrExtra {
  struct Copy {
    Slot from, to;
    unsigned bytes;
  };
  const KernelCode *callee = nullptr;
  std::vector<Copy> arguments, results;
};

} // namespace adze::sim
#endif
