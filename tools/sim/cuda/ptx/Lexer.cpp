#include "Lexer.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

namespace adze::sim::ptx {
namespace {

bool startsName(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%'; }
bool inName(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

class Scanner {
public:
  explicit Scanner(const std::string &text) : text(text) {}

  std::vector<Token> run() {
    while (skipBlank())
      tokens.push_back(next());
    Token end;
    end.line = line;
    tokens.push_back(end);
    return std::move(tokens);
  }

private:
  char at(size_t offset = 0) const { return pos + offset < text.size() ? text[pos + offset] : '\0'; }

  /// White space and comments; false at the end of the text.
  bool skipBlank() {
    while (pos < text.size() && text[pos]) {
      char c = text[pos];
      if (c == '\n')
        ++line, ++pos;
      else if (std::isspace(static_cast<unsigned char>(c)))
        ++pos;
      else if (c == '/' && at(1) == '/')
        while (pos < text.size() && text[pos] != '\n')
          ++pos;
      else if (c == '/' && at(1) == '*')
        skipComment();
      else
        return true;
    }
    return false;
  }

  void skipComment() {
    uint32_t start = line;
    for (pos += 2; at() != '*' || at(1) != '/'; ++pos) {
      if (pos >= text.size())
        throw SyntaxError(start, "comment without an end");
      if (text[pos] == '\n')
        ++line;
    }
    pos += 2;
  }

  Token next() {
    Token token;
    token.line = line;
    char c = at();
    if (c == '.' && (std::isalnum(static_cast<unsigned char>(at(1))) || at(1) == '_'))
      return dotWord(token);
    if (startsName(c))
      return name(token);
    if (digit(c))
      return number(token);
    if (c == '"')
      return string(token);
    if (!std::strchr("{}[]()<>,;:|!@+-*~=&/", c))
      throw SyntaxError(line, std::string("unexpected character '") + c + "'");
    token.kind = Token::Kind::Punct;
    token.text = c;
    ++pos;
    return token;
  }

  Token dotWord(Token token) {
    size_t start = ++pos;
    while (inName(at()) || (at() == ':' && at(1) == ':' && inName(at(2)) && (++pos, true)))
      ++pos;
    token.kind = Token::Kind::DotWord;
    token.text = text.substr(start, pos - start);
    return token;
  }

  Token name(Token token) {
    size_t start = pos++;
    while (inName(at()))
      ++pos;
    token.kind = Token::Kind::Name;
    token.text = text.substr(start, pos - start);
    return token;
  }

  Token string(Token token) {
    size_t end = text.find('"', pos + 1);
    if (end == std::string::npos || text.find('\n', pos) < end)
      throw SyntaxError(line, "string without an end");
    token.kind = Token::Kind::String;
    token.text = text.substr(pos + 1, end - pos - 1);
    pos = end + 1;
    return token;
  }

  /// 0f and eight, 0d and sixteen hexadecimal digits: the bits of the value.
  Token floatBits(Token token) {
    token.isDouble = at(1) == 'd' || at(1) == 'D';
    size_t digits = token.isDouble ? 16 : 8;
    std::string hex = text.substr(pos + 2, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      throw SyntaxError(line, "floating-point constant needs " + std::to_string(digits) + " hexadecimal digits");
    token.kind = Token::Kind::Float;
    token.bits = std::strtoull(hex.c_str(), nullptr, 16);
    token.text = text.substr(pos, digits + 2);
    pos += digits + 2;
    return token;
  }

  Token number(Token token) {
    char second = at(1);
    if (at() == '0' && std::strchr("fFdD", second) && second)
      return floatBits(token);
    size_t start = pos;
    int base = 10;
    if (at() == '0' && (second == 'x' || second == 'X'))
      base = 16, pos += 2;
    else if (at() == '0' && (second == 'b' || second == 'B'))
      base = 2, pos += 2;
    else if (at() == '0' && digit(second))
      base = 8;
    size_t digits = pos;
    while (base == 16 ? std::isxdigit(static_cast<unsigned char>(at())) : digit(at()))
      ++pos;
    if (base == 10 && (at() == '.' || at() == 'e' || at() == 'E'))
      return decimalFloat(token, start);
    token.kind = Token::Kind::Integer;
    token.bits = std::strtoull(text.substr(digits, pos - digits).c_str(), nullptr, base);
    if (at() == 'U' || at() == 'u')
      ++pos;
    if (inName(at()))
      throw SyntaxError(line, "malformed number '" + text.substr(start, pos + 1 - start) + "'");
    token.text = text.substr(start, pos - start);
    return token;
  }

  Token decimalFloat(Token token, size_t start) {
    // "8.0" of .version is read like this too; the parser looks at the text.
    char *end = nullptr;
    double value = std::strtod(text.c_str() + start, &end);
    pos = size_t(end - text.c_str());
    token.kind = Token::Kind::Float;
    token.isDouble = true;
    std::memcpy(&token.bits, &value, sizeof value);
    token.text = text.substr(start, pos - start);
    return token;
  }

  const std::string &text;
  size_t pos = 0;
  uint32_t line = 1;
  std::vector<Token> tokens;
};

} // namespace

std::vector<Token> tokenize(const std::string &text) { return Scanner(text).run(); }

} // namespace adze::sim::ptx
