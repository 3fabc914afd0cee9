#include "compiler/import/Symbolic.h"

using namespace adze;
using namespace mlir;
using graph::DerivedOp;

AffineExpr Symbolic::simplify(AffineExpr expr) const {
  return simplifyAffineExpr(expr, 0, static_cast<unsigned>(table.size()));
}

AffineExpr Symbolic::derive(DerivedOp op, ArrayRef<AffineExpr> operands, int64_t min, int64_t max) {
  std::vector<const void *> key = {reinterpret_cast<const void *>(static_cast<uintptr_t>(op))};
  for (AffineExpr e : operands)
    key.push_back(e.getAsOpaquePointer());
  if (auto found = derived.find(key); found != derived.end())
    return found->second;
  graph::Symbol symbol;
  symbol.name = "d" + std::to_string(table.size());
  symbol.kind = graph::SymbolKind::Derived;
  symbol.op = op;
  symbol.operands.assign(operands.begin(), operands.end());
  symbol.min = min;
  symbol.max = max;
  return derived[key] = table.add(context, std::move(symbol));
}

std::optional<int64_t> Symbolic::constantOf(AffineExpr expr) const {
  if (auto value = graph::constantOf(expr))
    return value;
  auto [low, high] = table.range(expr);
  return low == high ? std::optional<int64_t>(low) : std::nullopt;
}

bool Symbolic::isConstant(ArrayRef<AffineExpr> exprs) const {
  return llvm::all_of(exprs, [&](AffineExpr e) { return constantOf(e).has_value(); });
}

AffineExpr Symbolic::mul(AffineExpr a, AffineExpr b) {
  auto ca = graph::constantOf(a), cb = graph::constantOf(b);
  int64_t out;
  if (ca && cb)
    return constant(__builtin_mul_overflow(*ca, *cb, &out) ? int64_t(uint64_t(*ca) * uint64_t(*cb)) : out);
  return simplify(graph::product(context, {a, b}));
}

AffineExpr Symbolic::truncDiv(AffineExpr a, AffineExpr b) {
  auto ca = constantOf(a), cb = constantOf(b);
  if (cb && *cb == 0)
    return constant(0);
  if (ca && cb)
    return constant(*cb == -1 ? int64_t(0 - uint64_t(*ca)) : *ca / *cb);
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  if (al >= 0 && bl > 0)
    return simplify(a.floorDiv(b));
  // Interval of a quotient: within [-|a|, |a|].
  int64_t bound = std::max(al == INT64_MIN ? INT64_MAX : std::abs(al), ah == INT64_MIN ? INT64_MAX : std::abs(ah));
  return derive(DerivedOp::TruncDiv, {a, b}, al >= 0 && bl >= 0 ? 0 : -bound, bound);
}

AffineExpr Symbolic::floorDiv(AffineExpr a, AffineExpr b) {
  return range(b).first > 0 ? simplify(a.floorDiv(b)) : AffineExpr();
}

AffineExpr Symbolic::mod(AffineExpr a, AffineExpr b) { return range(b).first > 0 ? simplify(a % b) : AffineExpr(); }

AffineExpr Symbolic::min(AffineExpr a, AffineExpr b) {
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  if (ah <= bl || graph::provablyEqual(a, b) || range(sub(a, b)).second <= 0)
    return a;
  if (bh <= al || range(sub(b, a)).second <= 0)
    return b;
  return derive(DerivedOp::Min, {a, b}, std::min(al, bl), std::min(ah, bh));
}

AffineExpr Symbolic::max(AffineExpr a, AffineExpr b) {
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  if (al >= bh || graph::provablyEqual(a, b) || range(sub(b, a)).second <= 0)
    return a;
  if (bl >= ah || range(sub(a, b)).second <= 0)
    return b;
  return derive(DerivedOp::Max, {a, b}, std::max(al, bl), std::max(ah, bh));
}

AffineExpr Symbolic::equal(AffineExpr a, AffineExpr b) {
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  if (ah < bl || bh < al)
    return constant(0);
  if (graph::provablyEqual(a, b))
    return constant(1);
  auto [dl, dh] = range(sub(a, b));
  if (dl > 0 || dh < 0)
    return constant(0);
  return derive(DerivedOp::Eq, {a, b}, 0, 1);
}

AffineExpr Symbolic::less(AffineExpr a, AffineExpr b) {
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  auto [dl, dh] = range(sub(a, b));
  if (ah < bl || dh < 0)
    return constant(1);
  if (al >= bh || dl >= 0)
    return constant(0);
  return derive(DerivedOp::Lt, {a, b}, 0, 1);
}

AffineExpr Symbolic::select(AffineExpr condition, AffineExpr a, AffineExpr b) {
  if (auto known = constantOf(condition))
    return *known ? a : b;
  if (a == b)
    return a;
  auto [al, ah] = range(a);
  auto [bl, bh] = range(b);
  return derive(DerivedOp::Select, {condition, a, b}, std::min(al, bl), std::max(ah, bh));
}
