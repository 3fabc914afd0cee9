// Matrix products with batch dims: one dot a step of K, the epilogue in finish. `swap` computes y^T = b^T a^T, so that
// a few rows lie along the short side of the machine's tiles and b fills the long one.
//
// Iteration dims: the result's (batch..., m, n), then k. Batch dims merge where both operands and the epilogue agree,
// and merge into m where b does not have them.
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Pack.h"
#include "compiler/kernels/Scalar.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

namespace {

class MatmulBuilder {
public:
  MatmulBuilder(KernelRequest &r)
      : r(r), context(r.region.getContext()), op(cast<MatmulOp>(anchorOf(r.region))), args(r.region) {}
  BuildResult build();

private:
  void analyse();
  Problem problem();
  void choose();
  bool pack();
  Frame frame(ArrayRef<unsigned> tiled, Value k) const;
  Value operandTile(Value v, const Access &access, Frame f, bool isA);
  Value tileB(Value at);
  /// The dims of the accumulators' tile, in order.
  SmallVector<unsigned> resultDims() const { return swap ? SmallVector<unsigned>{ng, mg} : SmallVector{mg, ng}; }
  SmallVector<Value> step(Value at, ValueRange carried);
  Value products(Value a, Value b);
  SmallVector<int64_t> productShape() const {
    return transB ? SmallVector<int64_t>{BM, BN, BK} : SmallVector<int64_t>{BM, BK, BN};
  }
  Value sumOfProducts(Value p) {
    return text->reshape(text->reduce(p, transB ? 2 : 1, tile::TileReduceKind::add), {BM, BN});
  }
  Value plus(Value p, Value q) {
    KernelText &k = *text;
    return isa<FloatType>(accType) ? Value(arith::AddFOp::create(k.b, k.loc, p, q))
                                   : Value(arith::AddIOp::create(k.b, k.loc, p, q));
  }
  Value asAccumulator(Value tile, Type graphElement);

  KernelRequest &r;
  MLIRContext *context;
  MatmulOp op;
  RegionArgs args;
  Dims y;
  unsigned rank = 0;
  Access accessA, accessB;
  SmallVector<Group> groups; // batch..., m, n, k
  unsigned mg = 0, ng = 0, kg = 0;
  AffineExpr aK, aM, bK, bN; // strides
  bool transA = false, transB = false, dots = true, swap = false;
  Plan plan;
  std::string form = "plain";
  int64_t BM = 1, BN = 1, BK = 1;
  Type accType;
  SmallVector<Value> operands;
  tile::PackAttr packB;
  int64_t rowB = 0; // b was packed into rows along k of so many elements
  std::unique_ptr<KernelText> text;
  SmallVector<Value> offsets; // batch..., m, n in the region under construction
};

/// Access of a or b: its batch dims align with the result's from the right; then `first` and `second`.
Access operandAccess(MLIRContext *context, ArrayRef<AffineExpr> dims, ArrayRef<AffineExpr> y, unsigned first,
                     unsigned second) {
  Access result = broadcastAccess(dims.drop_back(2), y.drop_back(2), identityAccess(context, y.size() - 2));
  for (unsigned d : {first, second})
    result.push_back({constantExpr(context, 0), {{d, constantExpr(context, 1)}}});
  return result;
}

void MatmulBuilder::analyse() {
  y = getDims(op.getY());
  rank = y.size();
  unsigned m = rank - 2, n = rank - 1, kd = rank;
  Dims a = getDims(op.getA()), b = getDims(op.getB());
  accessA = operandAccess(context, a, y, op.getTransA() ? kd : m, op.getTransA() ? m : kd);
  accessB = operandAccess(context, b, y, op.getTransB() ? n : kd, op.getTransB() ? kd : n);
  AffineExpr depth = a[a.size() - (op.getTransA() ? 2 : 1)];
  if (auto other = b[b.size() - (op.getTransB() ? 1 : 2)]; constantOf(other))
    depth = other;
  SmallVector<AffineExpr> extents(y.begin(), y.end());
  extents.push_back(depth);
  Space space(context, extents);
  space.barrier(n);
  space.barrier(kd);
  collectAccesses(op.getA(), accessA, args, space);
  collectAccesses(op.getB(), accessB, args, space);
  collectResults(r.region, args, identityAccess(context, rank), space, {op.getY()});

  LinearAccess la = memoryAccess(op.getA(), accessA, args, rank + 1),
               lb = memoryAccess(op.getB(), accessB, args, rank + 1);
  std::optional<Group> gm, gn, gk;
  for (const Group &g : space.merge()) {
    if (g.first == kd)
      gk = g;
    else if (g.first == n)
      gn = g;
    else
      groups.push_back(g);
  }
  // The rows: the group with m, or, where m has one index, batch dims that b does not have.
  if (!groups.empty() &&
      (groups.back().last == m || (isConstant(y[m], 1) && isConstant(groupStride(lb, groups.back()), 0)))) {
    gm = groups.back();
    groups.pop_back();
  }
  auto orOne = [&](std::optional<Group> g, unsigned dim) {
    return g.value_or(Group{dim, dim, constantExpr(context, 1)});
  };
  mg = groups.size();
  groups.push_back(orOne(gm, m));
  ng = mg + 1;
  groups.push_back(orOne(gn, n));
  kg = mg + 2;
  groups.push_back(orOne(gk, kd));
  aM = groupStride(la, groups[mg]);
  aK = groupStride(la, groups[kg]);
  bK = groupStride(lb, groups[kg]);
  bN = groupStride(lb, groups[ng]);
  bool leafA = leafOf(op.getA(), accessA, args).has_value(), leafB = leafOf(op.getB(), accessB, args).has_value();
  transA = leafA && isConstant(aM, 1) && !isConstant(aK, 1);
  transB = leafB && isConstant(bK, 1) && !isConstant(bN, 1);
  Type element = elementOf(op.getA());
  accType = isa<IntegerType>(element) ? Type(IntegerType::get(context, 32)) : computeType(element);
  dots = isa<FloatType>(element) || element.getIntOrFloatBitWidth() <= 8;
}

Problem MatmulBuilder::problem() {
  Problem p;
  p.family = "matmul";
  auto extent = [&](unsigned g) { return extentOf(groups[g].extent, r.symbols); };
  p.extents["B"] = extentOf(extentProduct(context, ArrayRef(groups).take_front(mg)), r.symbols);
  p.extents["M"] = extent(mg);
  p.extents["N"] = extent(ng);
  p.extents["K"] = extent(kg);
  p.types["a"] = elementOf(op.getA());
  p.types["b"] = elementOf(op.getB());
  p.types["y"] = elementOf(r.region.getOutputs()[0]);
  auto outer = [&](Value v) -> Value {
    auto arg = args.operand(v);
    return arg ? r.region.getInputs()[*arg] : Value();
  };
  auto isWeight = [&](Value v) { return outer(v) && outer(v).getDefiningOp<WeightOp>(); };
  bool packable = isWeight(op.getB()) && dots && getDims(op.getB()).size() == 2 && isPackable(r, outer(op.getB()));
  p.flags = {{"const_a", isWeight(op.getA())},
             {"const_b", isWeight(op.getB())},
             {"trans_a", transA},
             {"trans_b", transB},
             {"finish", finishSize(r.region)},
             {"pack_b", packable}};
  return p;
}

/// The multiple that rows along k are padded to, if that is all the packing does: [n, k / c, k % c].
static int64_t rowsAlongK(tile::PackAttr pack) {
  int64_t unit = pack.getBlocks()[0];
  AffineExpr k = getAffineDimExpr(0, pack.getContext()), n = getAffineDimExpr(1, pack.getContext());
  bool rows = pack.getInner().empty() && pack.getBlocks()[1] == 1 &&
              pack.getMap().getResults() == ArrayRef<AffineExpr>{n, k.floorDiv(unit), k % unit};
  return rows ? unit : 0;
}

/// Replaces b by a packed copy where the plan asks for it and its blocks fit the tiles.
bool MatmulBuilder::pack() {
  auto it = plan.packing.find("b");
  auto attr = it == plan.packing.end() ? tile::PackAttr() : dyn_cast<tile::PackAttr>(it->second);
  if (!attr || attr.getBlocks().size() != 2)
    return false;
  int64_t sizes[] = {BK, BN};
  for (auto [block, size] : llvm::zip_equal(attr.getBlocks(), sizes))
    if (block % size != 0 && size % block != 0)
      return false;
  unsigned index = *args.operand(op.getB());
  LinearAccess lb = linearize(context, getDims(op.getB()), accessB, rank + 1);
  PackSource source;
  source.operand = r.region.getInputs()[index];
  source.extents = {*constantOf(groups[kg].extent), *constantOf(groups[ng].extent)};
  source.strides = {*constantOf(bK), *constantOf(bN)};
  Value packed = packOperand(r, source, attr);
  if (!packed)
    return false;
  operands[index] = packed;
  if (int64_t unit = rowsAlongK(attr)) { // an ordinary transposed matrix
    rowB = llvm::alignTo(*constantOf(groups[kg].extent), unit);
    transB = true;
    return true;
  }
  packB = attr;
  transB = false;
  return true;
}

void MatmulBuilder::choose() {
  Problem p = problem();
  plan = planFor(r, p);
  operands.assign(r.region.getInputs().begin(), r.region.getInputs().end());
  if (!dots)
    form = "multiply";
  else if (plan.form == "gemv")
    form = "gemv";
  bool plain = form == "plain";
  BM = tileSize(plan, "BM", plain ? 64 : 4, groups[mg].extent);
  bool packs = plain && p.flag("pack_b");
  BN = tileSize(plan, "BN", plain ? 128 : 64, groups[ng].extent, packs ? packBlock(plan, "b", 1, 2) : 1);
  BK = tileSize(plan, "BK", plain ? 256 : 16, groups[kg].extent, packs ? packBlock(plan, "b", 0, 2) : 1);
  swap = plain && plan.param("swap", 0);
  if (packs)
    pack();
}

Frame MatmulBuilder::frame(ArrayRef<unsigned> tiled, Value k) const {
  Frame f;
  f.groups = groups;
  f.sizes.assign(groups.size(), 0);
  int64_t sizes[] = {BM, BN, BK};
  f.offsets = offsets;
  f.offsets.push_back(k);
  for (unsigned g : tiled) {
    f.sizes[g] = sizes[g - mg];
    f.tileDims.push_back(g);
  }
  return f;
}

/// A tile of a or b in its stored type, zero beyond K.
Value MatmulBuilder::operandTile(Value v, const Access &access, Frame f, bool isA) {
  RegionEval eval(*text, args, r.options, f);
  KernelText &k = *text;
  if (auto leaf = leafOf(v, access, args))
    return k.broadcast(eval.load(leaf->arg, getDims(leaf->value), leaf->access, {}, isA ? "a" : "b"), f.shape());
  Value tile = k.broadcast(eval.evaluateStored(v, access), f.shape());
  auto depth = constantOf(groups[kg].extent);
  if (depth && *depth % BK == 0)
    return tile;
  // A producer may turn the zeros beyond K into something else.
  SmallVector<int64_t> shape(f.tileDims.size(), 1);
  size_t position = llvm::find(f.tileDims, kg) - f.tileDims.begin();
  shape[position] = BK;
  Value inside = k.broadcast(k.below(f.offsets[kg], groups[kg].extent, shape, position), f.shape());
  return arith::SelectOp::create(k.b, k.loc, inside, tile, k.zeros(f.shape(), tileType(elementOf(v))));
}

Value MatmulBuilder::asAccumulator(Value tile, Type graphElement) {
  KernelText &k = *text;
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getElementType() == accType)
    return tile;
  if (isa<FloatType>(accType))
    return k.convert(tile, accType);
  auto target = k.tensor(type.getShape(), accType);
  unsigned width = type.getElementType().getIntOrFloatBitWidth();
  if (width > 32)
    return arith::TruncIOp::create(k.b, k.loc, target, tile);
  return isUnsigned(graphElement) ? Value(arith::ExtUIOp::create(k.b, k.loc, target, tile))
                                  : Value(arith::ExtSIOp::create(k.b, k.loc, target, tile));
}

/// a[m, k] * b[k, n], without a dot: [BM x BK x BN], or k innermost where b is transposed. Tiles come as a [BM x BK]
/// and b [BK x BN] or [BN x BK].
Value MatmulBuilder::products(Value a, Value b) {
  KernelText &k = *text;
  a = asAccumulator(a, elementOf(op.getA()));
  b = asAccumulator(b, elementOf(op.getB()));
  if (transA)
    a = k.transpose(a, {1, 0});
  SmallVector<int64_t> shape = productShape();
  a = k.reshape(a, transB ? ArrayRef<int64_t>{BM, 1, BK} : ArrayRef<int64_t>{BM, BK, 1});
  b = k.reshape(b, {1, shape[1], shape[2]});
  a = k.broadcast(a, shape);
  b = k.broadcast(b, shape);
  return isa<FloatType>(accType) ? Value(arith::MulFOp::create(k.b, k.loc, a, b))
                                 : Value(arith::MulIOp::create(k.b, k.loc, a, b));
}

/// [BK x BN], or [BN x BK] where b is transposed.
Value MatmulBuilder::tileB(Value at) {
  KernelText &k = *text;
  AffineExpr K = groups[kg].extent, N = groups[ng].extent;
  if (packB)
    return k.load(k.packedView(*args.operand(op.getB()), {K, N}, packB), {at, offsets[ng]}, {BK, BN}, {}, "b");
  if (!rowB)
    return operandTile(op.getB(), accessB, frame(transB ? ArrayRef{ng, kg} : ArrayRef{kg, ng}, at), false);
  StridedView rows{*args.operand(op.getB()), {N, K}, {k.constant(rowB), k.constant(1)}, k.constant(0)};
  return k.load(k.view(rows), {offsets[ng], at}, {BN, BK}, {}, "b");
}

SmallVector<Value> MatmulBuilder::step(Value at, ValueRange carried) {
  KernelText &k = *text;
  Value a = operandTile(op.getA(), accessA, frame(transA ? ArrayRef{kg, mg} : ArrayRef{mg, kg}, at), true);
  Value b = tileB(at);
  if (form != "plain") {
    Value p = products(a, b);
    return {plus(carried[0], form == "gemv" ? p : sumOfProducts(p))};
  }
  KernelText::DotFlags flags{transA, transB, isUnsigned(elementOf(op.getA())), isUnsigned(elementOf(op.getB())),
                             r.options.dotPrecision};
  if (elementOf(op.getA()).getIntOrFloatBitWidth() == 8 && isa<FloatType>(elementOf(op.getA())))
    flags.promote = plan.param("promote", 0);
  if (swap) {
    flags.transA = !transB, flags.transB = !transA;
    std::swap(flags.unsignedA, flags.unsignedB);
    std::swap(a, b);
  }
  return {k.dot(a, b, carried[0], flags, "mma")};
}

BuildResult MatmulBuilder::build() {
  analyse();
  choose();
  text =
      std::make_unique<KernelText>(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "matmul", form, r.symbols);
  KernelText &k = *text;
  args.declare(k);
  SmallVector<Group> out(ArrayRef(groups).drop_back());
  SmallVector<int64_t> sizes(out.size(), 0);
  sizes[mg] = BM;
  sizes[ng] = BN;
  GridMap grid(k, out, sizes);
  auto shares = sharesOf(plan, groups[kg].extent);
  if (shares)
    k.addSplit(*shares);

  k.beginBody();
  offsets = grid.offsets(k);
  auto [lo, hi] = k.part(k.index(0), k.dim(groups[kg].extent), BK);
  // A gemv sums where the products are; rows of b meet in finish.
  Value zero = k.zeros(form == "gemv" ? productShape() : frame(resultDims(), Value()).shape(), accType);
  auto acc = k.loop("k", tile::LoopKind::reduce, lo, hi, BK, zero,
                    [&](Value at, ValueRange carried) { return step(at, carried); });
  k.yield(acc);
  if (shares)
    foldSums(k, acc[0].getType());
  k.beginFinish(acc[0].getType());
  offsets = grid.offsets(k);
  RegionEval eval(k, args, r.options, frame(resultDims(), Value()));
  Value result = form == "gemv" ? sumOfProducts(k.accumulator(0)) : k.accumulator(0);
  if (r.options.roundFusedEdges)
    result = fromStorage(k, toStorage(k, result, elementOf(op.getY())), elementOf(op.getY()));
  eval.bind(op.getY(), result);
  storeResults(r.region, eval, args, identityAccess(context, rank));
  k.yield();
  return finish(r, k, plan, accType, operands);
}

} // namespace

BuildResult buildMatmul(KernelRequest &r) { return MatmulBuilder(r).build(); }

} // namespace adze::kernels
