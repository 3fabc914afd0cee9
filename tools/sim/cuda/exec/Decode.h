// Decoding: from ptx::Statement to Instr. Folders register decode functions by opcode in one table.
//
//   void registerTensor(DecodeTable &table) { table.add("mma.sync", decodeMma); ... }
//   void decodeMma(Decoder &d, Instr &out) {
//     d.take("aligned"); ...                       // modifiers, in any order unless taken in order
//     out.slot[0] = d.writeRegister(d.operand(0), 4); ...
//     out.handler = execMma;
//   }                                              // what was not taken is an error with text and line
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_DECODE_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_DECODE_H

#include "../ptx/Syntax.h"
#include "Memory.h"
#include "Program.h"

#include <initializer_list>
#include <map>
#include <stdexcept>

namespace adze::sim {

/// Thrown for text that cannot be loaded; loadModule turns it into a LoadResult.
class LoadError : public std::runtime_error {
public:
  LoadError(uint32_t line, const std::string &text) : std::runtime_error(text), line(line) {}
  uint32_t line;
};

class Decoder;
using DecodeFunction = void (*)(Decoder &decoder, Instr &out);

/// Decode functions by the leading parts of the name: "cp.async.bulk.tensor" wins over "cp.async". The parts that the
/// entry names are taken from the modifiers before the function is called.
class DecodeTable {
public:
  void add(const std::string &name, DecodeFunction function);
  /// The longest entry that `statement` starts with and how many modifiers it covers; null if there is none.
  DecodeFunction find(const ptx::Statement &statement, unsigned &covered) const;

private:
  std::map<std::string, DecodeFunction> entries;
};

/// An address operand: a register (or nothing) plus a constant. Registers may be 32 or 64 bits wide.
struct AddressSlot {
  Slot base;                  ///< not valid: the address is `offset` alone
  uint8_t bytes = 8;          ///< width of the base register
  int64_t offset = 0;         ///< includes the variable's address
  bool frameRelative = false; ///< of a .local variable: the function's local frame is added
};

/// Element types as written after the dot: "f32" is {Float, 32}.
struct ElementType {
  enum class Class : uint8_t { Bits, Unsigned, Signed, Float, BFloat, TFloat, Predicate } cls = Class::Bits;
  unsigned bits = 32;
  bool packed = false; ///< f16x2, bf16x2
  std::string name;
  unsigned bytes() const { return bits / 8; } ///< of the register: 4 for f16x2
};
/// False if `text` is no element type.
bool parseElementType(const std::string &text, ElementType &type);

class Decoder {
public:
  // --- the statement ---
  const ptx::Statement &statement() const { return *current; }
  uint32_t line() const { return current->line; }
  unsigned operandCount() const { return unsigned(current->operands.size()); }
  /// Operand `i`; an error if there is none. Operands nobody asked for are an error at the end.
  const ptx::Operand &operand(unsigned i);
  [[noreturn]] void fail(const std::string &text) const;

  // --- modifiers ---
  /// Takes the modifier if it is there (anywhere).
  bool take(const std::string &modifier);
  /// Takes the first of `choices` that is there and answers its index, or -1.
  int takeOne(std::initializer_list<const char *> choices);
  /// takeOne, an error naming `what` if none is there.
  unsigned requireOne(const char *what, std::initializer_list<const char *> choices);
  /// Takes the first modifier that names an element type; false if none is left.
  bool takeType(ElementType &type);
  ElementType requireType();
  /// .global .shared .shared::cta .shared::cluster .local .const .param (also with ::entry, ::func); Generic if none.
  Space takeSpace();
  /// Cache operators and eviction hints (.ca .cg .L1::evict_last .L2::128B ...): parsed, no meaning here. True if the
  /// operand list ends in a cache policy (.L2::cache_hint).
  bool takeCacheHints();
  Scope takeScope(); ///< .cta .cluster .gpu .sys
  const std::vector<std::string> &left() const { return modifiers; }

  // --- operands: places; `bytes` is the width that the instruction wants (1 is stored as 2). They record accesses. ---
  /// A register (or immediate) of exactly `bytes`.
  Slot readOperand(const ptx::Operand &operand, unsigned bytes);
  Slot writeRegister(const ptx::Operand &operand, unsigned bytes); ///< also the sink: an invalid slot
  /// ld, st, cvt: a register may be wider than the instruction's type; `width` answers its bytes.
  Slot readWide(const ptx::Operand &operand, unsigned bytes, unsigned &width);
  Slot writeWide(const ptx::Operand &operand, unsigned bytes, unsigned &width);
  Slot readPredicate(const ptx::Operand &operand, bool &negated); ///< p or !p, or an immediate 0/1
  Slot writePredicate(const ptx::Operand &operand);               ///< or the sink
  /// The elements of {a, b, ...}; a single register is a vector of one.
  std::vector<const ptx::Operand *> elements(const ptx::Operand &operand) const;
  std::vector<Slot> readVector(const ptx::Operand &operand, unsigned bytes, unsigned count);
  std::vector<Slot> writeVector(const ptx::Operand &operand, unsigned bytes, unsigned count);
  /// Both read and written (accumulators tied in inline assembly are separate operands; this is for wgmma's D).
  std::vector<Slot> updateVector(const ptx::Operand &operand, unsigned bytes, unsigned count);
  /// [reg+offset] or [variable+offset]; `element` picks from [a, {..}].
  AddressSlot address(const ptx::Operand &operand, unsigned element = 0);
  /// A constant that must be written as a number.
  int64_t immediate(const ptx::Operand &operand, const char *what);
  bool isImmediate(const ptx::Operand &operand) const { return operand.kind == ptx::Operand::Kind::Integer; }
  /// A constant as an operand: 32 lanes of it.
  Slot constant(uint64_t value, unsigned bytes);

  /// A register of the instruction's own.
  Slot temporary(unsigned bytes, bool predicate);

  // --- facts and storage ---
  const Architecture &target() const;
  /// Errors naming the instruction: "needs sm_90", "needs PTX ISA 8.0".
  void requireTarget(unsigned number, bool exactSuffix = false);
  void requireVersion(unsigned major, unsigned minor);
  void trackRegisters(); ///< Program::trackRegisters
  template <typename T>
  T &makeExtra(Instr &out) {
    auto extra = std::make_unique<T>();
    T &ref = *extra;
    out.extra = extra.get();
    program().extras.push_back(std::move(extra));
    return ref;
  }
  Program &program();
  KernelCode &function();

  // --- for exec/Decode.cpp ---
  struct State;
  explicit Decoder(State &state) : state(state) {}
  State &internals() { return state; }
  void begin(const ptx::Statement &statement, unsigned covered);
  void finish(Instr &out);

private:
  State &state;
  const ptx::Statement *current = nullptr;
  std::vector<std::string> modifiers;
  uint64_t usedOperands = 0;
  uint32_t firstAccess = 0;
  void record(Slot slot, bool write);
};

/// Evaluates an address for the lanes of `active` into `out[lane]`; faults on poison.
void evaluateAddress(Warp &warp, const AddressSlot &address, Mask active, uint64_t *out);

// --- the registration functions of the folders, called by exec/Table.cpp ---
void registerExec(DecodeTable &table);   // tools/sim/cuda/exec
void registerMemory(DecodeTable &table); // tools/sim/cuda/memory: atom red bar barrier membar fence isspacep mapa ...
void registerAsync(DecodeTable &table);  // tools/sim/cuda/async: cp mbarrier tensormap ...
void registerTensor(DecodeTable &table); // tools/sim/cuda/tensor: mma ldmatrix stmatrix movmatrix wgmma

} // namespace adze::sim
#endif
