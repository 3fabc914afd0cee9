// tile.dot: a register-blocked kernel over a copy of A and panels of B.
//
// The accumulators of `rows` x 2 registers are carried by the loop over K. A is read one element at a time (a broadcast
// operand of the FMA), so its copy keeps rows apart by a padded static stride; B is read in whole registers, from a
// copy in panels [N / width][K][width] or, where the copy would not pay (few rows, or packed weights), in place.
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

namespace {
constexpr int64_t kUnroll = 4; // of K
} // namespace

/// The load that an operand is, seen through casts and reshapes that add or drop dims of size 1. `dims`: for each dim
/// of the operand, that of the loaded tile (-1: none).
LoadOp Lowering::loadBehind(Value v, SmallVectorImpl<int> *dims) {
  SmallVector<int> at;
  for (int64_t d = 0; d < tileType(v).getRank(); ++d)
    at.push_back(d);
  while (!buffers.count(v)) {
    Operation *op = v.getDefiningOp();
    if (auto cast = dyn_cast_or_null<CastOp>(op)) {
      v = cast.getSource();
    } else if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
      auto from = tileType(reshape.getSource()).getShape(), to = tileType(v).getShape();
      SmallVector<int> result(to.size(), -1);
      size_t f = 0;
      for (size_t t = 0; t < to.size(); ++t) {
        if (to[t] == 1)
          continue;
        while (f < from.size() && from[f] == 1)
          ++f;
        if (f == from.size() || from[f] != to[t])
          return {};
        result[t] = f++;
      }
      for (int &d : at)
        d = d < 0 ? -1 : result[d];
      v = reshape.getSource();
    } else {
      auto load = dyn_cast_or_null<LoadOp>(op);
      if (load && dims)
        dims->assign(at.begin(), at.end());
      return load;
    }
  }
  return {};
}

static bool zeroPad(LoadOp load) {
  auto pad = load.getPadAttr();
  if (auto f = dyn_cast_or_null<FloatAttr>(pad))
    return f.getValue().isPosZero();
  if (auto i = dyn_cast_or_null<IntegerAttr>(pad))
    return i.getValue().isZero();
  return !pad;
}

/// Where dim `tileDim` of a loaded operand ends: elements from there on are zeros. Null: not known or never short.
Value Lowering::loadEnd(Value operand, unsigned tileDim) {
  SmallVector<int> dims;
  LoadOp load = loadBehind(operand, &dims);
  if (!load || load.getInbounds() || !zeroPad(load) || dims[tileDim] < 0)
    return {};
  tileDim = dims[tileDim];
  auto shape = tileType(load.getTile()).getShape();
  const View &view = *views[load.getView()];
  unsigned d = view.extents.size() - shape.size() + tileDim;
  auto r = facts.rangeOf(load.getOffsets()[d]);
  if (facts.provenInside(load.getView(), load.getOffsets(), d, shape[tileDim]) || !r || r->first < 0)
    return {};
  return boundsOf(map(load.getOffsets()[d]), view.extents[d], shape[tileDim]).second;
}

/// B is stored so that `width` neighbours in N are contiguous, and columns beyond N's extent hold zeros.
bool Lowering::readsPanels(Value operand, unsigned width) {
  auto it = buffers.find(operand);
  if (it != buffers.end())
    return it->second.strides.back() == 1 && it->second.shape.back() % width == 0;
  auto load = operand.getDefiningOp<LoadOp>();
  if (!load || views[load.getView()]->window || !zeroPad(load))
    return false;
  const View &view = *views[load.getView()];
  unsigned n = view.extents.size() - 1;
  return view.blocks[n] % width == 0 && contiguousDim(load.getView(), tileType(operand).getRank()) ==
                                            static_cast<int>(tileType(operand).getRank()) - 1;
}

/// One element or vector of an operand in the accumulators' type.
Value Lowering::dotElement(Value operand, const Coord &c, Type compute, bool isUnsigned) {
  Type from = tileType(operand).getElementType();
  Value v = emit(operand, c);
  if (from == compute)
    return v;
  CastHow how;
  how.unsignedSrc = isUnsigned;
  return castValue(v, from, compute, how);
}

/// Copies A to scratch: rows of K plus a gap, or columns of M when A is transposed.
void Lowering::packA(DotTile &d) {
  Value a = d.op.getA();
  auto type = tileType(a);
  unsigned lead = type.getRank() - 2;
  bool trans = d.op.getTransA();
  auto it = buffers.find(a);
  if (it != buffers.end() && it->second.element == d.compute) {
    d.a = it->second;
    if (trans)
      std::swap(d.a.strides[lead], d.a.strides[lead + 1]);
    return;
  }
  SmallVector<int64_t> padded(type.getShape());
  padded[lead + 1] = (padded[lead + 1] + 15) / 16 * 16 + 16;
  Buffer to = allocate(padded, d.compute);
  to.shape.assign(type.getShape().begin(), type.getShape().end());
  SmallVector<Bound> bounds;
  SmallVector<unsigned> order;
  Coord c;
  int vdim = pickVectorDim(type.getShape());
  Scope outer(*this);
  for (int64_t i = 0; i < type.getRank(); ++i) {
    Bound bound{type.getDimSize(i), {}, {}, {}, {}};
    if (i == static_cast<int64_t>(lead) + trans && d.mEnd) {
      SmallVector<int> dims;
      LoadOp load = loadBehind(a, &dims);
      unsigned at = views[load.getView()]->extents.size() - tileType(load.getTile()).getRank() + dims[i];
      Value offset = map(load.getOffsets()[at]), extent = views[load.getView()]->extents[at];
      bound = {type.getDimSize(i), {}, d.mEnd, offset, extent};
      clips.push_back({{}, offset, extent, bound.size});
    }
    bounds.push_back(bound);
    c.idx.push_back(cst(0));
    if (static_cast<int>(i) != vdim)
      order.push_back(i);
  }
  versioned({a}, [&] {
    nest(bounds, order, vdim, c,
         [&](const Coord &at) { storeBuffer(to, at, dotElement(a, at, d.compute, d.op.getUnsignedA())); }, {a});
  });
  d.a = to;
  if (trans)
    std::swap(d.a.strides[lead], d.a.strides[lead + 1]);
}

/// Copies B to panels of d.width columns.
void Lowering::packB(DotTile &d) {
  Value v = d.op.getB();
  auto type = tileType(v);
  unsigned lead = type.getRank() - 2;
  bool trans = d.op.getTransB();
  int64_t panels = (d.n + d.width - 1) / d.width;
  SmallVector<int64_t> shape;
  if (lead)
    shape.push_back(type.getDimSize(0));
  shape.append({panels, d.k, static_cast<int64_t>(d.width)});
  d.panel = allocate(shape, d.compute);
  d.hasPanel = true;
  auto target = [&](const Coord &at, Coord &to) {
    to = at;
    Value n = at.idx[lead + !trans], k = at.idx[lead + trans];
    to.idx.clear();
    if (lead)
      to.idx.push_back(at.idx[0]);
    auto divide = [&](Value x, bool rem) -> Value {
      if (auto c = getConstantIntValue(x))
        return cst(rem ? *c % d.width : *c / d.width);
      return rem ? Value(arith::RemUIOp::create(b, x, cst(d.width)))
                 : Value(arith::DivUIOp::create(b, x, cst(d.width)));
    };
    to.idx.append({divide(n, false), k, divide(n, true)});
    bool lanesInN = at.vdim == static_cast<int>(lead + !trans);
    to.vdim = at.vdim < 0 ? -1 : lanesInN ? lead + 2 : lead + 1;
  };
  // Lanes along N where memory is contiguous there (or not known); along K with a transposition in registers otherwise.
  SmallVector<int> dims;
  LoadOp load = loadBehind(v, &dims);
  int along = lead + !trans;
  auto it = buffers.find(v);
  if (it != buffers.end())
    along = it->second.strides[lead + !trans] == 1 ? lead + !trans : lead + trans;
  else if (load && !views[load.getView()]->window)
    along = llvm::find(dims, contiguousDim(load.getView(), tileType(load.getTile()).getRank())) - dims.begin();
  bool turn =
      along == static_cast<int>(lead + trans) && d.n % d.vl == 0 && d.k % d.vl == 0 && bitWidth(d.compute) == 32;
  versioned({v}, [&] {
    if (turn) {
      loop(cst(0), cst(lead ? type.getDimSize(0) : 1), 1, [&](Value batch) { packTransposed(d, batch); });
      return;
    }
    int vdim = lead + !trans;
    if (d.n < 2)
      vdim = -1;
    SmallVector<Bound> bounds;
    SmallVector<unsigned> order;
    Coord c;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      bounds.push_back({type.getDimSize(i), {}, {}, {}, {}});
      c.idx.push_back(cst(0));
      if (static_cast<int>(i) != vdim)
        order.push_back(i);
    }
    auto copy = [&](const Coord &at) {
      Coord to;
      target(at, to);
      storeBuffer(d.panel, to, dotElement(v, at, d.compute, d.op.getUnsignedB()));
    };
    if (load && views[load.getView()]->window && vdim >= 0) {
      // Where a vector of pixels lies is worked out once for all channels.
      unsigned kDim = lead + trans;
      loop(cst(0), cst(lead ? type.getDimSize(0) : 1), 1, [&](Value batch) {
        if (lead)
          c.idx[0] = batch;
        vectorLoop(bounds[vdim], vdim, c, [&](const Coord &pixels) {
          loop(cst(0), d.kEnd ? d.kEnd : cst(d.k), 1, [&](Value k) {
            Coord at = pixels;
            at.idx[kDim] = k;
            copy(at);
          });
        });
      });
      return;
    }
    nest(bounds, order, vdim, c, copy, {v});
  });
}

/// Transposes a square of registers: interleaves halves log2(n) times.
static SmallVector<Value> transposeSquare(ImplicitLocOpBuilder &b, SmallVector<Value> rows) {
  int64_t n = rows.size();
  for (int64_t step = n / 2; step >= 1; step /= 2) {
    SmallVector<Value> next(n);
    for (int64_t i = 0; i < n; ++i) {
      if (i & step)
        continue;
      // Swap the off-diagonal blocks of size step x step of rows i and i + step.
      SmallVector<int64_t> low, high;
      for (int64_t j = 0; j < n; ++j) {
        bool right = j & step;
        low.push_back(right ? n + j - step : j);
        high.push_back(right ? n + j : j + step);
      }
      next[i] = vector::ShuffleOp::create(b, rows[i], rows[i + step], low);
      next[i + step] = vector::ShuffleOp::create(b, rows[i], rows[i + step], high);
    }
    rows = next;
  }
  return rows;
}

void Lowering::packTransposed(DotTile &d, Value batch) {
  Value v = d.op.getB();
  unsigned lead = tileType(v).getRank() - 2;
  bool trans = d.op.getTransB();
  int64_t vl = d.vl;
  loop(cst(0), cst(d.n), vl, [&](Value n) {
    loop(cst(0), cst(d.k), vl, [&](Value k) {
      Scope scope(*this);
      SmallVector<Value> rows;
      Coord c;
      if (lead)
        c.idx.push_back(batch);
      c.idx.append({k, k});
      c.vl = vl;
      c.vdim = lead + trans;
      for (int64_t r = 0; r < vl; ++r) {
        c.idx[lead + !trans] = add(n, cst(r));
        rows.push_back(dotElement(v, c, d.compute, d.op.getUnsignedB()));
      }
      rows = transposeSquare(b, rows);
      Coord to;
      if (lead)
        to.idx.push_back(batch);
      to.idx.append({arith::DivUIOp::create(b, n, cst(d.width)), k, arith::RemUIOp::create(b, n, cst(d.width))});
      to.vdim = lead + 2;
      to.vl = vl;
      for (int64_t r = 0; r < vl; ++r) {
        to.idx[lead + 1] = add(k, cst(r));
        storeBuffer(d.panel, to, rows[r]);
      }
    });
  });
}

LogicalResult Lowering::emitDot(DotOp op, const Buffer &acc) {
  DotTile d;
  d.op = op;
  auto a = tileType(op.getA()), y = tileType(op.getTile());
  unsigned lead = y.getRank() - 2;
  d.m = y.getDimSize(lead);
  d.n = y.getDimSize(lead + 1);
  d.k = a.getDimSize(op.getTransA() ? lead : lead + 1);
  d.compute = y.getElementType();
  if (!d.compute.isF32() && !d.compute.isF64() && !d.compute.isInteger(32) && !d.compute.isInteger(64))
    return unsupported(op, "a dot accumulates in f32, f64, i32 or i64");
  d.vl = options.vectorBytes / (bitWidth(d.compute) / 8);
  d.width = 2 * d.vl;
  d.acc = acc;
  auto init = buffers.find(op.getAcc());
  if (init == buffers.end() || init->second.ptr != acc.ptr)
    fillBuffer(op.getAcc(), acc);

  d.mEnd = loadEnd(op.getA(), op.getTransA() ? lead + 1 : lead);
  for (auto [operand, dim] : {std::pair<Value, unsigned>{op.getA(), op.getTransA() ? lead : lead + 1},
                              {op.getB(), op.getTransB() ? lead + 1 : lead}})
    if (Value end = loadEnd(operand, dim))
      d.kEnd = d.kEnd ? minIdx(d.kEnd, end) : end;
  d.nEnd = loadEnd(op.getB(), op.getTransB() ? lead : lead + 1);
  packA(d);
  bool panels = !op.getTransB() && readsPanels(op.getB(), d.vl) && tileType(op.getB()).getElementType() == d.compute;
  bool few = d.m <= static_cast<int64_t>(options.dotRows) && !op.getTransB();
  if (!panels && !few)
    packB(d);
  else if (!panels)
    d.nEnd = {}; // read in place, so columns beyond the end need a check of their own
  auto run = [&] {
    if (lead) {
      loop(cst(0), cst(y.getDimSize(0)), 1, [&](Value batch) {
        d.batch = batch;
        dotTile(d);
      });
    } else {
      dotTile(d);
    }
  };
  if (d.hasPanel || panels)
    run();
  else
    versioned({op.getB()}, run);
  return success(!failedOnce);
}

/// All columns: blocks of two registers, then what is left in narrower ones.
void Lowering::dotTile(DotTile &d) {
  int64_t full = d.n / d.width * d.width;
  Value end = cst(full);
  if (d.nEnd) {
    Value up = mul(Value(arith::CeilDivSIOp::create(b, d.nEnd, cst(d.width))), cst(d.width));
    end = minIdx(end, up);
  }
  loop(cst(0), end, d.width, [&](Value n) { dotColumns(d, n, 2, d.vl); });
  int64_t at = full;
  for (unsigned vl = d.vl; at < d.n; vl /= 2)
    if (at + vl <= d.n) {
      dotColumns(d, cst(at), 1, vl);
      at += vl;
    }
}

/// All rows of some columns.
void Lowering::dotColumns(DotTile &d, Value n, unsigned vectors, unsigned vl) {
  int64_t block = options.dotRows;
  if (bitWidth(d.compute) == 64 && options.vectorBytes == 32)
    block = 4;
  if (!d.mEnd) {
    int64_t main = d.m / block * block, rest = d.m % block;
    loop(cst(0), cst(main), block, [&](Value m) { dotBlock(d, m, block, n, vectors, vl); });
    if (rest)
      dotBlock(d, cst(main), rest, n, vectors, vl);
    return;
  }
  Value from = cst(0);
  for (int64_t rows : {block, int64_t(4), int64_t(1)}) {
    if (rows > d.m || (rows == 4 && block <= 4))
      continue;
    Value left = sub(d.mEnd, from);
    Value to = rows == 1 ? d.mEnd : add(from, sub(left, arith::RemUIOp::create(b, left, cst(rows))));
    loop(from, to, rows, [&](Value m) { dotBlock(d, m, rows, n, vectors, vl); });
    from = to;
  }
}

Value Lowering::dotOperandB(DotTile &d, Value k, Value n, unsigned vl) {
  Coord c;
  if (d.batch)
    c.idx.push_back(d.batch);
  c.vl = vl;
  c.vdim = vl == 1 ? -1 : static_cast<int>(c.idx.size()) + 1;
  if (!d.hasPanel) {
    c.idx.append({k, n});
    return dotElement(d.op.getB(), c, d.compute, d.op.getUnsignedB());
  }
  auto part = [&](bool rem) -> Value {
    if (auto x = getConstantIntValue(n))
      return cst(rem ? *x % d.width : *x / d.width);
    return rem ? Value(arith::RemUIOp::create(b, n, cst(d.width))) : Value(arith::DivUIOp::create(b, n, cst(d.width)));
  };
  if (c.vdim >= 0)
    ++c.vdim;
  c.idx.append({part(false), k, part(true)});
  return loadBuffer(d.panel, c);
}

/// acc[m .. m+rows, n .. n+vectors*vl] += A * B over all of K.
void Lowering::dotBlock(DotTile &d, Value m, unsigned rows, Value n, unsigned vectors, unsigned vl) {
  Scope scope(*this);
  auto accAt = [&](unsigned r, unsigned v) {
    Coord c;
    if (d.batch)
      c.idx.push_back(d.batch);
    c.vdim = vl == 1 ? -1 : static_cast<int>(c.idx.size()) + 1;
    c.vl = vl;
    c.idx.append({add(m, cst(r)), add(n, cst(v * vl))});
    return c;
  };
  SmallVector<Value> columns;
  for (unsigned v = 0; v < vectors; ++v)
    columns.push_back(add(n, cst(v * vl)));
  // Packed weights hold zeros up to a whole block, and every k of the loop is inside.
  SmallVector<int> dims;
  LoadOp load = d.hasPanel ? LoadOp() : loadBehind(d.op.getB(), &dims);
  auto proveB = [&](unsigned tileDim, Value iv) {
    if (!load || dims[tileDim] < 0)
      return;
    auto shape = tileType(load.getTile()).getShape();
    unsigned at = views[load.getView()]->extents.size() - shape.size() + dims[tileDim];
    clips.push_back({iv, map(load.getOffsets()[at]), views[load.getView()]->extents[at], shape[dims[tileDim]]});
  };
  unsigned lead = d.batch ? 1 : 0;
  if (load && d.nEnd && readsPanels(d.op.getB(), vl))
    for (Value c : columns)
      proveB(lead + 1, c);

  SmallVector<Value> acc;
  for (unsigned r = 0; r < rows; ++r)
    for (unsigned v = 0; v < vectors; ++v)
      acc.push_back(loadBuffer(d.acc, accAt(r, v)));
  int64_t strideM = d.a.strides[lead], strideK = d.a.strides[lead + 1];
  Value rowBase = mul(m, cst(strideM));
  if (d.batch)
    rowBase = add(rowBase, mul(d.batch, cst(d.a.strides[0])));
  Value aBase = gep(d.a.element, d.a.ptr, rowBase);
  Type stored = storageType(d.compute);
  unsigned bytes = bitWidth(d.compute) / 8;
  auto steps = [&](Value k, int64_t count, ValueRange in) {
    SmallVector<Value> now(in);
    Value aPtr = gep(d.compute, aBase, mul(k, cst(strideK)));
    for (int64_t u = 0; u < count; ++u) {
      Value ku = add(k, cst(u));
      if (d.kEnd)
        proveB(lead, ku);
      SmallVector<Value> bv;
      for (Value c : columns)
        bv.push_back(dotOperandB(d, ku, c, vl));
      for (unsigned r = 0; r < rows; ++r) {
        Value x = LLVM::LoadOp::create(b, stored, gep(d.compute, aPtr, cst(r * strideM + u * strideK)), bytes);
        for (unsigned v = 0; v < vectors; ++v) {
          Value &sum = now[r * vectors + v];
          Value wide = vl == 1 ? x : Value(vector::BroadcastOp::create(b, bv[v].getType(), x));
          if (isa<FloatType>(d.compute))
            sum = math::FmaOp::create(b, wide, bv[v], sum);
          else
            sum = arith::AddIOp::create(b, sum, arith::MulIOp::create(b, wide, bv[v]));
        }
      }
    }
    return now;
  };
  auto overK = [&](Value lo, Value hi, int64_t step, SmallVector<Value> in) -> SmallVector<Value> {
    auto l = getConstantIntValue(lo), h = getConstantIntValue(hi);
    if (l && h && *l >= *h)
      return in;
    auto loopOp = scf::ForOp::create(b, lo, hi, cst(step), in, [](OpBuilder &, Location, Value, ValueRange) {});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loopOp.getBody());
    Scope inner(*this);
    scf::YieldOp::create(b, steps(loopOp.getInductionVar(), step, loopOp.getRegionIterArgs()));
    return SmallVector<Value>(loopOp.getResults());
  };
  Value end = d.kEnd ? d.kEnd : cst(d.k);
  Value main = d.kEnd ? sub(end, arith::RemUIOp::create(b, end, cst(kUnroll))) : cst(d.k / kUnroll * kUnroll);
  acc = overK(cst(0), main, kUnroll, acc);
  acc = overK(main, end, 1, acc);
  for (unsigned r = 0; r < rows; ++r)
    for (unsigned v = 0; v < vectors; ++v)
      storeBuffer(d.acc, accAt(r, v), acc[r * vectors + v]);
}

} // namespace adze::cpu
