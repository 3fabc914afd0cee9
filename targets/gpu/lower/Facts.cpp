#include "targets/gpu/lower/Facts.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "targets/scalar/Scalar.h"
#include <numeric>

namespace adze::gpu {
using namespace adze::tile;

namespace {
/// Extents beyond this are not believed: products of two ranges stay far from overflow.
constexpr int64_t kFar = int64_t(1) << 41;
} // namespace

//===-- ranges ----------------------------------------------------------------------------------------------------===//

std::optional<unsigned> Facts::gridDim(BlockArgument v) const {
  KernelOp k = kernel;
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

std::optional<Facts::Range> Facts::rangeOfArgument(BlockArgument v) const {
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

std::optional<Facts::Range> Facts::rangeOf(Value v) const {
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

static int64_t product(int64_t a, int64_t b) { return a && b && a > kFar / b ? std::max(a, b) : a * b; }

int64_t Facts::divisorOfArgument(BlockArgument v) const {
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

int64_t Facts::divisorOf(Value v) const {
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

//===-- views -----------------------------------------------------------------------------------------------------===//

Facts::ViewFacts Facts::viewFacts(Value view) const {
  if (auto sub = view.getDefiningOp<SubviewOp>()) {
    ViewFacts from = viewFacts(sub.getSource()), out = from;
    unsigned drop = sub.getOffsets().size();
    out.phys.clear();
    out.extentDivisor.erase(out.extentDivisor.begin(), out.extentDivisor.begin() + drop);
    for (Phys p : from.phys) {
      if (p.dim >= drop) {
        p.dim -= drop;
        out.phys.push_back(p);
        continue;
      }
      int64_t at = p.div == 1 && !p.mod ? divisorOf(sub.getOffsets()[p.dim]) : 1;
      out.align = std::gcd(out.align, uint64_t(product(at, p.divisor)) * from.bytes);
    }
    out.contiguous = from.contiguous >= int(drop) ? from.contiguous - int(drop) : -1;
    return out;
  }
  if (auto window = view.getDefiningOp<WindowOp>()) {
    ViewFacts out = viewFacts(window.getSource());
    unsigned rank = cast<ViewType>(view.getType()).getRank(), spatial = window.getOut().size();
    out.window = true;
    int last = out.contiguous;
    // Neighbours along a row of pixels are neighbours where rows are contiguous and the stride is 1.
    if (last == int(spatial) + 1)
      out.contiguous = rank - 1;
    else
      out.contiguous = last == int(spatial) && (window.getTransposed() || window.getStride().back() == 1) ? 0 : -1;
    int64_t channels = out.extentDivisor.back();
    out.extentDivisor.assign(rank, 1);
    out.extentDivisor.back() = channels;
    return out;
  }
  auto op = view.getDefiningOp<ViewOp>();
  ViewType type = op.getView().getType();
  ViewFacts out;
  out.ref = op.getRef();
  KernelOp k = kernel;
  out.align = bufferAlign;
  if (auto arg = dyn_cast<BlockArgument>(op.getRef()))
    if (k.getAlign())
      for (auto [i, a] : llvm::enumerate(k.getArgs(*arg.getOwner()->getParent())))
        if (a == arg && (*k.getAlign())[i] > 0)
          out.align = (*k.getAlign())[i];
  Type element = type.getElementType();
  out.bytes = std::max(1u, scalar::bitWidth(element) / 8);
  auto composite = dyn_cast_or_null<CompositeAttr>(type.getLayout());
  unsigned next = 0, inner = 0;
  SmallVector<std::pair<int64_t, int64_t>> physical; // (extent or -1, divisor)
  for (unsigned d = 0; d < type.getRank(); ++d) {
    int64_t factor = 1, groups = composite ? composite.getGroups()[d] : 1;
    for (int64_t g = 1; g < groups; ++g)
      factor *= composite.getInner()[inner + g - 1];
    int64_t fixed = type.isDynamicDim(d) ? -1 : type.getShape()[d] / factor;
    int64_t divisor = fixed;
    if (fixed < 0) {
      Value extent = op.getExtents()[next++];
      divisor = divisorOf(extent);
      if (auto r = rangeOf(extent); r && r->first == r->second)
        fixed = r->first;
    }
    out.extentDivisor.push_back(product(divisor, factor));
    int64_t div = factor;
    out.phys.push_back({d, div, 0, 0, 0, false});
    physical.push_back({fixed, divisor});
    for (int64_t g = 1; g < groups; ++g) {
      int64_t f = composite.getInner()[inner + g - 1];
      div /= f;
      out.phys.push_back({d, div, f, 0, 0, false});
      physical.push_back({f, f});
    }
    inner += groups - 1;
  }
  if (composite && op.getStrides().empty()) { // contiguous: the same as one plain dim
    out.phys.clear();
    physical.clear();
    for (unsigned d = 0; d < type.getRank(); ++d) {
      out.phys.push_back({d, 1, 0, 0, 0, false});
      physical.push_back({type.isDynamicDim(d) ? -1 : type.getShape()[d], out.extentDivisor[d]});
    }
  }
  if (auto pack = dyn_cast_or_null<PackAttr>(type.getLayout())) {
    auto logical = physical;
    out.phys.clear();
    physical.clear();
    for (AffineExpr e : pack.getMap().getResults()) {
      auto binary = dyn_cast<AffineBinaryOpExpr>(e);
      unsigned d = cast<AffineDimExpr>(binary ? binary.getLHS() : e).getPosition();
      int64_t c = binary ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1;
      bool mod = binary && binary.getKind() == AffineExprKind::Mod;
      out.phys.push_back({d, mod ? 1 : c, mod ? c : 0, 0, 0, false});
      auto [n, divisor] = logical[d];
      physical.push_back(mod ? std::make_pair(c, c)
                             : std::make_pair(n < 0 ? -1 : (n + c - 1) / c, binary ? 1 : divisor));
      if (mod)
        out.extentDivisor[d] = std::lcm(std::max<int64_t>(out.extentDivisor[d], 1), c);
    }
  }
  if (op.getStrides().empty()) {
    int64_t stride = 1, divisor = 1;
    for (unsigned i = out.phys.size(); i-- > 0;) {
      out.phys[i].isStatic = stride >= 0;
      out.phys[i].stride = std::max<int64_t>(stride, 0);
      out.phys[i].divisor = divisor;
      stride = stride < 0 || physical[i].first < 0 ? -1 : stride * physical[i].first;
      divisor = product(divisor, physical[i].second);
    }
  } else {
    for (auto [p, s] : llvm::zip(out.phys, op.getStrides())) {
      auto c = getConstantIntValue(s);
      p.isStatic = c.has_value();
      p.stride = c.value_or(0);
      p.divisor = divisorOf(s);
    }
  }
  if (op.getOffset())
    out.align = std::gcd(out.align, uint64_t(divisorOf(op.getOffset())) * out.bytes);
  out.contiguous = -1;
  for (const Phys &p : out.phys)
    if (p.isStatic && p.stride == 1 && p.div == 1)
      out.contiguous = p.dim;
  return out;
}

unsigned Facts::vectorAt(Value view, ValueRange offsets, unsigned dim, unsigned most) const {
  ViewFacts facts = viewFacts(view);
  if (facts.contiguous != int(dim))
    return 1;
  // Pixels of a window are gathered one by one; its channels are a plain dim of the source.
  if (facts.window && dim == 0)
    return 1;
  unsigned sourceDim = dim;
  if (facts.window) {
    unsigned rank = cast<ViewType>(view.getType()).getRank();
    sourceDim = (rank - 2) + 1; // n, spatial dims.., c
  }
  uint64_t elements = std::max<uint64_t>(facts.align / facts.bytes, 1);
  for (const Phys &p : facts.phys) {
    if (p.dim == sourceDim) {
      if (p.div == 1 && p.mod) // blocks: runs stay inside one
        elements = std::gcd(elements, uint64_t(p.mod));
      else if (p.div > 1)
        elements = std::gcd(elements, uint64_t(p.divisor));
      continue;
    }
    elements = std::gcd(elements, uint64_t(p.divisor));
  }
  elements = std::gcd(elements, uint64_t(divisorOf(offsets[dim])));
  unsigned v = 1;
  while (v < most && elements % (2 * v) == 0)
    v *= 2;
  return v;
}

bool Facts::provenInside(Value view, ValueRange offsets, unsigned dim, int64_t size) const {
  auto type = cast<ViewType>(view.getType());
  auto r = rangeOf(offsets[dim]);
  if (!r || r->first < 0 || type.isDynamicDim(dim))
    return false;
  return r->second + size <= type.getShape()[dim];
}

} // namespace adze::gpu
