#include "runtime/src/executor/LaunchCode.h"

#include "runtime/src/executor/Evaluator.h"

namespace adze::rt {

bool evaluate(const LaunchCode &code, const std::vector<adze_address_t> &buffers, const std::vector<int64_t> &scalars,
              std::vector<int64_t> &out) {
  int64_t stack[LaunchCode::kMaxStack] = {}; // the decoder has checked its depth and every operand
  size_t depth = 0;
  for (const LaunchCode::Step &step : code.steps) {
    if (step.op == LaunchCode::kAddress) {
      stack[depth++] = static_cast<int64_t>(buffers[size_t(step.operand)]);
      continue;
    }
    auto op = static_cast<ExprOp>(step.op);
    if (op == ExprOp::constant) {
      stack[depth++] = step.operand;
    } else if (op == ExprOp::symbol) {
      stack[depth++] = scalars[size_t(step.operand)];
    } else if (op == ExprOp::select) {
      depth -= 2;
      stack[depth - 1] = stack[depth - 1] ? stack[depth] : stack[depth + 1];
    } else {
      --depth;
      if (!applyOp(op, stack[depth - 1], stack[depth], stack[depth - 1]))
        return false;
    }
  }
  out.insert(out.end(), stack, stack + depth);
  return true;
}

} // namespace adze::rt
