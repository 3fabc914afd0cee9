#include "targets/gpu/lower/AsyncCopy.h"
#include "targets/gpu/lower/Dot.h"

namespace adze::gpu {
using namespace adze::tile;

static bool zeroPad(LoadOp load) {
  auto pad = load.getPadAttr();
  if (auto f = dyn_cast_or_null<FloatAttr>(pad))
    return f.getValue().isPosZero();
  if (auto i = dyn_cast_or_null<IntegerAttr>(pad))
    return i.getValue().isZero();
  return !pad;
}

/// (offset + x) / g and % g split into a part of the offset and a part of x < size, for every x.
static bool separates(const Facts &facts, Value offset, int64_t size, int64_t g) {
  int64_t d = facts.divisorOf(offset);
  return d % g == 0 || (g % size == 0 && d % size == 0);
}

std::optional<AsyncCopy> AsyncCopy::plan(Lowering &l, Value operand, const SharedTile &rows, scf::ForOp loop) {
  AsyncCopy c;
  c.load = behindReshapes(operand, c.dims).getDefiningOp<LoadOp>();
  if (!c.load || !l.hw.limits.asyncCopy || !zeroPad(c.load))
    return std::nullopt;
  if (Operation *op = c.load.getView().getDefiningOp(); op && loop->isProperAncestor(op))
    return std::nullopt; // another view in every iteration
  auto type = l.tileType(operand), loaded = l.tileType(c.load.getTile());
  auto viewType = cast<ViewType>(c.load.getView().getType());
  if (viewType.getEffect() != Effect::in || type.getElementType() != rows.element || c.dims[rows.inner] < 0)
    return std::nullopt;
  unsigned bytes = rows.element.getIntOrFloatBitWidth() / 8;
  if (bytes == 0 || bytes > 8 || rows.element.getIntOrFloatBitWidth() % 8)
    return std::nullopt;
  c.lead = viewType.getRank() - loaded.getRank();
  c.innerView = c.viewDim(c.dims[rows.inner]);
  const View &view = l.view(c.load.getView());
  ValueRange offsets = c.load.getOffsets();
  unsigned wide = l.facts.vectorAt(c.load.getView(), offsets, c.innerView, 16 / bytes);
  auto range = l.facts.rangeOf(offsets[c.innerView]);
  if (!range || range->first < 0)
    wide = 1; // a copy cut at its front would need zeros before data
  c.each = wide;
  c.width = wide * bytes;
  if (c.width < 4)
    return std::nullopt;
  const View &memory = view.window ? *view.source : view;
  for (const View::Phys &p : memory.phys) {
    if (view.window && (p.div != 1 || p.mod))
      return std::nullopt;
    if (view.window)
      continue;
    int64_t size = p.dim < c.lead ? 1 : loaded.getDimSize(p.dim - c.lead);
    if (p.div > 1 && !separates(l.facts, offsets[p.dim], size, p.div))
      return std::nullopt;
    if (p.mod && !separates(l.facts, offsets[p.dim], size, p.mod))
      return std::nullopt;
    if (p.div > 1 && p.mod)
      return std::nullopt;
  }
  if (WindowOp window = view.window) {
    if (window.getTransposed() && llvm::any_of(window.getStride(), [](int64_t s) { return s > 1; }))
      return std::nullopt;
    for (unsigned d = 1; d + 1 < viewType.getRank(); ++d)
      if (d >= c.lead && loaded.getDimSize(d - c.lead) != 1)
        return std::nullopt; // several taps in one tile
    Value pixel = offsets[0];
    if (pixel.getParentRegion() == &loop.getRegion() || loop->isProperAncestor(pixel.getParentBlock()->getParentOp()))
      return std::nullopt; // dividing pixels in every iteration costs more than the copy saves
  }
  unsigned contiguous = contiguousDim(operand).value_or(rows.inner);
  if (c.each > 1)
    contiguous = rows.inner;
  c.layout = copyLayout(type.getShape(), l.threads(), contiguous, rows.inner, c.each);
  int64_t inner = type.getDimSize(rows.inner);
  c.checkedTail =
      c.each > 1 && (inner % c.each ||
                     (!l.facts.provenInside(c.load.getView(), offsets, c.innerView, inner) && !c.load.getInbounds()));
  return c;
}

/// Coordinate of a register in the loaded tile without the load's offset, index type.
Value AsyncCopy::local(Lowering &l, unsigned reg, unsigned viewDim) {
  for (auto [d, from] : llvm::enumerate(dims))
    if (from >= 0 && this->viewDim(from) == viewDim)
      return l.toIndex(l.coordinate(layout, reg, d));
  return l.cst(0);
}

static Value part(Lowering &l, Value v, const View::Phys &p) {
  if (p.div > 1)
    v = arith::DivUIOp::create(l.b, v, l.cst(p.div));
  if (p.mod)
    v = arith::RemUIOp::create(l.b, v, l.cst(p.mod));
  return v;
}

void AsyncCopy::preparePlain(Lowering &l) {
  const View &view = l.view(load.getView());
  unsigned bytes = width / each;
  // Pieces whose distance from the first is a constant share its pointer.
  for (unsigned reg = 0; reg < layout.registers(); reg += each) {
    if (layout.isDead(reg))
      continue;
    Piece piece;
    piece.reg = reg;
    bool constant = !pieces.empty();
    int64_t distance = 0;
    for (const View::Phys &p : view.phys) {
      int tileDim = -1;
      for (auto [d, from] : llvm::enumerate(dims))
        if (from >= 0 && viewDim(from) == p.dim)
          tileDim = d;
      if (tileDim < 0 || !constant)
        continue;
      int64_t delta = layout.offset(reg, tileDim) - layout.offset(pieces[0].reg, tileDim);
      auto stride = getConstantIntValue(p.stride);
      if (delta == 0)
        continue;
      constant &= stride && p.div == 1 && !p.mod;
      if (constant)
        distance += delta * *stride;
    }
    if (constant && distance * bytes == int32_t(distance * bytes)) {
      piece.constant = distance * bytes;
    } else {
      Value sum = l.cst(0);
      for (const View::Phys &p : view.phys)
        sum = l.add(sum, l.mul(part(l, local(l, reg, p.dim), p), p.stride));
      piece.pointer = l.gep(l.math->storageType(view.element), view.base, sum);
    }
    pieces.push_back(piece);
  }
}

/// Image and position of a pixel for the tap 0.
AsyncCopy::Pixel AsyncCopy::pixelAt(Lowering &l, Value pixel) {
  const View &view = l.view(load.getView());
  const View &source = *view.source;
  WindowOp w = view.window;
  Pixel result;
  if (!l.facts.provenInside(load.getView(), load.getOffsets(), 0,
                            lead == 0 ? l.tileType(load.getTile()).getDimSize(0) : 1))
    result.inside = arith::CmpIOp::create(l.b, arith::CmpIPredicate::ult, pixel, view.extents[0]);
  auto total = getConstantIntValue(view.extents[0]);
  bool narrow = total && *total < INT32_MAX / 2;
  Value rest = narrow ? Value(arith::IndexCastOp::create(l.b, l.b.getI32Type(), pixel)) : pixel;
  auto like = [&](Value v) -> Value {
    return narrow ? Value(arith::IndexCastOp::create(l.b, l.b.getI32Type(), v)) : v;
  };
  Value offset = l.cst(0);
  result.at.resize(view.out.size());
  auto stride = [&](unsigned dim) -> Value {
    for (const View::Phys &p : source.phys)
      if (p.dim == dim)
        return p.stride;
    return l.cst(0);
  };
  for (unsigned s = view.out.size(); s-- > 0;) {
    Value out = like(view.out[s]);
    Value p = l.toIndex(arith::RemUIOp::create(l.b, rest, out));
    rest = arith::DivUIOp::create(l.b, rest, out);
    Value at = l.sub(l.mul(p, l.cst(w.getTransposed() ? 1 : w.getStride()[s])), l.cst(w.getPad()[s]));
    result.at[s] = at;
    offset = l.add(offset, l.mul(at, stride(1 + s)));
  }
  result.offset = l.add(offset, l.mul(l.toIndex(rest), stride(0)));
  return result;
}

void AsyncCopy::prepareWindow(Lowering &l) {
  const View &view = l.view(load.getView());
  unsigned channelDim = view.extents.size() - 1;
  int pixelDim = -1;
  for (auto [d, from] : llvm::enumerate(dims))
    if (from >= 0 && viewDim(from) == 0)
      pixelDim = d;
  Value channelStride = l.cst(0);
  for (const View::Phys &p : view.source->phys)
    if (p.dim == view.source->extents.size() - 1)
      channelStride = p.stride;
  DenseMap<int64_t, unsigned> known;
  for (unsigned reg = 0; reg < layout.registers(); reg += each) {
    if (layout.isDead(reg))
      continue;
    int64_t constant = pixelDim < 0 ? 0 : layout.offset(reg, pixelDim);
    auto [it, isNew] = known.try_emplace(constant, pixels.size());
    if (isNew)
      pixels.push_back(pixelAt(l, l.add(l.map(load.getOffsets()[0]), local(l, reg, 0))));
    Piece piece;
    piece.reg = reg;
    piece.pixel = it->second;
    Value sum = l.add(pixels[it->second].offset, l.mul(local(l, reg, channelDim), channelStride));
    piece.pointer = l.gep(l.math->storageType(view.element), view.source->base, sum);
    pieces.push_back(piece);
  }
}

void AsyncCopy::prepare(Lowering &l) {
  replica = l.firstReplica(layout);
  if (isWindow(l))
    prepareWindow(l);
  else
    preparePlain(l);
}

/// What the iteration contributes to the address, in elements.
Value AsyncCopy::uniformOffset(Lowering &l) {
  const View &view = l.view(load.getView());
  WindowOp window = view.window;
  ValueRange offsets = load.getOffsets();
  Value sum = l.cst(0);
  if (!view.window) {
    for (const View::Phys &p : view.phys)
      sum = l.add(sum, l.mul(part(l, l.map(offsets[p.dim]), p), p.stride));
    return sum;
  }
  unsigned spatial = view.out.size();
  for (const View::Phys &p : view.source->phys) {
    if (p.dim == 0)
      continue;
    Value at = p.dim == spatial + 1 ? l.map(offsets[spatial + 1])
                                    : l.mul(l.map(offsets[p.dim]), l.cst(window.getDilation()[p.dim - 1]));
    sum = l.add(sum, l.mul(at, p.stride));
  }
  return sum;
}

/// Condition under which a copy reads memory; `live`: its bytes that do, where they may be fewer (i32).
Value AsyncCopy::inside(Lowering &l, const Piece &piece, Value &live) {
  const View &view = l.view(load.getView());
  WindowOp window = view.window;
  ValueRange offsets = load.getOffsets();
  auto shape = l.tileType(load.getTile()).getShape();
  Value ok;
  if (view.window)
    ok = pixels[piece.pixel].inside;
  for (unsigned d = view.window ? 1 : 0; d < view.extents.size(); ++d) {
    unsigned spatial = view.out.size();
    if (view.window && d >= 1 && d <= spatial) { // a tap moves the position
      Value at = l.add(pixels[piece.pixel].at[d - 1], l.mul(l.map(offsets[d]), l.cst(window.getDilation()[d - 1])));
      ok = l.both(ok, arith::CmpIOp::create(l.b, arith::CmpIPredicate::ult, at, view.source->extents[d]));
      continue;
    }
    int64_t size = d < lead ? 1 : shape[d - lead];
    bool proven = load.getInbounds() || l.facts.provenInside(load.getView(), offsets, d, size);
    if (d == innerView && checkedTail) {
      Value at = local(l, piece.reg, d);
      Value left = l.sub(l.cst(size), at); // of the tile
      if (!proven) {
        Value ofView = l.sub(l.sub(view.padded[d], l.map(offsets[d])), at);
        left = size % each ? Value(arith::MinSIOp::create(l.b, left, ofView)) : ofView;
      }
      left = arith::MaxSIOp::create(l.b, arith::MinSIOp::create(l.b, left, l.cst(each)), l.cst(0));
      live = arith::IndexCastOp::create(l.b, l.b.getI32Type(), l.mul(left, l.cst(width / each)));
      continue;
    }
    if (!proven) {
      Value at = l.add(l.map(offsets[d]), local(l, piece.reg, d));
      ok = l.both(ok, arith::CmpIOp::create(l.b, arith::CmpIPredicate::ult, at, view.padded[d]));
    }
  }
  return ok;
}

void AsyncCopy::issue(Lowering &l, const SharedTile &to) {
  RowAddress rows(l, to);
  const View &view = l.view(load.getView());
  Type stored = l.math->storageType(view.element), ptr = view.base.getType();
  Value uniform = uniformOffset(l);
  Value first; // pointer of the first piece
  OpBuilder::InsertionGuard guard(l.b);
  if (replica) {
    auto branch = scf::IfOp::create(l.b, replica, /*withElseRegion=*/false);
    l.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  }
  for (const Piece &piece : pieces) {
    Value source;
    if (piece.pointer) {
      source = l.gep(stored, piece.pointer, uniform);
      if (!first)
        first = source;
    } else {
      source = piece.constant ? Value(LLVM::GEPOp::create(l.b, ptr, l.b.getI8Type(), first,
                                                          ArrayRef<LLVM::GEPArg>{int32_t(piece.constant)}))
                              : first;
    }
    Value target = rows.element(layout, piece.reg, each);
    Value live;
    Value ok = inside(l, piece, live);
    if (ok)
      live = arith::SelectOp::create(l.b, ok, live ? live : l.c32(width), l.c32(0));
    Value alive = l.alive(layout, piece.reg);
    OpBuilder::InsertionGuard inner2(l.b);
    if (alive) {
      auto branch = scf::IfOp::create(l.b, alive, /*withElseRegion=*/false);
      l.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    }
    l.hw.asyncCopy(l.b, target, source, width, live);
  }
}

} // namespace adze::gpu
