// loadModule: variables, functions, control flow, and the decode loop.
#include "../number/Format.h"
#include "../ptx/Parser.h"
#include "ControlFlow.h"
#include "DecodeState.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <set>

namespace adze::sim {

// --- layout of declarations ---

unsigned elementBytesOf(const std::string &type, uint32_t line) {
  ElementType element;
  if (!parseElementType(type, element))
    throw LoadError(line, "unknown type ." + type);
  if (element.cls == ElementType::Class::Predicate)
    return 0;
  return std::max(element.bytes(), 1u);
}

uint64_t sizeOf(const ptx::Declaration &d) {
  unsigned element = elementBytesOf(d.type, d.line);
  if (!element)
    throw LoadError(d.line, "." + d.space + " variables cannot be predicates");
  return uint64_t(element) * d.vector * (d.unsized ? 0 : d.elements);
}

uint32_t alignmentOf(const ptx::Declaration &d) {
  uint32_t natural = elementBytesOf(d.type, d.line) * d.vector;
  uint32_t alignment = std::max(d.alignment, natural);
  if (alignment & (alignment - 1))
    throw LoadError(d.line, "alignment of " + d.name + " is not a power of two");
  return alignment;
}

bool parseArchitecture(const std::string &text, Architecture &out) {
  const char *digits = text.c_str() + 3;
  if (text.compare(0, 3, "sm_") != 0 || !std::isdigit(static_cast<unsigned char>(*digits)))
    return false;
  char *end = nullptr;
  out.number = static_cast<unsigned>(std::strtoul(digits, &end, 10));
  out.suffix = *end;
  return true;
}

namespace {

uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

Architecture parseTarget(const std::string &text) {
  Architecture target;
  if (!parseArchitecture(text, target))
    throw LoadError(1, ".target " + text + " is not supported");
  return target;
}

/// A statement `opcode` that ends a straight run of code.
bool isBranch(const ptx::Statement &s) { return s.opcode == "bra" || s.opcode == "brx"; }
bool endsFunction(const ptx::Statement &s) { return s.opcode == "ret" || s.opcode == "exit" || s.opcode == "trap"; }

/// The statements of a body with their scopes, labels resolved, and the places where diverged lanes meet.
class Body {
public:
  explicit Body(const ptx::Function &function) : function(function) {
    implicitReturn.opcode = "ret";
    implicitReturn.line = function.body.empty() ? function.line : function.body.back().line;
    collect();
    resolve();
    findJoins();
  }

  const ptx::Function &function;
  std::vector<Located> statements;
  std::vector<int> parents{-1};                                    ///< of scopes
  std::vector<std::vector<const ptx::Declaration *>> variables{1}; ///< by scope
  std::vector<unsigned> blockOf;                                   ///< the basic block of each statement
  std::vector<bool> meets;                                         ///< a pseudo instruction goes before this statement

private:
  void collect() {
    unsigned scope = 0;
    labels.emplace_back();
    targets.emplace_back();
    for (const ptx::Item &item : function.body)
      switch (item.kind) {
      case ptx::Item::Kind::Open:
        parents.push_back(int(scope));
        scope = unsigned(parents.size() - 1);
        variables.emplace_back();
        labels.emplace_back();
        targets.emplace_back();
        break;
      case ptx::Item::Kind::Close:
        scope = unsigned(parents[scope]);
        break;
      case ptx::Item::Kind::Label:
        if (!labels[scope].emplace(item.name, unsigned(statements.size())).second)
          throw LoadError(item.line, "label " + item.name + " is defined twice");
        break;
      case ptx::Item::Kind::Targets:
        targets[scope][item.name] = &item.targets;
        break;
      case ptx::Item::Kind::Declaration:
        variables[scope].push_back(&item.declaration);
        break;
      case ptx::Item::Kind::Statement:
        add(&item.statement, scope);
        break;
      }
    add(&implicitReturn, 0);
  }
  void add(const ptx::Statement *statement, unsigned scope) {
    Located located;
    located.statement = statement;
    located.scope = scope;
    statements.push_back(located);
  }

  unsigned label(const std::string &name, unsigned scope, uint32_t line) const {
    for (int s = int(scope); s >= 0; s = parents[size_t(s)]) {
      auto it = labels[size_t(s)].find(name);
      if (it != labels[size_t(s)].end())
        return it->second;
    }
    throw LoadError(line, "label '" + name + "' is not defined");
  }

  void resolve() {
    for (Located &located : statements) {
      const ptx::Statement &s = *located.statement;
      if (!isBranch(s))
        continue;
      if (s.opcode == "bra") {
        if (s.operands.size() != 1 || s.operands[0].kind != ptx::Operand::Kind::Name)
          throw LoadError(s.line, "bra needs a label");
        located.targets.push_back(label(s.operands[0].name, located.scope, s.line));
        continue;
      }
      if (s.operands.size() != 2)
        throw LoadError(s.line, "brx.idx needs an index and a list of targets");
      const std::vector<std::string> *list = nullptr;
      for (int scope = int(located.scope); scope >= 0 && !list; scope = parents[size_t(scope)]) {
        auto it = targets[size_t(scope)].find(s.operands[1].name);
        if (it != targets[size_t(scope)].end())
          list = it->second;
      }
      if (!list)
        throw LoadError(s.line, "list of branch targets '" + s.operands[1].name + "' is not defined");
      for (const std::string &name : *list)
        located.targets.push_back(label(name, located.scope, s.line));
    }
  }

  void findJoins() {
    size_t count = statements.size();
    std::vector<bool> leads(count + 1, false);
    leads[0] = true;
    for (size_t i = 0; i != count; ++i) {
      for (unsigned target : statements[i].targets)
        leads[target] = true;
      if (isBranch(*statements[i].statement) || endsFunction(*statements[i].statement))
        leads[i + 1] = true;
    }
    std::vector<unsigned> first, last;
    blockOf.resize(count);
    for (unsigned i = 0; i != count; ++i) {
      if (leads[i]) {
        first.push_back(i);
        last.push_back(i);
      }
      blockOf[i] = unsigned(first.size() - 1);
      last.back() = i;
    }
    std::vector<std::vector<unsigned>> successors(first.size());
    for (size_t block = 0; block != first.size(); ++block) {
      const Located &end = statements[last[block]];
      for (unsigned target : end.targets)
        successors[block].push_back(blockOf[target]);
      bool leaves = isBranch(*end.statement) || endsFunction(*end.statement);
      bool falls = !leaves || !end.statement->guard.empty();
      if (falls && block + 1 != first.size())
        successors[block].push_back(unsigned(block + 1));
    }
    std::vector<int> dominators = immediatePostDominators(successors);
    meets.assign(count, false);
    for (size_t block = 0; block != first.size(); ++block) {
      Located &end = statements[last[block]];
      bool diverges = isBranch(*end.statement) && (!end.statement->guard.empty() || end.targets.size() > 1);
      if (!diverges || dominators[block] < 0)
        continue;
      end.join = int(first[size_t(dominators[block])]);
      meets[size_t(end.join)] = true;
    }
  }

  ptx::Statement implicitReturn;
  std::vector<std::unordered_map<std::string, unsigned>> labels;
  std::vector<std::unordered_map<std::string, const std::vector<std::string> *>> targets;
};

/// Names that a function's instructions mention, for finding what a kernel reaches.
void collectNames(const ptx::Operand &operand, std::set<std::string> &names) {
  if (!operand.name.empty())
    names.insert(operand.name);
  for (const ptx::Operand &element : operand.elements)
    collectNames(element, names);
}

class Builder {
public:
  Builder(const ptx::Module &module, Program &program, DeviceMemory &memory) : module(module), memory(memory) {
    state.program = &program;
    registerExec(table);
    registerMemory(table);
    registerAsync(table);
    registerTensor(table);
    state.table = &table;
  }

  void run() {
    for (const ptx::Function &f : module.functions)
      if (!f.declarationOnly)
        state.declared[f.name] = &f;
    for (const ptx::Declaration &d : module.variables)
      if (d.space != "shared")
        variable(d, state.globals);
    for (const ptx::Function &f : module.functions)
      if (f.entry && !f.declarationOnly)
        kernel(f);
  }

private:
  // --- variables ---
  /// .global and .const: device memory.
  void variable(const ptx::Declaration &d, std::unordered_map<std::string, Symbol> &scope) {
    if (d.external)
      throw LoadError(d.line, ".extern variable " + d.name + " has no definition");
    Symbol symbol;
    symbol.kind = Symbol::Kind::Variable;
    symbol.space = d.space == "const" ? Space::Const : Space::Global;
    uint64_t size = d.unsized ? uint64_t(elementBytesOf(d.type, d.line)) * d.initial.size() : sizeOf(d);
    if (!size)
      throw LoadError(d.line, "variable " + d.name + " has no size");
    symbol.address =
        memory.allocateVariable(d.name, size, alignmentOf(d), symbol.space == Space::Const, bytesOf(d, size));
    if (!symbol.address)
      throw LoadError(d.line, "out of device memory for variable " + d.name);
    Program::Variable info;
    info.name = d.name;
    info.address = symbol.address;
    info.bytes = size;
    info.constant = symbol.space == Space::Const;
    state.program->variables[d.name] = info;
    scope[d.name] = symbol;
  }

  std::vector<uint8_t> bytesOf(const ptx::Declaration &d, uint64_t size) {
    std::vector<uint8_t> bytes(size, 0);
    unsigned element = elementBytesOf(d.type, d.line);
    if (d.initial.size() * element > size)
      throw LoadError(d.line, "too many initialisers for " + d.name);
    for (size_t i = 0; i != d.initial.size(); ++i) {
      uint64_t bits = initialBits(d.initial[i], element, d);
      std::memcpy(bytes.data() + i * element, &bits, std::min(element, 8u));
    }
    return bytes;
  }
  uint64_t initialBits(const ptx::Initial &value, unsigned element, const ptx::Declaration &d) {
    if (!value.symbol.empty()) {
      auto it = state.globals.find(value.symbol);
      if (it == state.globals.end() || element != 8)
        throw LoadError(d.line, "initialiser of " + d.name + " names '" + value.symbol +
                                    "', which is no variable defined before it, or does not fit");
      return it->second.address + value.bits;
    }
    if (value.isFloat && value.isDouble && element == 4)
      return fromFloat(float(toDouble(value.bits)));
    return value.bits;
  }

  // --- kernels ---
  /// A kernel with its own copies of the functions that it calls, for shared variables lie differently in each kernel.
  void kernel(const ptx::Function &f) {
    state.callable.clear();
    kernelCode = newCode(f);
    kernelCode->entry = true;
    directives(f, *kernelCode);
    std::vector<const ptx::Function *> reached = reach(f);
    placeShared(reached);
    std::vector<KernelCode *> codes{kernelCode};
    for (size_t i = 1; i < reached.size(); ++i) {
      codes.push_back(newCode(*reached[i]));
      state.callable[reached[i]->name] = codes.back();
    }
    for (size_t i = 0; i != reached.size(); ++i)
      parameters(*reached[i], *codes[i]);
    for (size_t i = 0; i != reached.size(); ++i)
      function(*reached[i], *codes[i]);
  }

  KernelCode *newCode(const ptx::Function &f) {
    auto code = std::make_unique<KernelCode>();
    code->name = f.name;
    code->line = f.line;
    KernelCode *result = code.get();
    std::string key = f.entry ? f.name : kernelCode->name + "/" + f.name;
    if (state.program->functions.count(key))
      throw LoadError(f.line, "function " + f.name + " is defined twice");
    state.program->functions[key] = std::move(code);
    return result;
  }

  void directives(const ptx::Function &f, KernelCode &code) {
    for (const ptx::Directive &d : f.directives) {
      auto value = [&](size_t i, uint64_t otherwise) {
        return uint32_t(i < d.values.size() ? d.values[i] : otherwise);
      };
      Dim3 dims{value(0, 1), value(1, 1), value(2, 1)};
      if (d.name == "maxntid")
        code.maxThreads = dims;
      else if (d.name == "reqntid")
        code.requiredThreads = dims;
      else if (d.name == "reqnctapercluster")
        code.requiredCluster = dims;
      else if (d.name == "explicitcluster")
        code.explicitCluster = true;
      else if (d.name == "minnctapersm")
        code.minBlocksPerSm = value(0, 0);
      else if (d.name == "maxnreg")
        code.maxRegisters = value(0, 0);
      else if (d.name == "maxclusterrank")
        code.maxClusterRank = value(0, 0);
    }
    if (code.maxThreads.count() > 1024 || code.requiredThreads.count() > 1024)
      throw LoadError(f.line, "kernel " + f.name + " asks for more than 1024 threads a block");
  }

  /// The kernel and all functions that it can call, the kernel first.
  std::vector<const ptx::Function *> reach(const ptx::Function &f) {
    std::vector<const ptx::Function *> reached{&f};
    mentioned.clear();
    for (size_t i = 0; i != reached.size(); ++i)
      for (const ptx::Item &item : reached[i]->body) {
        if (item.kind != ptx::Item::Kind::Statement)
          continue;
        for (const ptx::Operand &operand : item.statement.operands)
          collectNames(operand, mentioned);
        if (item.statement.opcode != "call")
          continue;
        std::set<std::string> names;
        for (const ptx::Operand &operand : item.statement.operands)
          collectNames(operand, names);
        for (const std::string &name : names) {
          auto it = state.declared.find(name);
          if (it != state.declared.end() && std::find(reached.begin(), reached.end(), it->second) == reached.end())
            reached.push_back(it->second);
        }
      }
    return reached;
  }

  /// Places the module's shared variables that the kernel mentions, then those of its functions; dynamic ones last.
  void placeShared(const std::vector<const ptx::Function *> &reached) {
    std::vector<std::pair<const ptx::Declaration *, std::string>> dynamic;
    uint64_t offset = 0, dynamicAlignment = 16;
    auto place = [&](const ptx::Declaration &d, const std::string &key) {
      if (d.external || d.unsized) {
        dynamic.push_back({&d, key});
        dynamicAlignment = std::max<uint64_t>(dynamicAlignment, alignmentOf(d));
        return;
      }
      offset = alignUp(offset, alignmentOf(d));
      sharedAt[key] = offset;
      offset += sizeOf(d);
    };
    sharedAt.clear();
    for (const ptx::Declaration &d : module.variables)
      if (d.space == "shared" && mentioned.count(d.name))
        place(d, d.name);
    for (const ptx::Function *f : reached)
      for (const ptx::Item &item : f->body)
        if (item.kind == ptx::Item::Kind::Declaration && item.declaration.space == "shared")
          place(item.declaration, key(item.declaration));
    kernelCode->sharedBytes = uint32_t(offset);
    kernelCode->dynamicSharedOffset = uint32_t(dynamic.empty() ? offset : alignUp(offset, dynamicAlignment));
    for (auto &[d, name] : dynamic)
      sharedAt[name] = kernelCode->dynamicSharedOffset;
    for (const ptx::Declaration &d : module.variables)
      if (d.space == "shared") {
        state.globals.erase(d.name);
        if (sharedAt.count(d.name))
          state.globals[d.name] = sharedSymbol(sharedAt[d.name]);
      }
  }
  static std::string key(const ptx::Declaration &d) { return d.name + "@" + std::to_string(d.line); }
  static Symbol sharedSymbol(uint64_t address) {
    Symbol symbol;
    symbol.kind = Symbol::Kind::Variable;
    symbol.space = Space::Shared;
    symbol.address = address;
    return symbol;
  }

  // --- functions ---
  void parameters(const ptx::Function &f, KernelCode &code) {
    uint32_t offset = 0;
    auto &scope = paramScopes[&f];
    scope.clear();
    state.callParams[f.name].clear();
    state.callResults[f.name] = f.results.size();
    for (const std::vector<ptx::Declaration> *list : {&f.results, &f.params})
      for (const ptx::Declaration &d : *list) {
        KernelParam param;
        param.name = d.name;
        param.bytes = uint32_t(sizeOf(d));
        param.alignment = alignmentOf(d);
        Symbol symbol;
        symbol.bytes = param.bytes;
        if (f.entry) {
          param.offset = offset = uint32_t(alignUp(offset, param.alignment));
          offset += param.bytes;
          symbol.kind = Symbol::Kind::KernelParam;
          symbol.space = Space::Param;
          symbol.address = param.offset;
        } else {
          symbol = callParam(code, param.bytes);
        }
        code.params.push_back(param);
        if (!scope.emplace(d.name, symbol).second)
          throw LoadError(d.line, "parameter " + d.name + " is declared twice");
        state.callParams[f.name].push_back(symbol);
      }
    code.paramBytes = offset;
  }

  /// A parameter of a call: `bytes` a lane in the frame, lane after lane, and a poison mask for every byte.
  static Symbol callParam(KernelCode &code, unsigned bytes) {
    Symbol symbol;
    symbol.kind = Symbol::Kind::CallParam;
    symbol.bytes = bytes;
    symbol.slot.offset = uint32_t(alignUp(code.frameBytes, 64));
    code.frameBytes = symbol.slot.offset + bytes * warpSize;
    symbol.slot.poison = code.poisonCount;
    code.poisonCount += bytes * poisonStride;
    return symbol;
  }

  void function(const ptx::Function &f, KernelCode &code) {
    state.function = &code;
    Body body(f);
    KernelCode untouched = code; // parameters only
    size_t extras = state.program->extras.size();
    state.lifetimes.clear();
    pass(body, f, code);
    bool variables = std::any_of(f.body.begin(), f.body.end(), [](const ptx::Item &item) {
      return item.kind == ptx::Item::Kind::Declaration &&
             (item.declaration.space == "global" || item.declaration.space == "const");
    });
    // The matrix unit uses registers beyond the last instruction that names them.
    if (!state.program->trackRegisters && !variables) {
      findLifetimes(body, code);
      code = std::move(untouched);
      state.program->extras.resize(extras);
      pass(body, f, code);
    }
    code.frameBytes = uint32_t(alignUp(code.frameBytes, 64));
    code.localBytes = uint32_t(alignUp(code.localBytes, 16));
  }

  void pass(const Body &body, const ptx::Function &f, KernelCode &code) {
    state.registerCalls = 0;
    state.callPoisons.clear();
    state.released.clear();
    state.ending.clear();
    enterScopes(body, f, code);
    // Where the code of each statement starts is known only while decoding, for operands may add instructions; branches
    // hold statement numbers until the end.
    state.codeIndex.assign(body.statements.size() + 1, 0);
    accessEnds.assign(body.statements.size(), 0);
    std::vector<std::pair<size_t, size_t>> branches; // code index, statement
    for (size_t i = 0; i != body.statements.size(); ++i) {
      state.codeIndex[i] = unsigned(code.code.size());
      if (body.meets[i])
        addJoin(code, *body.statements[i].statement);
      size_t at = decodeStatement(body, i, code);
      accessEnds[i] = code.accesses.size();
      if (isBranch(*body.statements[i].statement))
        branches.push_back({at, i});
      auto ending = state.ending.find(unsigned(i));
      if (ending != state.ending.end())
        for (auto &[bytes, slot] : ending->second)
          state.released[bytes].push_back(slot);
    }
    for (auto [at, i] : branches)
      link(code.code[at], body.statements[i], long(at));
    scopeSymbols.clear();
  }

  /// What the accesses of the first pass say. Poison indices tell the registers apart there.
  void findLifetimes(const Body &body, const KernelCode &code) {
    std::vector<Decoder::State::Lifetime> byPoison(code.poisonCount);
    for (size_t i = 0, access = 0; i != body.statements.size(); ++i) {
      for (; access != accessEnds[i]; ++access) {
        Decoder::State::Lifetime &lifetime = byPoison[code.accesses[access].poison];
        if (lifetime.first == ~0u) {
          lifetime.first = unsigned(i);
          lifetime.shares = body.statements[i].statement->guard.empty();
        }
        if (lifetime.first == i && !code.accesses[access].write)
          lifetime.shares = false;
        lifetime.shares &= body.blockOf[lifetime.first] == body.blockOf[i];
        lifetime.last = unsigned(i);
      }
    }
    state.lifetimes.clear();
    for (uint32_t poison : state.callPoisons) {
      state.lifetimes.push_back(byPoison[poison]);
      state.lifetimes.back().shares &= byPoison[poison].first != ~0u;
    }
  }

  void addJoin(KernelCode &code, const ptx::Statement &next) {
    Instr join;
    join.pseudo = true;
    join.handler = execJoin;
    join.line = next.line;
    code.code.push_back(join);
  }

  /// Distances, in instructions, to the targets and to the join.
  void link(Instr &instr, const Located &located, long at) {
    auto distance = [&](unsigned statement) { return uint64_t(int64_t(state.codeIndex[statement]) - at); };
    instr.immediate = distance(located.targets[0]);
    instr.immediate2 = located.join < 0 ? 0 : distance(unsigned(located.join));
    if (located.statement->opcode != "brx")
      return;
    auto extra = std::make_unique<BranchExtra>();
    for (unsigned target : located.targets)
      extra->distances.push_back(int64_t(distance(target)));
    instr.extra = extra.get();
    state.program->extras.push_back(std::move(extra));
  }

  size_t decodeStatement(const Body &body, size_t i, KernelCode &code) {
    const Located &located = body.statements[i];
    const ptx::Statement &s = *located.statement;
    state.located = &located;
    selectScope(body, located.scope);
    unsigned covered = 0;
    DecodeFunction decode = table.find(s, covered);
    if (!decode)
      throw LoadError(s.line, "unknown instruction " + s.fullName());
    Decoder decoder(state);
    Instr instr;
    decoder.begin(s, covered);
    decode(decoder, instr);
    decoder.finish(instr);
    for (Instr &before : state.before)
      code.code.push_back(before);
    state.before.clear();
    code.code.push_back(instr);
    size_t at = code.code.size() - 1;
    if (s.opcode == "call")
      addJoin(code, s);
    return at;
  }

  // --- scopes: state.scopes is the chain of the current statement; symbols move between it and scopeSymbols ---
  void enterScopes(const Body &body, const ptx::Function &f, KernelCode &code) {
    scopeSymbols.assign(body.parents.size(), {});
    scopeSymbols[0] = paramScopes[&f];
    for (size_t scope = 0; scope != body.parents.size(); ++scope)
      for (const ptx::Declaration *d : body.variables[scope])
        declare(*d, scopeSymbols[scope], code);
    chain.clear();
    state.scopes.clear();
  }
  void selectScope(const Body &body, unsigned scope) {
    std::vector<unsigned> wanted;
    for (int s = int(scope); s >= 0; s = body.parents[size_t(s)])
      wanted.insert(wanted.begin(), unsigned(s));
    if (wanted == chain)
      return;
    leaveChain();
    for (unsigned s : wanted)
      state.scopes.push_back(std::move(scopeSymbols[s]));
    chain = std::move(wanted);
  }
  void leaveChain() {
    for (size_t i = 0; i != chain.size(); ++i)
      scopeSymbols[chain[i]] = std::move(state.scopes[i]);
    state.scopes.clear();
    chain.clear();
  }

  void declare(const ptx::Declaration &d, std::unordered_map<std::string, Symbol> &scope, KernelCode &code) {
    Symbol symbol;
    std::string name = d.name;
    if (d.space == "reg") {
      ElementType type;
      if (!parseElementType(d.type, type) || type.packed || d.vector != 1 || d.isArray)
        throw LoadError(d.line, "register type of " + d.name + " is not supported");
      symbol.predicate = type.cls == ElementType::Class::Predicate;
      symbol.bytes = symbol.predicate ? 4 : type.bytes();
      if (d.range) {
        symbol.kind = Symbol::Kind::Range;
        symbol.count = d.range;
        name += "<>";
      } else {
        symbol.kind = Symbol::Kind::Register; // a place is found when it is first used
      }
    } else if (d.space == "shared") {
      symbol = sharedSymbol(sharedAt.at(key(d)));
    } else if (d.space == "local") {
      symbol.kind = Symbol::Kind::Variable;
      symbol.space = Space::Local;
      symbol.address = alignUp(code.localBytes, alignmentOf(d));
      code.localBytes = uint32_t(symbol.address + sizeOf(d));
    } else if (d.space == "param") {
      symbol = callParam(code, unsigned(sizeOf(d)));
    } else {
      variable(d, scope);
      return;
    }
    if (!scope.emplace(name, symbol).second)
      throw LoadError(d.line, "'" + d.name + "' is declared twice");
  }

  const ptx::Module &module;
  DeviceMemory &memory;
  DecodeTable table;
  Decoder::State state;
  KernelCode *kernelCode = nullptr;
  std::set<std::string> mentioned;
  std::map<std::string, uint64_t> sharedAt; ///< module variables by name, others by name and line
  std::map<const ptx::Function *, std::unordered_map<std::string, Symbol>> paramScopes;
  std::vector<std::unordered_map<std::string, Symbol>> scopeSymbols;
  std::vector<unsigned> chain;
  std::vector<size_t> accessEnds; ///< by statement: how many accesses were recorded up to its end
};

std::vector<std::string> splitLines(const std::string &text) {
  std::vector<std::string> lines;
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string at(const Program &program, uint32_t line, const std::string &what) {
  return "PTX line " + std::to_string(line) + ": " + what + "\n  " + program.lineText(line);
}

/// PTX for another device: it may be newer, but not older than the target; architecture-specific PTX runs on that only.
void checkTarget(const Architecture &target, const Architecture &device) {
  bool fits = target.suffix == 'a'   ? device.number == target.number
              : target.suffix == 'f' ? device.number / 10 == target.number / 10 && device.number >= target.number
                                     : device.number >= target.number;
  if (!fits)
    throw LoadError(0, "the module is for " + target.name() + ", the device is " + device.name());
}

} // namespace

std::string Program::lineText(uint32_t line) const {
  if (line == 0 || line > lines.size())
    return "";
  const std::string &text = lines[line - 1];
  size_t start = text.find_first_not_of(" \t");
  return start == std::string::npos ? "" : text.substr(start);
}

Program::~Program() {
  if (device)
    for (auto &entry : variables)
      device->freeVariable(entry.second.address);
}

LoadResult loadModule(const std::string &text, const Architecture &device, DeviceMemory &memory) {
  constexpr int invalidPtx = 218, noBinary = 209;
  LoadResult result;
  auto program = std::make_unique<Program>();
  program->lines = splitLines(text);
  program->device = &memory;
  try {
    ptx::Module module = ptx::parse(text);
    program->versionMajor = module.versionMajor;
    program->versionMinor = module.versionMinor;
    program->target = parseTarget(module.target);
    checkTarget(program->target, device);
    Builder(module, *program, memory).run();
    result.program = std::move(program);
  } catch (const ptx::SyntaxError &error) {
    result.code = invalidPtx;
    result.text = at(*program, error.line, error.what());
  } catch (const LoadError &error) {
    result.code = error.line ? invalidPtx : noBinary;
    result.text = error.line ? at(*program, error.line, error.what()) : error.what();
  }
  return result;
}

} // namespace adze::sim
