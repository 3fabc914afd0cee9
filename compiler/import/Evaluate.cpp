// Shape arithmetic on small integer tensors whose elements are expressions over symbols. Pure: it never fails a node,
// it only declines, and the node then becomes ordinary tensor arithmetic.
#include "compiler/import/GraphImporter.h"
#include "llvm/ADT/StringSwitch.h"

using namespace adze;
using namespace mlir;

namespace {

using Result = std::optional<SymTensor>;
using BinaryFn = AffineExpr (Symbolic::*)(AffineExpr, AffineExpr);

bool evaluable(DType type) { return type == DType::I64 || type == DType::I32 || type == DType::Bool; }

std::optional<SmallVector<int64_t, 4>> broadcastShape(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t, 4> out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t x = i + a.size() >= out.size() ? a[i + a.size() - out.size()] : 1;
    int64_t y = i + b.size() >= out.size() ? b[i + b.size() - out.size()] : 1;
    if (x != y && x != 1 && y != 1)
      return std::nullopt;
    out[i] = x == 1 ? y : x;
  }
  auto count = numElements(out);
  return count && *count <= kMaxContents ? std::optional(out) : std::nullopt;
}

/// Position in an operand of shape `from` that element `flat` of a result of shape `to` reads when broadcast.
int64_t broadcastIndex(int64_t flat, ArrayRef<int64_t> to, ArrayRef<int64_t> from) {
  int64_t index = 0, stride = 1;
  for (size_t i = 0; i < to.size(); ++i) {
    int64_t size = to[to.size() - 1 - i], at = flat % size;
    flat /= size;
    if (i >= from.size())
      continue;
    int64_t own = from[from.size() - 1 - i];
    index += (own == 1 ? 0 : at) * stride;
    stride *= own;
  }
  return index;
}

class Evaluator {
public:
  Evaluator(NodeContext &node, unsigned output, SymInput input)
      : node(node), sym(node.sym()), output(output), input(input) {}
  Result run();
  static Result (Evaluator::*method(StringRef op))();

private:
  template <BinaryFn fn>
  Result with() {
    return binary(fn);
  }
  template <BinaryFn fn>
  Result test() {
    return binary(fn, DType::Bool);
  }
  template <BinaryFn fn>
  Result chain() {
    return nary(fn);
  }
  Result greater();
  Result negate();
  Result mod();
  Result binary(BinaryFn fn, std::optional<DType> type = std::nullopt);
  Result nary(BinaryFn fn);
  Result where();
  Result cast();
  Result gather();
  Result slice();
  Result concat();
  Result reshaped();
  Result expand();
  Result transpose();
  Result reduce();
  Result range();
  Result constantOfShape();
  Result split();
  Result checked(Result result);

  std::optional<SmallVector<int64_t>> ints(unsigned i) {
    auto tensor = input(i);
    if (!tensor)
      return std::nullopt;
    SmallVector<int64_t> out;
    for (AffineExpr e : tensor->elements) {
      auto value = sym.constantOf(e);
      if (!value)
        return std::nullopt;
      out.push_back(*value);
    }
    return out;
  }
  static bool axisFits(int64_t &axis, size_t rank) {
    axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    return axis >= 0 && axis < static_cast<int64_t>(rank);
  }

  NodeContext &node;
  Symbolic &sym;
  unsigned output;
  SymInput input;
};

Result Evaluator::binary(BinaryFn fn, std::optional<DType> type) {
  auto a = input(0), b = a ? input(1) : std::nullopt;
  auto shape = a && b ? broadcastShape(a->shape, b->shape) : std::nullopt;
  if (!shape || a->dtype != b->dtype)
    return std::nullopt;
  SymTensor out{type.value_or(a->dtype), *shape, {}};
  for (int64_t i = 0, e = *numElements(*shape); i < e; ++i) {
    AffineExpr value =
        (sym.*fn)(a->elements[broadcastIndex(i, *shape, a->shape)], b->elements[broadcastIndex(i, *shape, b->shape)]);
    if (!value)
      return std::nullopt;
    out.elements.push_back(value);
  }
  return out;
}

Result Evaluator::nary(BinaryFn fn) {
  Result result = input(0);
  for (unsigned i = 1; result && i < node.numInputs(); ++i) {
    auto next = input(i);
    auto shape = next ? broadcastShape(result->shape, next->shape) : std::nullopt;
    if (!shape)
      return std::nullopt;
    SymTensor out{result->dtype, *shape, {}};
    for (int64_t k = 0, e = *numElements(*shape); k < e; ++k)
      out.elements.push_back((sym.*fn)(result->elements[broadcastIndex(k, *shape, result->shape)],
                                       next->elements[broadcastIndex(k, *shape, next->shape)]));
    result = std::move(out);
  }
  return result;
}

Result Evaluator::where() {
  auto c = input(0), a = c ? input(1) : std::nullopt, b = a ? input(2) : std::nullopt;
  auto inner = b ? broadcastShape(a->shape, b->shape) : std::nullopt;
  auto shape = inner ? broadcastShape(c->shape, *inner) : std::nullopt;
  if (!shape || a->dtype != b->dtype || c->dtype != DType::Bool)
    return std::nullopt;
  SymTensor out{a->dtype, *shape, {}};
  for (int64_t i = 0, e = *numElements(*shape); i < e; ++i)
    out.elements.push_back(sym.select(c->elements[broadcastIndex(i, *shape, c->shape)],
                                      a->elements[broadcastIndex(i, *shape, a->shape)],
                                      b->elements[broadcastIndex(i, *shape, b->shape)]));
  return out;
}

Result Evaluator::cast() {
  auto to = dtypeFromOnnx(node.attrInt("to", 0));
  auto x = to && evaluable(*to) ? input(0) : std::nullopt;
  if (!x)
    return std::nullopt;
  if (*to == DType::Bool && x->dtype != DType::Bool)
    for (AffineExpr &e : x->elements)
      e = sym.sub(sym.constant(1), sym.equal(e, sym.constant(0)));
  x->dtype = *to;
  return x;
}

Result Evaluator::gather() {
  auto x = input(0);
  auto indices = x ? input(1) : std::nullopt;
  int64_t axis = node.attrInt("axis", 0);
  if (!indices || !axisFits(axis, x->shape.size()))
    return std::nullopt;
  SymTensor out{x->dtype, {}, {}};
  out.shape.append(x->shape.begin(), x->shape.begin() + axis);
  llvm::append_range(out.shape, indices->shape);
  out.shape.append(x->shape.begin() + axis + 1, x->shape.end());
  int64_t before = 1, size = x->shape[axis], after = 1;
  for (int64_t i = 0; i < axis; ++i)
    before *= x->shape[i];
  for (size_t i = axis + 1; i < x->shape.size(); ++i)
    after *= x->shape[i];
  auto count = numElements(out.shape);
  if (!count || *count > kMaxContents)
    return std::nullopt;
  for (int64_t i = 0; i < before; ++i)
    for (AffineExpr index : indices->elements) {
      auto at = sym.constantOf(index);
      if (!at || *at < -size || *at >= size)
        return std::nullopt;
      for (int64_t k = 0; k < after; ++k)
        out.elements.push_back(x->elements[(i * size + (*at < 0 ? *at + size : *at)) * after + k]);
    }
  return out;
}

/// Along one dim only, which is what shape arithmetic does.
Result Evaluator::slice() {
  auto x = input(0);
  if (!x || x->shape.size() != 1)
    return std::nullopt;
  SmallVector<int64_t> starts, ends, axes, steps;
  if (node.opset() < 10) {
    starts = node.attrInts("starts");
    ends = node.attrInts("ends");
  } else {
    auto s = ints(1), e = ints(2), a = node.has(3) ? ints(3) : SmallVector<int64_t>{0},
         t = node.has(4) ? ints(4) : SmallVector<int64_t>{1};
    if (!s || !e || !a || !t || a->size() != 1 || t->size() != 1)
      return std::nullopt;
    starts = *s, ends = *e, steps = *t;
  }
  int64_t size = x->shape[0], step = steps.empty() ? 1 : steps[0];
  if (starts.size() != 1 || ends.size() != 1 || step == 0)
    return std::nullopt;
  auto clamp = [&](int64_t at, int64_t low, int64_t high) {
    return std::min(std::max(at < 0 ? at + size : at, low), high);
  };
  int64_t first = step > 0 ? clamp(starts[0], 0, size) : clamp(starts[0], -1, size - 1);
  int64_t last = step > 0 ? clamp(ends[0], 0, size) : clamp(ends[0] < -size ? -size - 1 : ends[0], -1, size - 1);
  SymTensor out{x->dtype, {}, {}};
  if (step > 0)
    for (int64_t i = first; i < last; i += std::min(step, last - first))
      out.elements.push_back(x->elements[i]);
  else
    for (int64_t i = first; i > last; i += std::max(step, last - first))
      out.elements.push_back(x->elements[i]);
  out.shape = {static_cast<int64_t>(out.elements.size())};
  return out;
}

Result Evaluator::concat() {
  SymTensor out;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    auto x = input(i);
    if (!x || x->shape.size() != 1)
      return std::nullopt;
    out.dtype = x->dtype;
    out.elements.append(x->elements);
  }
  out.shape = {static_cast<int64_t>(out.elements.size())};
  return out.elements.size() <= kMaxContents ? Result(out) : std::nullopt;
}

/// Reshape, Squeeze, Unsqueeze, Flatten, Identity: the elements stay, the importer's handlers know the shape rules;
/// here the few that shape arithmetic needs.
Result Evaluator::reshaped() {
  auto x = input(0);
  if (!x)
    return std::nullopt;
  StringRef op = node.op();
  int64_t count = static_cast<int64_t>(x->elements.size());
  if (op == "Identity")
    return x;
  if (op == "Reshape") {
    auto target = ints(1);
    if (!target)
      return std::nullopt;
    int64_t known = 1, open = -1;
    for (auto [i, dim] : llvm::enumerate(*target)) {
      if (dim == 0 && i < x->shape.size() && !node.attrInt("allowzero", 0))
        dim = x->shape[i];
      if (dim < -1 || (dim == -1 && open >= 0) || dim > static_cast<int64_t>(kMaxContents))
        return std::nullopt;
      dim == -1 ? open = i : known *= dim;
      if (known > static_cast<int64_t>(kMaxContents))
        return std::nullopt;
    }
    if (open >= 0)
      (*target)[open] = known ? count / known : 0;
    x->shape.assign(target->begin(), target->end());
    return numElements(x->shape) == static_cast<uint64_t>(count) ? x : std::nullopt;
  }
  SmallVector<int64_t> axes;
  if (node.opset() < 13) {
    axes = node.attrInts("axes");
  } else if (node.has(1)) {
    auto given = ints(1);
    if (!given)
      return std::nullopt;
    axes = *given;
  }
  bool insert = op == "Unsqueeze";
  size_t rank = x->shape.size() + (insert ? axes.size() : 0);
  SmallVector<char> marked(rank, 0);
  for (int64_t axis : axes) {
    if (!axisFits(axis, rank) || marked[axis])
      return std::nullopt;
    marked[axis] = 1;
  }
  SmallVector<int64_t, 4> shape;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) {
    if (insert) {
      shape.push_back(marked[i] ? 1 : x->shape[next++]);
      continue;
    }
    bool drop = axes.empty() ? x->shape[i] == 1 : marked[i];
    if (drop && x->shape[i] != 1)
      return std::nullopt;
    if (!drop)
      shape.push_back(x->shape[i]);
  }
  x->shape = shape;
  return x;
}

Result Evaluator::expand() {
  auto x = input(0);
  auto target = x ? ints(1) : std::nullopt;
  if (!target || llvm::any_of(*target, [](int64_t d) { return d < 0; }))
    return std::nullopt;
  auto shape = broadcastShape(x->shape, *target);
  if (!shape)
    return std::nullopt;
  SymTensor out{x->dtype, *shape, {}};
  for (int64_t i = 0, e = *numElements(*shape); i < e; ++i)
    out.elements.push_back(x->elements[broadcastIndex(i, *shape, x->shape)]);
  return out;
}

Result Evaluator::transpose() {
  auto x = input(0);
  return x && x->shape.size() <= 1 ? x : std::nullopt;
}

/// Reductions of vectors to a scalar.
Result Evaluator::reduce() {
  auto x = input(0);
  if (!x || x->shape.size() != 1 || x->elements.empty())
    return std::nullopt;
  if (node.has(1)) {
    auto axes = ints(1);
    if (!axes || (axes->empty() && node.attrInt("noop_with_empty_axes", 0)))
      return std::nullopt;
  }
  StringRef op = node.op();
  BinaryFn fn = op == "ReduceProd"  ? &Symbolic::mul
                : op == "ReduceSum" ? &Symbolic::add
                : op == "ReduceMax" ? &Symbolic::max
                                    : &Symbolic::min;
  AffineExpr value = x->elements[0];
  for (AffineExpr e : ArrayRef<AffineExpr>(x->elements).drop_front())
    value = (sym.*fn)(value, e);
  SymTensor out{x->dtype, {}, {value}};
  if (node.attrInt("keepdims", 1))
    out.shape = {1};
  return out;
}

Result Evaluator::range() {
  auto start = ints(0), limit = start ? ints(1) : std::nullopt, step = limit ? ints(2) : std::nullopt;
  if (!step || start->size() != 1 || limit->size() != 1 || step->size() != 1 || (*step)[0] == 0)
    return std::nullopt;
  SymTensor out{input(0)->dtype, {}, {}};
  int64_t at = (*start)[0], delta = (*step)[0];
  while (delta > 0 ? at < (*limit)[0] : at > (*limit)[0]) {
    if (out.elements.size() >= kMaxContents)
      return std::nullopt;
    out.elements.push_back(sym.constant(at));
    if (__builtin_add_overflow(at, delta, &at))
      break;
  }
  out.shape = {static_cast<int64_t>(out.elements.size())};
  return out;
}

Result Evaluator::constantOfShape() {
  auto shape = ints(0);
  auto count = shape ? numElements(*shape) : std::nullopt;
  const auto *attribute = node.attr("value");
  if (!count || *count > kMaxContents || !attribute || !attribute->has_t())
    return std::nullopt; // without a value it is float
  const onnx::TensorProto &value = attribute->t();
  auto type = dtypeFromOnnx(value.data_type());
  if (!type || !evaluable(*type) || value.has_mapped_offset())
    return std::nullopt;
  int64_t element;
  if (value.raw_data().size() == unpackedBytes(*type))
    element = elementToInt(*type, value.raw_data().data());
  else if (value.int64_data_size() == 1 && *type == DType::I64)
    element = value.int64_data(0);
  else if (value.int32_data_size() == 1 && *type != DType::I64)
    element = value.int32_data(0);
  else
    return std::nullopt;
  SymTensor out{*type, SmallVector<int64_t, 4>(ArrayRef<int64_t>(*shape)), {}};
  out.elements.assign(*count, sym.constant(element));
  return out;
}

Result Evaluator::split() {
  auto x = input(0);
  if (!x || x->shape.size() != 1)
    return std::nullopt;
  int64_t size = x->shape[0], parts = node.numOutputs();
  SmallVector<int64_t> sizes = node.opset() < 13 ? node.attrInts("split") : SmallVector<int64_t>();
  if (node.has(1)) {
    auto given = ints(1);
    if (!given)
      return std::nullopt;
    sizes = *given;
  }
  if (sizes.empty()) {
    int64_t each = (size + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i)
      sizes.push_back(std::max<int64_t>(0, std::min(each, size - i * each)));
  }
  int64_t at = 0, total = 0;
  for (int64_t s : sizes) {
    if (s < 0 || s > size)
      return std::nullopt;
    total += s;
  }
  if (static_cast<int64_t>(sizes.size()) != parts || total != size)
    return std::nullopt;
  for (unsigned i = 0; i < output; ++i)
    at += sizes[i];
  SymTensor out{x->dtype, {sizes[output]}, {}};
  out.elements.append(x->elements.begin() + at, x->elements.begin() + at + sizes[output]);
  return out;
}

/// int32 arithmetic wraps on the device: decline where a constant would.
Result Evaluator::checked(Result result) {
  if (!result || !evaluable(result->dtype) || result->elements.size() > kMaxContents)
    return std::nullopt;
  if (result->dtype == DType::I32)
    for (AffineExpr e : result->elements)
      if (auto value = graph::constantOf(e); value && *value != static_cast<int32_t>(*value))
        return std::nullopt;
  return result;
}

Result Evaluator::greater() {
  auto result = binary(&Symbolic::lessOrEqual, DType::Bool);
  if (result)
    for (AffineExpr &e : result->elements)
      e = sym.sub(sym.constant(1), e);
  return result;
}

Result Evaluator::negate() {
  auto x = input(0);
  if (x)
    for (AffineExpr &e : x->elements)
      e = node.op() == "Not" ? sym.sub(sym.constant(1), e) : sym.mul(e, sym.constant(-1));
  return x;
}

using Method = Result (Evaluator::*)();

Result Evaluator::mod() { return node.attrInt("fmod", 0) ? std::nullopt : binary(&Symbolic::mod); }

Method Evaluator::method(StringRef op) {
  return llvm::StringSwitch<Method>(op)
      .Case("Add", &Evaluator::with<&Symbolic::add>)
      .Case("Sub", &Evaluator::with<&Symbolic::sub>)
      .Case("Mul", &Evaluator::with<&Symbolic::mul>)
      .Case("Div", &Evaluator::with<&Symbolic::truncDiv>)
      .Case("Mod", &Evaluator::mod)
      .Case("Min", &Evaluator::chain<&Symbolic::min>)
      .Case("Max", &Evaluator::chain<&Symbolic::max>)
      .Case("And", &Evaluator::with<&Symbolic::min>)
      .Case("Or", &Evaluator::with<&Symbolic::max>)
      .Case("Equal", &Evaluator::test<&Symbolic::equal>)
      .Case("Less", &Evaluator::test<&Symbolic::less>)
      .Case("LessOrEqual", &Evaluator::test<&Symbolic::lessOrEqual>)
      .Case("Greater", &Evaluator::greater)
      .Case("Not", &Evaluator::negate)
      .Case("Neg", &Evaluator::negate)
      .Case("Where", &Evaluator::where)
      .Case("Cast", &Evaluator::cast)
      .Case("Gather", &Evaluator::gather)
      .Case("Slice", &Evaluator::slice)
      .Case("Concat", &Evaluator::concat)
      .Case("Reshape", &Evaluator::reshaped)
      .Case("Squeeze", &Evaluator::reshaped)
      .Case("Unsqueeze", &Evaluator::reshaped)
      .Case("Identity", &Evaluator::reshaped)
      .Case("Expand", &Evaluator::expand)
      .Case("Transpose", &Evaluator::transpose)
      .Case("ReduceProd", &Evaluator::reduce)
      .Case("ReduceSum", &Evaluator::reduce)
      .Case("ReduceMax", &Evaluator::reduce)
      .Case("ReduceMin", &Evaluator::reduce)
      .Case("Range", &Evaluator::range)
      .Case("ConstantOfShape", &Evaluator::constantOfShape)
      .Case("Split", &Evaluator::split)
      .Default(nullptr);
}

Result Evaluator::run() {
  for (unsigned i = 0; i < node.numInputs(); ++i)
    if (node.has(i) && !evaluable(node.dtype(i)))
      return std::nullopt;
  Method found = method(node.op());
  return found ? checked((this->*found)()) : std::nullopt;
}

} // namespace

bool adze::hasEvaluator(StringRef op) { return Evaluator::method(op) != nullptr; }

std::optional<SymTensor> adze::evaluateNode(NodeContext &node, unsigned output, SymInput input) {
  return Evaluator(node, output, input).run();
}
