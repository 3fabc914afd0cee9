// Views at run time, and loads and stores of tiles.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Access.h"
#include "targets/gpu/lower/PredicatedLoads.h"
#include <cassert>

namespace adze::gpu {
using namespace adze::tile;

//===-- binding ---------------------------------------------------------------------------------------------------===//

void Lowering::bindView(ViewOp op) {
  auto view = std::make_shared<View>();
  ViewType type = op.getView().getType();
  view->element = type.getElementType();
  view->base = map(op.getRef());
  view->ref = view->base;
  view->blocks.assign(type.getRank(), 1);
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
    auto blocksOf = [&](unsigned d, int64_t c) -> Value {
      auto n = getConstantIntValue(view->extents[d]);
      return n ? cst((*n + c - 1) / c) : Value(arith::CeilDivSIOp::create(b, view->extents[d], cst(c)));
    };
    view->phys.clear();
    physical.clear();
    for (AffineExpr e : pack.getMap().getResults()) {
      auto binary = dyn_cast<AffineBinaryOpExpr>(e);
      unsigned d = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
      int64_t c = binary ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1;
      bool mod = binary && binary.getKind() == AffineExprKind::Mod;
      view->phys.push_back({d, mod ? 1 : c, mod ? c : 0, {}});
      physical.push_back(mod ? cst(c) : binary ? blocksOf(d, c) : view->extents[d]);
      if (mod) {
        view->blocks[d] = c;
        view->padded[d] = mul(blocksOf(d, c), cst(c));
      }
    }
  }
  if (op.getStrides().empty()) {
    Value stride = cst(1);
    for (unsigned i = view->phys.size(); i-- > 0;) {
      view->phys[i].stride = stride;
      if (i)
        stride = mul(stride, physical[i]);
    }
  } else {
    for (auto [p, s] : llvm::zip(view->phys, op.getStrides()))
      p.stride = map(s);
  }
  if (op.getOffset())
    view->base = gep(math->storageType(view->element), view->base, map(op.getOffset()));
  views[op.getView()] = view;
}

void Lowering::bindSubview(SubviewOp op) {
  const View &from = *views[op.getSource()];
  unsigned drop = op.getOffsets().size();
  auto view = std::make_shared<View>();
  view->element = from.element;
  view->ref = from.ref;
  Value at = cst(0);
  for (View::Phys p : from.phys) {
    if (p.dim >= drop) {
      p.dim -= drop;
      view->phys.push_back(p);
      continue;
    }
    Value i = map(op.getOffsets()[p.dim]);
    if (p.div > 1)
      i = arith::DivUIOp::create(b, i, cst(p.div));
    if (p.mod)
      i = arith::RemUIOp::create(b, i, cst(p.mod));
    at = add(at, mul(i, p.stride));
  }
  view->base = gep(math->storageType(from.element), from.base, at);
  view->extents.assign(from.extents.begin() + drop, from.extents.end());
  view->padded.assign(from.padded.begin() + drop, from.padded.end());
  view->blocks.assign(from.blocks.begin() + drop, from.blocks.end());
  views[op.getView()] = view;
}

void Lowering::bindWindow(WindowOp op) {
  auto view = std::make_shared<View>();
  view->source = views[op.getSource()];
  view->element = view->source->element;
  view->base = view->source->base;
  view->ref = view->source->ref;
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

//===-- loads -----------------------------------------------------------------------------------------------------===//

static bool isZero(Attribute pad) {
  if (auto f = dyn_cast_or_null<FloatAttr>(pad))
    return f.getValue().isPosZero();
  if (auto i = dyn_cast_or_null<IntegerAttr>(pad))
    return i.getValue().isZero();
  return !pad;
}

/// A pad as a register; null: 0.
Value Lowering::element(Attribute pad, Type type) {
  if (auto typed = dyn_cast_or_null<TypedAttr>(pad))
    return math->constantOf(typed, type);
  return arith::ConstantOp::create(b, b.getZeroAttr(math->regType(type)));
}

/// The bits that belong to a value of a type narrower than a byte.
static int64_t maskOf(Type element) {
  unsigned bits = scalar::bitWidth(element);
  assert(bits < 8 && "a whole byte needs no mask");
  return (int64_t(1) << bits) - 1;
}

/// A stored value as a register: bits beyond the type are dropped.
static Value asRegister(Lowering &l, Value stored, Type element) {
  if (scalar::isSubByte(element))
    stored = arith::AndIOp::create(l.b, stored, l.math->constLike(stored.getType(), maskOf(element)));
  return l.math->fromStorage(stored, element);
}

static Value asStored(Lowering &l, Value reg, Type element) {
  if (scalar::isSubByte(element))
    reg = arith::AndIOp::create(l.b, reg, l.math->constLike(reg.getType(), maskOf(element)));
  return l.math->toStorage(reg, element);
}

/// The pointer leads into an argument of the kernel that nobody writes while the kernel runs.
static bool isReadOnly(Lowering &l, Value pointer) {
  while (auto step = pointer.getDefiningOp<LLVM::GEPOp>())
    pointer = step.getBase();
  auto arg = dyn_cast<BlockArgument>(pointer);
  return arg && arg.getOwner() == &l.func.getBody().front() && l.func.getArgAttr(arg.getArgNumber(), "llvm.readonly");
}

TileValue Lowering::loadThrough(Access &access, const Layout &layout, Type element, Attribute pad) {
  TileValue out{layout, element, {}};
  Type stored = math->storageType(element);
  unsigned width = access.vector(), bytes = std::max(1u, scalar::bitWidth(stored) / 8);
  auto *predicated = dynamic_cast<PredicatedLoads *>(&hw);
  Type type = width == 1 ? stored : Type(VectorType::get({width}, stored));
  Value fill = this->element(pad, element), filler = math->toStorage(fill, element);
  Value fillers = filler;
  if (width > 1)
    fillers = LLVM::UndefOp::create(b, type);
  for (unsigned i = 0; width > 1 && i < width; ++i)
    fillers = LLVM::InsertElementOp::create(b, fillers, filler, c32(i));
  for (unsigned r = 0; r < layout.registers(); r += width) {
    if (layout.isDead(r)) {
      out.regs.append(width, fill);
      continue;
    }
    auto loadAt = [&](unsigned reg, Type t, unsigned align) -> Value {
      return LLVM::LoadOp::create(b, t, access.pointer(reg), align);
    };
    // Conditions and addresses are shared by registers, so they are computed outside the branches.
    access.pointer(r);
    Value ok = access.inside(r, width);
    auto loadOr = [&](Value where, unsigned reg, Type t, unsigned align, Value otherwise) -> Value {
      if (where && predicated && isReadOnly(*this, access.pointer(reg)))
        if (Value v = predicated->loadWhere(b, where, access.pointer(reg), t, align, otherwise))
          return v;
      return guarded(where, t, [&] { return loadAt(reg, t, align); }, [&] { return otherwise; });
    };
    auto elementwise = [&]() -> Value {
      Value v = fillers;
      for (unsigned i = 0; i < width; ++i) {
        Value x = loadOr(access.inside(r + i), r + i, stored, bytes, filler);
        v = LLVM::InsertElementOp::create(b, v, x, c32(i));
      }
      return v;
    };
    for (unsigned i = 0; i < width && !access.wholeRuns(); ++i) {
      access.pointer(r + i);
      access.inside(r + i);
    }
    Value v = width == 1 || access.wholeRuns()
                  ? loadOr(ok, r, type, bytes * width, fillers)
                  : guarded(ok, type, [&] { return loadAt(r, type, bytes * width); }, elementwise);
    for (unsigned i = 0; i < width; ++i) {
      Value x = width == 1 ? v : Value(LLVM::ExtractElementOp::create(b, v, c32(i)));
      out.regs.push_back(asRegister(*this, x, element));
    }
  }
  return out;
}

TileValue Lowering::loadTile(Operation *op, Value view, ValueRange offsets, RankedTensorType type, const Layout &layout,
                             Attribute pad, bool inbounds) {
  syncRef(views[view]->ref);
  Access::Options o;
  o.inbounds = inbounds;
  o.paddedExtents = isZero(pad);
  Access access(*this, view, offsets, type.getShape(), layout, o);
  return loadThrough(access, layout, type.getElementType(), pad);
}

LogicalResult Lowering::lowerLoadScalar(LoadScalarOp op) {
  const View &v = *views[op.getView()];
  syncRef(v.ref);
  Access::Options o;
  o.inbounds = true;
  Layout none = replicated({}, threads());
  Access access(*this, op.getView(), op.getOffsets(), {}, none, o);
  Type stored = math->storageType(v.element);
  Value x = LLVM::LoadOp::create(b, stored, access.pointer(0), std::max(1u, scalar::bitWidth(stored) / 8));
  scalars.map(op.getValue(), asRegister(*this, x, v.element));
  return success();
}

//===-- stores ----------------------------------------------------------------------------------------------------===//

void Lowering::when(Value ok, llvm::function_ref<void()> body) {
  if (!ok)
    return body();
  auto branch = scf::IfOp::create(b, ok, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

void Lowering::storeThrough(Access &access, const TileValue &tile, const TileValue *mask) {
  const Layout &layout = tile.layout;
  Type stored = math->storageType(tile.element);
  unsigned width = mask ? 1 : access.vector(), bytes = std::max(1u, scalar::bitWidth(stored) / 8);
  when(firstReplica(layout), [&] {
    for (unsigned r = 0; r < layout.registers(); r += width) {
      if (layout.isDead(r))
        continue;
      SmallVector<Value> values;
      for (unsigned i = 0; i < width; ++i)
        values.push_back(asStored(*this, tile.regs[r + i], tile.element));
      access.pointer(r);
      Value ok = access.inside(r, width);
      auto one = [&](unsigned i) { LLVM::StoreOp::create(b, values[i], access.pointer(r + i), bytes); };
      if (width == 1) {
        when(both(ok, mask ? mask->regs[r] : Value()), [&] { one(0); });
        continue;
      }
      auto all = [&] {
        Value v = LLVM::UndefOp::create(b, VectorType::get({width}, stored));
        for (unsigned i = 0; i < width; ++i)
          v = LLVM::InsertElementOp::create(b, v, values[i], c32(i));
        LLVM::StoreOp::create(b, v, access.pointer(r), bytes * width);
      };
      if (!ok || access.wholeRuns()) {
        when(ok, all);
        continue;
      }
      SmallVector<Value> each;
      for (unsigned i = 0; i < width; ++i) {
        access.pointer(r + i);
        each.push_back(access.inside(r + i));
      }
      auto branch = scf::IfOp::create(b, ok, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(branch.thenBlock()->getTerminator());
      all();
      b.setInsertionPoint(branch.elseBlock()->getTerminator());
      for (unsigned i = 0; i < width; ++i)
        when(each[i], [&] { one(i); });
    }
  });
}

void Lowering::storeTile(Operation *op, const TileValue &tile, Value view, ValueRange offsets, const TileValue *mask,
                         bool inbounds) {
  syncRef(views[view]->ref);
  Access::Options o;
  o.inbounds = inbounds;
  Access access(*this, view, offsets, tile.layout.shape, tile.layout, o);
  storeThrough(access, tile, mask);
}

/// Whether an access of this view under the layout wastes memory bandwidth enough to go through shared memory first.
bool Lowering::wastesBandwidth(const Layout &layout, Value view, RankedTensorType type) {
  int lead = cast<ViewType>(view.getType()).getRank() - type.getRank();
  int dim = facts.viewFacts(view).contiguous - lead;
  unsigned bytes = std::max(1u, scalar::bitWidth(type.getElementType()) / 8);
  return dim >= 0 && type.getNumElements() * bytes >= 1024 && !isCoalesced(layout, dim, bytes);
}

LogicalResult Lowering::lowerStore(StoreOp op) {
  RankedTensorType type = tileType(op.getTile());
  Layout layout;
  if (assignment.place(op.getTile()) == Assignment::Place::registers)
    layout = layoutOf(op.getTile());
  if (assignment.place(op.getTile()) != Assignment::Place::registers || wastesBandwidth(layout, op.getView(), type))
    layout = accessLayout(facts, op.getView(), op.getOffsets(), type, threads());
  TileValue tile = tileAs(op.getTile(), layout), mask;
  if (op.getMask())
    mask = tileAs(op.getMask(), layout);
  storeTile(op, tile, op.getView(), op.getOffsets(), op.getMask() ? &mask : nullptr, op.getInbounds());
  return success(!failedOnce);
}

LogicalResult Lowering::lowerLoad(LoadOp op) {
  RankedTensorType type = tileType(op.getTile());
  auto load = [&](const Layout &layout) {
    return loadTile(op, op.getView(), op.getOffsets(), type, layout, op.getPadAttr(), op.getInbounds());
  };
  if (assignment.place(op.getTile()) == Assignment::Place::shared) {
    // Bound here by the hardware, or loaded by the dots that read it.
    (void)hw.loadShared(*this, op, assignment.operands[op.getTile()]);
    return success(!failedOnce);
  }
  Layout layout = layoutOf(op.getTile());
  if (wastesBandwidth(layout, op.getView(), type))
    setResult(op.getTile(), load(accessLayout(facts, op.getView(), op.getOffsets(), type, threads())));
  else
    tiles[op.getTile()] = load(layout);
  return success(!failedOnce);
}

} // namespace adze::gpu
