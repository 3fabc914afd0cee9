// Tokens of PTX text.
#ifndef ADZE_TOOLS_SIM_CUDA_PTX_LEXER_H
#define ADZE_TOOLS_SIM_CUDA_PTX_LEXER_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace adze::sim::ptx {

struct SyntaxError : std::runtime_error {
  SyntaxError(uint32_t line, const std::string &text) : std::runtime_error(text), line(line) {}
  uint32_t line;
};

struct Token {
  enum class Kind : uint8_t {
    Name,    ///< identifiers, with a leading % or $
    DotWord, ///< ".global", ".L2::128B": `text` without the dot
    Integer, ///< `bits`
    Float,   ///< `bits` of an f32 (0f...) or f64 (`isDouble`)
    String,  ///< `text` without the quotes
    Punct,   ///< one character
    End,
  };
  Kind kind = Kind::End;
  std::string text;
  uint64_t bits = 0;
  bool isDouble = false;
  uint32_t line = 1;

  bool is(char punct) const { return kind == Kind::Punct && text[0] == punct; }
  bool isDot(const char *word) const { return kind == Kind::DotWord && text == word; }
};

/// All tokens of `text`, the last one of kind End. Throws SyntaxError.
std::vector<Token> tokenize(const std::string &text);

} // namespace adze::sim::ptx
#endif
