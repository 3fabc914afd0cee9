#include "dialects/graph/GraphTypes.h"
#include "dialects/graph/GraphDialect.h"
#include "llvm/Support/raw_ostream.h"
#include <numeric>

using namespace mlir;

namespace adze::graph {

AffineMap makeExprMap(MLIRContext *context, ArrayRef<AffineExpr> exprs) {
  unsigned symbols = 0;
  SmallVector<AffineExpr> simple;
  for (AffineExpr expr : exprs)
    expr.walk([&](AffineExpr e) {
      if (auto s = dyn_cast<AffineSymbolExpr>(e))
        symbols = std::max(symbols, s.getPosition() + 1);
    });
  for (AffineExpr expr : exprs)
    simple.push_back(simplifyAffineExpr(expr, 0, symbols));
  return AffineMap::get(0, symbols, simple, context);
}

RankedTensorType makeTensorType(ArrayRef<AffineExpr> dims, Type element) {
  SmallVector<int64_t> shape;
  bool isStatic = true;
  AffineMap map = makeExprMap(element.getContext(), dims);
  for (AffineExpr expr : map.getResults()) {
    std::optional<int64_t> value = constantOf(expr);
    isStatic &= value.has_value();
    shape.push_back(value.value_or(ShapedType::kDynamic));
  }
  return RankedTensorType::get(shape, element, isStatic ? Attribute() : AffineMapAttr::get(map));
}

RankedTensorType makeTensorType(MLIRContext *context, ArrayRef<int64_t> dims, Type element) {
  return RankedTensorType::get(dims, element);
}

Dims getDims(RankedTensorType type) {
  Dims dims;
  if (auto map = dyn_cast_or_null<AffineMapAttr>(type.getEncoding()))
    return Dims(map.getValue().getResults());
  for (int64_t d : type.getShape())
    dims.push_back(getAffineConstantExpr(d, type.getContext()));
  return dims;
}

std::optional<int64_t> constantOf(AffineExpr expr) {
  if (auto c = dyn_cast<AffineConstantExpr>(expr))
    return c.getValue();
  return std::nullopt;
}

AffineExpr constantExpr(MLIRContext *context, int64_t value) { return getAffineConstantExpr(value, context); }

/// Splits products into factors; the constant factors are multiplied into `constant`.
static void collectFactors(AffineExpr expr, SmallVectorImpl<AffineExpr> &factors, int64_t &constant) {
  if (auto c = constantOf(expr)) {
    constant *= *c;
    return;
  }
  if (expr.getKind() == AffineExprKind::Mul) {
    auto mul = cast<AffineBinaryOpExpr>(expr);
    collectFactors(mul.getLHS(), factors, constant);
    collectFactors(mul.getRHS(), factors, constant);
    return;
  }
  factors.push_back(expr);
}

AffineExpr product(MLIRContext *context, ArrayRef<AffineExpr> factors) {
  int64_t constant = 1;
  SmallVector<AffineExpr> rest;
  for (AffineExpr f : factors)
    collectFactors(f, rest, constant);
  // One order for equal products: symbols by number first, then the rest as it came.
  SmallVector<AffineExpr> ordered =
      llvm::to_vector(llvm::make_filter_range(rest, [](AffineExpr e) { return isa<AffineSymbolExpr>(e); }));
  llvm::sort(ordered, [](AffineExpr a, AffineExpr b) {
    return cast<AffineSymbolExpr>(a).getPosition() < cast<AffineSymbolExpr>(b).getPosition();
  });
  llvm::append_range(ordered, llvm::make_filter_range(rest, [](AffineExpr e) { return !isa<AffineSymbolExpr>(e); }));
  AffineExpr result = nullptr;
  for (AffineExpr e : ordered)
    result = result ? result * e : e;
  if (!result)
    return constantExpr(context, constant);
  return constant == 1 ? result : result * constant;
}

AffineExpr exactQuotient(MLIRContext *context, ArrayRef<AffineExpr> numerator, ArrayRef<AffineExpr> denominator) {
  int64_t top = 1, bottom = 1;
  SmallVector<AffineExpr> up, down;
  for (AffineExpr e : numerator)
    collectFactors(e, up, top);
  for (AffineExpr e : denominator)
    collectFactors(e, down, bottom);
  for (auto *it = down.begin(); it != down.end();) {
    auto *same = llvm::find(up, *it);
    if (same == up.end()) {
      ++it;
      continue;
    }
    up.erase(same);
    it = down.erase(it);
  }
  int64_t common = std::gcd(top, bottom);
  if (common > 1) {
    top /= common;
    bottom /= common;
  }
  up.push_back(constantExpr(context, top));
  AffineExpr result = product(context, up);
  down.push_back(constantExpr(context, bottom));
  AffineExpr divisor = product(context, down);
  return constantOf(divisor) == 1 ? result : simplifyAffineExpr(result.floorDiv(divisor), 0, 1u << 20);
}

static std::optional<int64_t> constantDifference(AffineExpr a, AffineExpr b) {
  unsigned symbols = 0;
  auto count = [&](AffineExpr e) {
    if (auto s = dyn_cast<AffineSymbolExpr>(e))
      symbols = std::max(symbols, s.getPosition() + 1);
  };
  a.walk(count);
  b.walk(count);
  return constantOf(simplifyAffineExpr(a - b, 0, symbols));
}

bool provablyEqual(AffineExpr a, AffineExpr b) { return a == b || constantDifference(a, b) == 0; }

bool possiblyEqual(AffineExpr a, AffineExpr b) { return a == b || constantDifference(a, b).value_or(0) == 0; }

bool compatibleTypes(TypeRange a, TypeRange b) {
  if (a.size() != b.size())
    return false;
  for (auto [x, y] : llvm::zip_equal(a, b)) {
    auto tx = dyn_cast<RankedTensorType>(x), ty = dyn_cast<RankedTensorType>(y);
    if (!tx || !ty || tx.getElementType() != ty.getElementType() || tx.getRank() != ty.getRank())
      return false;
    if (tx == ty)
      continue;
    for (auto [dx, dy] : llvm::zip_equal(getDims(tx), getDims(ty)))
      if (!possiblyEqual(dx, dy))
        return false;
  }
  return true;
}

FailureOr<Dims> broadcastDims(MLIRContext *context, ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b,
                              SmallVectorImpl<std::pair<AffineExpr, AffineExpr>> *checks, std::string *why) {
  size_t rank = std::max(a.size(), b.size());
  Dims result;
  for (size_t i = 0; i < rank; ++i) {
    AffineExpr x = i + a.size() >= rank ? a[i + a.size() - rank] : constantExpr(context, 1);
    AffineExpr y = i + b.size() >= rank ? b[i + b.size() - rank] : constantExpr(context, 1);
    std::optional<int64_t> cx = constantOf(x), cy = constantOf(y);
    if (cx == 1 || cy == 1 || provablyEqual(x, y)) {
      result.push_back(cx == 1 ? y : x);
      continue;
    }
    if (cx && cy) {
      if (why)
        *why = "dim " + std::to_string(i) + " is " + std::to_string(*cx) + " in one operand and " +
               std::to_string(*cy) + " in the other";
      return failure();
    }
    if (checks)
      checks->push_back({x, y});
    result.push_back(cy ? y : x);
  }
  return result;
}

std::string typeText(RankedTensorType type, ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  SymbolTable symbols(module);
  os << type.getElementType() << "[";
  llvm::interleaveComma(getDims(type), os, [&](AffineExpr e) { os << symbols.text(e); });
  os << "]";
  return text;
}

//===-- symbols --------------------------------------------------------------------------------------------------===//

static constexpr StringLiteral kKinds[] = {"input_dim", "input_value", "derived", "data"};
static constexpr StringLiteral kOps[] = {"expr", "min", "max", "select", "truncdiv", "eq", "lt"};

template <size_t n>
static unsigned indexOf(const StringLiteral (&names)[n], StringRef name) {
  for (unsigned i = 0; i < n; ++i)
    if (names[i] == name)
      return i;
  return 0;
}

SymbolTable::SymbolTable(ModuleOp module) {
  auto list = module ? module->getAttrOfType<ArrayAttr>(kSymbolsAttr) : ArrayAttr();
  if (!list)
    return;
  for (Attribute attr : list) {
    auto dict = cast<DictionaryAttr>(attr);
    auto integer = [&](StringRef key, int64_t otherwise) {
      auto value = dict.getAs<IntegerAttr>(key);
      return value ? value.getInt() : otherwise;
    };
    Symbol s;
    s.name = dict.getAs<StringAttr>("name").str();
    s.kind = SymbolKind(indexOf(kKinds, dict.getAs<StringAttr>("kind").getValue()));
    s.input = integer("input", 0);
    s.axis = integer("axis", 0);
    s.min = integer("min", 0);
    s.max = integer("max", INT64_MAX);
    s.optimum = integer("optimum", 0);
    if (auto op = dict.getAs<StringAttr>("op"))
      s.op = DerivedOp(indexOf(kOps, op.getValue()));
    if (auto map = dict.getAs<AffineMapAttr>("operands"))
      s.operands.assign(map.getValue().getResults().begin(), map.getValue().getResults().end());
    symbols.push_back(std::move(s));
  }
}

void SymbolTable::writeTo(ModuleOp module) const {
  Builder b(module.getContext());
  SmallVector<Attribute> list;
  for (const Symbol &s : symbols) {
    NamedAttrList dict;
    dict.set("name", b.getStringAttr(s.name));
    dict.set("kind", b.getStringAttr(kKinds[unsigned(s.kind)]));
    if (s.kind == SymbolKind::InputDim || s.kind == SymbolKind::InputValue) {
      dict.set("input", b.getI64IntegerAttr(s.input));
      dict.set("axis", b.getI64IntegerAttr(s.axis));
    }
    if (s.kind == SymbolKind::Derived) {
      dict.set("op", b.getStringAttr(kOps[unsigned(s.op)]));
      dict.set("operands", AffineMapAttr::get(makeExprMap(module.getContext(), s.operands)));
    }
    dict.set("min", b.getI64IntegerAttr(s.min));
    dict.set("max", b.getI64IntegerAttr(s.max));
    if (s.optimum)
      dict.set("optimum", b.getI64IntegerAttr(s.optimum));
    list.push_back(dict.getDictionary(module.getContext()));
  }
  module->setAttr(kSymbolsAttr, b.getArrayAttr(list));
}

AffineExpr SymbolTable::add(MLIRContext *context, Symbol symbol) {
  symbols.push_back(std::move(symbol));
  return getAffineSymbolExpr(symbols.size() - 1, context);
}

static int64_t saturatingAdd(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? (a > 0 ? INT64_MAX : INT64_MIN) : r;
}
static int64_t saturatingMul(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_mul_overflow(a, b, &r) ? ((a > 0) == (b > 0) ? INT64_MAX : INT64_MIN) : r;
}
static int64_t floorDivide(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

std::pair<int64_t, int64_t> SymbolTable::range(AffineExpr expr) const {
  if (auto c = constantOf(expr))
    return {*c, *c};
  if (auto s = dyn_cast<AffineSymbolExpr>(expr))
    return s.getPosition() < symbols.size()
               ? std::pair<int64_t, int64_t>{symbols[s.getPosition()].min, symbols[s.getPosition()].max}
               : std::pair<int64_t, int64_t>{INT64_MIN, INT64_MAX};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return {INT64_MIN, INT64_MAX};
  auto [al, ah] = range(binary.getLHS());
  auto [bl, bh] = range(binary.getRHS());
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return {saturatingAdd(al, bl), saturatingAdd(ah, bh)};
  case AffineExprKind::Mul: {
    int64_t p[] = {saturatingMul(al, bl), saturatingMul(al, bh), saturatingMul(ah, bl), saturatingMul(ah, bh)};
    return {*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
  }
  case AffineExprKind::FloorDiv:
    if (bl > 0)
      return {floorDivide(al, al < 0 ? bl : bh), floorDivide(ah, ah < 0 ? bh : bl)};
    break;
  case AffineExprKind::CeilDiv:
    if (bl > 0 && al >= 0)
      return {al / bh, saturatingAdd(ah / bl, ah % bl != 0)};
    break;
  case AffineExprKind::Mod:
    if (bl > 0)
      return {0, bh - 1};
    break;
  default:
    break;
  }
  return {INT64_MIN, INT64_MAX};
}

int64_t SymbolTable::divisor(AffineExpr expr) const {
  if (auto c = constantOf(expr))
    return *c == 0 ? int64_t(1) << 30 : std::abs(*c);
  if (auto s = dyn_cast<AffineSymbolExpr>(expr)) {
    const Symbol *symbol = s.getPosition() < symbols.size() ? &symbols[s.getPosition()] : nullptr;
    return symbol && symbol->min == symbol->max && symbol->min > 0 ? symbol->min : 1;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return 1;
  if (expr.getKind() == AffineExprKind::Mul)
    return std::max<int64_t>(1, saturatingMul(divisor(binary.getLHS()), divisor(binary.getRHS())));
  if (expr.getKind() == AffineExprKind::Add)
    return std::gcd(divisor(binary.getLHS()), divisor(binary.getRHS()));
  return 1;
}

std::string SymbolTable::text(AffineExpr expr) const {
  if (auto c = constantOf(expr))
    return std::to_string(*c);
  if (auto s = dyn_cast<AffineSymbolExpr>(expr))
    return s.getPosition() < symbols.size() ? symbols[s.getPosition()].name : "s" + std::to_string(s.getPosition());
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return "?";
  const char *op = " + ";
  switch (expr.getKind()) {
  case AffineExprKind::Mul:
    op = "*";
    break;
  case AffineExprKind::FloorDiv:
    op = " / ";
    break;
  case AffineExprKind::CeilDiv:
    op = " ceildiv ";
    break;
  case AffineExprKind::Mod:
    op = " mod ";
    break;
  default:
    break;
  }
  auto operand = [&](AffineExpr e) {
    bool leaf = isa<AffineConstantExpr, AffineSymbolExpr>(e);
    return leaf ? text(e) : "(" + text(e) + ")";
  };
  return operand(binary.getLHS()) + op + operand(binary.getRHS());
}

} // namespace adze::graph
