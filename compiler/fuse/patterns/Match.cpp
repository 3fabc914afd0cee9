#include "compiler/fuse/patterns/Match.h"
#include <cmath>

using namespace mlir;

namespace adze {
using namespace graph;

bool nearly(double got, double want) { return std::abs(got - want) <= 1e-4 * std::max(std::abs(want), 1e-30); }

bool haveSameDims(Value a, Value b) {
  Dims x = getDims(a), y = getDims(b);
  return x.size() == y.size() && llvm::all_of(llvm::zip_equal(x, y), [](auto pair) {
           return provablyEqual(std::get<0>(pair), std::get<1>(pair));
         });
}

/// Deeper products than this are no spelling of a known op.
static constexpr unsigned kMaxFactors = 6;

static void flatten(Value v, const Constants &constants, ArrayRef<Value> stop, unsigned depth, Product &product) {
  if (llvm::is_contained(stop, v)) {
    product.factors.push_back(v);
    return;
  }
  if (std::optional<double> c = constants.splat(v)) {
    product.coefficient *= *c;
    return;
  }
  auto inner = [&](Value operand) { flatten(operand, constants, stop, depth - 1, product); };
  Operation *op = depth > 0 && product.factors.size() < kMaxFactors ? v.getDefiningOp() : nullptr;
  if (auto mul = dyn_cast_or_null<MulOp>(op)) {
    inner(mul.getA());
    inner(mul.getB());
  } else if (auto neg = dyn_cast_or_null<NegOp>(op)) {
    product.coefficient = -product.coefficient;
    inner(neg.getX());
  } else if (auto div = dyn_cast_or_null<DivOp>(op); div && constants.splat(div.getB()).value_or(0) != 0) {
    product.coefficient /= *constants.splat(div.getB());
    inner(div.getA());
  } else if (auto pow = dyn_cast_or_null<PowOp>(op);
             pow && (constants.isSplat(pow.getB(), 2) || constants.isSplat(pow.getB(), 3))) {
    for (int i = 0, n = int(*constants.splat(pow.getB())); i < n; ++i)
      inner(pow.getA());
  } else {
    product.factors.push_back(v);
  }
}

Product flattenProduct(Value v, const Constants &constants, ArrayRef<Value> stop) {
  Product product;
  if (isa<FloatType>(elementType(v)))
    flatten(v, constants, stop, 6, product);
  else
    product.factors.push_back(v);
  return product;
}

Value peelScale(Value v, double &coefficient, const Constants &constants) {
  while (Operation *op = v.getDefiningOp()) {
    auto mul = dyn_cast<MulOp>(op);
    auto div = dyn_cast<DivOp>(op);
    std::optional<double> right, left;
    if (mul || div)
      right = constants.splat(op->getOperand(1));
    if (mul)
      left = constants.splat(op->getOperand(0));
    if (!(right || left) || (div && *right == 0) || !isa<FloatType>(elementType(v)))
      break;
    coefficient = div ? coefficient / *right : coefficient * (right ? *right : *left);
    v = op->getOperand(right ? 0 : 1);
  }
  return v;
}

SmallVector<Value> subexpressions(Value v, unsigned depth, const Constants &constants) {
  SmallVector<Value> list = {v};
  for (size_t begin = 0; depth > 0 && begin < list.size(); --depth)
    for (size_t end = list.size(); begin < end; ++begin)
      if (Operation *op = list[begin].getDefiningOp())
        for (Value operand : op->getOperands())
          if (!constants.splat(operand) && !llvm::is_contained(list, operand))
            list.push_back(operand);
  return list;
}

std::optional<Affine> matchAffine(Value v, Value x, const Constants &constants) {
  Affine result;
  if (auto add = v.getDefiningOp<AddOp>(); add && v != x) {
    std::optional<double> right = constants.splat(add.getB()), left = constants.splat(add.getA());
    if (!right && !left)
      return std::nullopt;
    result.offset = right ? *right : *left;
    v = right ? add.getA() : add.getB();
  }
  Product product = flattenProduct(v, constants, x);
  if (product.factors.size() != 1 || product.factors[0] != x)
    return std::nullopt;
  result.scale = product.coefficient;
  return result;
}

Value matchAddConstant(Value v, double b, const Constants &constants) {
  auto add = v.getDefiningOp<AddOp>();
  if (!add)
    return {};
  if (constants.isSplat(add.getB(), b))
    return add.getA();
  return constants.isSplat(add.getA(), b) ? add.getB() : Value();
}

} // namespace adze
