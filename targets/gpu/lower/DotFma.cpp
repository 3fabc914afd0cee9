// tile.dot by multiply-adds: every thread owns a block of accumulators and reads its rows and columns of the operands
// from shared memory, sixteen bytes at a time.
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/gpu/lower/Dot.h"
#include "targets/gpu/lower/RowAddress.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// More multiply-adds, or steps of k, than this are a loop over k.
constexpr int64_t kMostMultiplies = 1024, kMostSteps = 32;

/// One operand: its elements for a step of k in the accumulators' type.
class Side {
public:
  Side(Lowering &l, const DotShape &s, const TiledDot &form, const SharedTile &tile, bool isA, Type compute,
       bool isUnsigned)
      : l(l), tile(tile), compute(compute), isUnsigned(isUnsigned), rows(l, tile) {
    bytes = std::max(1u, tile.element.getIntOrFloatBitWidth() / 8);
    chunk = 16 / bytes;
    alongK = tile.inner == (isA ? s.dimKofA() : s.dimKofB());
    vector = isA ? form.vectorM : form.vectorN;
    threads = isA ? form.threadsM : form.threadsN;
    count = isA ? form.tilesM : form.tilesN;
    padded = isA ? form.paddedM : form.paddedN;
    paddedK = form.paddedK;
    unsigned lanes = isA ? form.lanesM : form.lanesN, warps = isA ? form.warpsM : form.warpsN;
    auto part = [&](Value v, unsigned shift, unsigned size) -> Value {
      if (size <= 1)
        return {};
      if (shift)
        v = arith::ShRUIOp::create(l.b, v, l.c32(shift));
      return arith::AndIOp::create(l.b, v, l.c32(size - 1));
    };
    Value lane = part(l.group.lane, isA ? llvm::Log2_32(form.lanesN) : 0, lanes);
    Value warp = part(l.group.warp, isA ? 0 : llvm::Log2_32(form.warpsM), warps);
    if (warp)
      warp = l.mul(warp, l.c32(lanes));
    thread = lane && warp ? l.add(lane, warp) : lane ? lane : warp;
    if (thread && vector > 1)
      thread = l.mul(thread, l.c32(vector));
  }
  /// Elements [i][k] for k = first (i32 or null) + k0 .. + steps.
  void load(int64_t batch, Value first, int64_t k0, int64_t steps, SmallVectorImpl<SmallVector<Value>> &out) {
    out.assign(count, {});
    int64_t tileRow = batch * (alongK ? padded : paddedK);
    for (int64_t i = 0; i < count; i += alongK ? 1 : vector) {
      int64_t offset = i / vector * vector * threads + i % vector;
      if (alongK) {
        for (int64_t k = 0; k < steps; k += std::min<int64_t>(chunk, steps)) {
          int64_t wide = std::min<int64_t>(chunk, steps), at = k0 + k;
          Value dynamic = first ? Value(arith::ShRUIOp::create(l.b, first, l.c32(llvm::Log2_32(chunk)))) : Value();
          Value p = rows.at(thread, tileRow + offset, dynamic, at / chunk, !first, at % chunk * bytes);
          append(p, wide, out[i]);
        }
        continue;
      }
      for (int64_t k = 0; k < steps; ++k) {
        Value start = thread ? l.mul(thread, l.c32(bytes)) : Value();
        Value p = rows.linear(first, tileRow + k0 + k, start, offset * bytes);
        SmallVector<Value> run;
        append(p, vector, run);
        for (unsigned e = 0; e < vector; ++e)
          out[i + e].push_back(run[e]);
      }
    }
  }
  bool alongK;
  unsigned chunk;

private:
  void append(Value p, unsigned n, SmallVectorImpl<Value> &out) {
    Type stored = l.math->storageType(tile.element);
    auto element = [&](Value v) {
      v = l.math->fromStorage(v, tile.element);
      if (tile.element == compute)
        return v;
      scalar::CastHow how;
      how.unsignedSrc = isUnsigned;
      return l.math->castValue(v, tile.element, compute, how);
    };
    if (n == 1) {
      out.push_back(element(LLVM::LoadOp::create(l.b, stored, p, bytes)));
      return;
    }
    Value v = LLVM::LoadOp::create(l.b, VectorType::get({int64_t(n)}, stored), p, bytes * n);
    for (unsigned e = 0; e < n; ++e)
      out.push_back(element(LLVM::ExtractElementOp::create(l.b, v, l.c32(e))));
  }

  Lowering &l;
  const SharedTile &tile;
  Type compute;
  bool isUnsigned;
  RowAddress rows;
  Value thread; // first element along the free dim
  unsigned bytes, vector, threads;
  int64_t count, padded, paddedK;
};

class FmaEmitter {
public:
  FmaEmitter(Lowering &l, DotOp dot, const TiledDot &form, const SharedTile &a, const SharedTile &b)
      : l(l), s(dot), dot(dot), form(form), tileA(a), tileB(b),
        compute(cast<RankedTensorType>(dot.getTile().getType()).getElementType()) {}
  SmallVector<Value> run(SmallVector<Value> acc);

private:
  SmallVector<Value> steps(int64_t batch, Value first, int64_t count, ValueRange in);
  Lowering &l;
  DotShape s;
  DotOp dot;
  const TiledDot &form;
  const SharedTile &tileA, &tileB;
  Type compute;
};
} // namespace

SmallVector<Value> FmaEmitter::steps(int64_t batch, Value first, int64_t count, ValueRange in) {
  Side a(l, s, form, tileA, true, compute, dot.getUnsignedA()),
      b(l, s, form, tileB, false, compute, dot.getUnsignedB());
  SmallVector<Value> acc(in);
  int64_t wide = std::max(a.alongK ? a.chunk : 1u, b.alongK ? b.chunk : 1u);
  SmallVector<SmallVector<Value>> va, vb;
  for (int64_t k0 = 0; k0 < count; k0 += wide) {
    int64_t now = std::min(wide, count - k0);
    a.load(batch, first, k0, now, va);
    b.load(batch, first, k0, now, vb);
    for (int64_t k = 0; k < now; ++k)
      for (int64_t m = 0; m < form.tilesM; ++m)
        for (int64_t n = 0; n < form.tilesN; ++n) {
          Value &sum = acc[m * form.tilesN + n];
          Value x = va[m][k], y = vb[n][k];
          if (isa<FloatType>(compute))
            sum = math::FmaOp::create(l.b, x, y, sum);
          else
            sum = arith::AddIOp::create(l.b, sum, arith::MulIOp::create(l.b, x, y));
        }
  }
  return acc;
}

SmallVector<Value> FmaEmitter::run(SmallVector<Value> acc) {
  int64_t each = form.tilesM * form.tilesN, granule = 1;
  for (auto [tile, along] :
       {std::pair<const SharedTile *, bool>{&tileA, tileA.inner == s.dimKofA()}, {&tileB, tileB.inner == s.dimKofB()}})
    if (along)
      granule = std::max<int64_t>(granule, 16 / std::max(1u, tile->element.getIntOrFloatBitWidth() / 8));
  int64_t total = form.paddedK,
          unroll = std::max(granule, std::min(kMostMultiplies / each, kMostSteps) / granule * granule);
  for (int64_t batch = 0; batch < s.batch; ++batch) {
    auto part = MutableArrayRef<Value>(acc).slice(batch * each, each);
    SmallVector<Value> now(part);
    int64_t done = 0;
    if (total > unroll) {
      done = total / unroll * unroll;
      auto loop = scf::ForOp::create(l.b, l.c32(0), l.c32(done), l.c32(unroll), now,
                                     [](OpBuilder &, Location, Value, ValueRange) {});
      OpBuilder::InsertionGuard guard(l.b);
      l.b.setInsertionPointToEnd(loop.getBody());
      scf::YieldOp::create(l.b, steps(batch, loop.getInductionVar(), unroll, loop.getRegionIterArgs()));
      now.assign(loop.getResults().begin(), loop.getResults().end());
    }
    if (done < total)
      now = steps(batch, done ? l.c32(done) : Value(), total - done, now);
    llvm::copy(now, part.begin());
  }
  return acc;
}

SmallVector<Value> emitFmaDot(Lowering &l, DotOp dot, const TiledDot &form, const SharedTile &a, const SharedTile &b,
                              SmallVector<Value> acc) {
  return FmaEmitter(l, dot, form, a, b).run(std::move(acc));
}

} // namespace adze::gpu
