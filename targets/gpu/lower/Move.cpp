// Tiles through shared memory: conversions between layouts, and ops that move elements between threads.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// Shared memory that conversions take without a barrier to reuse what was released.
constexpr uint64_t kSoftLimit = 32 << 10;

unsigned storedBytes(Lowering &l, Type element) {
  return std::max(1u, scalar::bitWidth(l.math->storageType(element)) / 8);
}
} // namespace

//===-- coordinates -----------------------------------------------------------------------------------------------===//

/// What the set bits of a thread's number add to a dim: runs of bits with doubling strides become one mask and product.
static Value bitsAlong(Lowering &l, unsigned dim, ArrayRef<Bit> bits, Value number) {
  ImplicitLocOpBuilder &b = l.b;
  Value sum = l.c32(0);
  for (unsigned i = 0; i < bits.size();) {
    if (bits[i].dim != static_cast<int>(dim)) {
      ++i;
      continue;
    }
    unsigned n = 1;
    while (i + n < bits.size() && bits[i + n].dim == static_cast<int>(dim) && bits[i + n].stride == bits[i].stride << n)
      ++n;
    Value part = i ? Value(arith::ShRUIOp::create(b, number, l.c32(i))) : number;
    if (i + n < bits.size())
      part = arith::AndIOp::create(b, part, l.c32((1 << n) - 1));
    sum = l.add(sum, l.mul(part, l.c32(bits[i].stride)));
    i += n;
  }
  return sum;
}

ArrayRef<Value> Lowering::threadCoordinates(const Layout &layout) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << layout.rank() << "/" << group.warp.getAsOpaquePointer();
  for (ArrayRef<Bit> bits : {ArrayRef<Bit>(layout.lanes), ArrayRef<Bit>(layout.warps)})
    for (const Bit &bit : bits)
      os << "," << bit.dim << ":" << bit.stride;
  auto [it, isNew] = coordinates.try_emplace(key);
  if (!isNew)
    return it->second;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(group.warp); // the lane's number is computed before
  SmallVector<Value, 5> out;
  for (unsigned d = 0; d < layout.rank(); ++d)
    out.push_back(add(bitsAlong(*this, d, layout.lanes, group.lane), bitsAlong(*this, d, layout.warps, group.warp)));
  it->second = out;
  return it->second;
}

Value Lowering::coordinate(const Layout &layout, unsigned reg, unsigned dim) {
  return add(threadCoordinates(layout)[dim], c32(layout.offset(reg, dim)));
}

Value Lowering::alive(const Layout &layout, unsigned reg) {
  Value ok;
  for (unsigned d = 0; d < layout.rank(); ++d)
    if (layout.mayBeDead(reg, d))
      ok = both(ok, Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, coordinate(layout, reg, d),
                                                c32(layout.shape[d]))));
  return ok;
}

Value Lowering::firstReplica(const Layout &layout) {
  Value ok;
  auto none = [&](ArrayRef<Bit> bits, Value number) {
    int64_t mask = 0;
    for (auto [i, bit] : llvm::enumerate(bits))
      mask |= bit.dim < 0 ? int64_t(1) << i : 0;
    if (mask)
      ok = both(ok, Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                arith::AndIOp::create(b, number, c32(mask)), c32(0))));
  };
  none(layout.lanes, group.lane);
  none(layout.warps, group.warp);
  return ok;
}

//===-- places ----------------------------------------------------------------------------------------------------===//

SharedTile Lowering::allocateShared(Operation *op, ArrayRef<int64_t> shape, Type element, unsigned swizzle,
                                    unsigned pad, unsigned align, int inner) {
  SharedTile t;
  t.element = element;
  t.shape.assign(shape.begin(), shape.end());
  t.strides.resize(shape.size(), 1);
  t.swizzle = swizzle;
  t.inner = inner >= 0 ? inner : shape.empty() ? 0 : shape.size() - 1;
  int64_t n = shape.empty() ? 1 : shape[t.inner] + pad;
  for (unsigned d = shape.size(); d-- > 0;)
    if (d != t.inner) {
      t.strides[d] = n;
      n *= shape[d];
    }
  t.bytes = n * storedBytes(*this, element);
  t.offset = allocateBytes(op, t.bytes, align);
  return t;
}

uint64_t Lowering::allocateBytes(Operation *op, uint64_t bytes, unsigned align) {
  auto at = shared.allocateWithin(bytes, align, std::min<uint64_t>(kSoftLimit, hw.limits.sharedBytes));
  if (!at && shared.pending()) {
    barrier();
    at = shared.allocateWithin(bytes, align, std::min<uint64_t>(kSoftLimit, hw.limits.sharedBytes));
  }
  if (!at)
    at = shared.allocateWithin(bytes, align, hw.limits.sharedBytes);
  if (!at) {
    (void)unsupported(op, "it needs " + Twine(bytes) + " bytes of shared memory, " + Twine(shared.inUse()) +
                              " of the " + Twine(hw.limits.sharedBytes) + " bytes of a block are in use");
    return 0;
  }
  return *at;
}

/// A row a multiple of the banks' span would send the same column of all rows to the same banks.
static unsigned padFor(ArrayRef<int64_t> shape, unsigned bytes) {
  if (shape.size() < 2 || bytes > 16)
    return 0;
  return shape.back() * bytes % 128 == 0 ? 16 / bytes : 0;
}

SharedTile Lowering::stage(Operation *op, const TileValue &tile, bool padded) {
  ArrayRef<int64_t> shape = tile.layout.shape;
  SharedTile t =
      allocateShared(op, shape, tile.element, 0, padded ? padFor(shape, storedBytes(*this, tile.element)) : 0);
  if (failedOnce)
    return t;
  toShared(tile, t);
  return t;
}

Value Lowering::address(const SharedTile &t, ArrayRef<Value> at) {
  Type stored = math->storageType(t.element);
  Value base = sharedPointer(t.offset), linear = c32(0);
  if (t.slot)
    base = gep(i8, base, t.slot);
  unsigned rank = t.shape.size();
  if (!t.swizzle) {
    for (unsigned d = 0; d < rank; ++d)
      linear = add(linear, mul(at[d], c32(t.strides[d])));
    return gep(stored, base, linear);
  }
  // Chunks of 16 bytes are permuted within a row by the row's number.
  int64_t rowElements = INT64_MAX;
  for (unsigned d = 0; d < rank; ++d)
    if (d != t.inner)
      rowElements = std::min(rowElements, t.strides[d]);
  Value row = c32(0);
  for (unsigned d = 0; d < rank; ++d)
    if (d != t.inner)
      row = add(row, mul(at[d], c32(t.strides[d] / rowElements)));
  Value phase = t.swizzle < 3 ? Value(arith::ShRUIOp::create(b, row, c32(3 - t.swizzle))) : row;
  phase = arith::AndIOp::create(b, phase, c32((1 << t.swizzle) - 1));
  Value column = arith::XOrIOp::create(b, at[t.inner], mul(phase, c32(16 / storedBytes(*this, t.element))));
  return gep(stored, base, rank > 1 ? add(mul(row, c32(rowElements)), column) : column);
}

/// Elements of one access: registers, strides and the place must allow it.
static unsigned runIn(Lowering &l, const SharedTile &t, const Layout &layout) {
  unsigned rank = layout.rank(), bytes = storedBytes(l, t.element);
  if (!rank || t.strides[t.inner] != 1)
    return 1;
  unsigned v = layout.vectorWidth(t.inner, std::max(1u, 16 / bytes));
  auto fits = [&] {
    if (layout.shape[t.inner] % v || t.offset % (v * bytes))
      return false;
    for (unsigned d = 0; d < rank; ++d)
      if (d != t.inner && t.strides[d] % v)
        return false;
    return true;
  };
  while (v > 1 && !fits())
    v /= 2;
  return v;
}

void Lowering::toShared(const TileValue &tile, const SharedTile &to) {
  const Layout &layout = tile.layout;
  unsigned v = runIn(*this, to, layout), bytes = storedBytes(*this, tile.element);
  Type stored = math->storageType(tile.element);
  when(firstReplica(layout), [&] {
    for (unsigned r = 0; r < layout.registers(); r += v) {
      if (layout.isDead(r))
        continue;
      when(alive(layout, r), [&] {
        SmallVector<Value> at;
        for (unsigned d = 0; d < layout.rank(); ++d)
          at.push_back(coordinate(layout, r, d));
        Value p = address(to, at);
        if (v == 1) {
          LLVM::StoreOp::create(b, math->toStorage(tile.regs[r], tile.element), p, bytes);
          return;
        }
        Value vec = LLVM::UndefOp::create(b, VectorType::get({v}, stored));
        for (unsigned i = 0; i < v; ++i)
          vec = LLVM::InsertElementOp::create(b, vec, math->toStorage(tile.regs[r + i], tile.element), c32(i));
        LLVM::StoreOp::create(b, vec, p, bytes * v);
      });
    }
  });
}

TileValue Lowering::fromShared(const SharedTile &from, const Layout &layout) {
  TileValue out{layout, from.element, {}};
  unsigned v = runIn(*this, from, layout), bytes = storedBytes(*this, from.element);
  Type stored = math->storageType(from.element);
  for (unsigned r = 0; r < layout.registers(); r += v) {
    SmallVector<Value> at;
    for (unsigned d = 0; d < layout.rank(); ++d) {
      Value c = coordinate(layout, r, d);
      // A dead element reads some other one.
      int64_t last = layout.shape[d] - (d == from.inner ? v : 1);
      if (layout.offset(r, d) > last)
        c = c32(last);
      else if (layout.mayBeDead(r + v - 1, d))
        c = arith::MinUIOp::create(b, c, c32(last));
      at.push_back(c);
    }
    Value p = address(from, at);
    Type type = v == 1 ? stored : Type(VectorType::get({v}, stored));
    Value x = LLVM::LoadOp::create(b, type, p, bytes * v);
    for (unsigned i = 0; i < v; ++i)
      out.regs.push_back(
          math->fromStorage(v == 1 ? x : Value(LLVM::ExtractElementOp::create(b, x, c32(i))), from.element));
  }
  return out;
}

/// A part of a tile in place: every strides[d]-th element from offsets[d].
static SharedTile part(Lowering &l, const SharedTile &t, ArrayRef<int64_t> offsets, ArrayRef<int64_t> strides,
                       ArrayRef<int64_t> shape) {
  SharedTile out = t;
  out.shape.assign(shape.begin(), shape.end());
  int64_t at = 0;
  for (unsigned d = 0; d < shape.size(); ++d) {
    at += offsets[d] * t.strides[d];
    out.strides[d] = t.strides[d] * strides[d];
  }
  out.offset += at * storedBytes(l, t.element);
  return out;
}

//===-- conversions -----------------------------------------------------------------------------------------------===//

/// For each register of `to` the register of `from` in the same thread that holds the element; empty: other threads do.
static SmallVector<unsigned> inThread(const Layout &from, const Layout &to) {
  if (from.lanes != to.lanes || from.warps != to.warps)
    return {};
  std::map<SmallVector<int32_t, 5>, unsigned> at;
  for (unsigned r = 0; r < from.registers(); ++r)
    at.try_emplace(SmallVector<int32_t, 5>(from.at(r)), r);
  SmallVector<unsigned> out;
  for (unsigned r = 0; r < to.registers(); ++r) {
    auto it = at.find(SmallVector<int32_t, 5>(to.at(r)));
    if (it == at.end() && !to.isDead(r))
      return {};
    out.push_back(it == at.end() ? 0 : it->second);
  }
  return out;
}

/// A tile that is larger than the shared memory that is left: slab by slab of its longest dim.
TileValue Lowering::convertInParts(const TileValue &tile, const Layout &to) {
  constexpr int64_t kMostParts = 16; // each repeats the code
  const Layout &from = tile.layout;
  unsigned bytes = storedBytes(*this, tile.element);
  Type stored = math->storageType(tile.element);
  unsigned dim = std::max_element(to.shape.begin(), to.shape.end()) - to.shape.begin();
  int64_t rest = bytes; // of one slab
  for (unsigned d = 0; d < to.rank(); ++d)
    rest *= d == dim ? 1 : to.shape[d];
  int64_t room = int64_t(hw.limits.sharedBytes - shared.inUse()) / 2;
  int64_t size = std::max({room / rest, (to.shape[dim] + kMostParts - 1) / kMostParts, int64_t(1)});
  TileValue out{to, tile.element, SmallVector<Value, 0>(to.registers(), element({}, tile.element))};
  using P = arith::CmpIPredicate;
  for (int64_t low = 0; low < to.shape[dim] && !failedOnce; low += size) {
    SmallVector<int64_t> shape(to.shape.begin(), to.shape.end());
    shape[dim] = std::min(size, to.shape[dim] - low);
    SharedTile slab = allocateShared(kernel, shape, tile.element);
    if (failedOnce)
      break;
    auto touches = [&](const Layout &l, unsigned r) {
      return !l.isDead(r) && l.offset(r, dim) < low + shape[dim] && l.offset(r, dim) + l.threadSpan(dim) >= low;
    };
    // Positions in the slab, and whether the element lies in it.
    auto place = [&](const Layout &l, unsigned r, SmallVectorImpl<Value> &at) -> Value {
      Value ok;
      for (unsigned d = 0; d < l.rank(); ++d) {
        Value c = coordinate(l, r, d);
        if (d == dim)
          c = sub(c, c32(low));
        if (d == dim || l.mayBeDead(r, d))
          ok = both(ok, Value(arith::CmpIOp::create(b, P::ult, c, c32(shape[d]))));
        at.push_back(c);
      }
      return ok;
    };
    when(firstReplica(from), [&] {
      for (unsigned r = 0; r < from.registers(); ++r) {
        if (!touches(from, r))
          continue;
        SmallVector<Value> at;
        when(place(from, r, at),
             [&] { LLVM::StoreOp::create(b, math->toStorage(tile.regs[r], tile.element), address(slab, at), bytes); });
      }
    });
    barrier();
    for (unsigned r = 0; r < to.registers(); ++r) {
      if (!touches(to, r))
        continue;
      SmallVector<Value> at;
      Value ok = place(to, r, at);
      for (unsigned d = 0; d < to.rank(); ++d)
        at[d] = arith::MinUIOp::create(b, at[d], c32(shape[d] - 1));
      Value x = math->fromStorage(LLVM::LoadOp::create(b, stored, address(slab, at), bytes), tile.element);
      out.regs[r] = ok ? Value(arith::SelectOp::create(b, ok, x, out.regs[r])) : x;
    }
    release(slab);
  }
  return out;
}

TileValue Lowering::convert(const TileValue &tile, const Layout &to) {
  if (tile.layout == to)
    return tile;
  TileValue out{to, tile.element, {}};
  if (SmallVector<unsigned> map = inThread(tile.layout, to); !map.empty()) {
    for (unsigned r : map)
      out.regs.push_back(tile.regs[r]);
    return out;
  }
  uint64_t elements = 1;
  for (int64_t n : to.shape)
    elements *= n;
  if (elements * storedBytes(*this, tile.element) * 9 / 8 + 1024 > hw.limits.sharedBytes - shared.inUse())
    return convertInParts(tile, to);
  SharedTile t = stage(kernel, tile, /*padded=*/true);
  if (failedOnce) { // an error was reported: any value will do
    out.regs.assign(to.registers(), element({}, tile.element));
    return out;
  }
  barrier();
  out = fromShared(t, to);
  release(t);
  return out;
}

Layout Lowering::layoutOf(Value v) {
  if (auto it = assignment.layouts.find(v); it != assignment.layouts.end())
    return it->second;
  return accessLayout(facts, {}, {}, tileType(v), threads());
}

TileValue Lowering::tileOf(Value v) { return tileAs(v, layoutOf(v)); }

TileValue Lowering::tileAs(Value v, const Layout &layout) {
  if (auto it = tiles.find(v); it != tiles.end()) {
    if (it->second.layout == layout)
      return it->second;
    for (const Memo &m : memo)
      if (m.v == v && m.layout == layout)
        return m.tile;
    TileValue from = it->second;
    TileValue t = convert(from, layout);
    memo.push_back({v, layout, t});
    return t;
  }
  if (auto it = sharedTiles.find(v); it != sharedTiles.end()) {
    SharedTile from = it->second;
    return fromShared(from, layout);
  }
  for (const Memo &m : memo)
    if (m.v == v && m.layout == layout)
      return m.tile;
  TileValue t = emitAnywhere(v, layout);
  memo.push_back({v, layout, t});
  return t;
}

void Lowering::setResult(Value v, TileValue tile) { tiles[v] = convert(tile, layoutOf(v)); }

//===-- ops that move elements ------------------------------------------------------------------------------------===//

/// The same bytes as dense rows of another shape.
static SharedTile dense(const SharedTile &t, ArrayRef<int64_t> shape) {
  SharedTile out = t;
  out.shape.assign(shape.begin(), shape.end());
  out.strides.assign(shape.size(), 1);
  out.inner = shape.empty() ? 0 : shape.size() - 1;
  for (int d = static_cast<int>(shape.size()) - 2; d >= 0; --d)
    out.strides[d] = out.strides[d + 1] * shape[d + 1];
  return out;
}

LogicalResult Lowering::lowerReshape(ReshapeOp op) {
  TileValue from = tileOf(op.getSource());
  RankedTensorType to = tileType(op.getTile());
  if (op.getSource().getType() == to) {
    setResult(op.getTile(), from);
    return success();
  }
  auto big = [](ArrayRef<int64_t> shape) {
    return llvm::to_vector(llvm::make_filter_range(shape, [](int64_t n) { return n != 1; }));
  };
  if (big(from.layout.shape) == big(to.getShape()) && unitsAreClean(from.layout)) {
    from.layout = reshapeUnits(from.layout, to.getShape());
    setResult(op.getTile(), from);
    return success(!failedOnce);
  }
  SharedTile t = stage(op, from, /*padded=*/false);
  if (failedOnce)
    return failure();
  barrier();
  SharedTile view = dense(t, to.getShape());
  tiles[op.getTile()] = fromShared(view, layoutOf(op.getTile()));
  release(t);
  return success();
}

LogicalResult Lowering::lowerSlice(SliceOp op) {
  TileValue from = tileOf(op.getSource());
  SharedTile t = stage(op, from, /*padded=*/true);
  if (failedOnce)
    return failure();
  barrier();
  SharedTile view = part(*this, t, op.getOffsets(), op.getStrides(), tileType(op.getTile()).getShape());
  tiles[op.getTile()] = fromShared(view, layoutOf(op.getTile()));
  release(t);
  return success();
}

LogicalResult Lowering::lowerConcat(ConcatOp op) {
  RankedTensorType type = tileType(op.getTile());
  SharedTile t = allocateShared(op, type.getShape(), type.getElementType(), 0,
                                padFor(type.getShape(), storedBytes(*this, type.getElementType())));
  if (failedOnce)
    return failure();
  SmallVector<int64_t> at(type.getRank(), 0), ones(type.getRank(), 1);
  for (Value source : op.getSources()) {
    TileValue from = tileOf(source);
    toShared(from, part(*this, t, at, ones, from.layout.shape));
    at[op.getDim()] += from.layout.shape[op.getDim()];
  }
  barrier();
  tiles[op.getTile()] = fromShared(t, layoutOf(op.getTile()));
  release(t);
  return success(!failedOnce);
}

/// Same width: the registers' bits. Else through shared memory, where elements below a byte have one each.
LogicalResult Lowering::lowerBitcast(BitcastOp op) {
  RankedTensorType to = tileType(op.getTile());
  TileValue from = tileOf(op.getSource());
  Type fe = from.element, te = to.getElementType();
  unsigned fb = scalar::bitWidth(fe), tb = scalar::bitWidth(te);
  if (fb == tb) {
    Type reg = math->regType(te);
    for (Value &v : from.regs)
      if (v.getType() != reg)
        v = arith::BitcastOp::create(b, reg, v);
    from.element = te;
    setResult(op.getTile(), from);
    return success(!failedOnce);
  }
  Layout layout = layoutOf(op.getTile());
  SharedTile t = stage(op, from, /*padded=*/false);
  if (failedOnce)
    return failure();
  barrier();
  SharedTile view = dense(t, to.getShape());
  view.element = te;
  if (fb >= 8 && tb >= 8) {
    tiles[op.getTile()] = fromShared(view, layout);
    release(t);
    return success();
  }
  TileValue out{layout, te, {}};
  Type stored = math->storageType(te);
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Value linear = c32(0);
    for (unsigned d = 0; d < layout.rank(); ++d) {
      Value c = coordinate(layout, r, d);
      if (layout.mayBeDead(r, d))
        c = arith::MinUIOp::create(b, c, c32(layout.shape[d] - 1));
      linear = add(linear, mul(c, c32(view.strides[d])));
    }
    Value x;
    if (fb < 8) { // whole bytes from their parts, the first in the low bits
      Type wide = b.getIntegerType(tb);
      for (unsigned p = 0; p < tb / fb; ++p) {
        Value at = add(mul(linear, c32(tb / fb)), c32(p));
        Value byte = LLVM::LoadOp::create(b, i8, gep(i8, sharedPointer(t.offset), at), 1);
        byte = arith::AndIOp::create(b, byte, arith::ConstantIntOp::create(b, i8, (1 << fb) - 1));
        Value piece = tb == 8 ? byte : Value(arith::ExtUIOp::create(b, wide, byte));
        piece = arith::ShLIOp::create(b, piece, arith::ConstantIntOp::create(b, wide, p * fb));
        x = x ? Value(arith::OrIOp::create(b, x, piece)) : piece;
      }
      if (x.getType() != stored)
        x = arith::BitcastOp::create(b, stored, x);
    } else { // parts of bytes
      Value bit = mul(linear, c32(tb));
      Value at = arith::ShRUIOp::create(b, bit, c32(3));
      Value byte = LLVM::LoadOp::create(b, i8, gep(i8, sharedPointer(t.offset), at), 1);
      Value shift = arith::TruncIOp::create(b, i8, arith::AndIOp::create(b, bit, c32(7)));
      x = arith::AndIOp::create(b, arith::ShRUIOp::create(b, byte, shift),
                                arith::ConstantIntOp::create(b, i8, (1 << tb) - 1));
    }
    out.regs.push_back(math->fromStorage(x, te));
  }
  tiles[op.getTile()] = out;
  release(t);
  return success();
}

} // namespace adze::gpu
