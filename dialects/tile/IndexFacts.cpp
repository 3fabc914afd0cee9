#include "dialects/tile/IndexFacts.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include <numeric>

using namespace mlir;

namespace adze::tile {

namespace {
/// Extents beyond this are not believed: products of two ranges stay far from overflow.
constexpr int64_t kFar = int64_t(1) << 41;
} // namespace

//===-- ranges ----------------------------------------------------------------------------------------------------===//

std::optional<unsigned> IndexFacts::gridDim(BlockArgument v) const {
  KernelOp k = kernel; // accessors are not const
  Region &region = *v.getOwner()->getParent();
  bool hidden = k.getSplit() && &region != &k.getBody();
  for (auto [i, arg] : llvm::enumerate(k.getOffsets(region)))
    if (arg == v)
      return i + (hidden && i >= *k.getSplit());
  return std::nullopt;
}

static DictionaryAttr factsOfDim(KernelOp kernel, BlockArgument v) {
  for (auto [i, arg] : llvm::enumerate(kernel.getDimArgs(*v.getOwner()->getParent())))
    if (arg == v && kernel.getFacts())
      return kernel.getFacts()->getAs<DictionaryAttr>(cast<StringAttr>(kernel.getDims()[i]).getValue());
  return {};
}

static bool isDim(KernelOp kernel, BlockArgument v) {
  return llvm::is_contained(kernel.getDimArgs(*v.getOwner()->getParent()), v);
}

std::optional<IndexFacts::Range> IndexFacts::rangeOfArgument(BlockArgument v) const {
  Operation *parent = v.getOwner()->getParentOp();
  if (auto loop = dyn_cast<scf::ForOp>(parent)) {
    if (v != loop.getInductionVar())
      return std::nullopt;
    auto step = getConstantIntValue(loop.getStep());
    Value lb = loop.getLowerBound(), ub = loop.getUpperBound();
    if (auto part = lb.getDefiningOp<PartOp>();
        part && ub == part.getTo() && step && *step == int64_t(part.getStep())) {
      lb = part.getLo();
      ub = part.getHi();
    }
    auto lo = rangeOf(lb), hi = rangeOf(ub);
    if (!step || !lo || !hi || *step <= 0)
      return std::nullopt;
    int64_t last = hi->second - 1;
    if (lo->first == lo->second && last >= lo->first)
      last = lo->first + (last - lo->first) / *step * *step;
    return Range(lo->first, std::max(last, lo->first));
  }
  if (parent != kernel)
    return std::nullopt;
  KernelOp k = kernel;
  if (isDim(k, v)) {
    Range r(0, kFar);
    if (auto f = factsOfDim(k, v)) {
      if (auto a = f.getAs<IntegerAttr>("min"))
        r.first = a.getInt();
      if (auto a = f.getAs<IntegerAttr>("max"))
        r.second = std::min(r.second, a.getInt());
    }
    return r;
  }
  if (auto g = gridDim(v)) {
    auto extent = dyn_cast<AffineConstantExpr>(k.getGridExtents().getResult(*g));
    int64_t step = k.getGridSteps()[*g];
    if (!extent)
      return Range(0, kFar);
    return Range(0, std::max<int64_t>(extent.getValue() - 1, 0) / step * step);
  }
  return std::nullopt;
}

std::optional<IndexFacts::Range> IndexFacts::rangeOf(Value v) const {
  if (auto c = getConstantIntValue(v))
    return Range(*c, *c);
  if (auto arg = dyn_cast<BlockArgument>(v))
    return rangeOfArgument(arg);
  Operation *op = v.getDefiningOp();
  auto of = [&](unsigned i) { return rangeOf(op->getOperand(i)); };
  auto far = [](const Range &r) { return r.first < -kFar || r.second > kFar; };
  if (isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::MinSIOp, arith::MaxSIOp>(op)) {
    auto x = of(0), y = of(1);
    if (!x || !y || far(*x) || far(*y))
      return std::nullopt;
    if (isa<arith::AddIOp>(op))
      return Range(x->first + y->first, x->second + y->second);
    if (isa<arith::SubIOp>(op))
      return Range(x->first - y->second, x->second - y->first);
    if (isa<arith::MinSIOp>(op))
      return Range(std::min(x->first, y->first), std::min(x->second, y->second));
    if (isa<arith::MaxSIOp>(op))
      return Range(std::max(x->first, y->first), std::max(x->second, y->second));
    if (x->first >= 0 && y->first >= 0 && (y->second == 0 || x->second <= kFar / y->second))
      return Range(x->first * y->first, x->second * y->second);
    return std::nullopt;
  }
  if (isa<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp, arith::RemUIOp, arith::RemSIOp>(op)) {
    auto x = of(0);
    auto c = getConstantIntValue(op->getOperand(1));
    if (!x || !c || *c <= 0 || x->first < 0)
      return std::nullopt;
    if (isa<arith::RemUIOp, arith::RemSIOp>(op))
      return Range(0, std::min(x->second, *c - 1));
    return Range(x->first / *c, x->second / *c);
  }
  if (auto a = dyn_cast<AssumeOp>(op)) {
    auto x = of(0);
    Range r(x ? x->first : -kFar, x ? x->second : kFar);
    if (a.getMin())
      r.first = std::max<int64_t>(r.first, *a.getMin());
    if (a.getMax())
      r.second = std::min<int64_t>(r.second, *a.getMax());
    return r;
  }
  if (auto d = dyn_cast<affine::AffineDelinearizeIndexOp>(op)) {
    unsigned i = cast<OpResult>(v).getResultNumber(), n = d.getNumResults();
    SmallVector<OpFoldResult> basis = d.getEffectiveBasis();
    if (i > 0) {
      auto c = getConstantIntValue(basis[basis.size() - (n - i)]);
      return c ? std::optional(Range(0, *c - 1)) : std::nullopt;
    }
    auto x = rangeOf(d.getLinearIndex());
    if (!x || x->first < 0)
      return std::nullopt;
    for (unsigned j = 1; j < n; ++j) {
      auto c = getConstantIntValue(basis[basis.size() - (n - j)]);
      if (!c)
        return std::nullopt;
      x->second /= *c;
    }
    return Range(0, x->second);
  }
  return std::nullopt;
}

//===-- divisors --------------------------------------------------------------------------------------------------===//

int64_t IndexFacts::product(int64_t a, int64_t b) { return a && b && a > kFar / b ? std::max(a, b) : a * b; }

int64_t IndexFacts::divisorOfArgument(BlockArgument v) const {
  Operation *parent = v.getOwner()->getParentOp();
  if (auto loop = dyn_cast<scf::ForOp>(parent)) {
    auto step = getConstantIntValue(loop.getStep());
    if (v != loop.getInductionVar() || !step)
      return 1;
    // The first of a share is `lo` plus whole steps wherever the loop runs at all.
    Value lb = loop.getLowerBound();
    if (auto part = lb.getDefiningOp<PartOp>(); part && lb == part.getFrom())
      return std::gcd(std::gcd(divisorOf(part.getLo()), int64_t(part.getStep())), *step);
    return std::gcd(divisorOf(lb), *step);
  }
  if (parent != kernel)
    return 1;
  KernelOp k = kernel;
  if (auto f = factsOfDim(k, v))
    if (auto a = f.getAs<IntegerAttr>("div"))
      return std::max<int64_t>(a.getInt(), 1);
  if (auto g = gridDim(v)) {
    auto extent = dyn_cast<AffineConstantExpr>(k.getGridExtents().getResult(*g));
    return extent && extent.getValue() <= k.getGridSteps()[*g] ? 0 : k.getGridSteps()[*g];
  }
  return 1;
}

int64_t IndexFacts::divisorOf(Value v) const {
  if (auto c = getConstantIntValue(v))
    return std::abs(*c);
  if (auto arg = dyn_cast<BlockArgument>(v))
    return divisorOfArgument(arg);
  Operation *op = v.getDefiningOp();
  auto of = [&](unsigned i) { return divisorOf(op->getOperand(i)); };
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp, arith::RemUIOp, arith::RemSIOp>(op))
    return std::gcd(of(0), of(1));
  if (isa<arith::SelectOp>(op))
    return std::gcd(of(1), of(2));
  if (isa<arith::MulIOp>(op))
    return product(of(0), of(1));
  if (isa<arith::DivUIOp, arith::DivSIOp>(op)) {
    auto c = getConstantIntValue(op->getOperand(1));
    int64_t d = of(0);
    return c && *c > 0 && d % *c == 0 ? d / *c : 1;
  }
  if (auto a = dyn_cast<AssumeOp>(op))
    return std::lcm(std::max<int64_t>(1, int64_t(a.getDiv())), std::max<int64_t>(of(0), 1));
  return 1;
}

bool IndexFacts::provenInside(Value view, ValueRange offsets, unsigned dim, int64_t size) const {
  auto type = cast<ViewType>(view.getType());
  auto r = rangeOf(offsets[dim]);
  if (!r || r->first < 0 || type.isDynamicDim(dim))
    return false;
  return r->second + size <= type.getShape()[dim];
}

} // namespace adze::tile
