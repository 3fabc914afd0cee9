// Writes by index. A program owns the part of the result that its updates may reach: it copies that part of x, then
// applies the updates in row-major order, so that duplicates and reductions are exact without atomics.
#include "compiler/kernels/Indexing.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;
using mlir::arith::CmpIPredicate;

namespace adze::kernels {
using namespace graph;

static tile::CombineKind combineOf(ScatterKind kind) {
  switch (kind) {
  case ScatterKind::add:
    return tile::CombineKind::add;
  case ScatterKind::mul:
    return tile::CombineKind::mul;
  case ScatterKind::max:
    return tile::CombineKind::max;
  case ScatterKind::min:
    return tile::CombineKind::min;
  default:
    return tile::CombineKind::set;
  }
}

static void scatter(KernelText &k, Value tile, Value view, Value index, ValueRange at, int64_t dim, ScatterKind kind,
                    Type element) {
  tile::ScatterOp::create(k.b, k.loc, tile, view, index, at, uint64_t(dim), combineOf(kind), isUnsigned(element),
                          StringAttr());
}

/// The operands are read only, the result is read back.
static void declare(KernelText &k, KernelRequest &r) {
  for (Value v : r.region.getInputs())
    k.addRef(elementOf(v), tile::Effect::in);
  k.addRef(elementOf(r.region.getOutputs()[0]), tile::Effect::inout);
}

/// Positions that do not exist become -1, which a scatter drops.
static Value dropTail(KernelText &k, Value index, Value first, AffineExpr extent) {
  ScalarBuilder s(k, index);
  return s.select(k.below(first, extent, s.shape, 0), index, s.i(-1, k.b.getI64Type()));
}

/// y[rows of indices..., :] from updates[row, :]: programs own blocks of columns.
static BuildResult buildNdScatter(KernelRequest &r, ScatterNdOp op) {
  MLIRContext *context = r.region.getContext();
  RegionArgs args(r.region);
  Dims x = getDims(op.getX()), indices = getDims(op.getIndices());
  int64_t depth = *constantOf(indices.back());
  ArrayRef<AffineExpr> all(x);
  AffineExpr rows = product(context, ArrayRef<AffineExpr>(indices).drop_back());
  AffineExpr table = product(context, all.take_front(depth)), inner = product(context, all.drop_front(depth));
  Problem p;
  p.family = "scatter";
  p.extents["R"] = extentOf(rows, r.symbols);
  p.extents["N"] = extentOf(inner, r.symbols);
  Plan plan = planFor(r, p);
  int64_t bc = tileSize(plan, "BN", 256, inner);
  int64_t bt = tileSize(plan, "BM", std::max<int64_t>(1, 4096 / bc), table), br = tileSize(plan, "BR", 64, rows);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "scatter", "nd", r.symbols);
  declare(k, r);
  unsigned columns = k.addGrid(inner, bc);
  k.beginBody();
  AffineExpr one = k.constant(1), zero = k.constant(0);
  auto matrix = [&](unsigned arg, AffineExpr count) { return k.view({arg, {count, inner}, {inner, one}, zero}); };
  Value from = matrix(*args.operand(op.getX()), table), to = matrix(args.result(0), table),
        updates = matrix(*args.operand(op.getUpdates()), rows);
  Value column = k.offset(columns);
  k.loop("copy", tile::LoopKind::serial, k.index(0), k.dim(table), bt, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           k.store(k.load(from, {at, column}, {bt, bc}), to, {at, column});
           return {};
         });
  k.loop("updates", tile::LoopKind::serial, k.index(0), k.dim(rows), br, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           Value row = rowsOfIndices(k, *args.operand(op.getIndices()), rows, depth, all.take_front(depth), at, br);
           row = dropTail(k, row, at, rows);
           Value tile = k.load(updates, {at, column}, {br, bc});
           scatter(k, tile, to, row, {k.index(0), column}, 0, op.getKind(), elementOf(op.getX()));
           return {};
         });
  k.yield();
  return finish(r, k, plan, computeType(elementOf(op.getX())));
}

namespace {
/// scatter_elements: a program owns one index of the dims in front of the axis that x and the indices share; what is
/// behind (the slab) is addressed as a flat vector.
class ElementScatter {
public:
  ElementScatter(KernelRequest &r, ScatterElementsOp op)
      : r(r), op(op), context(op.getContext()), args(r.region), x(getDims(op.getX())), u(getDims(op.getUpdates())) {
    while (int64_t(shared) < int64_t(op.getAxis()) && provablyEqual(x[shared], u[shared]))
      ++shared;
  }
  BuildResult build();

private:
  Value linear(KernelText &k, Value first, Value index);

  KernelRequest &r;
  ScatterElementsOp op;
  MLIRContext *context;
  RegionArgs args;
  Dims x, u;
  unsigned shared = 0;
  int64_t block = 1;
};

/// Positions in the slab of x of the updates first, first + 1, ... of the slab of updates.
Value ElementScatter::linear(KernelText &k, Value first, Value index) {
  Type i64 = k.b.getI64Type();
  ScalarBuilder s(k, index);
  Value rest = k.iota({block}, 0, first, i64), sum = s.i(0, i64);
  AffineExpr stride = constantExpr(context, 1);
  for (size_t d = x.size(); d-- > shared;) {
    Value extent = k.splatIndex({block}, k.max(k.dim(u[d]), k.index(1)), i64);
    Value at = d == shared ? rest : s.binary<arith::RemUIOp>(rest, extent);
    rest = s.binary<arith::DivUIOp>(rest, extent);
    if (d == size_t(op.getAxis()))
      at = index;
    sum = s.addi(sum, s.muli(at, k.splatIndex({block}, k.dim(stride), i64)));
    stride = product(context, {stride, x[d]});
  }
  Value n = k.splatIndex({block}, k.dim(x[op.getAxis()]), i64);
  return s.select(s.cmpi(CmpIPredicate::ult, index, n), sum, s.i(-1, i64));
}

BuildResult ElementScatter::build() {
  AffineExpr outer = product(context, ArrayRef<AffineExpr>(x).take_front(shared));
  AffineExpr slab = product(context, ArrayRef<AffineExpr>(x).drop_front(shared)),
             updates = product(context, ArrayRef<AffineExpr>(u).drop_front(shared));
  Problem p;
  p.family = "scatter";
  p.extents["R"] = extentOf(outer, r.symbols);
  p.extents["N"] = extentOf(slab, r.symbols);
  Plan plan = planFor(r, p);
  int64_t bc = tileSize(plan, "BN", 1024, slab);
  block = tileSize(plan, "BR", 256, updates);

  KernelText k(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "scatter", "element", r.symbols);
  declare(k, r);
  unsigned grid = k.addGrid(outer);
  k.beginBody();
  AffineExpr one = k.constant(1), zero = k.constant(0);
  auto matrix = [&](unsigned arg, AffineExpr width) { return k.view({arg, {outer, width}, {width, one}, zero}); };
  Value from = matrix(*args.operand(op.getX()), slab), to = matrix(args.result(0), slab);
  Value values = matrix(*args.operand(op.getUpdates()), updates),
        indices = matrix(*args.operand(op.getIndices()), updates);
  Value row = k.offset(grid);
  k.loop("copy", tile::LoopKind::serial, k.index(0), k.dim(slab), bc, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           k.store(k.load(from, {row, at}, {bc}), to, {row, at});
           return {};
         });
  k.loop("updates", tile::LoopKind::serial, k.index(0), k.dim(updates), block, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           Value index = wrapNegative(k, widenIndex(k, k.load(indices, {row, at}, {block})), x[op.getAxis()]);
           Value position = dropTail(k, linear(k, at, index), at, updates);
           Value tile = k.load(values, {row, at}, {block});
           scatter(k, tile, to, position, {row, k.index(0)}, 1, op.getKind(), elementOf(op.getX()));
           return {};
         });
  k.yield();
  return finish(r, k, plan, computeType(elementOf(op.getX())));
}
} // namespace

BuildResult buildScatter(KernelRequest &r) {
  Operation *anchor = anchorOf(r.region);
  if (auto op = dyn_cast<ScatterNdOp>(anchor))
    return buildNdScatter(r, op);
  return ElementScatter(r, cast<ScatterElementsOp>(anchor)).build();
}

} // namespace adze::kernels
