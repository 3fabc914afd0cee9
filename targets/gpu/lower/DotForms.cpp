// How a dot is cut: warps over the result, atoms or blocks of accumulators over a warp, operands into shared memory.
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "targets/gpu/lower/Dot.h"
#include "llvm/Support/MathExtras.h"

namespace adze::gpu {
using namespace adze::tile;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t roundUp(int64_t a, int64_t to) { return ceilDiv(a, to) * to; }
static ArrayRef<int64_t> shapeOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }
static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

DotShape::DotShape(DotOp dot) {
  auto y = shapeOf(dot.getTile()), a = shapeOf(dot.getA());
  lead = y.size() - 2;
  batch = lead ? y[0] : 1;
  m = y[lead];
  n = y[lead + 1];
  transA = dot.getTransA();
  transB = dot.getTransB();
  k = a[dimKofA()];
}

//===-- where operands come from

Value behindReshapes(Value v, SmallVectorImpl<int> &dims) {
  dims.clear();
  for (size_t d = 0; d < shapeOf(v).size(); ++d)
    dims.push_back(d);
  while (auto reshape = v.getDefiningOp<ReshapeOp>()) {
    auto from = shapeOf(reshape.getSource()), to = shapeOf(v);
    SmallVector<int> source(to.size(), -1);
    size_t f = 0;
    for (size_t t = 0; t < to.size(); ++t) {
      if (to[t] == 1)
        continue;
      while (f < from.size() && from[f] == 1)
        ++f;
      if (f == from.size() || from[f] != to[t])
        return v;
      source[t] = f++;
    }
    for (; f < from.size(); ++f)
      if (from[f] != 1)
        return v;
    for (int &d : dims)
      d = d < 0 ? -1 : source[d];
    v = reshape.getSource();
  }
  return v;
}

/// The view's dim whose neighbours are neighbours in memory.
static std::optional<unsigned> contiguousViewDim(Value view) {
  if (auto window = view.getDefiningOp<WindowOp>()) {
    auto source = contiguousViewDim(window.getSource());
    unsigned spatial = window.getOut().size();
    if (!source)
      return std::nullopt;
    if (*source == spatial + 1)
      return 1 + spatial; // channels: (pixel, taps.., c)
    return *source == spatial ? std::optional<unsigned>(0) : std::nullopt;
  }
  if (auto sub = view.getDefiningOp<SubviewOp>()) {
    auto source = contiguousViewDim(sub.getSource());
    unsigned drop = sub.getOffsets().size();
    return source && *source >= drop ? std::optional<unsigned>(*source - drop) : std::nullopt;
  }
  auto op = view.getDefiningOp<ViewOp>();
  if (!op)
    return std::nullopt;
  auto type = cast<ViewType>(op.getView().getType());
  if (auto pack = dyn_cast_or_null<PackAttr>(type.getLayout())) {
    AffineExpr last = pack.getMap().getResults().back();
    if (auto binary = dyn_cast<AffineBinaryOpExpr>(last))
      last = binary.getLHS();
    auto dim = dyn_cast<AffineDimExpr>(last);
    return dim ? std::optional<unsigned>(dim.getPosition()) : std::nullopt;
  }
  auto composite = dyn_cast_or_null<CompositeAttr>(type.getLayout());
  std::optional<unsigned> found;
  if (op.getStrides().empty()) {
    for (unsigned d = type.getRank(); d-- > 0;) {
      found = d;
      if (type.getShape()[d] != 1)
        break;
    }
    return found;
  }
  unsigned physical = 0;
  for (unsigned d = 0; d < type.getRank(); ++d) {
    physical += composite ? composite.getGroups()[d] : 1;
    if (getConstantIntValue(op.getStrides()[physical - 1]) == 1 && (!found || type.getShape()[d] != 1))
      found = d;
  }
  return found;
}

static std::optional<unsigned> contiguousDim(Value v, unsigned depth) {
  SmallVector<int> dims;
  Value source = behindReshapes(v, dims);
  Operation *op = source.getDefiningOp();
  if (!op || depth > 16)
    return std::nullopt;
  auto backTo = [&](unsigned d) -> std::optional<unsigned> {
    auto it = llvm::find(dims, int(d));
    return it == dims.end() ? std::nullopt : std::optional<unsigned>(it - dims.begin());
  };
  if (auto load = dyn_cast<LoadOp>(op)) {
    auto d = contiguousViewDim(load.getView());
    unsigned lead = cast<ViewType>(load.getView().getType()).getRank() - shapeOf(source).size();
    return d && *d >= lead ? backTo(*d - lead) : std::nullopt;
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    auto d = contiguousDim(transpose.getSource(), depth + 1);
    return d ? backTo(llvm::find(transpose.getPerm(), int64_t(*d)) - transpose.getPerm().begin()) : std::nullopt;
  }
  if (isa<DotOp, ReduceOp, ReshapeOp, GatherOp>(op) || op->getNumRegions())
    return std::nullopt;
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()) && shapeOf(operand) == shapeOf(source))
      if (auto d = contiguousDim(operand, depth + 1))
        return backTo(*d);
  return std::nullopt;
}

std::optional<unsigned> contiguousDim(Value v) { return contiguousDim(v, 0); }

//===-- warps

/// The dot, if any, whose result `v` is after elementwise work.
static DotOp dotBehind(Value v, unsigned depth = 0) {
  Operation *op = v.getDefiningOp();
  if (!op || depth > 24)
    return {};
  if (auto dot = dyn_cast<DotOp>(op))
    return dot;
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber();
    for (Region &r : branch->getRegions())
      if (!r.empty())
        if (DotOp dot = dotBehind(r.front().getTerminator()->getOperand(i), depth + 1))
          return dot;
    return {};
  }
  if (op->getNumRegions() || isa<TransposeOp, ReshapeOp, ReduceOp, SliceOp, ConcatOp, LoadOp, GatherOp>(op))
    return {};
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()) && shapeOf(operand) == shapeOf(v))
      if (DotOp dot = dotBehind(operand, depth + 1))
        return dot;
  return {};
}

/// Rows of the result are reduced, or are the rows of another dot's a.
static bool rowsBelongTogether(Value v, unsigned depth = 0) {
  if (depth > 24)
    return false;
  for (OpOperand &use : v.getUses()) {
    Operation *op = use.getOwner();
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      if (static_cast<int64_t>(reduce.getDim()) == cast<RankedTensorType>(v.getType()).getRank() - 1)
        return true;
      continue;
    }
    if (auto dot = dyn_cast<DotOp>(op)) {
      if (use.getOperandNumber() == 0 && !dot.getTransA())
        return true;
      continue;
    }
    if (isa<scf::YieldOp>(op)) {
      if (auto branch = dyn_cast<scf::IfOp>(op->getParentOp()))
        if (rowsBelongTogether(branch.getResult(use.getOperandNumber()), depth + 1))
          return true;
      continue;
    }
    if (op->getNumResults() == 1 && !op->getNumRegions() && isa<RankedTensorType>(op->getResult(0).getType()) &&
        shapeOf(op->getResult(0)) == shapeOf(v) && rowsBelongTogether(op->getResult(0), depth + 1))
      return true;
  }
  return false;
}

namespace {
struct Arrangement {
  unsigned warpsM = 1, warpsN = 1;
};
} // namespace

/// Fewest operand elements read by a warp; with `rows`, all warps along m where there are blocks of rows for them.
static Arrangement arrange(int64_t m, int64_t n, int64_t atomM, int64_t atomN, unsigned warps, bool rows) {
  Arrangement best;
  int64_t bestCost = INT64_MAX;
  for (unsigned wm = 1; wm <= warps; wm *= 2)
    for (unsigned wn = 1; wm * wn <= warps; wn *= 2) {
      if ((wm > 1 && ceilDiv(m, atomM) < wm) || (wn > 1 && ceilDiv(n, atomN) < wn))
        continue;
      int64_t tileM = roundUp(ceilDiv(m, wm), atomM), tileN = roundUp(ceilDiv(n, wn), atomN);
      // Work first (idle or replicating warps do not help), then operand traffic, then few columns of warps.
      int64_t cost = tileM * tileN * 64 + (tileM + tileN) * atomN + wn;
      if (rows && wn > 1 && ceilDiv(m, atomM) >= warps)
        cost += int64_t(1) << 40;
      if (cost < bestCost) {
        bestCost = cost;
        best = {wm, wn};
      }
    }
  return best;
}

/// Bits of the warp's number: low ones along m, then n; the rest replicate.
static SmallVector<Bit, 5> warpBits(const DotShape &s, unsigned warps, unsigned wm, int64_t strideM, unsigned wn,
                                    int64_t strideN) {
  SmallVector<Bit, 5> bits;
  for (unsigned at = 1; at < wm; at *= 2)
    bits.push_back({int(s.lead), strideM * at});
  for (unsigned at = 1; at < wn; at *= 2)
    bits.push_back({int(s.lead + 1), strideN * at});
  bits.resize(llvm::Log2_32(warps));
  return bits;
}

//===-- the matrix form

static SmallVector<Bit, 5> shifted(ArrayRef<Bit> bits, unsigned lead) {
  SmallVector<Bit, 5> result(bits);
  for (Bit &b : result)
    if (b.dim >= 0)
      b.dim += lead;
  return result;
}

static void append(SmallVectorImpl<int32_t> &offsets, unsigned lead, int64_t batch, int64_t r, int64_t c) {
  if (lead)
    offsets.push_back(batch);
  offsets.push_back(r);
  offsets.push_back(c);
}

/// Atoms of rows and columns in row-major order, the atom's own registers innermost.
static Layout atoms(ArrayRef<int64_t> shape, const DotShape &s, const Atom &atom, int64_t rows, int64_t columns,
                    SmallVector<Bit, 5> warps) {
  Layout l;
  l.shape.assign(shape.begin(), shape.end());
  l.lanes = shifted(atom.lanes, s.lead);
  l.warps = std::move(warps);
  for (int64_t batch = 0; batch < s.batch; ++batch)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        for (unsigned i = 0; i < atom.registers(); ++i)
          append(l.offsets, s.lead, batch, r * atom.shape[0] + atom.offset(i, 0),
                 c * atom.shape[1] + atom.offset(i, 1));
  return l;
}

/// a comes from a dot whose warps own the same rows: then its registers are the fragments.
static bool aInRegisters(DotOp dot, const TiledDot &form, unsigned warps, const Limits &limits,
                         const MatrixUnit *unit) {
  DotShape s(dot);
  const MatrixInstruction &op = *form.instruction;
  DotOp from = dotBehind(dot.getA());
  if (!from || s.transA || form.warpsN != 1 || s.lead || s.k % op.k != 0 || elementOf(dot.getA()) != op.a ||
      op.a.getIntOrFloatBitWidth() != 16)
    return false;
  auto source = chooseTiledDot(from, warps, limits, unit);
  return source && source->instruction && source->warpsN == 1 && source->warpsM == form.warpsM &&
         source->tilesM == form.tilesM;
}

static std::unique_ptr<TiledDot> matrixForm(DotOp dot, unsigned warps, const Limits &limits, const MatrixUnit &unit) {
  auto op = unit.select(dot);
  if (!op)
    return nullptr;
  DotShape s(dot);
  auto form = std::make_unique<TiledDot>();
  form->instruction = op;
  Arrangement w =
      arrange(s.m, s.n, op->m, op->n, warps, rowsBelongTogether(dot.getTile()) || bool(dotBehind(dot.getA())));
  form->warpsM = w.warpsM;
  form->warpsN = w.warpsN;
  form->tilesM = ceilDiv(ceilDiv(s.m, op->m), w.warpsM);
  form->tilesN = ceilDiv(ceilDiv(s.n, op->n), w.warpsN);
  form->paddedM = form->tilesM * w.warpsM * op->m;
  form->paddedN = form->tilesN * w.warpsN * op->n;
  form->paddedK = roundUp(s.k, op->k);
  form->elementA = op->a;
  form->elementB = op->b;
  form->name = op->name;
  auto bits = warpBits(s, warps, w.warpsM, form->tilesM * op->m, w.warpsN, form->tilesN * op->n);
  form->acc = atoms(shapeOf(dot.getTile()), s, op->atomAcc, form->tilesM, form->tilesN, bits);

  form->a.shared = form->b.shared = true;
  // Fragments can be read across the rows where matrices are transposed (16 bits) or read element by element (32).
  auto inner = [&](Value v, Type element, unsigned dimK, unsigned other) -> int {
    auto contiguous = contiguousDim(v);
    bool across = element.getIntOrFloatBitWidth() >= 16 && elementOf(v) == element && contiguous == other;
    if (auto load = [&] {
          SmallVector<int> d;
          return behindReshapes(v, d).getDefiningOp<LoadOp>();
        }())
      across &= !load.getView().getDefiningOp<WindowOp>(); // loaded one element at a time: any order is as good
    return across ? other : dimK;
  };
  form->a.inner = inner(dot.getA(), op->a, s.dimKofA(), s.dimM());
  form->b.inner = inner(dot.getB(), op->b, s.dimKofB(), s.dimN());
  auto pattern = [&](DotForm::Operand &o, bool alongK, int64_t rowElements, Type element) {
    unsigned bytes = element.getIntOrFloatBitWidth() / 8;
    if (!alongK && bytes == 4) {
      o.pad = 8; // four rows of k at eight neighbours: all banks differ
      return;
    }
    int64_t chunks = ceilDiv(rowElements * bytes, 16);
    o.swizzle = std::min<unsigned>(3, llvm::countr_zero(uint64_t(chunks)));
  };
  bool ka = form->a.inner == int(s.dimKofA()), kb = form->b.inner == int(s.dimKofB());
  pattern(form->a, ka, ka ? form->paddedK : form->paddedM, op->a);
  pattern(form->b, kb, kb ? form->paddedK : form->paddedN, op->b);
  if (aInRegisters(dot, *form, warps, limits, &unit)) {
    form->a = {};
    form->a.layout = atoms(shapeOf(dot.getA()), s, op->atomA, form->tilesM, form->paddedK / op->k, bits);
  }
  return form;
}

//===-- the FMA form

/// Threads along m and n (powers of two): few operand reads for the work of a thread.
static std::pair<unsigned, unsigned> threadGrid(int64_t m, int64_t n, unsigned threads) {
  std::pair<unsigned, unsigned> best = {1, threads};
  int64_t bestCost = INT64_MAX;
  for (unsigned tm = 1; tm <= threads; tm *= 2)
    for (unsigned tn = 1; tm * tn <= threads; tn *= 2) {
      int64_t rows = ceilDiv(m, tm), columns = ceilDiv(n, tn);
      int64_t cost = rows * columns * 8 + (rows + columns);
      if (cost < bestCost || (cost == bestCost && tm * tn > best.first * best.second)) {
        bestCost = cost;
        best = {tm, tn};
      }
    }
  return best;
}

/// Threads along one dim own runs of `vector`, then the next run lies behind those of all threads.
static void dimOffsets(int64_t count, unsigned vector, unsigned threads, SmallVectorImpl<int64_t> &out) {
  for (int64_t i = 0; i < count; ++i)
    out.push_back(i / vector * vector * threads + i % vector);
}

static std::unique_ptr<TiledDot> fmaForm(DotOp dot, unsigned warps, const Limits &limits) {
  DotShape s(dot);
  Type acc = elementOf(dot.getTile());
  if (!acc.isF32() && !acc.isF64() && !acc.isInteger(32) && !acc.isInteger(64))
    return nullptr;
  auto form = std::make_unique<TiledDot>();
  unsigned lanes = 1u << limits.laneBits;
  auto [tm, tn] = threadGrid(s.m, s.n, lanes * warps);
  form->threadsM = tm;
  form->threadsN = tn;
  form->lanesN = std::min(tn, 8u);
  form->lanesM = std::min(tm, lanes / form->lanesN);
  if (form->lanesM * form->lanesN < lanes)
    form->lanesN = std::min(tn, lanes / form->lanesM);
  form->warpsM = std::max(1u, std::min(warps, tm / form->lanesM));
  form->warpsN = std::max(1u, std::min(warps / form->warpsM, tn / form->lanesN));
  form->threadsM = form->lanesM * form->warpsM;
  form->threadsN = form->lanesN * form->warpsN;
  auto storage = [](Type t) { return t.getIntOrFloatBitWidth() < 8 ? 1u : t.getIntOrFloatBitWidth() / 8; };
  form->elementA = elementOf(dot.getA());
  form->elementB = elementOf(dot.getB());
  form->a.shared = form->b.shared = true;
  auto plan = [&](Value v, DotForm::Operand &o, Type element, unsigned dimK, unsigned other, int64_t perThread,
                  unsigned &vector) {
    unsigned chunk = std::max(1u, 16 / storage(element));
    bool along = contiguousDim(v) != other;
    o.inner = along ? dimK : other;
    vector = 1;
    // Runs of neighbours are read as one vector; rows along k are read row by row, neighbours in neighbouring lanes.
    while (!along && vector * 2 <= chunk && vector * 2 <= 4 && vector * 2 <= perThread)
      vector *= 2;
    if (along)
      o.swizzle = std::min<unsigned>(3, llvm::countr_zero(uint64_t(ceilDiv(s.k, chunk))));
  };
  int64_t rows = ceilDiv(s.m, form->threadsM), columns = ceilDiv(s.n, form->threadsN);
  plan(dot.getA(), form->a, form->elementA, s.dimKofA(), s.dimM(), rows, form->vectorM);
  plan(dot.getB(), form->b, form->elementB, s.dimKofB(), s.dimN(), columns, form->vectorN);
  form->tilesM = roundUp(rows, form->vectorM);
  form->tilesN = roundUp(columns, form->vectorN);
  form->paddedM = form->tilesM * form->threadsM;
  form->paddedN = form->tilesN * form->threadsN;
  unsigned chunkA = 16 / storage(form->elementA), chunkB = 16 / storage(form->elementB);
  form->paddedK = roundUp(s.k, std::max({form->a.inner == int(s.dimKofA()) ? chunkA : 1u,
                                         form->b.inner == int(s.dimKofB()) ? chunkB : 1u}));
  form->name = ("fma " + Twine(form->tilesM) + "x" + Twine(form->tilesN)).str();

  Layout &l = form->acc;
  l.shape.assign(shapeOf(dot.getTile()).begin(), shapeOf(dot.getTile()).end());
  for (unsigned at = 1; at < form->lanesN; at *= 2)
    l.lanes.push_back({int(s.lead + 1), int64_t(form->vectorN) * at});
  for (unsigned at = 1; at < form->lanesM; at *= 2)
    l.lanes.push_back({int(s.lead), int64_t(form->vectorM) * at});
  l.lanes.resize(limits.laneBits);
  l.warps = warpBits(s, warps, form->warpsM, int64_t(form->vectorM) * form->lanesM, form->warpsN,
                     int64_t(form->vectorN) * form->lanesN);
  SmallVector<int64_t> offsetsM, offsetsN;
  dimOffsets(form->tilesM, form->vectorM, form->threadsM, offsetsM);
  dimOffsets(form->tilesN, form->vectorN, form->threadsN, offsetsN);
  for (int64_t batch = 0; batch < s.batch; ++batch)
    for (int64_t r : offsetsM)
      for (int64_t c : offsetsN)
        append(l.offsets, s.lead, batch, r, c);
  return form;
}

std::unique_ptr<TiledDot> chooseTiledDot(DotOp dot, unsigned warps, const Limits &limits, const MatrixUnit *unit) {
  if (unit)
    if (auto form = matrixForm(dot, warps, limits, *unit))
      return form;
  return fmaForm(dot, warps, limits);
}

SharedTile TiledDot::sharedShape(DotOp dot, bool isA) const {
  DotShape s(dot);
  const Operand &o = isA ? a : b;
  SharedTile t;
  t.element = isA ? elementA : elementB;
  t.shape.resize(s.lead + 2);
  if (s.lead)
    t.shape[0] = s.batch;
  t.shape[isA ? s.dimM() : s.dimN()] = isA ? paddedM : paddedN;
  t.shape[isA ? s.dimKofA() : s.dimKofB()] = paddedK;
  t.inner = o.inner < 0 ? t.shape.size() - 1 : o.inner;
  t.swizzle = o.swizzle;
  unsigned bytes = std::max(1u, t.element.getIntOrFloatBitWidth() / 8);
  int64_t row = roundUp((t.shape[t.inner] + o.pad) * bytes, 16) / bytes;
  t.strides.assign(t.shape.size(), 0);
  int64_t next = row;
  for (int d = t.shape.size() - 1; d >= 0; --d) {
    if (d == int(t.inner)) {
      t.strides[d] = 1;
      continue;
    }
    t.strides[d] = next;
    next *= t.shape[d];
  }
  t.bytes = next * bytes;
  return t;
}

Layout copyLayout(ArrayRef<int64_t> shape, Threads threads, unsigned contiguous, unsigned inner, unsigned chunk) {
  // A whole chunk of a shared row in each thread; then lanes and warps along the dim that is contiguous in memory.
  Layout l;
  l.shape.assign(shape.begin(), shape.end());
  SmallVector<int64_t> covered(shape.size(), 1);
  while (chunk > 1 && int64_t(chunk) / 2 >= shape[inner])
    chunk /= 2;
  covered[inner] = chunk;
  SmallVector<unsigned> order = {contiguous};
  if (inner != contiguous)
    order.push_back(inner);
  for (unsigned d = shape.size(); d-- > 0;)
    if (!llvm::is_contained(order, d))
      order.push_back(d);
  auto next = [&](SmallVectorImpl<Bit> &bits, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      Bit bit;
      for (unsigned d : order)
        if (covered[d] < shape[d]) {
          bit = {int(d), covered[d]};
          covered[d] *= 2;
          break;
        }
      bits.push_back(bit);
    }
  };
  next(l.lanes, threads.lanes);
  next(l.warps, threads.warps);
  SmallVector<int64_t> at(shape.size(), 0);
  auto emit = [&](auto &self, unsigned i) -> void {
    if (i == order.size()) {
      for (unsigned e = 0; e < chunk; ++e)
        for (size_t d = 0; d < shape.size(); ++d)
          l.offsets.push_back(at[d] + (d == inner ? e : 0));
      return;
    }
    unsigned d = order[i];
    for (at[d] = 0; at[d] < shape[d]; at[d] += covered[d])
      self(self, i + 1);
    at[d] = 0;
  };
  emit(emit, 0);
  return l;
}

} // namespace adze::gpu
