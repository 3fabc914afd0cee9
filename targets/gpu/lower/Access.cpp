#include "targets/gpu/lower/Access.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace adze::gpu {
using namespace adze::tile;

Access::Access(Lowering &l, Value viewValue, ValueRange given, ArrayRef<int64_t> tileShape, const Layout &layout,
               Options opt)
    : l(l), view(l.view(viewValue)), tile(tileShape.begin(), tileShape.end()), layout(layout), options(opt),
      lead(view.extents.size() - tileShape.size()) {
  for (Value o : given)
    offsets.push_back(l.map(o));
  unsigned bytes = std::max(1u, scalar::bitWidth(l.math->storageType(view.element)) / 8);
  // Runs of registers.
  Facts::ViewFacts vf = l.facts.viewFacts(viewValue);
  int dim = vf.contiguous - static_cast<int>(lead);
  if (dim >= 0 && vf.contiguous != options.indirectDim) {
    unsigned most = std::min(layout.vectorWidth(dim, 16 / std::min(16u, bytes)),
                             l.facts.vectorAt(viewValue, given, vf.contiguous, 16 / std::min(16u, bytes)));
    while (most > 1 && tile[dim] % most)
      most /= 2;
    width = most;
    vectorDim = vf.contiguous;
    whole = vf.extentDivisor[vectorDim] % width == 0 && l.facts.divisorOf(given[vectorDim]) % width == 0;
  }
  // Checks.
  for (unsigned d = 0; d < view.extents.size(); ++d) {
    int64_t size = tileDim(d) < 0 ? 1 : tile[tileDim(d)];
    Check c;
    c.needed = static_cast<int>(d) != options.indirectDim && !options.inbounds &&
               !l.facts.provenInside(viewValue, given, d, size);
    auto r = l.facts.rangeOf(given[d]);
    c.lower = !r || r->first < 0;
    checks.push_back(c);
  }
  if (view.window) {
    auto r = l.facts.rangeOf(given[0]);
    pixelsAreFew = r && r->first >= 0 && r->second + (tileDim(0) < 0 ? 1 : tile[tileDim(0)]) < (int64_t(1) << 31);
  }
  prepareChecks();
  if (!view.window)
    preparePlain();
}

/// Bounds in tile coordinates, clamped to the tile so that 32 bits are enough.
void Access::prepareChecks() {
  ImplicitLocOpBuilder &b = l.b;
  for (unsigned d = 0; d < checks.size(); ++d) {
    Check &c = checks[d];
    if (!c.needed)
      continue;
    Value extent = options.paddedExtents ? view.padded[d] : view.extents[d];
    if (tileDim(d) < 0) {
      Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offsets[d], extent);
      outer = l.both(outer, ok);
      continue;
    }
    Value size = l.cst(tile[tileDim(d)]);
    auto clamp = [&](Value v) -> Value {
      v = arith::MaxSIOp::create(b, v, l.cst(0));
      v = arith::MinSIOp::create(b, v, size);
      return arith::IndexCastOp::create(b, b.getI32Type(), v);
    };
    c.hi = clamp(l.sub(extent, offsets[d]));
    if (c.lower)
      c.lo = clamp(l.sub(l.cst(0), offsets[d]));
  }
}

Value Access::coordinate(unsigned reg, unsigned viewDim) { return l.coordinate(layout, reg, tileDim(viewDim)); }

Value Access::position(unsigned reg, unsigned d) {
  if (static_cast<int>(d) == options.indirectDim)
    return l.toIndex(options.indirect[reg]);
  if (tileDim(d) < 0)
    return offsets[d];
  Value &slot = positions[{d, registerOffset(reg, d)}];
  if (!slot)
    slot = l.add(offsets[d], l.toIndex(coordinate(reg, d)));
  return slot;
}

static bool isPlain(const View::Phys &p) { return p.div == 1 && !p.mod; }

/// The pointer without the registers' parts: offsets of the text and what the thread's bits add, for dims that are not
/// blocked.
void Access::preparePlain() {
  base = view.base;
  Value uniform = l.cst(0), thread32 = l.c32(0), thread64 = l.cst(0);
  for (const View::Phys &p : view.phys) {
    bool isHere = isPlain(p) && static_cast<int>(p.dim) != options.indirectDim;
    plain.push_back(isHere);
    if (!isHere)
      continue;
    uniform = l.add(uniform, l.mul(offsets[p.dim], p.stride));
    if (tileDim(p.dim) < 0)
      continue;
    Value own = l.threadCoordinates(layout)[tileDim(p.dim)];
    auto stride = getConstantIntValue(p.stride);
    constexpr int64_t kSmall = int64_t(1) << 28; // a few of them still fit 31 bits
    if (stride && std::abs(*stride) * (layout.threadSpan(tileDim(p.dim)) + 1) < kSmall)
      thread32 = l.add(thread32, l.mul(own, l.c32(*stride)));
    else
      thread64 = l.add(thread64, l.mul(l.toIndex(own), p.stride));
  }
  Type stored = l.math->storageType(view.element);
  base = l.gep(stored, base, uniform);
  base = l.gep(stored, base, l.add(thread64, l.toIndex(thread32)));
}

Value Access::physicalOf(const View::Phys &p, Value at) {
  ImplicitLocOpBuilder &b = l.b;
  if (p.div > 1)
    at = arith::DivUIOp::create(b, at, l.cst(p.div));
  if (p.mod)
    at = arith::RemUIOp::create(b, at, l.cst(p.mod));
  return l.mul(at, p.stride);
}

Value Access::physical(const View::Phys &p, unsigned reg) {
  unsigned index = &p - view.phys.data();
  if (static_cast<int>(p.dim) == options.indirectDim)
    return physicalOf(p, position(reg, p.dim));
  Value &slot = terms[{index, registerOffset(reg, p.dim)}];
  if (!slot)
    slot = physicalOf(p, position(reg, p.dim));
  return slot;
}

Value Access::pointer(unsigned reg) {
  if (view.window)
    return windowPointer(reg);
  int64_t constant = 0;
  Value sum = l.cst(0);
  for (auto [i, p] : llvm::enumerate(view.phys)) {
    if (!plain[i]) {
      sum = l.add(sum, physical(p, reg));
      continue;
    }
    int64_t at = registerOffset(reg, p.dim);
    if (auto stride = getConstantIntValue(p.stride)) {
      constant += at * *stride;
    } else if (at) {
      Value &slot = terms[{static_cast<unsigned>(i), at}];
      if (!slot)
        slot = l.mul(l.cst(at), p.stride);
      sum = l.add(sum, slot);
    }
  }
  Type stored = l.math->storageType(view.element);
  return l.gep(stored, l.gep(stored, base, sum), l.cst(constant));
}

//===-- bounds ----------------------------------------------------------------------------------------------------===//

/// Registers first..last (a run along the vector dim, or one) in one view dim.
Value Access::dimInside(unsigned d, unsigned first, unsigned last) {
  ImplicitLocOpBuilder &b = l.b;
  using P = arith::CmpIPredicate;
  const Check &c = checks[d];
  if (static_cast<int>(d) == options.indirectDim)
    return arith::CmpIOp::create(b, P::ult, position(first, d), view.extents[d]);
  if (tileDim(d) < 0)
    return {};
  int64_t lowest = registerOffset(first, d), highest = registerOffset(last, d);
  bool dead = layout.mayBeDead(last, tileDim(d));
  if (!c.needed && !dead)
    return {};
  Value hi = c.needed ? c.hi : l.c32(tile[tileDim(d)]);
  Value &below = conditions[{2 * d, highest}];
  if (!below)
    below = arith::CmpIOp::create(b, P::slt, coordinate(last, d), hi);
  if (!c.needed || !c.lo)
    return below;
  Value &above = conditions[{2 * d + 1, lowest}];
  if (!above)
    above = arith::CmpIOp::create(b, P::sge, coordinate(first, d), c.lo);
  return l.both(below, above);
}

Value Access::inside(unsigned reg, unsigned count) {
  Value ok = outer;
  for (unsigned d = 0; d < view.extents.size(); ++d) {
    unsigned last = static_cast<int>(d) == vectorDim ? reg + count - 1 : reg;
    ok = l.both(ok, dimInside(d, reg, last));
  }
  if (view.window)
    for (unsigned s = 0; s < view.out.size(); ++s)
      ok = l.both(ok, sourceInside(reg, s));
  return ok;
}

//===-- windows ---------------------------------------------------------------------------------------------------===//

/// (image, output position) of a register's pixel.
const Access::Pixel &Access::pixel(unsigned reg) {
  ImplicitLocOpBuilder &b = l.b;
  Pixel &p = pixels[registerOffset(reg, 0)];
  if (p.image)
    return p;
  Value rest = position(reg, 0);
  // Divisions of 32 bits where the pixels are known to be few.
  bool narrow = pixelsAreFew;
  auto type = narrow ? Type(b.getI32Type()) : Type(b.getIndexType());
  auto as = [&](Value v) -> Value {
    if (auto c = getConstantIntValue(v); c && narrow)
      return l.c32(*c);
    return narrow ? Value(arith::IndexCastOp::create(b, type, v)) : v;
  };
  rest = as(rest);
  p.at.resize(view.out.size());
  for (unsigned s = view.out.size(); s-- > 0;) {
    Value by = as(view.out[s]);
    p.at[s] = l.toIndex(arith::RemUIOp::create(b, rest, by));
    rest = arith::DivUIOp::create(b, rest, by);
  }
  p.image = l.toIndex(rest);
  return p;
}

/// Input position of a register in spatial dim s, whether it exists or not.
Value Access::sourcePosition(unsigned reg, unsigned s) {
  ImplicitLocOpBuilder &b = l.b;
  WindowOp w = view.window;
  bool transposed = w.getTransposed();
  int64_t stride = w.getStride()[s];
  int64_t tap = registerOffset(reg, 1 + s), at = registerOffset(reg, 0);
  Value &slot = sourcePositions[{s, at * 4096 + tap}];
  if (slot)
    return slot;
  Value pos = l.mul(pixel(reg).at[s], l.cst(transposed ? 1 : stride));
  pos = l.add(pos, l.mul(position(reg, 1 + s), l.cst(w.getDilation()[s])));
  pos = l.add(pos, l.cst(-w.getPad()[s]));
  Value ok;
  if (transposed && stride > 1) {
    // A negative position is huge as an unsigned number and stays so when divided.
    Value rem = arith::RemUIOp::create(b, pos, l.cst(stride));
    ok = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rem, l.cst(0));
    pos = arith::DivUIOp::create(b, pos, l.cst(stride));
  }
  Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, pos, view.source->extents[1 + s]);
  sourceConditions[{s, {at, tap}}] = l.both(ok, below);
  return slot = pos;
}

Value Access::sourceInside(unsigned reg, unsigned s) {
  sourcePosition(reg, s);
  return sourceConditions[{s, {registerOffset(reg, 0), registerOffset(reg, 1 + s)}}];
}

Value Access::windowPointer(unsigned reg) {
  unsigned spatial = view.out.size();
  const View &source = *view.source;
  SmallVector<int64_t, 6> key;
  for (unsigned d = 0; d < 1 + spatial; ++d)
    key.push_back(registerOffset(reg, d));
  Type stored = l.math->storageType(view.element);
  Value &slot = windows[key];
  if (!slot) {
    Value sum = l.cst(0);
    for (const View::Phys &p : source.phys) {
      if (p.dim == 1 + spatial)
        continue;
      sum = l.add(sum, physicalOf(p, p.dim == 0 ? pixel(reg).image : sourcePosition(reg, p.dim - 1)));
    }
    slot = l.gep(stored, view.base, sum);
  }
  Value channel = l.cst(0);
  for (auto [i, p] : llvm::enumerate(source.phys)) {
    if (p.dim != 1 + spatial)
      continue;
    Value &term = terms[{static_cast<unsigned>(i), registerOffset(reg, 1 + spatial)}];
    if (!term)
      term = physicalOf(p, position(reg, 1 + spatial));
    channel = l.add(channel, term);
  }
  return l.gep(stored, slot, channel);
}

} // namespace adze::gpu
