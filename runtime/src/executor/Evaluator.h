// Evaluates the symbols and expressions of one table for one request.
#ifndef ADZE_RUNTIME_EXECUTOR_EVALUATOR_H
#define ADZE_RUNTIME_EXECUTOR_EVALUATOR_H

#include "runtime/src/package/Program.h"

namespace adze::rt {

struct Interval {
  int64_t min, max;
};

/// The range of each expression over its symbols' ranges; [0, INT64_MAX] where that is not known.
std::vector<Interval> intervalsOf(const SymbolTable &table);

/// One operation on two values; false on overflow or division by zero. select, constant and symbol have no such form.
bool applyOp(ExprOp op, int64_t a, int64_t b, int64_t &out);

class Evaluator {
public:
  /// Only constants have a value at first.
  explicit Evaluator(const SymbolTable &table);

  /// Sets symbols from the inputs (already bound: dtype, rank, dims checked) and evaluates everything. Data symbols
  /// stand at their maximum until define(). Throws Error (ADZE_BAD_INPUT) for a value outside its symbol's range.
  void bind(const Package &package, const adze_tensor_t *inputs);

  /// Sets data symbols (ADZE_INTERNAL beyond their range) and evaluates what depends on them.
  void define(const uint32_t *symbols, const int64_t *values, size_t count);
  /// Puts data symbols back to their maximum, for an operation that defines them again (in a loop).
  void undefine(const uint32_t *symbols, size_t count);
  /// Sets one without the others' evaluation; finish with refresh().
  void set(uint32_t symbol, int64_t value);
  void refresh() { evaluate(0); }

  /// The value; throws Error (ADZE_BAD_INPUT) if it overflowed or divided by zero.
  int64_t value(uint32_t expr) const {
    if (flags_[expr] & kBad)
      overflow(expr);
    return values_[expr];
  }
  bool hasValue(uint32_t expr) const { return !(flags_[expr] & kBad); }
  /// Whether it rests on a data symbol that is not defined yet.
  bool isProvisional(uint32_t expr) const { return flags_[expr] & kProvisional; }
  int64_t symbolValue(uint32_t symbol) const { return symbols_[symbol]; }
  bool symbolIsProvisional(uint32_t symbol) const { return symbolFlags_[symbol] & kProvisional; }

private:
  static constexpr uint8_t kBad = 1, kProvisional = 2;
  void evaluate(uint32_t firstSymbol);
  void evaluateStage(size_t stage);
  void evaluateExpr(uint32_t expr);
  [[noreturn]] void overflow(uint32_t expr) const;

  const SymbolTable *table_;
  std::vector<int64_t> symbols_, values_;
  std::vector<uint8_t> symbolFlags_, flags_;
};

} // namespace adze::rt

#endif
