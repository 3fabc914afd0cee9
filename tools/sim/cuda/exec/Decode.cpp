// The Decoder: modifiers, operands, constants.
#include "../number/Format.h"
#include "DecodeState.h"

#include <algorithm>
#include <cstring>

namespace adze::sim {

using ptx::Operand;
using OK = Operand::Kind;

// --- the table ---

void DecodeTable::add(const std::string &name, DecodeFunction function) { entries[name] = function; }

DecodeFunction DecodeTable::find(const ptx::Statement &statement, unsigned &covered) const {
  std::string name = statement.opcode;
  DecodeFunction found = nullptr;
  for (unsigned i = 0;; ++i) {
    auto it = entries.find(name);
    if (it != entries.end()) {
      found = it->second;
      covered = i;
    }
    if (i == statement.modifiers.size())
      return found;
    name += "." + statement.modifiers[i];
  }
}

// --- element types ---

bool parseElementType(const std::string &text, ElementType &type) {
  using C = ElementType::Class;
  static const std::map<std::string, std::tuple<C, unsigned, bool>> types = {
      {"pred", {C::Predicate, 1, false}}, {"b8", {C::Bits, 8, false}},        {"b16", {C::Bits, 16, false}},
      {"b32", {C::Bits, 32, false}},      {"b64", {C::Bits, 64, false}},      {"b128", {C::Bits, 128, false}},
      {"u8", {C::Unsigned, 8, false}},    {"u16", {C::Unsigned, 16, false}},  {"u32", {C::Unsigned, 32, false}},
      {"u64", {C::Unsigned, 64, false}},  {"s8", {C::Signed, 8, false}},      {"s16", {C::Signed, 16, false}},
      {"s32", {C::Signed, 32, false}},    {"s64", {C::Signed, 64, false}},    {"f16", {C::Float, 16, false}},
      {"f16x2", {C::Float, 32, true}},    {"f32", {C::Float, 32, false}},     {"f64", {C::Float, 64, false}},
      {"bf16", {C::BFloat, 16, false}},   {"bf16x2", {C::BFloat, 32, true}},  {"tf32", {C::TFloat, 32, false}},
      {"f32x2", {C::Float, 64, true}},    {"u16x2", {C::Unsigned, 32, true}}, {"s16x2", {C::Signed, 32, true}}};
  auto it = types.find(text);
  if (it == types.end())
    return false;
  std::tie(type.cls, type.bits, type.packed) = it->second;
  type.name = text;
  return true;
}

// --- symbols ---

Symbol *Decoder::State::find(const std::string &name) {
  size_t digits = name.size();
  while (digits > 1 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
    --digits;
  for (size_t i = scopes.size(); i-- != 0;) {
    auto it = scopes[i].find(name);
    if (it != scopes[i].end() && it->second.kind != Symbol::Kind::Range) {
      Symbol &symbol = it->second;
      if (symbol.kind == Symbol::Kind::Register && !symbol.slot.valid())
        symbol.slot = newRegister(symbol.bytes, symbol.predicate);
      return &symbol;
    }
    if (digits == name.size() || name.size() - digits > 9)
      continue;
    auto range = scopes[i].find(name.substr(0, digits) + "<>");
    if (range == scopes[i].end() || uint32_t(std::stoul(name.substr(digits))) >= range->second.count)
      continue;
    Symbol symbol = range->second; // the first use of a register of a range gives it a place
    symbol.kind = Symbol::Kind::Register;
    symbol.slot = newRegister(symbol.bytes, symbol.predicate);
    return &(scopes[i][name] = symbol);
  }
  auto it = globals.find(name);
  return it == globals.end() ? nullptr : &it->second;
}

Slot Decoder::State::newRegister(unsigned bytes, bool predicate) {
  Slot slot;
  unsigned stored = predicate ? 4 : std::max(bytes, 2u) * warpSize;
  unsigned alignment = predicate ? 4 : 64, call = registerCalls++;
  const Lifetime *lifetime = call < lifetimes.size() && lifetimes[call].shares ? &lifetimes[call] : nullptr;
  if (lifetime && !released[stored].empty()) {
    slot = released[stored].back();
    released[stored].pop_back();
    ending[lifetime->last].push_back({stored, slot});
    callPoisons.push_back(slot.poison);
    return slot;
  }
  slot.offset = (function->frameBytes + alignment - 1) & ~(alignment - 1);
  function->frameBytes = slot.offset + stored;
  slot.poison = function->poisonCount;
  function->poisonCount += poisonStride;
  callPoisons.push_back(slot.poison);
  if (lifetime)
    ending[lifetime->last].push_back({stored, slot});
  function->registers32 += predicate ? 0 : std::max(1u, bytes / 4);
  return slot;
}

// --- the statement ---

void Decoder::begin(const ptx::Statement &statement, unsigned covered) {
  current = &statement;
  modifiers.assign(statement.modifiers.begin() + covered, statement.modifiers.end());
  usedOperands = 0;
  firstAccess = uint32_t(state.function->accesses.size());
}

void Decoder::finish(Instr &out) {
  if (!modifiers.empty())
    fail("unknown modifier ." + modifiers[0]);
  for (unsigned i = 0; i != operandCount(); ++i)
    if (!(usedOperands >> i & 1))
      fail("operand " + std::to_string(i + 1) + " is not expected");
  if (!current->guard.empty()) {
    Operand guard;
    guard.name = current->guard;
    bool negated = false;
    out.guard = readPredicate(guard, negated);
    out.guardNegated = current->guardNegated;
  }
  out.line = current->line;
  out.accesses = firstAccess;
  out.accessCount = uint32_t(state.function->accesses.size()) - firstAccess;
}

void Decoder::fail(const std::string &text) const { throw LoadError(current->line, current->fullName() + ": " + text); }

const Operand &Decoder::operand(unsigned i) {
  if (i >= operandCount())
    fail("operand " + std::to_string(i + 1) + " is missing");
  usedOperands |= uint64_t(1) << i;
  return current->operands[i];
}

// --- modifiers ---

bool Decoder::take(const std::string &modifier) {
  auto it = std::find(modifiers.begin(), modifiers.end(), modifier);
  if (it == modifiers.end())
    return false;
  modifiers.erase(it);
  return true;
}

int Decoder::takeOne(std::initializer_list<const char *> choices) {
  int index = 0;
  for (const char *choice : choices) {
    if (take(choice))
      return index;
    ++index;
  }
  return -1;
}

unsigned Decoder::requireOne(const char *what, std::initializer_list<const char *> choices) {
  int index = takeOne(choices);
  if (index >= 0)
    return unsigned(index);
  std::string text = std::string(what) + " is missing; known are";
  for (const char *choice : choices)
    text += std::string(" .") + choice;
  fail(text);
}

bool Decoder::takeType(ElementType &type) {
  for (auto it = modifiers.begin(); it != modifiers.end(); ++it)
    if (parseElementType(*it, type)) {
      modifiers.erase(it);
      return true;
    }
  return false;
}

ElementType Decoder::requireType() {
  ElementType type;
  if (!takeType(type))
    fail("the type is missing");
  return type;
}

Space Decoder::takeSpace() {
  static const std::pair<const char *, Space> spaces[] = {
      {"global", Space::Global},      {"shared", Space::Shared},
      {"shared::cta", Space::Shared}, {"shared::cluster", Space::SharedCluster},
      {"local", Space::Local},        {"const", Space::Const},
      {"param", Space::Param},        {"param::entry", Space::Param},
      {"param::func", Space::Param}};
  for (auto &[name, space] : spaces)
    if (take(name))
      return space;
  return Space::Generic;
}

bool Decoder::takeCacheHints() {
  bool policy = false;
  for (auto it = modifiers.begin(); it != modifiers.end();) {
    static const std::initializer_list<const char *> hints = {"ca",
                                                              "cg",
                                                              "cs",
                                                              "lu",
                                                              "cv",
                                                              "wb",
                                                              "wt",
                                                              "evict_first",
                                                              "evict_last",
                                                              "evict_normal",
                                                              "L1::evict_normal",
                                                              "L1::evict_unchanged",
                                                              "L1::evict_first",
                                                              "L1::evict_last",
                                                              "L1::no_allocate",
                                                              "L2::evict_normal",
                                                              "L2::evict_first",
                                                              "L2::evict_last",
                                                              "L2::64B",
                                                              "L2::128B",
                                                              "L2::256B"};
    bool hint = std::any_of(hints.begin(), hints.end(), [&](const char *h) { return *it == h; });
    policy |= *it == "L2::cache_hint";
    it = hint || *it == "L2::cache_hint" ? modifiers.erase(it) : it + 1;
  }
  return policy;
}

Scope Decoder::takeScope() {
  static const Scope scopes[] = {Scope::Block, Scope::Cluster, Scope::Device, Scope::System};
  int index = takeOne({"cta", "cluster", "gpu", "sys"});
  return index < 0 ? Scope::None : scopes[index];
}

// --- operands ---

void Decoder::record(Slot slot, bool write) {
  if (slot.valid() && slot.poison)
    state.function->accesses.push_back({slot.poison, write});
}

Slot Decoder::constant(uint64_t value, unsigned bytes) {
  bytes = std::max(bytes, 2u);
  if (bytes < 8)
    value &= (uint64_t(1) << bytes * 8) - 1;
  auto [it, added] = state.constants.try_emplace({value, bytes});
  if (added) {
    std::vector<uint8_t> &bank = state.program->constants;
    it->second.offset = uint32_t(bank.size()) | Slot::constantBit;
    it->second.poison = 0;
    bank.resize(bank.size() + (bytes == 16 ? 2 : 1) * std::min(bytes, 8u) * warpSize);
    uint8_t *to = bank.data() + (it->second.offset & ~Slot::constantBit);
    for (unsigned lane = 0; lane != warpSize; ++lane)
      std::memcpy(to + lane * std::min(bytes, 8u), &value, std::min(bytes, 8u));
  }
  return it->second;
}

namespace {

std::string widthText(unsigned bytes) { return std::to_string(bytes * 8) + " bits"; }

/// The bits of a floating-point literal as `bytes` wide.
uint64_t floatLiteral(const Operand &operand, unsigned bytes, const Decoder &d) {
  if (!operand.isDouble) {
    if (bytes != 4)
      d.fail("a 0f constant is 32 bits wide, the operand has " + widthText(bytes));
    return operand.bits;
  }
  if (bytes == 8)
    return operand.bits;
  if (bytes != 4)
    d.fail("a floating-point constant cannot be " + widthText(bytes) + " wide");
  return fromFloat(float(toDouble(operand.bits)));
}

} // namespace

Slot Decoder::readOperand(const Operand &operand, unsigned bytes) {
  unsigned width = 0;
  Slot slot = readWide(operand, bytes, width);
  if (width != bytes && !(width <= 2 && bytes <= 2))
    fail("register " + operand.name + " has " + widthText(width) + ", the instruction takes " + widthText(bytes));
  return slot;
}

Slot Decoder::readWide(const Operand &operand, unsigned bytes, unsigned &width) {
  width = bytes;
  if (operand.negated)
    fail("'!' on an operand that is no predicate");
  if (operand.kind == OK::Integer)
    return constant(operand.bits, bytes);
  if (operand.kind == OK::Float)
    return constant(floatLiteral(operand, bytes, *this), bytes);
  if (operand.kind != OK::Name)
    fail("expected a register or a constant");
  if (operand.name == "WARP_SZ")
    return constant(warpSize, bytes);
  int special = specialRegister(operand.name);
  if (special >= 0) {
    width = specialBytes(special);
    Slot slot = state.newRegister(width, false);
    state.before.emplace_back();
    makeSpecialMove(special, slot, state.before.back());
    state.before.back().line = line();
    return slot;
  }
  Symbol *symbol = state.find(operand.name);
  if (!symbol)
    fail("'" + operand.name + "' is not declared");
  if (symbol->kind == Symbol::Kind::Variable || symbol->kind == Symbol::Kind::KernelParam) {
    if (symbol->space == Space::Local)
      fail("the address of the .local variable " + operand.name + " can only be taken by mov");
    return constant(symbol->address + uint64_t(operand.offset), bytes);
  }
  if (symbol->kind != Symbol::Kind::Register || symbol->predicate)
    fail("'" + operand.name + "' is " + (symbol->predicate ? "a predicate" : "not a register"));
  if (operand.offset)
    fail("a register with an offset outside an address");
  width = symbol->bytes;
  record(symbol->slot, false);
  return symbol->slot;
}

Slot Decoder::writeRegister(const Operand &operand, unsigned bytes) {
  unsigned width = 0;
  Slot slot = writeWide(operand, bytes, width);
  if (width != bytes && !(width <= 2 && bytes <= 2))
    fail("register " + operand.name + " has " + widthText(width) + ", the instruction writes " + widthText(bytes));
  return slot;
}

Slot Decoder::writeWide(const Operand &operand, unsigned bytes, unsigned &width) {
  width = bytes;
  if (operand.kind == OK::Sink)
    return {};
  if (operand.kind != OK::Name || operand.negated)
    fail("the destination must be a register");
  Symbol *symbol = state.find(operand.name);
  if (!symbol)
    fail("'" + operand.name + "' is not declared");
  if (symbol->kind != Symbol::Kind::Register || symbol->predicate)
    fail("the destination '" + operand.name + "' is " + (symbol->predicate ? "a predicate" : "not a register"));
  width = symbol->bytes;
  record(symbol->slot, true);
  return symbol->slot;
}

Slot Decoder::readPredicate(const Operand &operand, bool &negated) {
  negated = operand.negated;
  if (operand.kind == OK::Integer)
    return constant(operand.bits ? fullMask : 0, 4);
  if (operand.kind != OK::Name)
    fail("expected a predicate");
  Symbol *symbol = state.find(operand.name);
  if (!symbol)
    fail("predicate '" + operand.name + "' is not declared");
  if (symbol->kind != Symbol::Kind::Register || !symbol->predicate)
    fail("'" + operand.name + "' is not a predicate");
  record(symbol->slot, false);
  return symbol->slot;
}

Slot Decoder::writePredicate(const Operand &operand) {
  if (operand.kind == OK::Sink)
    return {};
  bool negated = false;
  if (operand.kind != OK::Name || operand.negated)
    fail("the destination must be a predicate");
  size_t before = state.function->accesses.size();
  Slot slot = readPredicate(operand, negated);
  state.function->accesses.resize(before);
  record(slot, true);
  return slot;
}

std::vector<const Operand *> Decoder::elements(const Operand &operand) const {
  std::vector<const Operand *> list;
  if (operand.kind == OK::Vector)
    for (const Operand &element : operand.elements)
      list.push_back(&element);
  else
    list.push_back(&operand);
  return list;
}

std::vector<Slot> Decoder::readVector(const Operand &operand, unsigned bytes, unsigned count) {
  std::vector<const Operand *> list = elements(operand);
  if (list.size() != count)
    fail("expected " + std::to_string(count) + " registers in {}, found " + std::to_string(list.size()));
  std::vector<Slot> slots;
  for (const Operand *element : list)
    slots.push_back(readOperand(*element, bytes));
  return slots;
}

std::vector<Slot> Decoder::writeVector(const Operand &operand, unsigned bytes, unsigned count) {
  std::vector<const Operand *> list = elements(operand);
  if (list.size() != count)
    fail("expected " + std::to_string(count) + " registers in {}, found " + std::to_string(list.size()));
  std::vector<Slot> slots;
  for (const Operand *element : list)
    slots.push_back(writeRegister(*element, bytes));
  return slots;
}

std::vector<Slot> Decoder::updateVector(const Operand &operand, unsigned bytes, unsigned count) {
  std::vector<Slot> slots = writeVector(operand, bytes, count);
  for (Slot slot : slots) {
    if (!slot.valid())
      fail("'_' in a vector that is read");
    record(slot, false);
  }
  return slots;
}

AddressSlot Decoder::address(const Operand &operand, unsigned element) {
  AddressSlot address;
  const Operand *base = &operand;
  if (operand.kind == OK::Address) {
    if (element >= operand.elements.size())
      fail("the address has no element " + std::to_string(element + 1));
    base = &operand.elements[element];
  } else {
    fail("expected an address in []");
  }
  if (base->kind == OK::Integer) {
    address.offset = int64_t(base->bits);
    return address;
  }
  if (base->kind != OK::Name || base->negated)
    fail("the address must be a register, a variable or a number");
  Symbol *symbol = state.find(base->name);
  if (!symbol)
    fail("'" + base->name + "' is not declared");
  address.offset = base->offset;
  if (symbol->kind == Symbol::Kind::Variable || symbol->kind == Symbol::Kind::KernelParam) {
    address.offset += int64_t(symbol->address);
    address.frameRelative = symbol->space == Space::Local;
    return address;
  }
  if (symbol->kind != Symbol::Kind::Register || symbol->predicate || (symbol->bytes != 4 && symbol->bytes != 8))
    fail("'" + base->name + "' cannot be an address: it must be a register of 32 or 64 bits");
  address.base = symbol->slot;
  address.bytes = uint8_t(symbol->bytes);
  record(symbol->slot, false);
  return address;
}

int64_t Decoder::immediate(const Operand &operand, const char *what) {
  if (operand.kind != OK::Integer)
    fail(std::string(what) + " must be a number");
  return int64_t(operand.bits);
}

Slot Decoder::temporary(unsigned bytes, bool predicate) { return state.newRegister(bytes, predicate); }

// --- facts ---

const Architecture &Decoder::target() const { return state.program->target; }
Program &Decoder::program() { return *state.program; }
KernelCode &Decoder::function() { return *state.function; }
void Decoder::trackRegisters() { state.program->trackRegisters = true; }

void Decoder::requireTarget(unsigned number, bool exactSuffix) {
  if (target().number < number || (exactSuffix && (target().number != number || target().suffix != 'a')))
    fail("needs .target sm_" + std::to_string(number) + (exactSuffix ? "a" : " or later") + ", the module has " +
         target().name());
}

void Decoder::requireVersion(unsigned major, unsigned minor) {
  if (std::make_pair(program().versionMajor, program().versionMinor) < std::make_pair(major, minor))
    fail("needs PTX ISA " + std::to_string(major) + "." + std::to_string(minor) +
         " or later, the module has .version " + std::to_string(program().versionMajor) + "." +
         std::to_string(program().versionMinor));
}

} // namespace adze::sim
