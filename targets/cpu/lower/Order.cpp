// arg_reduce, scan, sort.
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

void Lowering::emitArgReduce(ArgReduceOp op) {
  auto type = tileType(op.getSource());
  Type element = type.getElementType(), indexElement = tileType(op.getIndex()).getElementType();
  unsigned dim = op.getDim();
  Buffer values = allocate(tileType(op.getValue())), indices = allocate(tileType(op.getIndex()));
  buffers[op.getValue()] = values;
  buffers[op.getIndex()] = indices;
  bool isFloat = isa<FloatType>(element);
  auto better = [&](Value now, Value best) -> Value {
    Value x = isFloat ? widen(now, element) : now, y = isFloat ? widen(best, element) : best;
    Value r;
    if (isFloat) {
      auto p = op.getMinimum() ? (op.getLast() ? arith::CmpFPredicate::OLE : arith::CmpFPredicate::OLT)
                               : (op.getLast() ? arith::CmpFPredicate::OGE : arith::CmpFPredicate::OGT);
      r = arith::OrIOp::create(b, arith::CmpFOp::create(b, p, x, y),
                               arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x));
      return arith::AndIOp::create(b, r, arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, y, y));
    }
    bool u = op.getIsUnsigned() || element.isInteger(1), last = op.getLast();
    using P = arith::CmpIPredicate;
    P p = op.getMinimum() ? (u ? (last ? P::ule : P::ult) : (last ? P::sle : P::slt))
                          : (u ? (last ? P::uge : P::ugt) : (last ? P::sge : P::sgt));
    return arith::CmpIOp::create(b, p, x, y);
  };
  versioned({op.getSource()}, [&] {
    SmallVector<int64_t> outer(type.getShape());
    outer[dim] = 1;
    forEach(outer, [&](const Coord &at) {
      auto element1 = [&](Value i) {
        Coord c = at;
        c.idx[dim] = i;
        return emit(op.getSource(), c);
      };
      Value first = element1(cst(0));
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(shapedLike(indexElement, first.getType())));
      auto loopOp = scf::ForOp::create(b, cst(1), cst(type.getDimSize(dim)), cst(1), ValueRange{first, zero},
                                       [](OpBuilder &, Location, Value, ValueRange) {});
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(loopOp.getBody());
        Scope scope(*this);
        Value now = element1(loopOp.getInductionVar());
        Value take = better(now, loopOp.getRegionIterArg(0));
        Value i = loopOp.getInductionVar();
        if (!indexElement.isIndex())
          i = arith::IndexCastOp::create(b, indexElement, i);
        Value v = arith::SelectOp::create(b, take, now, loopOp.getRegionIterArg(0));
        Value k = arith::SelectOp::create(b, take, splatTo(i, at), loopOp.getRegionIterArg(1));
        scf::YieldOp::create(b, ValueRange{v, k});
      }
      storeBuffer(values, at, loopOp.getResult(0));
      storeBuffer(indices, at, loopOp.getResult(1));
    });
  });
}

void Lowering::emitScan(ScanOp op, const Buffer &into) {
  auto type = tileType(op.getSource());
  Type element = type.getElementType();
  unsigned dim = op.getDim();
  int64_t n = type.getDimSize(dim);
  versioned({op.getSource()}, [&] {
    SmallVector<int64_t> outer(type.getShape());
    outer[dim] = 1;
    forEach(outer, [&](const Coord &at) {
      Value start = identityOf(op.getKind(), op.getIsUnsigned(), element);
      if (isa<FloatType>(element) && op.getKind() == TileReduceKind::add)
        start = arith::ConstantOp::create(b, b.getZeroAttr(regType(element)));
      start = splatTo(start, at);
      // The first element is taken as it is: adding it to the identity would lose the sign of -0.
      Value last = op.getReverse() ? cst(n - 1) : cst(0);
      (void)last;
      auto loopOp = scf::ForOp::create(b, cst(0), cst(n), cst(1), ValueRange{start},
                                       [](OpBuilder &, Location, Value, ValueRange) {});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loopOp.getBody());
      Scope scope(*this);
      Coord c = at;
      Value iv = loopOp.getInductionVar();
      c.idx[dim] = op.getReverse() ? sub(cst(n - 1), iv) : iv;
      Value now = emit(op.getSource(), c), acc = loopOp.getRegionIterArg(0);
      Value next = combine(op.getKind(), op.getIsUnsigned(), element, acc, now);
      if (!op.getExclusive()) {
        Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, iv, cst(0));
        next = arith::SelectOp::create(b, first, now, next);
      }
      storeBuffer(into, c, op.getExclusive() ? acc : next);
      scf::YieldOp::create(b, ValueRange{next});
    });
  });
}

/// Bottom-up merge sort of every row along `dim`, stable. Keys and values go through two work rows each.
void Lowering::emitSort(Operation *, Value keys, Value values, int64_t dim, bool descending, bool isUnsigned,
                        Buffer outKeys, Buffer outValues) {
  Buffer k = materialised(keys), v = materialised(values);
  int64_t n = k.shape[dim];
  Buffer work[4] = {allocate({n}, k.element), allocate({n}, v.element), allocate({n}, k.element),
                    allocate({n}, v.element)};
  auto at = [&](Value ptr, const Buffer &like, Value i) -> Value {
    return LLVM::LoadOp::create(b, storageType(like.element), gep(like.element, ptr, i),
                                std::max(1u, bitWidth(storageType(like.element)) / 8));
  };
  auto put = [&](Value ptr, const Buffer &like, Value i, Value x) {
    LLVM::StoreOp::create(b, x, gep(like.element, ptr, i), std::max(1u, bitWidth(storageType(like.element)) / 8));
  };
  SmallVector<int64_t> outer(k.shape.begin(), k.shape.end());
  outer[dim] = 1;
  eachScalar(outer, [&](const Coord &row) {
    auto copyRow = [&](const Buffer &from, const Buffer &to, bool gather, Value workPtr) {
      loop(cst(0), cst(n), 1, [&](Value i) {
        Coord c = row;
        c.idx[dim] = i;
        const Buffer &strided = gather ? from : to;
        Value linear = bufferLanes(strided, c).base;
        if (gather)
          put(workPtr, to, i, at(from.ptr, from, linear));
        else
          put(to.ptr, to, linear, at(workPtr, from, i));
      });
    };
    copyRow(k, work[0], true, work[0].ptr);
    copyRow(v, work[1], true, work[1].ptr);
    unsigned levels = n > 1 ? llvm::Log2_64_Ceil(n) : 0;
    SmallVector<Value> init{work[0].ptr, work[1].ptr, work[2].ptr, work[3].ptr, cst(1)};
    auto passes =
        scf::ForOp::create(b, cst(0), cst(levels), cst(1), init, [](OpBuilder &, Location, Value, ValueRange) {});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(passes.getBody());
      auto carried = passes.getRegionIterArgs();
      Value width = carried[4], twice = add(width, width);
      auto runs = scf::ForOp::create(b, cst(0), cst(n), twice);
      {
        OpBuilder::InsertionGuard inner(b);
        b.setInsertionPoint(runs.getBody()->getTerminator());
        Value lo = runs.getInductionVar(), mid = minIdx(add(lo, width), cst(n)), hi = minIdx(add(lo, twice), cst(n));
        auto merge =
            scf::ForOp::create(b, lo, hi, cst(1), ValueRange{lo, mid}, [](OpBuilder &, Location, Value, ValueRange) {});
        b.setInsertionPointToEnd(merge.getBody());
        Value i = merge.getRegionIterArg(0), j = merge.getRegionIterArg(1);
        Value iLive = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i, mid);
        Value jLive = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, j, hi);
        Value iSafe = minIdx(i, cst(n - 1)), jSafe = minIdx(j, cst(n - 1));
        Value ki = at(carried[0], k, iSafe), kj = at(carried[0], k, jSafe);
        Value x = fromStorage(ki, k.element), y = fromStorage(kj, k.element);
        Value before = descending ? lessThan(x, y, k.element, isUnsigned) : lessThan(y, x, k.element, isUnsigned);
        Value one = arith::ConstantOp::create(b, b.getBoolAttr(true));
        Value right =
            arith::AndIOp::create(b, jLive, arith::OrIOp::create(b, arith::XOrIOp::create(b, iLive, one), before));
        Value from = arith::SelectOp::create(b, right, jSafe, iSafe);
        put(carried[2], k, merge.getInductionVar(), arith::SelectOp::create(b, right, kj, ki));
        put(carried[3], v, merge.getInductionVar(), at(carried[1], v, from));
        Value i2 = arith::SelectOp::create(b, right, i, add(i, cst(1)));
        Value j2 = arith::SelectOp::create(b, right, add(j, cst(1)), j);
        scf::YieldOp::create(b, ValueRange{i2, j2});
      }
      scf::YieldOp::create(b, ValueRange{carried[2], carried[3], carried[0], carried[1], twice});
    }
    copyRow(work[0], outKeys, false, passes.getResult(0));
    copyRow(work[1], outValues, false, passes.getResult(1));
  });
}

} // namespace adze::cpu
