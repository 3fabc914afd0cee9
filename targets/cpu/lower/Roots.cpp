// Loop nests: what fills a buffer or writes memory.
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

namespace {
/// The loop nest of an expression with more loads than this has no copy for a tail.
constexpr size_t kManyLoads = 6;
} // namespace

//===-- nests
//------------------------------------------------------------------------------------------------------===//

/// The dim whose elements go into lanes: the preferred one, else the innermost that fills a good part of a vector.
int Lowering::pickVectorDim(ArrayRef<int64_t> shape, int preferred) {
  int64_t lanes = options.lanes();
  if (preferred >= 0 && shape[preferred] > 1 && shape[preferred] * 2 >= lanes)
    return preferred;
  int best = -1;
  for (int d = shape.size() - 1; d >= 0; --d) {
    if (shape[d] <= 1)
      continue;
    if (best < 0)
      best = d;
    if (shape[d] * 2 >= lanes)
      return d;
  }
  return best;
}

/// The tile dim along which a view's storage is contiguous; -1: none.
int Lowering::contiguousDim(Value viewValue, unsigned tileRank) {
  const View &view = *views[viewValue];
  unsigned lead = view.extents.size() - tileRank;
  for (const View::Phys &p : view.phys)
    if (getConstantIntValue(p.stride) == 1 && p.div == 1 && p.dim >= lead)
      return p.dim - lead;
  return -1;
}

void Lowering::nest(ArrayRef<Bound> bounds, ArrayRef<unsigned> order, int vdim, Coord c, Body body,
                    ArrayRef<Value> hoist) {
  if (order.empty()) {
    Scope scope(*this);
    if (vdim < 0)
      return body(c);
    Coord outer = c;
    outer.idx[vdim] = {};
    outer.vdim = vdim;
    for (Value v : hoist)
      prehoist(v, outer);
    return vectorLoop(bounds[vdim], vdim, c, body);
  }
  const Bound &bound = bounds[order.front()];
  loop(bound.lo ? bound.lo : cst(0), bound.hi ? bound.hi : cst(bound.size), 1, [&](Value iv) {
    Scope scope(*this);
    Coord inner = c;
    inner.idx[order.front()] = iv;
    if (bound.offset)
      clips.push_back({iv, bound.offset, bound.extent, bound.size});
    nest(bounds, order.drop_front(), vdim, inner, body, hoist);
  });
}

/// Whole vectors, then the rest under a mask.
void Lowering::vectorLoop(const Bound &bound, unsigned dim, Coord c, Body body) {
  int64_t vl = options.lanes();
  auto run = [&](Value iv, unsigned lanes, Value mask, Value live = {}) {
    Scope scope(*this);
    Coord at = c;
    at.idx[dim] = iv;
    at.vdim = lanes == 1 ? -1 : static_cast<int>(dim);
    at.vl = lanes;
    at.mask = mask;
    at.live = live;
    if (bound.offset)
      clips.push_back({iv, bound.offset, bound.extent, bound.size});
    body(at);
  };
  auto laneBelow = [&](Value count, arith::CmpIPredicate p, unsigned lanes) -> Value {
    Value iota = lanesVector({cst(0), 1, {}}, lanes);
    return arith::CmpIOp::create(b, p, iota, vector::BroadcastOp::create(b, iota.getType(), count));
  };
  if (bound.lo) {
    loop(cst(0), cst(bound.size), vl, [&](Value iv) {
      Value low = laneBelow(sub(bound.lo, iv), arith::CmpIPredicate::sge, vl);
      Value high = laneBelow(sub(bound.hi, iv), arith::CmpIPredicate::slt, vl);
      run(iv, vl, arith::AndIOp::create(b, low, high));
    });
    return;
  }
  if (oneBody && (bound.hi || bound.size % vl)) {
    Value end = bound.hi ? bound.hi : cst(bound.size);
    loop(cst(0), end, vl, [&](Value iv) {
      Value live = sub(end, iv);
      run(iv, vl, rangeMask({{}, live, 1}, vl), live);
    });
    return;
  }
  if (!bound.hi) {
    int64_t main = bound.size / vl * vl, rest = bound.size - main;
    loop(cst(0), cst(main), vl, [&](Value iv) { run(iv, vl, {}); });
    if (!rest)
      return;
    unsigned lanes = llvm::PowerOf2Ceil(rest);
    Value mask;
    if (lanes != rest) {
      SmallVector<bool> on;
      for (unsigned i = 0; i < lanes; ++i)
        on.push_back(i < rest);
      mask = arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({lanes}, i1), on));
    }
    run(cst(main), lanes, mask, mask ? cst(rest) : Value());
    return;
  }
  Value rest = arith::RemUIOp::create(b, bound.hi, cst(vl));
  Value main = sub(bound.hi, rest);
  loop(cst(0), main, vl, [&](Value iv) { run(iv, vl, {}); });
  Value any = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, rest, cst(0));
  auto branch = scf::IfOp::create(b, any, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  run(main, vl, rangeMask({{}, rest, 1}, vl), rest);
}

void Lowering::forEach(ArrayRef<int64_t> shape, Body body, ArrayRef<Value> hoist, int vdim) {
  if (vdim == -2)
    vdim = pickVectorDim(shape);
  SmallVector<Bound> bounds;
  SmallVector<unsigned> order;
  Coord c;
  for (auto [d, n] : llvm::enumerate(shape)) {
    bounds.push_back({n, {}, {}, {}, {}});
    c.idx.push_back(cst(0));
    if (static_cast<int>(d) != vdim)
      order.push_back(d);
  }
  nest(bounds, order, vdim, c, body, hoist);
}

void Lowering::eachScalar(ArrayRef<int64_t> shape, Body body) { forEach(shape, body, {}, -1); }

/// Emits `body` once, or twice: without bounds checks where all loads are known to lie inside, else with them.
void Lowering::versioned(ArrayRef<Value> expressions, llvm::function_ref<void()> body) {
  bool before = assumeInside;
  auto guardedBefore = guarded;
  Value inside = insideGuard(expressions);
  if (!inside) {
    assumeInside = true;
    body();
  } else {
    auto branch = scf::IfOp::create(b, inside, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    for (bool fast : {true, false}) {
      Scope scope(*this);
      b.setInsertionPoint((fast ? branch.thenBlock() : branch.elseBlock())->getTerminator());
      assumeInside = fast;
      body();
    }
  }
  assumeInside = before;
  guarded = guardedBefore;
}

//===-- buffers
//----------------------------------------------------------------------------------------------------===//

void Lowering::fillBuffer(Value v, const Buffer &into) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return copyBuffer(it->second, into);
  versioned({v}, [&] { forEach(into.shape, [&](const Coord &c) { storeBuffer(into, c, emit(v, c)); }, {v}); });
}

Buffer Lowering::materialised(Value v) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return it->second;
  Buffer buffer = allocate(tileType(v));
  fillBuffer(v, buffer);
  return buffer;
}

void Lowering::emitConcat(ConcatOp op, const Buffer &into) {
  int64_t at = 0, dim = op.getDim();
  for (Value source : op.getSources()) {
    Buffer part = into;
    part.shape.assign(tileType(source).getShape().begin(), tileType(source).getShape().end());
    part.ptr = gep(into.element, into.ptr, cst(at * into.strides[dim]));
    fillBuffer(source, part);
    at += part.shape[dim];
  }
}

//===-- stores
//-----------------------------------------------------------------------------------------------------===//

LogicalResult Lowering::emitStore(StoreOp op) {
  const View &view = *views[op.getView()];
  auto shape = tileType(op.getTile()).getShape();
  unsigned rank = view.extents.size(), lead = rank - shape.size();
  SmallVector<Bound> bounds;
  Value leading;
  Scope outer(*this);
  for (unsigned d = 0; d < rank; ++d) {
    int64_t size = d < lead ? 1 : shape[d - lead];
    Bound bound{size, {}, {}, {}, {}};
    if (!op.getInbounds() && !facts.provenInside(op.getView(), op.getOffsets(), d, size)) {
      Value offset = map(op.getOffsets()[d]);
      if (d < lead) {
        Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, view.extents[d]);
        leading = leading ? Value(arith::AndIOp::create(b, leading, ok)) : ok;
      } else {
        auto r = facts.rangeOf(op.getOffsets()[d]);
        auto [lo, hi] = boundsOf(offset, view.extents[d], size);
        bound = {size, r && r->first >= 0 ? Value() : lo, hi, offset, view.extents[d]};
        clips.push_back({{}, offset, view.extents[d], size});
      }
    }
    if (d >= lead)
      bounds.push_back(bound);
  }
  OpBuilder::InsertionGuard guard(b);
  if (leading) {
    auto branch = scf::IfOp::create(b, leading, /*withElseRegion=*/false);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
  }
  SmallVector<Value> expressions{op.getTile()};
  if (op.getMask())
    expressions.push_back(op.getMask());
  int vdim = pickVectorDim(shape, contiguousDim(op.getView(), shape.size()));
  SmallVector<unsigned> order;
  Coord c;
  for (unsigned d = 0; d < shape.size(); ++d) {
    c.idx.push_back(cst(0));
    if (static_cast<int>(d) != vdim)
      order.push_back(d);
  }
  llvm::SmallSetVector<Operation *, 8> loads;
  collectLoads(op.getTile(), loads);
  bool before = oneBody;
  oneBody = loads.size() > kManyLoads;
  versioned(expressions, [&] {
    nest(
        bounds, order, vdim, c,
        [&](const Coord &at) {
          Value v = emit(op.getTile(), at);
          Value mask = op.getMask() ? emit(op.getMask(), at) : Value();
          auto lanes = viewLanes(op.getOffsets(), rank, shape.size(), at);
          SmallVector<bool> checked(rank, false);
          storeAccess(view, access(view, lanes, at.vl, checked, false), at, v, mask);
        },
        expressions);
  });
  oneBody = before;
  return success(!failedOnce);
}

LogicalResult Lowering::emitScatter(ScatterOp op) {
  const View &view = *views[op.getView()];
  auto type = tileType(op.getTile());
  auto shape = type.getShape();
  unsigned rank = view.extents.size(), lead = rank - shape.size(), dim = op.getDim();
  bool rows = tileType(op.getIndices()).getShape() != shape || (shape.size() == 1 && dim != lead);
  int tileDim = static_cast<int>(dim) - static_cast<int>(lead);
  int vdim = -1;
  if (rows) {
    vdim = pickVectorDim(shape);
    if (vdim == tileDim)
      vdim = -1;
  }
  forEach(
      shape,
      [&](const Coord &c) {
        Coord ic = c;
        if (rows) {
          ic.idx = {c.idx[tileDim]};
          ic.vdim = -1;
          ic.mask = {};
        }
        Value i = emit(op.getIndices(), ic);
        i = arith::IndexCastOp::create(b, shapedLike(index, i.getType()), i);
        auto at = viewLanes(op.getOffsets(), rank, shape.size(), c);
        at[dim] =
            addLanes(isa<VectorType>(i.getType()) ? Lanes{{}, 0, i} : Lanes{i, 0, {}}, map(op.getOffsets()[dim]), c.vl);
        auto checked = checkedDims(op, op.getView(), op.getOffsets(), shape, at, c);
        checked[dim] = true;
        Access a = access(view, at, c.vl, checked, false);
        Value v = emit(op.getTile(), c);
        TileReduceKind kind = TileReduceKind::add;
        switch (op.getCombine()) {
        case CombineKind::set:
        case CombineKind::unique:
          return storeAccess(view, a, c, v, {});
        case CombineKind::add:
          break;
        case CombineKind::mul:
          kind = TileReduceKind::mul;
          break;
        case CombineKind::max:
          kind = TileReduceKind::max;
          break;
        case CombineKind::min:
          kind = TileReduceKind::min;
          break;
        }
        Value old = loadAccess(view, a, c, {}, type.getElementType());
        storeAccess(view, a, c, combine(kind, op.getIsUnsigned(), type.getElementType(), old, v), {});
      },
      {}, vdim);
  return success(!failedOnce);
}

//===-- reductions
//-------------------------------------------------------------------------------------------------===//

LogicalResult Lowering::emitReduce(ReduceOp op, const Buffer &into) {
  auto shape = tileType(op.getSource()).getShape();
  int vdim = pickVectorDim(shape);
  versioned({op.getSource()}, [&] {
    if (vdim == static_cast<int>(op.getDim()))
      reduceLanes(op, into);
    else
      reduceAcross(op, into);
  });
  return success(!failedOnce);
}

/// Combines the lanes of a vector pairwise, halves first: a tree that depends on the lane count only.
Value Lowering::horizontal(TileReduceKind kind, bool isUnsigned, Type element, Value v) {
  while (auto type = dyn_cast<VectorType>(v.getType())) {
    int64_t n = type.getDimSize(0);
    if (n == 1)
      return vector::ExtractOp::create(b, v, 0);
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < n / 2; ++i) {
      low.push_back(i);
      high.push_back(n / 2 + i);
    }
    v = combine(kind, isUnsigned, element, vector::ShuffleOp::create(b, v, v, low),
                vector::ShuffleOp::create(b, v, v, high));
  }
  return v;
}

/// The reduced dim lies in lanes.
void Lowering::reduceLanes(ReduceOp op, const Buffer &into) {
  auto type = tileType(op.getSource());
  auto shape = type.getShape();
  Type element = type.getElementType();
  unsigned dim = op.getDim();
  bool u = op.getIsUnsigned();
  int64_t vl = std::min<int64_t>(options.lanes(), llvm::bit_floor(static_cast<uint64_t>(shape[dim])));
  int64_t vectors = shape[dim] / vl, rest = shape[dim] % vl;
  int64_t unroll = cost(op.getSource()) > 20 ? 1 : std::min<int64_t>(4, vectors);
  SmallVector<int64_t> outer(shape);
  outer[dim] = 1;
  eachScalar(outer, [&](const Coord &at) {
    Coord c = at;
    c.vdim = dim;
    c.vl = vl;
    {
      Coord open = c;
      open.idx[dim] = {};
      prehoist(op.getSource(), open);
    }
    Value identity = identityOf(op.getKind(), u, element);
    Value start = splatTo(identity, c);
    SmallVector<Value> acc(unroll, start);
    auto element1 = [&](Value idx, Value mask) {
      Coord e = c;
      e.idx[dim] = idx;
      e.mask = mask;
      if (vl == 1)
        e.vdim = -1;
      return emit(op.getSource(), e);
    };
    int64_t main = vectors / unroll * unroll;
    if (main == unroll) {
      for (int64_t i = 0; i < unroll; ++i)
        acc[i] = element1(cst(i * vl), {});
    } else if (main) {
      auto loopOp = scf::ForOp::create(b, cst(0), cst(main * vl), cst(unroll * vl), acc,
                                       [](OpBuilder &, Location, Value, ValueRange) {});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loopOp.getBody());
      Scope scope(*this);
      SmallVector<Value> next;
      for (int64_t i = 0; i < unroll; ++i)
        next.push_back(combine(op.getKind(), u, element, loopOp.getRegionIterArg(i),
                               element1(add(loopOp.getInductionVar(), cst(i * vl)), {})));
      scf::YieldOp::create(b, next);
      acc.assign(loopOp.getResults().begin(), loopOp.getResults().end());
    }
    for (int64_t i = main; i < vectors; ++i)
      acc[i - main] = combine(op.getKind(), u, element, acc[i - main], element1(cst(i * vl), {}));
    if (rest) {
      SmallVector<bool> on;
      for (int64_t i = 0; i < vl; ++i)
        on.push_back(i < rest);
      Value mask = arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({vl}, i1), on));
      Value v = arith::SelectOp::create(b, mask, element1(cst(vectors * vl), mask), start);
      acc[0] = combine(op.getKind(), u, element, acc[0], v);
    }
    for (size_t n = acc.size(); n > 1; n = (n + 1) / 2)
      for (size_t i = 0; i < n / 2; ++i)
        acc[i] = combine(op.getKind(), u, element, acc[i], acc[(n + 1) / 2 + i]);
    Coord target = at;
    target.idx[dim] = cst(0);
    storeBuffer(into, target, horizontal(op.getKind(), u, element, acc[0]));
  });
}

/// Another dim lies in lanes; the reduced dim is a loop.
void Lowering::reduceAcross(ReduceOp op, const Buffer &into) {
  auto type = tileType(op.getSource());
  Type element = type.getElementType();
  unsigned dim = op.getDim();
  bool u = op.getIsUnsigned();
  int64_t n = type.getDimSize(dim);
  int64_t unroll = cost(op.getSource()) > 20 || n % 4 ? 1 : 4;
  forEach(into.shape, [&](const Coord &at) {
    auto element1 = [&](Value idx) {
      Coord e = at;
      e.idx[dim] = idx;
      return emit(op.getSource(), e);
    };
    SmallVector<Value> acc;
    for (int64_t i = 0; i < unroll; ++i)
      acc.push_back(element1(cst(i)));
    if (n > unroll) {
      auto loopOp =
          scf::ForOp::create(b, cst(unroll), cst(n), cst(unroll), acc, [](OpBuilder &, Location, Value, ValueRange) {});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loopOp.getBody());
      Scope scope(*this);
      SmallVector<Value> next;
      for (int64_t i = 0; i < unroll; ++i)
        next.push_back(combine(op.getKind(), u, element, loopOp.getRegionIterArg(i),
                               element1(add(loopOp.getInductionVar(), cst(i)))));
      scf::YieldOp::create(b, next);
      acc.assign(loopOp.getResults().begin(), loopOp.getResults().end());
    }
    for (size_t k = acc.size(); k > 1; k /= 2)
      for (size_t i = 0; i < k / 2; ++i)
        acc[i] = combine(op.getKind(), u, element, acc[i], acc[k / 2 + i]);
    storeBuffer(into, at, acc[0]);
  });
}

} // namespace adze::cpu
