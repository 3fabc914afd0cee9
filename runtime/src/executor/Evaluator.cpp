#include "runtime/src/executor/Evaluator.h"

#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <limits>

namespace adze::rt {

namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();

/// Rounds the quotient down (mode -1), up (1) or toward zero (0); false if it has no 64-bit value.
bool divide(int64_t a, int64_t b, int mode, int64_t &out) {
  if (b == 0 || (a == kMin && b == -1))
    return false;
  out = a / b;
  if (a % b != 0) {
    bool negative = (a < 0) != (b < 0);
    if (mode < 0 && negative)
      --out;
    if (mode > 0 && !negative)
      ++out;
  }
  return true;
}

int64_t saturate(ExprOp op, int64_t a, int64_t b) {
  int64_t out;
  if (applyOp(op, a, b, out))
    return out;
  bool negative = op == ExprOp::mul ? (a < 0) != (b < 0) : a < 0;
  return negative ? kMin : kMax;
}

Interval combine(const Expr &expr, Interval a, Interval b) {
  switch (expr.op) {
  case ExprOp::add:
    return {saturate(expr.op, a.min, b.min), saturate(expr.op, a.max, b.max)};
  case ExprOp::sub:
    return {saturate(expr.op, a.min, b.max), saturate(expr.op, a.max, b.min)};
  case ExprOp::min:
    return {std::min(a.min, b.min), std::min(a.max, b.max)};
  case ExprOp::max:
    return {std::max(a.min, b.min), std::max(a.max, b.max)};
  case ExprOp::mul: {
    int64_t corners[] = {saturate(expr.op, a.min, b.min), saturate(expr.op, a.min, b.max),
                         saturate(expr.op, a.max, b.min), saturate(expr.op, a.max, b.max)};
    return {*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)};
  }
  case ExprOp::floordiv:
  case ExprOp::ceildiv:
  case ExprOp::truncdiv:
    if (b.min == b.max && b.min > 0)
      return {saturate(expr.op, a.min, b.min), saturate(expr.op, a.max, b.min)};
    return {0, kMax};
  case ExprOp::mod:
    if (b.min == b.max && b.min > 0)
      return {0, b.min - 1};
    return {0, kMax};
  case ExprOp::eq:
  case ExprOp::lt:
  case ExprOp::logicalAnd:
  case ExprOp::logicalOr:
    return {0, 1};
  default:
    return {0, kMax};
  }
}

} // namespace

bool applyOp(ExprOp op, int64_t a, int64_t b, int64_t &out) {
  switch (op) {
  case ExprOp::add:
    return !__builtin_add_overflow(a, b, &out);
  case ExprOp::sub:
    return !__builtin_sub_overflow(a, b, &out);
  case ExprOp::mul:
    return !__builtin_mul_overflow(a, b, &out);
  case ExprOp::floordiv:
    return divide(a, b, -1, out);
  case ExprOp::ceildiv:
    return divide(a, b, 1, out);
  case ExprOp::truncdiv:
    return divide(a, b, 0, out);
  case ExprOp::mod:
    if (b == 0)
      return false;
    out = b == -1 ? 0 : a % b;
    if (out != 0 && (out < 0) != (b < 0))
      out += b;
    return true;
  case ExprOp::min:
    out = std::min(a, b);
    return true;
  case ExprOp::max:
    out = std::max(a, b);
    return true;
  case ExprOp::eq:
    out = a == b;
    return true;
  case ExprOp::lt:
    out = a < b;
    return true;
  case ExprOp::logicalAnd:
    out = a && b;
    return true;
  case ExprOp::logicalOr:
    out = a || b;
    return true;
  default:
    return false;
  }
}

std::vector<Interval> intervalsOf(const SymbolTable &table) {
  std::vector<Interval> exprs(table.exprs.size(), {0, 0}), symbols(table.symbols.size(), {0, 0});
  auto stage = [&](size_t s) {
    for (uint32_t i = table.stage[s]; i < table.stage[s + 1]; ++i) {
      uint32_t index = table.order[i];
      const Expr &expr = table.exprs[index];
      if (expr.op == ExprOp::constant)
        exprs[index] = {expr.value, expr.value};
      else if (expr.op == ExprOp::symbol)
        exprs[index] = symbols[expr.a];
      else if (expr.op == ExprOp::select)
        exprs[index] = {std::min(exprs[expr.b].min, exprs[expr.c].min), std::max(exprs[expr.b].max, exprs[expr.c].max)};
      else
        exprs[index] = combine(expr, exprs[expr.a], exprs[expr.b]);
    }
  };
  stage(0);
  for (size_t s = 0; s < table.symbols.size(); ++s) {
    const Symbol &symbol = table.symbols[s];
    symbols[s] = symbol.kind == SymbolKind::derived ? exprs[symbol.expr] : Interval{symbol.min, symbol.max};
    stage(s + 1);
  }
  return exprs;
}

Evaluator::Evaluator(const SymbolTable &table)
    : table_(&table), symbols_(table.symbols.size(), 0), values_(table.exprs.size(), 0),
      symbolFlags_(table.symbols.size(), kBad), flags_(table.exprs.size(), kBad) {
  evaluateStage(0);
}

void Evaluator::bind(const Package &package, const adze_tensor_t *inputs) {
  for (uint32_t s = 0; s < table_->symbols.size(); ++s) {
    const Symbol &symbol = table_->symbols[s];
    symbolFlags_[s] = 0;
    switch (symbol.kind) {
    case SymbolKind::derived:
      continue;
    case SymbolKind::data:
      symbols_[s] = symbol.max;
      symbolFlags_[s] = kProvisional;
      continue;
    case SymbolKind::inputDim:
      symbols_[s] = inputs[symbol.input].dims[symbol.axis];
      break;
    case SymbolKind::inputValue: {
      const adze_tensor_t &input = inputs[symbol.input];
      int64_t count = 1;
      for (int32_t i = 0; i < input.rank; ++i)
        count *= input.dims[i];
      std::string where = cat("input '", package.inputs[symbol.input].name, "', element ", symbol.axis);
      if (symbol.axis >= uint64_t(count))
        fail(ADZE_BAD_INPUT, "an input that steers a shape has too few elements", where,
             cat("it has ", count, " elements"), "pass all elements that the model reads");
      if (!input.data)
        fail(ADZE_INVALID_ARGUMENT, "an input that steers a shape has no data", where, "its data pointer is null",
             "set data for this input, also when only output shapes are asked for");
      symbols_[s] = loadInteger(input.data, input.dtype, symbol.axis);
      break;
    }
    }
    if (symbols_[s] < symbol.min || symbols_[s] > symbol.max) {
      bool dim = symbol.kind == SymbolKind::inputDim;
      fail(ADZE_BAD_INPUT, dim ? "an input's shape does not fit the model" : "an input's value does not fit the model",
           cat("input '", package.inputs[symbol.input].name, "', ", dim ? "dim " : "element ", symbol.axis,
               symbol.name.empty() ? "" : cat(" ('", symbol.name, "')")),
           cat("it is ", symbols_[s], ", the package was compiled for ",
               symbol.min == symbol.max ? cat(symbol.min) : cat(symbol.min, " to ", symbol.max)),
           dim ? "pass an input of that size, or compile again with --dim" : "pass a value in that range");
    }
  }
  evaluate(0);
}

void Evaluator::set(uint32_t symbol, int64_t value) {
  symbols_[symbol] = value;
  symbolFlags_[symbol] = 0;
}

void Evaluator::undefine(const uint32_t *symbols, size_t count) {
  uint32_t first = static_cast<uint32_t>(table_->symbols.size());
  for (size_t i = 0; i < count; ++i) {
    uint32_t symbol = symbols[i];
    if (symbolFlags_[symbol] & kProvisional)
      continue;
    symbols_[symbol] = table_->symbols[symbol].max;
    symbolFlags_[symbol] = kProvisional;
    first = std::min(first, symbol);
  }
  if (first < table_->symbols.size())
    evaluate(first);
}

void Evaluator::define(const uint32_t *symbols, const int64_t *values, size_t count) {
  uint32_t first = static_cast<uint32_t>(table_->symbols.size());
  for (size_t i = 0; i < count; ++i) {
    const Symbol &symbol = table_->symbols[symbols[i]];
    if (values[i] < symbol.min || values[i] > symbol.max)
      fail(ADZE_BAD_INPUT, "a size that the data determines is out of range", cat("symbol '", symbol.name, "'"),
           cat("it is ", values[i], ", the package was compiled for ", symbol.min, " to ", symbol.max),
           "use inputs within the model's declared sizes, or compile again with a larger --dim range");
    set(symbols[i], values[i]);
    first = std::min(first, symbols[i]);
  }
  evaluate(first);
}

void Evaluator::evaluate(uint32_t firstSymbol) {
  if (firstSymbol == 0)
    evaluateStage(0);
  for (uint32_t s = firstSymbol; s < table_->symbols.size(); ++s) {
    const Symbol &symbol = table_->symbols[s];
    if (symbol.kind == SymbolKind::derived) {
      symbols_[s] = values_[symbol.expr];
      symbolFlags_[s] = flags_[symbol.expr];
    }
    evaluateStage(s + 1);
  }
}

void Evaluator::evaluateStage(size_t stage) {
  for (uint32_t i = table_->stage[stage]; i < table_->stage[stage + 1]; ++i)
    evaluateExpr(table_->order[i]);
}

void Evaluator::evaluateExpr(uint32_t index) {
  const Expr &expr = table_->exprs[index];
  int64_t &value = values_[index];
  uint8_t &flags = flags_[index];
  flags = 0;
  switch (expr.op) {
  case ExprOp::constant:
    value = expr.value;
    return;
  case ExprOp::symbol:
    value = symbols_[expr.a];
    flags = symbolFlags_[expr.a];
    return;
  case ExprOp::select: {
    // Only the chosen arm counts: the other one may have overflowed.
    uint32_t arm = values_[expr.a] ? expr.b : expr.c;
    value = values_[arm];
    flags = flags_[expr.a] | flags_[arm];
    return;
  }
  default:
    flags = flags_[expr.a] | flags_[expr.b];
    if (!(flags & kBad) && !applyOp(expr.op, values_[expr.a], values_[expr.b], value))
      flags |= kBad;
  }
}

void Evaluator::overflow(uint32_t expr) const {
  fail(ADZE_BAD_INPUT, "a size computed from the inputs' shapes has no value", cat("expression ", expr),
       "it overflows 64 bits or divides by zero for these inputs", "use smaller inputs");
}

} // namespace adze::rt
