// Views at run time: addresses, bounds, loads and stores of a vector of lanes.
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

namespace {
/// An expression with more loads than this is not emitted twice for the sake of tiles at a border.
constexpr size_t kManyLoads = 6;
} // namespace

//===-- binding
//----------------------------------------------------------------------------------------------------===//

static void rowMajor(llvm::function_ref<Value(Value, Value)> mul, ArrayRef<Value> extents, Value one,
                     MutableArrayRef<View::Phys> phys) {
  Value stride = one;
  for (unsigned i = phys.size(); i-- > 0;) {
    phys[i].stride = stride;
    if (i)
      stride = mul(stride, extents[i]);
  }
}

void Lowering::bindView(ViewOp op) {
  auto view = std::make_shared<View>();
  ViewType type = op.getView().getType();
  view->element = type.getElementType();
  view->base = map(op.getRef());
  view->blocks.assign(type.getRank(), 1);
  auto mulFn = [&](Value a, Value c) { return mul(a, c); };
  auto composite = dyn_cast_or_null<CompositeAttr>(type.getLayout());
  unsigned next = 0, inner = 0;
  SmallVector<Value> physical; // extents of physical dims
  for (unsigned d = 0; d < type.getRank(); ++d) {
    int64_t factor = 1, groups = composite ? composite.getGroups()[d] : 1;
    for (int64_t g = 1; g < groups; ++g)
      factor *= composite.getInner()[inner + g - 1];
    Value first = type.isDynamicDim(d) ? map(op.getExtents()[next++]) : cst(type.getShape()[d] / factor);
    view->extents.push_back(type.isDynamicDim(d) ? mul(first, cst(factor)) : cst(type.getShape()[d]));
    int64_t div = factor;
    view->phys.push_back({d, div, 0, {}});
    physical.push_back(first);
    for (int64_t g = 1; g < groups; ++g) {
      int64_t f = composite.getInner()[inner + g - 1];
      div /= f;
      view->phys.push_back({d, div, f, {}});
      physical.push_back(cst(f));
    }
    inner += groups - 1;
  }
  if (composite && op.getStrides().empty()) { // contiguous: the same as one plain dim
    view->phys.clear();
    physical = SmallVector<Value>(view->extents.begin(), view->extents.end());
    for (unsigned d = 0; d < type.getRank(); ++d)
      view->phys.push_back({d, 1, 0, {}});
  }
  view->padded = view->extents;
  if (auto pack = dyn_cast_or_null<PackAttr>(type.getLayout())) {
    if (!pack.getInner().empty()) {
      (void)unsupported(op, "a vendor's block permutation '" + pack.getInner() + "'");
      return;
    }
    view->phys.clear();
    physical.clear();
    for (AffineExpr e : pack.getMap().getResults()) {
      auto binary = dyn_cast<AffineBinaryOpExpr>(e);
      unsigned d = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
      int64_t c = binary ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1;
      bool mod = binary && binary.getKind() == AffineExprKind::Mod;
      view->phys.push_back({d, mod ? 1 : c, mod ? c : 0, {}});
      Value blocks = view->extents[d];
      if (binary) {
        auto n = getConstantIntValue(blocks);
        blocks = n ? cst((*n + c - 1) / c) : Value(arith::CeilDivSIOp::create(b, blocks, cst(c)));
      }
      physical.push_back(mod ? cst(c) : blocks);
      if (mod) {
        view->blocks[d] = c;
        auto n = getConstantIntValue(view->extents[d]);
        view->padded[d] =
            mul(n ? cst((*n + c - 1) / c) : Value(arith::CeilDivSIOp::create(b, view->extents[d], cst(c))), cst(c));
      }
    }
  }
  if (op.getStrides().empty())
    rowMajor(mulFn, physical, cst(1), view->phys);
  else
    for (auto [p, s] : llvm::zip(view->phys, op.getStrides()))
      p.stride = map(s);
  if (op.getOffset())
    view->base = gep(view->element, view->base, map(op.getOffset()));
  views[op.getView()] = view;
}

void Lowering::bindSubview(SubviewOp op) {
  const View &from = *views[op.getSource()];
  unsigned drop = op.getOffsets().size();
  SmallVector<Lanes> at;
  for (Value o : op.getOffsets())
    at.push_back({map(o), 0, {}});
  at.resize(from.extents.size(), Lanes{cst(0), 0, {}});
  Access a;
  a.base = cst(0);
  addPhysical(from, at, 1, a);
  auto view = std::make_shared<View>();
  view->element = from.element;
  view->base = gep(from.element, from.base, a.base);
  view->extents.assign(from.extents.begin() + drop, from.extents.end());
  view->padded.assign(from.padded.begin() + drop, from.padded.end());
  view->blocks.assign(from.blocks.begin() + drop, from.blocks.end());
  for (View::Phys p : from.phys)
    if (p.dim >= drop) {
      p.dim -= drop;
      view->phys.push_back(p);
    }
  views[op.getView()] = view;
}

void Lowering::bindWindow(WindowOp op) {
  auto view = std::make_shared<View>();
  view->source = views[op.getSource()];
  view->element = view->source->element;
  view->base = view->source->base;
  view->window = op;
  Value pixels = view->source->extents[0];
  for (Value o : op.getOut()) {
    view->out.push_back(map(o));
    pixels = mul(pixels, view->out.back());
  }
  view->extents.push_back(pixels);
  for (int64_t k : op.getKernel())
    view->extents.push_back(cst(k));
  view->extents.push_back(view->source->extents.back());
  view->padded = view->extents;
  view->padded.back() = view->source->padded.back();
  view->blocks.assign(view->extents.size(), 1);
  view->blocks.back() = view->source->blocks.back();
  views[op.getView()] = view;
}

//===-- lanes
//------------------------------------------------------------------------------------------------------===//

Value Lowering::lanesVector(const Lanes &a, unsigned vl) {
  auto type = VectorType::get({vl}, index);
  if (a.vec)
    return a.vec;
  Value base = vector::BroadcastOp::create(b, type, a.base);
  if (a.step == 0)
    return base;
  SmallVector<APInt> steps;
  for (unsigned i = 0; i < vl; ++i)
    steps.push_back(APInt(64, i * a.step, /*isSigned=*/true));
  Value iota = arith::ConstantOp::create(b, DenseIntElementsAttr::get(type, steps));
  return arith::AddIOp::create(b, base, iota);
}

Lanes Lowering::addLanes(Lanes a, Value v, unsigned vl) {
  if (a.vec)
    a.vec = arith::AddIOp::create(b, a.vec, vector::BroadcastOp::create(b, a.vec.getType(), v));
  else
    a.base = add(a.base, v);
  return a;
}

Lanes Lowering::divLanes(const Lanes &a, int64_t by, unsigned vl, bool remainder) {
  if (by == 1)
    return remainder ? Lanes{cst(0), 0, {}} : a;
  auto scalar = [&](bool rem) -> Value {
    if (auto c = getConstantIntValue(a.base); c && *c >= 0)
      return cst(rem ? *c % by : *c / by);
    return rem ? Value(arith::RemUIOp::create(b, a.base, cst(by))) : Value(arith::DivUIOp::create(b, a.base, cst(by)));
  };
  if (a.uniform())
    return {scalar(remainder), 0, {}};
  // Tiles align with blocks, so lanes that fit a block stay inside it.
  if (!a.vec && a.step == 1 && by % vl == 0)
    return {scalar(remainder), remainder ? 1 : 0, {}};
  Value v = lanesVector(a, vl);
  Value d = vector::BroadcastOp::create(b, v.getType(), cst(by));
  v = remainder ? Value(arith::RemUIOp::create(b, v, d)) : Value(arith::DivUIOp::create(b, v, d));
  return {{}, 0, v};
}

Value Lowering::insideOf(const Lanes &at, Value extent, unsigned vl) {
  if (at.uniform()) // unsigned: a negative index is large
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at.base, extent);
  Value v = lanesVector(at, vl);
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, v, vector::BroadcastOp::create(b, v.getType(), extent));
}

/// Lanes (or, with `first`, elements from there on) of a range, as vl x i1. 32-bit lanes make one mask of one compare.
Value Lowering::rangeMask(const LaneRange &range, unsigned vl, int64_t first) {
  constexpr int64_t kFar = int64_t(1) << 30; // beyond every lane
  auto type = VectorType::get({vl}, i32);
  SmallVector<int32_t> steps;
  for (unsigned i = 0; i < vl; ++i)
    steps.push_back((first + i) * range.step);
  Value iota = arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(steps)));
  auto compare = [&](arith::CmpIPredicate p, Value limit) -> Value {
    limit = minIdx(maxIdx(limit, cst(-1)), cst(kFar));
    return arith::CmpIOp::create(
        b, p, iota, vector::BroadcastOp::create(b, type, Value(arith::IndexCastOp::create(b, i32, limit))));
  };
  Value below = compare(arith::CmpIPredicate::slt, range.hi);
  return range.lo ? Value(arith::AndIOp::create(b, compare(arith::CmpIPredicate::sge, range.lo), below)) : below;
}

/// Ranges as a mask, for accesses that have no better use for them.
void Lowering::foldRanges(Access &a, unsigned vl) {
  for (const LaneRange &r : a.ranges) {
    Value ok = rangeMask(r, vl);
    a.okVector = a.okVector ? Value(arith::AndIOp::create(b, a.okVector, ok)) : ok;
  }
  a.ranges.clear();
}

void Lowering::require(Access &a, const Lanes &at, Value ok) {
  Value &slot = at.uniform() ? a.okScalar : a.okVector;
  slot = slot ? Value(arith::AndIOp::create(b, slot, ok)) : ok;
}

void Lowering::addPhysical(const View &view, ArrayRef<Lanes> at, unsigned vl, Access &out) {
  for (const View::Phys &p : view.phys) {
    Lanes l = at[p.dim];
    if (p.div > 1)
      l = divLanes(l, p.div, vl, false);
    if (p.mod)
      l = divLanes(l, p.mod, vl, true);
    if (l.vec) {
      Value s = vector::BroadcastOp::create(b, l.vec.getType(), p.stride);
      Value term = arith::MulIOp::create(b, l.vec, s);
      out.vec = out.vec ? Value(arith::AddIOp::create(b, out.vec, term)) : term;
      continue;
    }
    out.base = add(out.base, mul(l.base, p.stride));
    if (l.step) {
      Value s = mul(p.stride, cst(l.step));
      out.laneStride = out.laneStride ? add(out.laneStride, s) : s;
    }
  }
}

void Lowering::requireInside(Access &a, const Lanes &at, Value extent, unsigned vl) {
  if (at.vec || at.step <= 0)
    return require(a, at, insideOf(at, extent, vl));
  a.ranges.push_back({at.notNegative ? Value() : sub(cst(0), at.base), sub(extent, at.base), at.step});
}

Access Lowering::access(const View &view, ArrayRef<Lanes> at, unsigned vl, ArrayRef<bool> checked, bool oneRow) {
  Access a;
  a.base = cst(0);
  if (view.window) {
    addWindow(view, at, vl, a, checked, oneRow);
    return a;
  }
  addPhysical(view, at, vl, a);
  for (unsigned d = 0; d < at.size(); ++d)
    if (checked[d])
      requireInside(a, at[d], view.extents[d], vl);
  return a;
}

/// (pixel, taps.., c) -> (n, spatial.., c) of the source, with the checks that the padding needs.
void Lowering::addWindow(const View &view, ArrayRef<Lanes> at, unsigned vl, Access &out, ArrayRef<bool> checked,
                         bool oneRow) {
  WindowOp w = view.window;
  unsigned spatial = view.out.size();
  SmallVector<Lanes> source(spatial + 2);
  auto split = [&](const Lanes &l, Value by, bool rem) -> Lanes {
    if (oneRow && l.step && !l.vec) { // only the innermost coordinate varies between lanes
      Lanes u = {l.base, 0, {}};
      auto c = getConstantIntValue(by);
      if (c)
        u = divLanes(u, *c, vl, rem);
      else
        u.base = rem ? Value(arith::RemUIOp::create(b, l.base, by)) : Value(arith::DivUIOp::create(b, l.base, by));
      u.step = rem ? l.step : 0;
      return u;
    }
    if (auto c = getConstantIntValue(by); c && !(l.step == 1 && !l.vec))
      return divLanes(l, *c, vl, rem);
    if (l.uniform())
      return {rem ? Value(arith::RemUIOp::create(b, l.base, by)) : Value(arith::DivUIOp::create(b, l.base, by)), 0, {}};
    Value v = lanesVector(l, vl), d = vector::BroadcastOp::create(b, v.getType(), by);
    return {{}, 0, rem ? Value(arith::RemUIOp::create(b, v, d)) : Value(arith::DivUIOp::create(b, v, d))};
  };
  auto affineLanes = [&](Lanes l, int64_t scale, Value plus) -> Lanes {
    if (l.vec) {
      Value s = vector::BroadcastOp::create(b, l.vec.getType(), cst(scale));
      l.vec = arith::MulIOp::create(b, l.vec, s);
    } else {
      l.base = mul(l.base, cst(scale));
      l.step *= scale;
    }
    return addLanes(l, plus, vl);
  };
  if (checked[0])
    require(out, at[0], insideOf(at[0], view.extents[0], vl));
  Lanes rest = at[0];
  for (unsigned s = spatial; s-- > 0;) {
    Lanes p = split(rest, view.out[s], true);
    rest = split(rest, view.out[s], false);
    const Lanes &tap = at[1 + s];
    bool transposed = w.getTransposed();
    int64_t stride = w.getStride()[s], dil = w.getDilation()[s], pad = w.getPad()[s];
    Lanes pos = affineLanes(p, transposed ? 1 : stride, cst(-pad));
    if (tap.uniform()) {
      pos = addLanes(pos, mul(tap.base, cst(dil)), vl);
    } else {
      Lanes t = affineLanes(tap, dil, cst(0));
      pos = {{}, 0, arith::AddIOp::create(b, lanesVector(pos, vl), lanesVector(t, vl))};
    }
    if (transposed && stride > 1) {
      // A negative position fails the bounds check after the division because it is still huge as an unsigned number.
      Lanes rem = divLanes(pos, stride, vl, true);
      Lanes quotient = divLanes(pos, stride, vl, false);
      Value zero =
          rem.uniform() ? cst(0) : Value(vector::BroadcastOp::create(b, lanesVector(rem, vl).getType(), cst(0)));
      Value r = rem.uniform() ? rem.base : lanesVector(rem, vl);
      require(out, rem, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, r, zero));
      pos = quotient;
    }
    requireInside(out, pos, view.source->extents[1 + s], vl);
    source[1 + s] = pos;
  }
  source[0] = rest;
  source[1 + spatial] = at[1 + spatial];
  if (checked[1 + spatial])
    require(out, at[1 + spatial], insideOf(at[1 + spatial], view.extents[1 + spatial], vl));
  addPhysical(*view.source, source, vl, out);
}

//===-- bounds --------------------------------------------------------------------------------------------------===//

bool Lowering::clipped(Value offset, Value extent, Value idx) {
  return llvm::any_of(clips,
                      [&](const Clip &c) { return c.iv == idx && c.iv && c.offset == offset && c.extent == extent; });
}

bool Lowering::clipPaired(Value offset, Value extent, int64_t size) {
  return llvm::any_of(clips, [&](const Clip &c) { return c.offset == offset && c.extent == extent && c.size == size; });
}

Value Lowering::extentFor(const View &view, unsigned dim, Attribute pad) {
  bool zero = !pad;
  if (auto f = dyn_cast_or_null<FloatAttr>(pad))
    zero = f.getValue().isPosZero();
  if (auto i = dyn_cast_or_null<IntegerAttr>(pad))
    zero = i.getValue().isZero();
  return zero ? view.padded[dim] : view.extents[dim];
}

/// One condition under which every load of the expressions lies wholly inside its view; marks the dims that it covers.
/// Null: nothing to check.
Value Lowering::insideGuard(ArrayRef<Value> expressions) {
  llvm::SmallSetVector<Operation *, 8> loads;
  for (Value v : expressions)
    collectLoads(v, loads);
  // Windows with padding are seldom wholly inside: a version for those that are would only be more code.
  auto startsOutside = [&](Operation *o) {
    auto load = cast<LoadOp>(o);
    return !load.getInbounds() && llvm::any_of(load.getOffsets(), [&](Value offset) {
      auto r = facts.rangeOf(offset);
      return !r || r->first < 0;
    });
  };
  if (loads.size() > kManyLoads && llvm::any_of(loads, startsOutside))
    return {};
  Value all;
  auto also = [&](Value ok) { all = all ? Value(arith::AndIOp::create(b, all, ok)) : ok; };
  for (Operation *o : loads) {
    auto load = cast<LoadOp>(o);
    const View &view = *views[load.getView()];
    if (load.getInbounds())
      continue;
    auto shape = tileType(load.getTile()).getShape();
    unsigned rank = view.extents.size(), lead = rank - shape.size();
    for (unsigned d = 0; d < rank; ++d) {
      int64_t size = d < lead ? 1 : shape[d - lead];
      if (facts.provenInside(load.getView(), load.getOffsets(), d, size))
        continue;
      Value offset = map(load.getOffsets()[d]), extent = extentFor(view, d, load.getPadAttr());
      if (clipPaired(offset, view.extents[d], size))
        continue;
      auto r = facts.rangeOf(load.getOffsets()[d]);
      guarded.insert({o, d});
      if (!r || r->first < 0)
        also(arith::CmpIOp::create(b, arith::CmpIPredicate::sge, offset, cst(0)));
      also(arith::CmpIOp::create(b, arith::CmpIPredicate::sle, add(offset, cst(size)), extent));
    }
  }
  return all;
}

/// [lo, hi) of a tile dim that lies inside the view.
std::pair<Value, Value> Lowering::boundsOf(Value offset, Value extent, int64_t size) {
  Value lo = minIdx(maxIdx(sub(cst(0), offset), cst(0)), cst(size));
  Value hi = maxIdx(minIdx(sub(extent, offset), cst(size)), cst(0));
  return {lo, hi};
}

//===-- loads and stores
//-------------------------------------------------------------------------------------------===//

SmallVector<Lanes, 6> Lowering::viewLanes(ValueRange offsets, unsigned viewRank, unsigned tileRank, const Coord &c) {
  SmallVector<Lanes, 6> at;
  unsigned lead = viewRank - tileRank;
  for (unsigned d = 0; d < viewRank; ++d) {
    Value o = map(offsets[d]);
    if (d < lead) {
      at.push_back({o, 0, {}});
      continue;
    }
    bool lanes = c.vdim == static_cast<int>(d - lead);
    auto r = lanes ? facts.rangeOf(offsets[d]) : std::nullopt;
    at.push_back({add(o, c.idx[d - lead]), lanes ? c.step : 0, {}, r && r->first >= 0});
  }
  return at;
}

SmallVector<bool, 6> Lowering::checkedDims(Operation *op, Value viewValue, ValueRange offsets, ArrayRef<int64_t> tile,
                                           ArrayRef<Lanes> at, const Coord &c) {
  const View &view = *views[viewValue];
  unsigned rank = view.extents.size(), lead = rank - tile.size();
  SmallVector<bool, 6> checked(rank, true);
  for (unsigned d = 0; d < rank; ++d) {
    int64_t size = d < lead ? 1 : tile[d - lead];
    if (facts.provenInside(viewValue, offsets, d, size) || (assumeInside && guarded.contains({op, d})))
      checked[d] = false;
    else if (d >= lead && c.step == 1 && clipped(map(offsets[d]), view.extents[d], c.idx[d - lead]))
      checked[d] = false;
  }
  return checked;
}

Value Lowering::padOf(Attribute pad, Type element, const Coord &c) {
  Value v;
  if (auto typed = dyn_cast_or_null<TypedAttr>(pad))
    v = constantOf(typed, element);
  else
    v = arith::ConstantOp::create(b, b.getZeroAttr(regType(element)));
  return splatTo(v, c);
}

Value Lowering::guardedValue(Value ok, Type type, llvm::function_ref<Value()> inside,
                             llvm::function_ref<Value()> outside) {
  if (!ok)
    return inside();
  auto op = scf::IfOp::create(b, TypeRange{type}, ok, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  {
    Scope scope(*this);
    b.setInsertionPointToEnd(op.thenBlock());
    scf::YieldOp::create(b, inside());
  }
  Scope scope(*this);
  b.setInsertionPointToEnd(op.elseBlock());
  scf::YieldOp::create(b, outside());
  return op.getResult(0);
}

Value Lowering::laneIndices(const Access &a, unsigned vl) {
  auto type = VectorType::get({vl}, index);
  Value v = lanesVector({a.base, 0, {}}, vl);
  if (a.laneStride) {
    Value iota = lanesVector({cst(0), 1, {}}, vl);
    v = arith::AddIOp::create(b, v, arith::MulIOp::create(b, iota, vector::BroadcastOp::create(b, type, a.laneStride)));
  }
  return a.vec ? Value(arith::AddIOp::create(b, v, a.vec)) : v;
}

static Value allTrue(ImplicitLocOpBuilder &b, unsigned vl) {
  auto type = VectorType::get({vl}, b.getI1Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, true));
}

/// Lanes that are neighbours in memory, or every other element: whole registers under a mask, without a branch.
/// Null if the access is another one.
Value Lowering::loadRow(const View &view, const Access &a, const Coord &c, Attribute pad, Type element) {
  auto stride = a.laneStride ? getConstantIntValue(a.laneStride) : std::optional<int64_t>();
  if (c.vdim < 0 || a.vec || a.okVector || !stride || (*stride != 1 && *stride != 2) || a.ranges.size() > 1 ||
      isSubByte(element) || (c.mask && !c.live) || (!a.ranges.empty() && a.ranges[0].step != *stride))
    return {};
  LaneRange range{{}, {}, 1}; // of elements
  if (!a.ranges.empty()) {
    range.lo = a.ranges[0].lo;
    range.hi = a.ranges[0].hi;
  }
  if (c.live) {
    Value end = *stride == 1 ? c.live : sub(mul(c.live, cst(2)), cst(1));
    range.hi = range.hi ? minIdx(range.hi, end) : end;
  }
  if (a.okScalar)
    range.hi = arith::SelectOp::create(b, a.okScalar, range.hi ? range.hi : cst(2 * c.vl), cst(0));
  Type stored = storageType(element);
  unsigned bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  auto vec = VectorType::get({c.vl}, stored);
  Coord whole = c;
  whole.mask = {};
  Value filler = range.hi ? toStorage(padOf(pad, element, whole), element) : Value();
  auto part = [&](int64_t first) -> Value {
    Value p = gep(element, view.base, add(a.base, cst(first)));
    return range.hi ? Value(LLVM::MaskedLoadOp::create(b, vec, p, rangeMask(range, c.vl, first), filler, bytes))
                    : Value(LLVM::LoadOp::create(b, vec, p, bytes));
  };
  if (*stride == 1)
    return fromStorage(part(0), element);
  // Elements 0, 2, .. of two registers that share one element, so that nothing behind the last lane is read.
  SmallVector<int64_t> pick;
  for (int64_t i = 0; i < c.vl; ++i)
    pick.push_back(2 * i < c.vl ? 2 * i : 2 * i + 1);
  Value low = part(0), high = part(c.vl - 1);
  return fromStorage(vector::ShuffleOp::create(b, low, high, pick), element);
}

/// The lanes of an access as a register value; lanes outside hold `pad`.
Value Lowering::loadAccess(const View &view, const Access &given, const Coord &c, Attribute pad, Type element) {
  if (Value v = loadRow(view, given, c, pad, element))
    return v;
  Access a = given;
  foldRanges(a, c.vl);
  Type stored = storageType(element), type = shaped(regType(element), c);
  unsigned bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  bool subByte = bitWidth(element) < 8 && !element.isInteger(1);
  auto inside = [&]() -> Value {
    Value v;
    if (c.vdim < 0) {
      v = fromStorage(LLVM::LoadOp::create(b, stored, gep(element, view.base, a.base), bytes), element);
    } else {
      Value mask = a.okVector;
      if (c.mask)
        mask = mask ? Value(arith::AndIOp::create(b, mask, c.mask)) : c.mask;
      auto stride = a.laneStride ? getConstantIntValue(a.laneStride) : std::optional<int64_t>(0);
      Type vec = VectorType::get({c.vl}, stored);
      if (!a.vec && stride && *stride == 1) {
        Value p = gep(element, view.base, a.base);
        if (mask) {
          Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vec));
          v = LLVM::MaskedLoadOp::create(b, vec, p, mask, zero, bytes);
        } else {
          v = LLVM::LoadOp::create(b, vec, p, bytes);
        }
      } else if (!a.vec && stride && *stride == 0 && !a.okVector) {
        // Every lane is the same element, which the mask of a tail does not make invalid.
        v = vector::BroadcastOp::create(b, vec,
                                        LLVM::LoadOp::create(b, stored, gep(element, view.base, a.base), bytes));
      } else {
        Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vec));
        Value ptrs = gep(element, view.base, laneIndices(a, c.vl));
        v = LLVM::masked_gather::create(b, vec, ptrs, mask ? mask : allTrue(b, c.vl), ValueRange{zero}, bytes);
      }
      v = fromStorage(v, element);
    }
    if (subByte) // a byte an element, of which the low bits count
      v = arith::AndIOp::create(b, v, constLike(v.getType(), int64_t((1 << bitWidth(element)) - 1)));
    if (a.okVector)
      v = arith::SelectOp::create(b, a.okVector, v, padOf(pad, element, c));
    return v;
  };
  return guardedValue(a.okScalar, type, inside, [&] { return padOf(pad, element, c); });
}

void Lowering::storeAccess(const View &view, const Access &given, const Coord &c, Value value, Value mask) {
  Access a = given;
  foldRanges(a, c.vl);
  Type element = view.element, stored = storageType(element);
  unsigned bytes = std::max(1u, stored.getIntOrFloatBitWidth() / 8);
  bool subByte = bitWidth(element) < 8 && !element.isInteger(1);
  auto put = [&] {
    if (subByte)
      value = arith::AndIOp::create(b, value, constLike(value.getType(), int64_t((1 << bitWidth(element)) - 1)));
    Value v = toStorage(value, element);
    if (c.vdim < 0) {
      LLVM::StoreOp::create(b, v, gep(element, view.base, a.base), bytes);
      return;
    }
    Value ok = c.mask;
    for (Value m : {mask, a.okVector})
      if (m)
        ok = ok ? Value(arith::AndIOp::create(b, ok, m)) : m;
    auto stride = a.laneStride ? getConstantIntValue(a.laneStride) : std::optional<int64_t>();
    if (!a.vec && stride && *stride == 1) {
      Value p = gep(element, view.base, a.base);
      if (ok)
        LLVM::MaskedStoreOp::create(b, v, p, ok, bytes);
      else
        LLVM::StoreOp::create(b, v, p, bytes);
      return;
    }
    Value ptrs = gep(element, view.base, laneIndices(a, c.vl));
    LLVM::masked_scatter::create(b, v, ptrs, ok ? ok : allTrue(b, c.vl), b.getI32IntegerAttr(bytes));
  };
  Value cond = a.okScalar;
  if (c.vdim < 0)
    for (Value m : {mask, c.mask})
      if (m)
        cond = cond ? Value(arith::AndIOp::create(b, cond, m)) : m;
  if (!cond)
    return put();
  auto branch = scf::IfOp::create(b, cond, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  put();
}

} // namespace adze::cpu
