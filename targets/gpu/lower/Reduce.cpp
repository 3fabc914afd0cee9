// Reductions: within a thread, then between lanes by butterflies, then between warps through shared memory. The tree is
// fixed by the layout.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Lowering.h"

namespace adze::gpu {
using namespace adze::tile;

Value Lowering::exchange(Value v, llvm::function_ref<Value(Value)> shuffle) {
  Type type = v.getType();
  if (type == i32 || type == f32)
    return shuffle(v);
  if (type.isIndex()) {
    Value x = exchange(arith::IndexCastOp::create(b, i64, v), shuffle);
    return arith::IndexCastOp::create(b, index, x);
  }
  unsigned bits = type.getIntOrFloatBitWidth();
  Type integer = b.getIntegerType(bits);
  Value x = type == integer ? v : Value(arith::BitcastOp::create(b, integer, v));
  if (bits < 32) {
    x = shuffle(arith::ExtUIOp::create(b, i32, x));
    x = arith::TruncIOp::create(b, integer, x);
  } else {
    Value low = shuffle(arith::TruncIOp::create(b, i32, x));
    Value k = arith::ConstantIntOp::create(b, i64, 32);
    Value high = shuffle(arith::TruncIOp::create(b, i32, arith::ShRUIOp::create(b, x, k)));
    low = arith::ExtUIOp::create(b, i64, low);
    high = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i64, high), k);
    x = arith::OrIOp::create(b, low, high);
  }
  return type == integer ? x : Value(arith::BitcastOp::create(b, type, x));
}

/// From the lane whose number differs in the bits of `mask`.
Value Lowering::shuffleXor(Value v, unsigned mask) {
  return exchange(v, [&](Value x) { return hw.shuffleXor(b, x, mask); });
}

/// The bits of a thread's number along `dim`.
static SmallVector<unsigned> bitsOf(ArrayRef<Bit> bits, unsigned dim) {
  SmallVector<unsigned> out;
  for (auto [i, bit] : llvm::enumerate(bits))
    if (bit.dim == static_cast<int>(dim))
      out.push_back(i);
  return out;
}

SmallVector<SmallVector<Value, 0>, 2> Lowering::reduceParts(Operation *op, const Layout &layout, unsigned dim,
                                                            ArrayRef<Type> elements,
                                                            SmallVector<SmallVector<Value, 0>, 2> parts,
                                                            Combine combine) {
  SmallVector<unsigned> map;
  Layout narrow = slice(layout, {dim}, &map);
  unsigned count = parts.size(), n = narrow.registers();
  using Tuple = SmallVector<Value, 2>;
  SmallVector<SmallVector<Tuple, 0>, 0> groups(n);
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Tuple t;
    for (unsigned p = 0; p < count; ++p)
      t.push_back(parts[p][r]);
    groups[map[r]].push_back(t);
  }
  SmallVector<SmallVector<Value, 0>, 2> out(count);
  for (auto &group : groups) {
    // Neighbours first, so that the tree is as deep as the logarithm.
    while (group.size() > 1) {
      SmallVector<Tuple, 0> next;
      for (unsigned i = 0; i + 1 < group.size(); i += 2)
        next.push_back(combine(group[i], group[i + 1]));
      if (group.size() % 2)
        next.push_back(group.back());
      group = std::move(next);
    }
    Tuple t = group[0];
    for (unsigned bit : bitsOf(layout.lanes, dim)) {
      Tuple other;
      for (Value v : t)
        other.push_back(shuffleXor(v, 1u << bit));
      t = combine(t, other);
    }
    for (unsigned p = 0; p < count; ++p)
      out[p].push_back(t[p]);
  }
  SmallVector<unsigned> warpBits = bitsOf(layout.warps, dim);
  if (warpBits.empty())
    return out;
  // One partial result of each warp: [warps][elements of the result].
  Layout whole = narrow;
  whole.shape.push_back(int64_t(1) << warpBits.size());
  whole.offsets.clear();
  for (unsigned r = 0; r < n; ++r) {
    ArrayRef<int32_t> at = narrow.at(r);
    whole.offsets.append(at.begin(), at.end());
    whole.offsets.push_back(0);
  }
  for (auto [i, bit] : llvm::enumerate(warpBits))
    whole.warps[bit] = {static_cast<int>(narrow.rank()), int64_t(1) << i};
  SmallVector<SharedTile> places;
  for (unsigned p = 0; p < count; ++p) {
    places.push_back(stage(op, {whole, elements[p], out[p]}, /*padded=*/false));
    if (failedOnce)
      return out;
  }
  barrier();
  // Every thread reads all partial results of its elements and merges them in the order of the warps.
  Layout all = whole;
  for (unsigned bit : warpBits)
    all.warps[bit] = Bit();
  all.offsets.clear();
  unsigned shares = whole.shape.back();
  for (unsigned r = 0; r < n; ++r)
    for (unsigned w = 0; w < shares; ++w) {
      ArrayRef<int32_t> at = narrow.at(r);
      all.offsets.append(at.begin(), at.end());
      all.offsets.push_back(w);
    }
  SmallVector<TileValue, 0> read;
  for (unsigned p = 0; p < count; ++p)
    read.push_back(fromShared(places[p], all));
  for (unsigned r = 0; r < n; ++r) {
    SmallVector<Tuple, 0> tuples;
    for (unsigned w = 0; w < shares; ++w) {
      Tuple t;
      for (unsigned p = 0; p < count; ++p)
        t.push_back(read[p].regs[r * shares + w]);
      tuples.push_back(t);
    }
    for (size_t k = tuples.size(); k > 1; k /= 2)
      for (size_t i = 0; i < k / 2; ++i)
        tuples[i] = combine(tuples[2 * i], tuples[2 * i + 1]);
    for (unsigned p = 0; p < count; ++p)
      out[p][r] = tuples[0][p];
  }
  for (SharedTile &t : places)
    release(t);
  return out;
}

LogicalResult Lowering::lowerReduce(ReduceOp op) {
  TileValue source = tileOf(op.getSource());
  const Layout &layout = source.layout;
  unsigned dim = op.getDim();
  bool u = op.getIsUnsigned();
  Type element = source.element;
  Value neutral = math->identityOf(op.getKind(), u, element);
  SmallVector<SmallVector<Value, 0>, 2> parts(1);
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Value v = source.regs[r];
    if (layout.isDead(r))
      v = neutral;
    else if (layout.mayBeDead(r, dim))
      v = arith::SelectOp::create(
          b, arith::CmpIOp::create(b, arith::CmpIPredicate::ult, coordinate(layout, r, dim), c32(layout.shape[dim])), v,
          neutral);
    parts[0].push_back(v);
  }
  auto done = reduceParts(op, layout, dim, {element}, std::move(parts), [&](ArrayRef<Value> x, ArrayRef<Value> y) {
    return SmallVector<Value, 2>{math->combine(op.getKind(), u, element, x[0], y[0])};
  });
  if (failedOnce)
    return failure();
  setResult(op.getTile(), {slice(layout, {dim}), element, std::move(done[0])});
  return success(!failedOnce);
}

/// (value, index) pairs under a total order: an index of INT32_MAX stands for no element.
LogicalResult Lowering::lowerArgReduce(ArgReduceOp op) {
  TileValue source = tileOf(op.getSource());
  const Layout &layout = source.layout;
  unsigned dim = op.getDim();
  Type element = source.element, indexElement = tileType(op.getIndex()).getElementType();
  bool isFloat = isa<FloatType>(element), u = op.getIsUnsigned() || element.isInteger(1);
  using P = arith::CmpIPredicate;
  Value none = c32(INT32_MAX);
  SmallVector<SmallVector<Value, 0>, 2> parts(2);
  for (unsigned r = 0; r < layout.registers(); ++r) {
    Value at = coordinate(layout, r, dim);
    if (layout.isDead(r))
      at = none;
    else if (layout.mayBeDead(r, dim))
      at = arith::SelectOp::create(b, arith::CmpIOp::create(b, P::ult, at, c32(layout.shape[dim])), at, none);
    parts[0].push_back(source.regs[r]);
    parts[1].push_back(at);
  }
  auto cmp = [&](P p, Value x, Value y) -> Value { return arith::CmpIOp::create(b, p, x, y); };
  auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, x, y); };
  auto either = [&](Value x, Value y) -> Value { return arith::OrIOp::create(b, x, y); };
  // Whether y replaces x.
  auto better = [&](ArrayRef<Value> x, ArrayRef<Value> y) -> Value {
    Value more, same, lower = cmp(P::slt, y[1], x[1]), tie = op.getLast() ? cmp(P::sgt, y[1], x[1]) : lower;
    Value take;
    if (isFloat) {
      Value a = math->widen(x[0], element), c = math->widen(y[0], element);
      auto fcmp = [&](arith::CmpFPredicate p, Value l, Value r) -> Value { return arith::CmpFOp::create(b, p, l, r); };
      more = fcmp(op.getMinimum() ? arith::CmpFPredicate::OLT : arith::CmpFPredicate::OGT, c, a);
      same = fcmp(arith::CmpFPredicate::OEQ, c, a);
      Value nanA = fcmp(arith::CmpFPredicate::UNO, a, a), nanC = fcmp(arith::CmpFPredicate::UNO, c, c);
      // NaN beats numbers; of two, the first.
      Value byNan = arith::SelectOp::create(b, nanA, both(nanC, lower), nanC);
      take = arith::SelectOp::create(b, either(nanA, nanC), byNan, either(more, both(same, tie)));
    } else {
      P p = op.getMinimum() ? (u ? P::ult : P::slt) : (u ? P::ugt : P::sgt);
      take = either(cmp(p, y[0], x[0]), both(cmp(P::eq, y[0], x[0]), tie));
    }
    Value hasX = cmp(P::ne, x[1], none), hasY = cmp(P::ne, y[1], none);
    return both(hasY, arith::SelectOp::create(b, hasX, take, hasY));
  };
  auto done = reduceParts(op, layout, dim, {element, i32}, std::move(parts), [&](ArrayRef<Value> x, ArrayRef<Value> y) {
    Value take = better(x, y);
    return SmallVector<Value, 2>{arith::SelectOp::create(b, take, y[0], x[0]),
                                 arith::SelectOp::create(b, take, y[1], x[1])};
  });
  if (failedOnce)
    return failure();
  Layout narrow = slice(layout, {dim});
  TileValue at{narrow, indexElement, {}};
  for (Value v : done[1])
    at.regs.push_back(math->castValue(v, i32, indexElement, {}));
  setResult(op.getValue(), {narrow, element, std::move(done[0])});
  setResult(op.getIndex(), at);
  return success(!failedOnce);
}

} // namespace adze::gpu
