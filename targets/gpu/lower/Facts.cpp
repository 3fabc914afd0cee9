#include "targets/gpu/lower/Facts.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "targets/scalar/Scalar.h"
#include <numeric>

namespace adze::gpu {
using namespace adze::tile;

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

} // namespace adze::gpu
