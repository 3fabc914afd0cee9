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
  /// Opcode and modifiers as written.
  std::string fullName() const {
    std::string s = opcode;
    for (const std::string &m : modifiers)
      s += "." + m;
    return s;
  }
};

/// One element of an initialiser: a number, or the address of a variable.
struct Initial {
  uint64_t bits = 0;
  bool isFloat = false, isDouble = false;
  std::string symbol;   ///< address of this variable + bits
  bool generic = false; ///< generic(symbol)
};

/// A variable, register range or parameter.
struct Declaration {
  std::string space; ///< reg, global, const, shared, local, param
  std::string type;  ///< as written after the dot: b32, f16x2, pred ...
  std::string name;
  uint32_t vector = 1;
  uint64_t elements = 1; ///< product of the array's dimensions
  bool isArray = false, unsized = false;
  uint32_t alignment = 0; ///< 0: of the type
  uint32_t range = 0;     ///< .reg name<range>; 0: one register
  bool external = false;
  bool isPointer = false; ///< .ptr
  std::vector<Initial> initial;
  bool initialised = false;
  uint32_t line = 0;
};

/// What a function's body consists of, in order.
struct Item {
  enum class Kind : uint8_t { Statement, Label, Declaration, Open, Close, Targets } kind = Kind::Statement;
  uint32_t line = 0;
  std::string name; ///< Label; Targets: of the list
  ptx::Statement statement;
  ptx::Declaration declaration;
  std::vector<std::string> targets; ///< .branchtargets
};

struct Directive {
  std::string name;
  std::vector<uint64_t> values;
  uint32_t line = 0;
};

struct Function {
  std::string name;
  bool entry = false, declarationOnly = false;
  std::vector<Declaration> results, params;
  std::vector<Directive> directives; ///< maxntid ...
  std::vector<Item> body;
  uint32_t line = 0;
};

struct Module {
  unsigned versionMajor = 0, versionMinor = 0;
  std::string target; ///< "sm_90a"
  std::vector<Declaration> variables;
  std::vector<Function> functions;
};

} // namespace adze::sim::ptx
#endif
