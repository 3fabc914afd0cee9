#include "Parser.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace adze::sim::ptx {
namespace {

using TK = Token::Kind;

bool isOneOf(const std::string &word, std::initializer_list<const char *> words) {
  return std::any_of(words.begin(), words.end(), [&](const char *w) { return word == w; });
}

class Parser {
public:
  explicit Parser(const std::string &text) : tokens(tokenize(text)) {}

  Module run() {
    while (peek().kind != TK::End)
      topLevel();
    if (module.target.empty())
      throw SyntaxError(1, "no .target directive");
    return std::move(module);
  }

private:
  // --- tokens ---
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(pos + ahead, tokens.size() - 1)]; }
  const Token &take() { return tokens[pos < tokens.size() - 1 ? pos++ : pos]; }
  uint32_t line() const { return peek().line; }
  static std::string spell(const Token &t) {
    return t.kind == TK::End ? "the end of the text" : t.kind == TK::DotWord ? "'." + t.text + "'" : "'" + t.text + "'";
  }
  [[noreturn]] void expected(const std::string &what) const {
    throw SyntaxError(line(), "expected " + what + ", found " + spell(peek()));
  }
  bool accept(char c) {
    if (!peek().is(c))
      return false;
    ++pos;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) // the fault is at the end of what came before
      throw SyntaxError(pos ? tokens[pos - 1].line : line(),
                        std::string("expected '") + c + "', found " + spell(peek()));
  }
  std::string expectName(const char *what) {
    if (peek().kind != TK::Name)
      expected(what);
    return take().text;
  }
  bool acceptDot(const char *word) {
    if (!peek().isDot(word))
      return false;
    ++pos;
    return true;
  }
  uint64_t expectInteger(const char *what) {
    bool minus = accept('-');
    if (peek().kind != TK::Integer)
      expected(what);
    uint64_t bits = take().bits;
    return minus ? uint64_t(0) - bits : bits;
  }
  void skipLine() {
    for (uint32_t start = line(); peek().kind != TK::End && line() == start;)
      ++pos;
  }
  void skipBraces() {
    expect('{');
    for (unsigned depth = 1; depth; ++pos) {
      if (peek().kind == TK::End)
        expected("'}'");
      depth += peek().is('{') ? 1 : peek().is('}') ? -1u : 0;
    }
  }

  // --- module scope ---
  void topLevel() {
    const Token &t = peek();
    if (t.is(';')) {
      ++pos;
      return;
    }
    if (t.kind != TK::DotWord)
      expected("a directive");
    if (acceptDot("version")) {
      version();
    } else if (acceptDot("target")) {
      module.target = expectName("an architecture");
      while (accept(','))
        expectName("a target option");
    } else if (acceptDot("address_size")) {
      if (expectInteger("64") != 64)
        throw SyntaxError(t.line, ".address_size must be 64");
    } else if (t.isDot("file") || t.isDot("loc")) {
      skipLine();
    } else if (acceptDot("section")) {
      if (peek().kind == TK::DotWord || peek().kind == TK::Name)
        ++pos;
      skipBraces();
    } else if (acceptDot("pragma")) {
      while (!accept(';'))
        ++pos;
    } else {
      linked();
    }
  }

  void version() {
    const Token &t = take(); // "8.0" is lexed as a number
    size_t dot = t.text.find('.');
    if (t.kind != TK::Float || dot == std::string::npos)
      throw SyntaxError(t.line, ".version needs MAJOR.MINOR");
    module.versionMajor = static_cast<unsigned>(std::strtoul(t.text.c_str(), nullptr, 10));
    module.versionMinor = static_cast<unsigned>(std::strtoul(t.text.c_str() + dot + 1, nullptr, 10));
  }

  void linked() {
    bool external = false;
    for (; peek().kind == TK::DotWord && isOneOf(peek().text, {"visible", "extern", "weak", "common"}); ++pos)
      external |= peek().text == "extern";
    uint32_t start = line();
    if (peek().isDot("entry") || peek().isDot("func")) {
      function(take().text == "entry", external, start);
      return;
    }
    if (peek().kind == TK::DotWord && isOneOf(peek().text, {"global", "const", "shared"})) {
      declaration(external, [&](Declaration d) { module.variables.push_back(std::move(d)); });
      return;
    }
    throw SyntaxError(start, "directive " + spell(peek()) + " is not supported at module scope");
  }

  // --- declarations ---
  /// SPACE [.align N] [.v2|.v4] TYPE name[dims]{ = init}, name ... ;   `add` gets one after the other.
  template <typename Add>
  void declaration(bool external, Add add) {
    Declaration base = declarationHead();
    base.external = external;
    do
      add(declarator(base));
    while (accept(','));
    expect(';');
  }

  Declaration declarationHead() {
    Declaration d;
    d.line = line();
    d.space = take().text;
    while (peek().kind == TK::DotWord) {
      std::string word = take().text;
      if (word == "align")
        d.alignment = uint32_t(expectInteger("an alignment"));
      else if (word == "v2" || word == "v4" || word == "v8")
        d.vector = uint32_t(word[1] - '0');
      else if (word == "attribute")
        skipParentheses();
      else if (!d.type.empty())
        throw SyntaxError(d.line, "." + word + " after the type ." + d.type);
      else
        d.type = word;
    }
    if (d.type.empty())
      expected("a type");
    return d;
  }
  void skipParentheses() {
    expect('(');
    while (!accept(')')) {
      if (peek().kind == TK::End)
        expected("')'");
      ++pos;
    }
  }

  Declaration declarator(Declaration d) {
    d.line = line();
    d.name = expectName("a variable name");
    if (accept('<')) {
      d.range = uint32_t(expectInteger("a number of registers"));
      expect('>');
    }
    dimensions(d);
    if (accept('=')) {
      d.initialised = true;
      initialiser(d);
    }
    return d;
  }
  void dimensions(Declaration &d) {
    while (accept('[')) {
      d.isArray = true;
      if (accept(']')) {
        d.unsized = true;
        continue;
      }
      d.elements *= expectInteger("an array dimension");
      expect(']');
    }
  }

  void initialiser(Declaration &d) {
    if (accept('{')) {
      if (accept('}'))
        return;
      do
        initialiser(d);
      while (accept(','));
      expect('}');
      return;
    }
    Initial value;
    const Token &t = peek();
    if (t.kind == TK::Float) {
      value.isFloat = true;
      value.isDouble = t.isDouble;
      value.bits = take().bits;
    } else if (t.kind == TK::Name) {
      value.symbol = take().text;
      if (value.symbol == "generic" && accept('(')) {
        value.generic = true;
        value.symbol = expectName("a variable");
        expect(')');
      }
      if (accept('+'))
        value.bits = expectInteger("an offset");
    } else {
      value.bits = expectInteger("an initialiser");
      if (peek().is('('))
        throw SyntaxError(t.line, "masks in initialisers (0xff(name)) are not supported");
    }
    d.initial.push_back(std::move(value));
  }

  // --- functions ---
  std::vector<Declaration> parameters() {
    std::vector<Declaration> params;
    expect('(');
    if (accept(')'))
      return params;
    do
      params.push_back(parameter());
    while (accept(','));
    expect(')');
    return params;
  }
  Declaration parameter() {
    Declaration d;
    d.line = line();
    if (!acceptDot("param"))
      expected("'.param' (parameters in registers are not supported)");
    d.space = "param";
    while (peek().kind == TK::DotWord) {
      std::string word = take().text;
      if (word == "align") {
        uint32_t alignment = uint32_t(expectInteger("an alignment"));
        if (!d.isPointer)
          d.alignment = alignment; // after .ptr it is that of the memory pointed to
      } else if (word == "ptr") {
        d.isPointer = true;
      } else if (isOneOf(word, {"global", "shared", "local", "const", "param"}) && d.isPointer) {
        continue; // what the pointer points to
      } else if (word == "v2" || word == "v4") {
        d.vector = uint32_t(word[1] - '0');
      } else if (d.type.empty()) {
        d.type = word;
      } else {
        throw SyntaxError(d.line, "unexpected ." + word + " in a parameter");
      }
    }
    if (d.type.empty())
      expected("a type");
    d.name = expectName("a parameter name");
    dimensions(d);
    return d;
  }

  void function(bool entry, bool external, uint32_t start) {
    Function f;
    f.entry = entry;
    f.line = start;
    if (acceptDot("attribute"))
      skipParentheses();
    if (peek().is('('))
      f.results = parameters();
    f.name = expectName("a function name");
    if (peek().is('('))
      f.params = parameters();
    while (peek().kind == TK::DotWord)
      functionDirective(f);
    if (accept(';')) {
      f.declarationOnly = true;
    } else {
      if (external)
        throw SyntaxError(start, ".extern function with a body");
      body(f);
    }
    module.functions.push_back(std::move(f));
  }

  void functionDirective(Function &f) {
    Directive d;
    d.line = line();
    d.name = take().text;
    if (d.name == "pragma") {
      while (!accept(';'))
        ++pos;
      return;
    }
    if (d.name == "noreturn")
      return;
    if (!isOneOf(d.name,
                 {"maxntid", "reqntid", "minnctapersm", "maxnctapersm", "maxnreg", "reqnctapercluster",
                  "explicitcluster", "maxclusterrank", "blocksareclusters", "abi_preserve", "abi_preserve_control"}))
      throw SyntaxError(d.line, "function directive ." + d.name + " is not supported");
    if (peek().kind == TK::Integer)
      do
        d.values.push_back(expectInteger("a number"));
      while (accept(','));
    f.directives.push_back(std::move(d));
  }

  void body(Function &f) {
    expect('{');
    for (unsigned depth = 1;;) {
      Item item;
      item.line = line();
      if (accept('{')) {
        ++depth;
        item.kind = Item::Kind::Open;
      } else if (accept('}')) {
        if (--depth == 0)
          return;
        item.kind = Item::Kind::Close;
      } else if (peek().kind == TK::DotWord) {
        bodyDirective(f);
        continue;
      } else if (peek().kind == TK::Name && peek(1).is(':')) {
        item.kind = Item::Kind::Label;
        item.name = take().text;
        expect(':');
        if (acceptDot("branchtargets"))
          branchTargets(item);
        else if (peek().isDot("callprototype") || peek().isDot("calltargets"))
          throw SyntaxError(item.line, "indirect calls (." + peek().text + ") are not supported");
      } else if (accept(';')) {
        continue;
      } else {
        item.statement = statement();
      }
      f.body.push_back(std::move(item));
    }
  }
  void branchTargets(Item &item) {
    item.kind = Item::Kind::Targets;
    do
      item.targets.push_back(expectName("a label"));
    while (accept(','));
    expect(';');
  }
  void bodyDirective(Function &f) {
    const std::string &word = peek().text;
    if (word == "loc" || word == "file") {
      skipLine();
    } else if (word == "pragma") {
      while (!accept(';'))
        ++pos;
    } else if (isOneOf(word, {"reg", "local", "shared", "param", "global", "const"})) {
      declaration(false, [&](Declaration d) {
        Item item;
        item.kind = Item::Kind::Declaration;
        item.line = d.line;
        item.declaration = std::move(d);
        f.body.push_back(std::move(item));
      });
    } else {
      throw SyntaxError(line(), "directive ." + word + " is not supported in a function");
    }
  }

  // --- instructions ---
  Statement statement() {
    Statement s;
    s.line = line();
    if (accept('@')) {
      s.guardNegated = accept('!');
      s.guard = expectName("a predicate");
    }
    s.opcode = expectName("an instruction");
    if (s.opcode[0] == '%' || s.opcode[0] == '$')
      throw SyntaxError(s.line, "expected an instruction, found '" + s.opcode + "'");
    while (peek().kind == TK::DotWord)
      s.modifiers.push_back(take().text);
    if (accept(';'))
      return s;
    do
      s.operands.push_back(operand());
    while (accept(','));
    expect(';');
    return s;
  }

  Operand operand() {
    Operand o;
    if (accept('!')) {
      o = primary();
      o.negated = true;
      return o;
    }
    o = primary();
    if (peek().is('|')) {
      ++pos;
      Operand pair;
      pair.kind = Operand::Kind::Pair;
      pair.elements = {std::move(o), primary()};
      return pair;
    }
    return o;
  }

  Operand list(char close, Operand::Kind kind) {
    Operand o;
    o.kind = kind;
    if (accept(close))
      return o;
    do
      o.elements.push_back(operand());
    while (accept(','));
    expect(close);
    return o;
  }

  Operand primary() {
    Operand o;
    const Token &t = peek();
    if (accept('{'))
      return list('}', Operand::Kind::Vector);
    if (accept('('))
      return list(')', Operand::Kind::List);
    if (accept('[')) {
      o = list(']', Operand::Kind::Address);
      if (o.elements.empty())
        throw SyntaxError(t.line, "empty address");
      o.offset = o.elements[0].offset;
      return o;
    }
    if (t.kind == TK::Name)
      return named();
    return number();
  }

  Operand named() {
    Operand o;
    o.name = take().text;
    if (o.name == "_") {
      o.kind = Operand::Kind::Sink;
      return o;
    }
    if (peek().kind == TK::DotWord)
      o.name += "." + take().text;
    while (peek().is('+') || peek().is('-')) {
      bool minus = take().text == "-";
      int64_t value = int64_t(expectInteger("an offset"));
      o.offset += minus ? -value : value;
    }
    return o;
  }

  Operand number() {
    Operand o;
    bool minus = accept('-'), invert = !minus && accept('~');
    const Token &t = take();
    if (t.kind == TK::Integer) {
      o.kind = Operand::Kind::Integer;
      o.bits = minus ? uint64_t(0) - t.bits : invert ? ~t.bits : t.bits;
      while (peek().is('+') || peek().is('-')) {
        bool subtract = take().text == "-";
        uint64_t value = expectInteger("a number");
        o.bits = subtract ? o.bits - value : o.bits + value;
      }
      o.offset = int64_t(o.bits);
      return o;
    }
    if (t.kind != TK::Float || invert)
      throw SyntaxError(t.line, "expected an operand, found " + spell(t));
    o.kind = Operand::Kind::Float;
    o.isDouble = t.isDouble;
    o.bits = minus ? t.bits ^ (uint64_t(1) << (t.isDouble ? 63 : 31)) : t.bits;
    return o;
  }

  std::vector<Token> tokens;
  size_t pos = 0;
  Module module;
};

} // namespace

Module parse(const std::string &text) { return Parser(text).run(); }

} // namespace adze::sim::ptx
