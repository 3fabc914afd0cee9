// PTX text as a tree: what the parser makes and the decoder reads.
#ifndef ADZE_TOOLS_SIM_CUDA_PTX_SYNTAX_H
#define ADZE_TOOLS_SIM_CUDA_PTX_SYNTAX_H

#include <cstdint>
#include <string>
#include <vector>

namespace adze::sim::ptx {

struct Operand {
  enum class Kind : uint8_t {
    Name,    ///< register, variable, label or function: `name`, perhaps with a component: %v.x, b.h1
    Integer, ///< `bits` (two's complement; negated if `minus` was written)
    Float,   ///< `bits` are those of an f32 (0f) or f64 (0d or a decimal literal)
    Address, ///< [elements[0] + offset], or [a, {x, y}] of tensor copies: further elements
    Vector,  ///< {a, b, ...}
    Pair,    ///< p|q
    Sink,    ///< _
    List,    ///< (a, b) of calls
  };
  Kind kind = Kind::Name;
  std::string name;
  bool negated = false;  ///< !p
  bool isDouble = false; ///< Float
  uint64_t bits = 0;
  int64_t offset = 0; ///< Address, or Name + offset (var+4)
  std::vector<Operand> elements;
};

/// One instruction as written.
struct Statement {
  std::string opcode;                 ///< "cp"
  std::vector<std::string> modifiers; ///< "async", "bulk", ...; "shared::cta" is one
  std::string guard;                  ///< register name; empty: none
  bool guardNegated = false;
  std::vector<Operand> operands;
  uint32_t line = 0;
  std::string fullName() const {
    std::string s = opcode;
    for (const std::string &m : modifiers)
      s += "." + m;
    return s;
  }
};

} // namespace adze::sim::ptx
#endif
