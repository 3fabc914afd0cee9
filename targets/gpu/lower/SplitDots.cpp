// Dots whose operands do not fit in shared memory: cut along K in the text. The order of K inside a dot is free
// (docs/tile.md, "Numbers").
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "targets/gpu/lower/Dot.h"

namespace adze::gpu {
using namespace adze::tile;

/// The load behind an operand, if parts of `step` elements of dim `dim` can be loaded on their own.
static LoadOp loadInParts(Value v, unsigned dim, int64_t step) {
  auto load = v.getDefiningOp<LoadOp>();
  if (!load)
    return {};
  auto type = cast<ViewType>(load.getView().getType());
  if (type.getEffect() != Effect::in || isa_and_nonnull<CompositeAttr>(type.getLayout()))
    return {};
  unsigned viewDim = type.getRank() - cast<RankedTensorType>(v.getType()).getRank() + dim;
  if (auto pack = dyn_cast_or_null<PackAttr>(type.getLayout())) // tiles keep to its blocks
    if (step % pack.getBlocks()[viewDim])
      return {};
  return load;
}

/// Elements [from, from + size) of dim `dim` of a dot's operand: a smaller load, else (from is a constant) a slice.
static Value cutOperand(OpBuilder &b, Value v, unsigned dim, Value from, int64_t size) {
  auto type = cast<RankedTensorType>(v.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = size;
  auto part = RankedTensorType::get(shape, type.getElementType());
  if (LoadOp load = loadInParts(v, dim, size)) {
    unsigned viewDim = cast<ViewType>(load.getView().getType()).getRank() - type.getRank() + dim;
    auto cut = cast<LoadOp>(b.clone(*load));
    Value offset = arith::AddIOp::create(b, load.getLoc(), load.getOffsets()[viewDim], from);
    cut.getOffsetsMutable()[viewDim].assign(offset);
    cut.getTile().setType(part);
    return cut.getTile();
  }
  SmallVector<int64_t> offsets(shape.size(), 0), strides(shape.size(), 1);
  offsets[dim] = *getConstantIntValue(from);
  return SliceOp::create(b, v.getLoc(), part, v, offsets, strides);
}

/// One step: elements [from, from + size) of K.
static Value cutDot(OpBuilder &b, DotOp dot, const DotShape &s, Value from, int64_t size, Value acc) {
  Value a = cutOperand(b, dot.getA(), s.dimKofA(), from, size), c = cutOperand(b, dot.getB(), s.dimKofB(), from, size);
  auto step = cast<DotOp>(b.clone(*dot));
  step.getAMutable().assign(a);
  step.getBMutable().assign(c);
  step.getAccMutable().assign(acc);
  return step.getTile();
}

void splitLargeDots(KernelOp kernel, const Limits &limits) {
  SmallVector<DotOp> dots;
  kernel.walk([&](DotOp dot) { dots.push_back(dot); });
  for (DotOp dot : dots) {
    DotShape s(dot);
    auto bytesOf = [](Value v) {
      return std::max(1u, scalar::bitWidth(cast<RankedTensorType>(v.getType()).getElementType()) / 8);
    };
    // Rows are rounded up to the granules of both forms. A dot that fits stays whole: cutting one in a pipelined loop
    // would take its operands out of the loop's rings.
    auto padded = [](int64_t n) { return (n + 31) / 32 * 32; };
    int64_t each = s.batch * (padded(s.m) * bytesOf(dot.getA()) + padded(s.n) * bytesOf(dot.getB())); // a step of k
    int64_t room = limits.sharedBytes / 2;
    if (each * padded(s.k) <= int64_t(limits.sharedBytes) * 3 / 4)
      continue;
    int64_t chunk = std::max<int64_t>(room / 2 / each / 32 * 32, 32);
    if (auto promote = dot.getPromote())
      chunk = std::max<int64_t>(chunk / int64_t(*promote), 1) * int64_t(*promote);
    if (chunk >= s.k)
      continue;
    OpBuilder b(dot);
    Location loc = dot.getLoc();
    auto index = [&](int64_t v) -> Value { return arith::ConstantIndexOp::create(b, loc, v); };
    Value acc = dot.getAcc();
    int64_t k = 0;
    if (loadInParts(dot.getA(), s.dimKofA(), chunk) && loadInParts(dot.getB(), s.dimKofB(), chunk) &&
        s.k >= 2 * chunk) {
      k = s.k / chunk * chunk;
      auto loop = scf::ForOp::create(b, loc, index(0), index(k), index(chunk), acc);
      loop->setAttr("tile.loop", LoopAttr::get(b.getContext(), "k", LoopKind::reduce));
      OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
      Value sum = cutDot(inner, dot, s, loop.getInductionVar(), chunk, loop.getRegionIterArg(0));
      scf::YieldOp::create(inner, loc, sum);
      acc = loop.getResult(0);
    }
    for (; k < s.k; k += chunk)
      acc = cutDot(b, dot, s, index(k), std::min(chunk, s.k - k), acc);
    SmallVector<Operation *> sources{dot.getA().getDefiningOp(), dot.getB().getDefiningOp()};
    dot.getTile().replaceAllUsesWith(acc);
    dot->erase();
    if (sources[0] == sources[1])
      sources.pop_back();
    for (Operation *source : sources)
      if (isa_and_nonnull<LoadOp>(source) && source->use_empty())
        source->erase();
  }
}

} // namespace adze::gpu
