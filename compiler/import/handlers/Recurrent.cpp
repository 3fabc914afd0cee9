// LSTM, GRU and RNN: one graph.rnn a direction.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

class Recurrent {
public:
  Recurrent(NodeContext &n, RnnKind kind) : n(n), kind(kind) {}
  void run();

private:
  bool readAttributes();
  Value direction(Value x, int64_t d);
  Value biasOf(Value b);
  Value part(Value b, int64_t first, int64_t count) {
    return n.slice(b, {n.sym().mul(hidden, n.expr(first))}, {n.sym().mul(hidden, n.expr(count))}, {1});
  }
  void run(int64_t d);

  NodeContext &n;
  RnnKind kind;
  int64_t directions = 1;
  bool reverse = false, batchFirst = false, linear = false;
  AffineExpr hidden;
  SmallVector<Value> ys, hs, cs; ///< one entry a direction
};

bool Recurrent::readAttributes() {
  std::string way = n.attrString("direction", "forward");
  if (way != "forward" && way != "reverse" && way != "bidirectional")
    return n.malformed("direction is '" + way + "'"), false;
  directions = way == "bidirectional" ? 2 : 1;
  reverse = way == "reverse";
  batchFirst = n.attrBool("layout", false);
  linear = kind == RnnKind::gru && n.attrBool("linear_before_reset", false);
  if (n.hasAttr("clip"))
    return n.unsupported("clip is not supported", "remove the attribute"), false;
  if (n.attrBool("input_forget", false))
    return n.unsupported("input_forget is not supported", "remove the attribute"), false;
  static const std::vector<std::string> kDefaults[] = {{"Sigmoid", "Tanh", "Tanh"}, {"Sigmoid", "Tanh"}, {"Tanh"}};
  const auto &defaults = kDefaults[static_cast<unsigned>(kind)];
  auto given = n.attrStrings("activations");
  for (auto [i, name] : llvm::enumerate(given))
    if (i >= defaults.size() * directions || !llvm::StringRef(name).equals_insensitive(defaults[i % defaults.size()]))
      return n.unsupported("activation '" + name + "' is not supported here", "use the default activations"), false;
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3)
    return n.malformed("X, W and R must have rank 3"), false;
  hidden = n.dims(2)[2];
  if (n.hasAttr("hidden_size") &&
      !n.checkEqual(hidden, n.expr(n.attrInt("hidden_size", 0)), "hidden_size is R's last dim"))
    return false;
  for (unsigned i : {1u, 2u})
    if (!n.checkEqual(n.dims(i)[0], n.expr(directions), "weights have one entry a direction"))
      return false;
  return !n.failed();
}

/// Entry `d` of the leading dim.
Value Recurrent::direction(Value x, int64_t d) {
  if (!x || n.failed())
    return {};
  Dims sizes = NodeContext::dimsOf(x);
  SmallVector<AffineExpr> starts(sizes.size(), n.expr(0));
  if (sizes.empty())
    return n.malformed("an operand is a scalar"), Value();
  starts[0] = n.expr(d);
  sizes[0] = n.expr(1);
  return n.squeeze(n.slice(x, starts, sizes, SmallVector<int64_t>(sizes.size(), 1)), {0});
}

/// Wb and Rb added; a GRU that resets after the product keeps the recurrent bias of its last gate apart.
Value Recurrent::biasOf(Value b) {
  static constexpr int64_t kGates[] = {4, 3, 1};
  int64_t gates = kGates[static_cast<unsigned>(kind)];
  if (!b || n.failed())
    return {};
  if (NodeContext::rankOf(b) != 1 ||
      !n.checkEqual(NodeContext::dimsOf(b)[0], n.sym().mul(hidden, n.expr(2 * gates)), "B has two biases a gate"))
    return n.malformed("B must have two biases a gate"), Value();
  if (!linear)
    return n.create<AddOp>(part(b, 0, gates), part(b, gates, gates));
  return n.concat({n.create<AddOp>(part(b, 0, 2), part(b, 3, 2)), part(b, 2, 1), part(b, 5, 1)}, 0);
}

void Recurrent::run(int64_t d) {
  // Inputs: X W R B lengths h0, and for LSTM c0 and peepholes. With layout = 1 the batch comes first.
  auto state = [&](unsigned i) -> Value {
    if (!n.has(i))
      return {};
    Value s = n.value(i);
    if (n.rank(i) != 3)
      return n.malformed("initial states must have rank 3"), Value();
    return direction(batchFirst ? n.transpose(s, {1, 0, 2}) : s, d);
  };
  bool lstm = kind == RnnKind::lstm;
  Value x = n.value(0);
  if (batchFirst)
    x = n.transpose(x, {1, 0, 2});
  Value w = direction(n.value(1), d), r = direction(n.value(2), d);
  Value bias = n.has(3) ? biasOf(direction(n.value(3), d)) : Value();
  Value lengths = n.has(4) ? n.cast(n.value(4), n.element(DType::I32)) : Value();
  Value h0 = state(5), c0 = lstm ? state(6) : Value();
  Value peephole = lstm && n.has(7) ? direction(n.value(7), d) : Value();
  if (n.failed() || !x || !w || !r)
    return;
  Dims dims = NodeContext::dimsOf(x);
  mlir::Type element = NodeContext::elementOf(x);
  mlir::Type step = graph::makeTensorType({dims[1], hidden}, element);
  SmallVector<mlir::Type> types = {graph::makeTensorType({dims[0], dims[1], hidden}, element), step};
  if (lstm)
    types.push_back(step);
  auto results =
      n.createManyOptional<RnnOp>(types, x, w, r, bias, h0, c0, lengths, peephole, kind, reverse || d == 1, linear);
  if (results.size() != types.size())
    return;
  ys.push_back(n.unsqueeze(results[0], {1}));
  hs.push_back(n.unsqueeze(results[1], {0}));
  if (lstm)
    cs.push_back(n.unsqueeze(results[2], {0}));
}

void Recurrent::run() {
  if (!readAttributes())
    return;
  for (int64_t d = 0; d < directions; ++d)
    run(d);
  if (n.failed())
    return;
  Value y = n.concat(ys, 1), h = n.concat(hs, 0), c = cs.empty() ? Value() : n.concat(cs, 0);
  if (batchFirst) {
    y = n.transpose(y, {2, 0, 1, 3});
    h = n.transpose(h, {1, 0, 2});
    c = c ? n.transpose(c, {1, 0, 2}) : c;
  }
  n.out(0, y);
  n.out(1, h);
  if (c)
    n.out(2, c);
}

template <RnnKind kind>
void recurrent(NodeContext &n) {
  Recurrent(n, kind).run();
}

} // namespace

void adze::registerRecurrentHandlers(HandlerTable &t) {
  t.add("", "GRU", 7, recurrent<RnnKind::gru>, 3, 6, 2);
  t.add("", "LSTM", 7, recurrent<RnnKind::lstm>, 3, 8, 3);
  t.add("", "RNN", 7, recurrent<RnnKind::rnn>, 3, 6, 2);
}
