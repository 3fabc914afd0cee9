#include "compiler/plan/Arena.h"
#include <map>
#include <numeric>

using namespace mlir;

namespace adze {
namespace {

/// Atoms (symbols and everything that is neither sum nor product) by number, and monomials as sorted lists of them.
using Monomial = std::vector<unsigned>;
using Polynomial = std::map<Monomial, int64_t>;

class Sizes {
public:
  explicit Sizes(const graph::SymbolTable &symbols) : symbols(symbols) {}

  Polynomial expand(AffineExpr expr) {
    if (auto c = graph::constantOf(expr))
      return {{{}, *c}};
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && expr.getKind() == AffineExprKind::Add)
      return sum(expand(binary.getLHS()), expand(binary.getRHS()));
    if (binary && expr.getKind() == AffineExprKind::Mul)
      return times(expand(binary.getLHS()), expand(binary.getRHS()));
    return {{{atom(expr)}, 1}};
  }

  /// The class of a size and its multiple: an upper bound of the size when it has several terms.
  std::pair<Monomial, int64_t> classify(AffineExpr bytes) {
    Polynomial p = expand(bytes);
    for (auto it = p.begin(); it != p.end();)
      it = it->second <= 0 ? p.erase(it) : std::next(it); // atoms are >= 0: a negative term only lowers the size
    if (p.empty())
      return {{}, 0};
    Monomial largest;
    int64_t units = 0;
    for (auto &[monomial, c] : p) {
      if (monomial.size() >= largest.size())
        largest = monomial;
      units += c;
    }
    for (auto &[monomial, c] : p)
      if (monomial != largest && !dominates(largest, monomial))
        return {{atom(bytes)}, 1}; // no term bounds the others: a class of its own
    return {largest, units};
  }

  AffineExpr expression(MLIRContext *context, const Monomial &monomial) const {
    SmallVector<AffineExpr> factors;
    for (unsigned a : monomial)
      factors.push_back(atoms[a]);
    return graph::product(context, factors);
  }

  /// Size at the typical value of every symbol, to compare steps.
  double typical(AffineExpr expr) const {
    if (auto c = graph::constantOf(expr))
      return double(*c);
    if (auto s = dyn_cast<AffineSymbolExpr>(expr)) {
      if (s.getPosition() >= symbols.size())
        return 64;
      const graph::Symbol &symbol = symbols[s.getPosition()];
      return symbol.optimum ? double(symbol.optimum) : double(std::clamp<int64_t>(64, symbol.min, symbol.max));
    }
    auto b = cast<AffineBinaryOpExpr>(expr);
    double x = typical(b.getLHS()), y = typical(b.getRHS());
    switch (expr.getKind()) {
    case AffineExprKind::Add:
      return x + y;
    case AffineExprKind::Mul:
      return x * y;
    case AffineExprKind::FloorDiv:
      return y == 0 ? 0 : std::floor(x / y);
    case AffineExprKind::CeilDiv:
      return y == 0 ? 0 : std::ceil(x / y);
    case AffineExprKind::Mod:
      return y == 0 ? 0 : x - y * std::floor(x / y);
    default:
      return 0;
    }
  }

private:
  unsigned atom(AffineExpr expr) {
    auto [it, isNew] = numbers.try_emplace(expr, atoms.size());
    if (isNew)
      atoms.push_back(expr);
    return it->second;
  }
  static Polynomial sum(Polynomial a, const Polynomial &b) {
    for (auto &[m, c] : b)
      a[m] += c;
    return a;
  }
  static Polynomial times(const Polynomial &a, const Polynomial &b) {
    Polynomial r;
    for (auto &[m, c] : a)
      for (auto &[n, d] : b) {
        Monomial k = m;
        k.insert(k.end(), n.begin(), n.end());
        llvm::sort(k);
        r[k] += c * d;
      }
    return r;
  }
  /// True when `small` divides `large` and the atoms left over are at least 1, so that large >= small.
  bool dominates(const Monomial &large, const Monomial &small) const {
    Monomial rest;
    if (!std::includes(large.begin(), large.end(), small.begin(), small.end()))
      return false;
    std::set_difference(large.begin(), large.end(), small.begin(), small.end(), std::back_inserter(rest));
    return llvm::all_of(rest, [&](unsigned a) { return symbols.range(atoms[a]).first >= 1; });
  }

  const graph::SymbolTable &symbols;
  std::vector<AffineExpr> atoms;
  llvm::DenseMap<AffineExpr, unsigned> numbers;
};

struct Placed {
  size_t request;
  int64_t units, offset;
};

/// First fit in the given order; returns the height.
int64_t pack(llvm::ArrayRef<ArenaRequest> requests, std::vector<Placed> &items) {
  int64_t height = 0;
  std::vector<const Placed *> byOffset;
  for (Placed &item : items) {
    const ArenaRequest &r = requests[item.request];
    int64_t offset = 0;
    for (const Placed *other : byOffset) {
      const ArenaRequest &o = requests[other->request];
      if (o.last < r.first || r.last < o.first)
        continue;
      if (other->offset >= offset + item.units)
        break; // the gap before it is large enough
      offset = std::max(offset, other->offset + other->units);
    }
    item.offset = offset;
    height = std::max(height, offset + item.units);
    byOffset.insert(
        llvm::upper_bound(byOffset, &item, [](const Placed *a, const Placed *b) { return a->offset < b->offset; }),
        &item);
  }
  return height;
}

} // namespace

ArenaPlan planArena(MLIRContext *context, llvm::ArrayRef<ArenaRequest> requests, const graph::SymbolTable &symbols) {
  Sizes sizes(symbols);
  std::map<Monomial, std::vector<Placed>> classes;
  for (size_t i = 0; i < requests.size(); ++i) {
    auto [monomial, units] = sizes.classify(requests[i].bytes);
    // A static buffer is 64-byte aligned. A multiple of a symbol is too, unless that would inflate a small one.
    int64_t granule = monomial.empty() || units >= 1024 ? 64 : 16;
    classes[monomial].push_back({i, (units + granule - 1) / granule * granule, 0});
  }
  ArenaPlan plan;
  plan.offsets.assign(requests.size(), graph::constantExpr(context, 0));
  plan.bytes = graph::constantExpr(context, 0);
  for (auto &[monomial, items] : classes) {
    std::vector<Placed> byStart = items;
    llvm::sort(items, [](const Placed &a, const Placed &b) {
      return std::pair(-a.units, a.request) < std::pair(-b.units, b.request);
    });
    llvm::sort(byStart, [&](const Placed &a, const Placed &b) {
      return std::pair(requests[a.request].first, a.request) < std::pair(requests[b.request].first, b.request);
    });
    int64_t height = pack(requests, items), other = pack(requests, byStart);
    if (other < height) {
      items = byStart;
      height = other;
    }
    AffineExpr unit = sizes.expression(context, monomial);
    // The next class starts aligned: a class of opaque sizes (multiple 1) may end anywhere.
    AffineExpr base = plan.bytes;
    for (const Placed &item : items)
      plan.offsets[item.request] = base + unit * item.offset;
    plan.bytes = base + (unit * ((height + 63) / 64 * 64));
  }
  double worst = -1;
  plan.lowerBound = graph::constantExpr(context, 0);
  int64_t steps = 0;
  for (const ArenaRequest &r : requests)
    steps = std::max(steps, r.last + 1);
  std::vector<double> live(steps + 1, 0);
  for (const ArenaRequest &r : requests) {
    live[r.first] += sizes.typical(r.bytes);
    live[r.last + 1] -= sizes.typical(r.bytes);
  }
  int64_t at = 0;
  double now = 0;
  for (int64_t s = 0; s < steps; ++s) {
    now += live[s];
    if (now > worst) {
      worst = now;
      at = s;
    }
  }
  for (const ArenaRequest &r : requests)
    if (r.first <= at && at <= r.last)
      plan.lowerBound = plan.lowerBound + r.bytes;
  return plan;
}

} // namespace adze
