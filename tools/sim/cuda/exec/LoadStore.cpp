// ld, ldu, st: registers to and from memory. PTX ISA, "ld", "ld.global.nc", "ldu", "st".
#include "Alu.h"
#include "Block.h"
#include "DecodeState.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace adze::sim {

void evaluateAddress(Warp &warp, const AddressSlot &address, Mask active, uint64_t *out) {
  uint64_t offset = uint64_t(address.offset);
  if (address.frameRelative)
    offset += warp.current().localFrame;
  if (!address.base.valid()) {
    std::fill(out, out + warpSize, offset);
    return;
  }
  requireDefined(warp, address.base, active, "the address");
  if (address.bytes == 8) {
    const uint64_t *base = warp.read<uint64_t>(address.base);
    for (unsigned l = 0; l != warpSize; ++l)
      out[l] = base[l] + offset;
  } else {
    const uint32_t *base = warp.read<uint32_t>(address.base);
    for (unsigned l = 0; l != warpSize; ++l)
      out[l] = uint32_t(base[l] + offset);
  }
}

namespace {

struct AccessExtra : InstrExtra {
  MemoryOperation operation;
  AddressSlot address;
  struct Element {
    Slot slot;
    uint8_t width = 4; ///< of the register
  };
  std::vector<Element> elements;
  bool isSigned = false;
};

// --- between registers and LaneBuffer ---

template <typename Register, typename Value>
void scatterAs(Warp &w, Slot slot, Mask m, unsigned at, const LaneBuffer &buffer) {
  Register *d = w.write<Register>(slot);
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    Value value;
    std::memcpy(&value, buffer.bytes[l] + at, sizeof value);
    d[l] = Register(value);
  }
}

/// One element of every lane, sign or zero extended to the register.
void scatter(Warp &w, const AccessExtra &x, const AccessExtra::Element &e, Mask m, unsigned at, const LaneBuffer &b) {
  switch (x.operation.elementBytes) {
  case 1:
    if (e.width == 8)
      return x.isSigned ? scatterAs<int64_t, int8_t>(w, e.slot, m, at, b)
                        : scatterAs<uint64_t, uint8_t>(w, e.slot, m, at, b);
    if (e.width == 4)
      return x.isSigned ? scatterAs<int32_t, int8_t>(w, e.slot, m, at, b)
                        : scatterAs<uint32_t, uint8_t>(w, e.slot, m, at, b);
    return x.isSigned ? scatterAs<int16_t, int8_t>(w, e.slot, m, at, b)
                      : scatterAs<uint16_t, uint8_t>(w, e.slot, m, at, b);
  case 2:
    if (e.width == 8)
      return x.isSigned ? scatterAs<int64_t, int16_t>(w, e.slot, m, at, b)
                        : scatterAs<uint64_t, uint16_t>(w, e.slot, m, at, b);
    if (e.width == 4)
      return x.isSigned ? scatterAs<int32_t, int16_t>(w, e.slot, m, at, b)
                        : scatterAs<uint32_t, uint16_t>(w, e.slot, m, at, b);
    return scatterAs<uint16_t, uint16_t>(w, e.slot, m, at, b);
  case 4:
    if (e.width == 8)
      return x.isSigned ? scatterAs<int64_t, int32_t>(w, e.slot, m, at, b)
                        : scatterAs<uint64_t, uint32_t>(w, e.slot, m, at, b);
    return scatterAs<uint32_t, uint32_t>(w, e.slot, m, at, b);
  case 8:
    return scatterAs<uint64_t, uint64_t>(w, e.slot, m, at, b);
  default: {
    Slot high = e.slot;
    high.offset += warpSize * 8;
    scatterAs<uint64_t, uint64_t>(w, e.slot, m, at, b);
    scatterAs<uint64_t, uint64_t>(w, high, m, at + 8, b);
  }
  }
}

Flow execLoad(Warp &w, const Instr &i, Mask m) {
  const AccessExtra &x = static_cast<const AccessExtra &>(*i.extra);
  uint64_t address[warpSize];
  evaluateAddress(w, x.address, m, address);
  LaneBuffer buffer;
  w.block->launch->memory->load(w, i, x.operation, m, address, buffer);
  uint32_t any = 0;
  for (Mask rest = m; rest; rest &= rest - 1)
    any |= buffer.poison[firstLane(rest)];
  unsigned at = 0, bytes = x.operation.elementBytes;
  uint32_t elementMask = bytes >= 32 ? ~0u : (1u << bytes) - 1;
  for (const AccessExtra::Element &e : x.elements) {
    if (e.slot.valid()) {
      assert(at < 32 && "elements lie within the access");
      auto lanes = [&](uint32_t bytesMask) {
        Mask poison = 0;
        for (Mask rest = m; rest; rest &= rest - 1)
          poison |= Mask((buffer.poison[firstLane(rest)] >> at & bytesMask) != 0) << firstLane(rest);
        return poison;
      };
      if (any && bytes == 4 && e.width == 4)
        w.setHalfPoison(e.slot, m, lanes(3), lanes(12));
      else
        w.setPoison(e.slot, m, any ? lanes(elementMask) : 0);
      scatter(w, x, e, m, at, buffer);
    }
    at += bytes;
  }
  return Flow::Next;
}

template <typename Register, typename Value>
void collectAs(Warp &w, Slot slot, Mask m, unsigned at, LaneBuffer &buffer) {
  const Register *s = w.read<Register>(slot);
  for (; m; m &= m - 1) {
    unsigned l = firstLane(m);
    Value value = Value(s[l]);
    std::memcpy(buffer.bytes[l] + at, &value, sizeof value);
  }
}
void collect(Warp &w, unsigned bytes, const AccessExtra::Element &e, Mask m, unsigned at, LaneBuffer &b) {
  switch (bytes) {
  case 1:
    return e.width == 8   ? collectAs<uint64_t, uint8_t>(w, e.slot, m, at, b)
           : e.width == 4 ? collectAs<uint32_t, uint8_t>(w, e.slot, m, at, b)
                          : collectAs<uint16_t, uint8_t>(w, e.slot, m, at, b);
  case 2:
    return e.width == 8   ? collectAs<uint64_t, uint16_t>(w, e.slot, m, at, b)
           : e.width == 4 ? collectAs<uint32_t, uint16_t>(w, e.slot, m, at, b)
                          : collectAs<uint16_t, uint16_t>(w, e.slot, m, at, b);
  case 4:
    return e.width == 8 ? collectAs<uint64_t, uint32_t>(w, e.slot, m, at, b)
                        : collectAs<uint32_t, uint32_t>(w, e.slot, m, at, b);
  case 8:
    return collectAs<uint64_t, uint64_t>(w, e.slot, m, at, b);
  default: {
    Slot high = e.slot;
    high.offset += warpSize * 8;
    collectAs<uint64_t, uint64_t>(w, e.slot, m, at, b);
    collectAs<uint64_t, uint64_t>(w, high, m, at + 8, b);
  }
  }
}

Flow execStore(Warp &w, const Instr &i, Mask m) {
  const AccessExtra &x = static_cast<const AccessExtra &>(*i.extra);
  uint64_t address[warpSize];
  evaluateAddress(w, x.address, m, address);
  LaneBuffer buffer;
  for (uint32_t &poison : buffer.poison)
    poison = 0;
  unsigned at = 0, bytes = x.operation.elementBytes;
  uint32_t elementMask = bytes >= 32 ? ~0u : (1u << bytes) - 1;
  for (const AccessExtra::Element &e : x.elements) {
    collect(w, bytes, e, m, at, buffer);
    for (Mask rest = w.poison(e.slot) & m; rest; rest &= rest - 1) {
      unsigned l = firstLane(rest);
      uint32_t poisoned = elementMask;
      if (e.width == 4)
        poisoned &= (w.lowPoison(e.slot) >> l & 1 ? 3 : 0) | (w.highPoison(e.slot) >> l & 1 ? 12 : 0);
      buffer.poison[l] |= poisoned << at;
    }
    at += bytes;
  }
  w.block->launch->memory->store(w, i, x.operation, m, address, buffer);
  return Flow::Next;
}

/// ld.param of a kernel parameter at a constant offset: the same bytes for all lanes.
Flow execLoadParam(Warp &w, const Instr &i, Mask m) {
  const AccessExtra &x = static_cast<const AccessExtra &>(*i.extra);
  LaneBuffer buffer;
  const uint8_t *from = w.block->launch->params.data() + x.address.offset;
  unsigned lane = firstLane(m);
  std::memcpy(buffer.bytes[lane], from, x.operation.bytes);
  for (Mask rest = m & (m - 1); rest; rest &= rest - 1)
    std::memcpy(buffer.bytes[firstLane(rest)], from, x.operation.bytes);
  unsigned at = 0;
  for (const AccessExtra::Element &e : x.elements) {
    if (e.slot.valid()) {
      w.setPoison(e.slot, m, 0);
      scatter(w, x, e, m, at, buffer);
    }
    at += x.operation.elementBytes;
  }
  return Flow::Next;
}

/// ld.param and st.param of a call's parameters: bytes in the frame. slot[0]: their place; count: bytes of one lane.
Flow execLoadCallParam(Warp &w, const Instr &i, Mask m) {
  const AccessExtra &x = static_cast<const AccessExtra &>(*i.extra);
  LaneBuffer buffer;
  const uint8_t *area = w.read<uint8_t>(i.slot[0]);
  for (Mask rest = m; rest; rest &= rest - 1)
    std::memcpy(buffer.bytes[firstLane(rest)], area + firstLane(rest) * i.immediate + x.address.offset,
                x.operation.bytes);
  unsigned at = 0;
  for (const AccessExtra::Element &e : x.elements) {
    Mask poison = 0;
    for (unsigned k = 0; k != x.operation.elementBytes; ++k)
      poison |= w.poisons[i.slot[0].poison + (unsigned(x.address.offset) + at + k) * poisonStride];
    if (e.slot.valid()) {
      w.setPoison(e.slot, m, poison);
      scatter(w, x, e, m, at, buffer);
    }
    at += x.operation.elementBytes;
  }
  return Flow::Next;
}
Flow execStoreCallParam(Warp &w, const Instr &i, Mask m) {
  const AccessExtra &x = static_cast<const AccessExtra &>(*i.extra);
  LaneBuffer buffer;
  unsigned at = 0, bytes = x.operation.elementBytes;
  for (const AccessExtra::Element &e : x.elements) {
    collect(w, bytes, e, m, at, buffer);
    for (unsigned k = 0; k != bytes; ++k) {
      Slot byte = i.slot[0];
      byte.poison += (unsigned(x.address.offset) + at + k) * poisonStride;
      w.setPoison(byte, m, w.poison(e.slot));
    }
    at += bytes;
  }
  uint8_t *area = w.write<uint8_t>(i.slot[0]);
  for (; m; m &= m - 1)
    std::memcpy(area + firstLane(m) * i.immediate + x.address.offset, buffer.bytes[firstLane(m)], x.operation.bytes);
  return Flow::Next;
}

// --- decoding ---

/// .weak .volatile .relaxed.scope .acquire/.release.scope .mmio
void takeOrder(Decoder &d, MemoryOperation &op, bool store) {
  static constexpr Order orders[] = {Order::Weak,    Order::Volatile, Order::Relaxed,
                                     Order::Acquire, Order::Release,  Order::Mmio};
  int index = d.takeOne({"weak", "volatile", "relaxed", "acquire", "release", "mmio"});
  op.order = index < 0 ? Order::Weak : orders[index];
  if (op.order == (store ? Order::Acquire : Order::Release))
    d.fail(store ? "st cannot acquire" : "ld cannot release");
  if (index >= 2) {
    op.scope = d.takeScope();
    if (op.scope == Scope::None)
      d.fail("the scope is missing");
    if (op.scope == Scope::Cluster)
      d.requireTarget(90);
  }
}

/// True if the address is a parameter of a call (of this function, or of one it calls).
bool callParameter(Decoder &d, const ptx::Operand &address, Instr &out, AccessExtra &x) {
  if (address.kind != ptx::Operand::Kind::Address || address.elements.size() != 1 ||
      address.elements[0].kind != ptx::Operand::Kind::Name)
    return false;
  const Symbol *symbol = d.internals().find(address.elements[0].name);
  if (!symbol || symbol->kind != Symbol::Kind::CallParam)
    return false;
  x.address.offset = address.elements[0].offset;
  if (x.address.offset < 0 || uint64_t(x.address.offset) + x.operation.bytes > symbol->bytes)
    d.fail("the access lies outside the parameter of " + std::to_string(symbol->bytes) + " bytes");
  out.slot[0] = symbol->slot;
  out.immediate = symbol->bytes;
  return true;
}

void decodeAccess(Decoder &d, Instr &out, bool store, bool unified) {
  AccessExtra &x = d.makeExtra<AccessExtra>(out);
  MemoryOperation &op = x.operation;
  op.unified = unified;
  takeOrder(d, op, store);
  op.space = d.takeSpace();
  op.nonCoherent = !store && d.take("nc");
  if (op.nonCoherent && op.space != Space::Global)
    d.fail(".nc is for .global");
  bool policy = d.takeCacheHints();
  d.take("unified");
  static constexpr unsigned counts[] = {1, 2, 4, 8};
  unsigned count = counts[d.takeOne({"v2", "v4", "v8"}) + 1];
  ElementType t = d.requireType();
  if (t.cls == ElementType::Class::Predicate || t.packed || t.cls == ElementType::Class::TFloat)
    d.fail("type ." + t.name + " is not supported");
  if (t.bytes() * count > 32 || (t.bytes() * count == 32 && d.target().number < 100))
    d.fail("vectors of more than 16 bytes need sm_100");
  op.elementBytes = uint8_t(t.bytes());
  op.bytes = uint8_t(t.bytes() * count);
  x.isSigned = isSigned(t);
  const ptx::Operand &address = d.operand(store ? 0 : 1), &value = d.operand(store ? 1 : 0);
  bool ofCall = op.space == Space::Param && callParameter(d, address, out, x);
  if (!ofCall)
    x.address = d.address(address);
  std::vector<const ptx::Operand *> elements = d.elements(value);
  if (elements.size() != count || (count > 1 && value.kind != ptx::Operand::Kind::Vector))
    d.fail("expected " + std::to_string(count) + " registers, found " + std::to_string(elements.size()));
  for (const ptx::Operand *element : elements) {
    AccessExtra::Element e;
    unsigned width = 0;
    e.slot = store ? d.readWide(*element, t.bytes(), width) : d.writeWide(*element, t.bytes(), width);
    e.width = uint8_t(width);
    if (width < t.bytes() || (width != t.bytes() && (isFloat(t) || t.bits == 128)))
      d.fail("register " + element->name + " has " + std::to_string(width * 8) + " bits, the type " +
             std::to_string(t.bits));
    x.elements.push_back(e);
  }
  if (policy)
    d.readOperand(d.operand(2), 8);
  bool constantParam = op.space == Space::Param && !ofCall && !x.address.base.valid();
  if (store && op.space == Space::Param && !ofCall)
    d.fail("st.param writes parameters of calls only");
  if (store && op.space == Space::Const)
    d.fail("constant memory cannot be written");
  if (constantParam && (x.address.offset < 0 || uint64_t(x.address.offset) + op.bytes > d.function().paramBytes))
    d.fail("the access lies outside the kernel's parameters");
  if (constantParam && uint64_t(x.address.offset) % op.bytes)
    d.fail("the parameter's address is misaligned for " + std::to_string(op.bytes) + " bytes");
  out.handler = store ? (ofCall ? execStoreCallParam : execStore)
                      : (ofCall          ? execLoadCallParam
                         : constantParam ? execLoadParam
                                         : execLoad);
}
void decodeLoad(Decoder &d, Instr &out) { decodeAccess(d, out, false, false); }
void decodeLoadUniform(Decoder &d, Instr &out) { decodeAccess(d, out, false, true); }
void decodeStore(Decoder &d, Instr &out) { decodeAccess(d, out, true, false); }

} // namespace

void registerLoadStore(DecodeTable &table) {
  table.add("ld", decodeLoad);
  table.add("ldu", decodeLoadUniform);
  table.add("st", decodeStore);
}

} // namespace adze::sim
