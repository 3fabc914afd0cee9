// LSTM, GRU and plain recurrent layers, one direction: a program owns a block of the batch and walks the time steps
// with the state in tiles. Needs static input and hidden sizes.
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Scalar.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace adze::kernels {
using namespace graph;

namespace {
class RnnBuilder {
public:
  RnnBuilder(KernelRequest &r)
      : r(r), op(cast<RnnOp>(anchorOf(r.region))), args(r.region), element(elementOf(op.getX())),
        compute(computeType(element)) {
    Dims x = getDims(op.getX());
    steps = x[0], batch = x[1];
    input = *constantOf(x[2]);
    hidden = *constantOf(getDims(op.getR())[1]);
  }
  BuildResult build();

private:
  struct State {
    Value h, c;
  };
  Value matrixRows(Value v, int64_t gate, int64_t columns);
  Value biasOf(int64_t gate);
  Value peepholeOf(int64_t gate);
  Value product(Value tile, Value matrix, Value acc);
  Value gate(Value x, Value h, int64_t number);
  State lstm(Value x, State s);
  State gru(Value x, State s);
  State step(Value t, State s);
  Value initial(Value v);
  Value sigmoid(Value v);
  Value tanh(Value v);
  Value clamp(Value v) {
    ScalarBuilder s(*text, v);
    return s.binary<arith::MaximumFOp>(s.binary<arith::MinimumFOp>(v, s.f(4, compute)), s.f(-4, compute));
  }
  Value stateView(unsigned argument) {
    KernelText &k = *text;
    return k.view({argument, {batch, k.constant(hidden)}, {k.constant(hidden), k.constant(1)}, k.constant(0)});
  }

  KernelRequest &r;
  RnnOp op;
  RegionArgs args;
  Type element, compute;
  AffineExpr steps, batch;
  int64_t input, hidden, BB = 1;
  unsigned grid = 0;
  std::unique_ptr<KernelText> text;
};

/// The rows of one gate of w or r: [hidden x columns], stored type.
Value RnnBuilder::matrixRows(Value v, int64_t gate, int64_t columns) {
  KernelText &k = *text;
  int64_t gates = op.getKind() == RnnKind::lstm ? 4 : op.getKind() == RnnKind::gru ? 3 : 1;
  Value view = k.view({*args.operand(v),
                       {k.constant(gates * hidden), k.constant(columns)},
                       {k.constant(columns), k.constant(1)},
                       k.constant(0)});
  return k.load(view, {k.index(gate * hidden), k.index(0)}, {hidden, columns}, {}, "w", true);
}

/// [BB x hidden] of one gate's bias; zeros without bias.
Value RnnBuilder::biasOf(int64_t gate) {
  KernelText &k = *text;
  if (!op.getBias())
    return k.zeros({BB, hidden}, compute);
  Value view = k.view({*args.operand(op.getBias()), {getDims(op.getBias())[0]}, {k.constant(1)}, k.constant(0)});
  Value row = fromStorage(k, k.load(view, k.index(gate * hidden), {hidden}, {}, "", true), element);
  return k.broadcast(k.reshape(row, {1, hidden}), {BB, hidden});
}

Value RnnBuilder::peepholeOf(int64_t gate) {
  KernelText &k = *text;
  Value view = k.view({*args.operand(op.getPeephole()), {k.constant(3 * hidden)}, {k.constant(1)}, k.constant(0)});
  Value row = fromStorage(k, k.load(view, k.index(gate * hidden), {hidden}, {}, "", true), element);
  return k.broadcast(k.reshape(row, {1, hidden}), {BB, hidden});
}

/// acc + tile * matrix^T.
Value RnnBuilder::product(Value tile, Value matrix, Value acc) {
  KernelText::DotFlags flags;
  flags.transB = true;
  flags.precision = r.options.dotPrecision;
  return text->dot(toStorage(*text, tile, element), matrix, acc, flags, "mma");
}

Value RnnBuilder::gate(Value x, Value h, int64_t number) {
  Value acc = product(x, matrixRows(op.getW(), number, input), biasOf(number));
  return h ? product(h, matrixRows(op.getR(), number, hidden), acc) : acc;
}

Value RnnBuilder::sigmoid(Value v) {
  if (r.options.integerData)
    return clamp(v);
  ScalarBuilder s(*text, v);
  return s.divf(s.f(1, compute), s.addf(s.f(1, compute), s.unary<math::ExpOp>(s.unary<arith::NegFOp>(v))));
}
Value RnnBuilder::tanh(Value v) {
  return r.options.integerData ? clamp(v) : Value(math::TanhOp::create(text->b, text->loc, v));
}

/// Gates i, o, f, c; peepholes i, o, f.
RnnBuilder::State RnnBuilder::lstm(Value x, State old) {
  ScalarBuilder s(*text, old.h);
  Value i = gate(x, old.h, 0), o = gate(x, old.h, 1), f = gate(x, old.h, 2), g = tanh(gate(x, old.h, 3));
  if (op.getPeephole()) {
    i = s.addf(i, s.mulf(peepholeOf(0), old.c));
    f = s.addf(f, s.mulf(peepholeOf(2), old.c));
  }
  Value c = s.addf(s.mulf(sigmoid(f), old.c), s.mulf(sigmoid(i), g));
  if (op.getPeephole())
    o = s.addf(o, s.mulf(peepholeOf(1), c));
  return {s.mulf(sigmoid(o), tanh(c)), c};
}

/// Gates z, r, h.
RnnBuilder::State RnnBuilder::gru(Value x, State old) {
  ScalarBuilder s(*text, old.h);
  Value z = sigmoid(gate(x, old.h, 0)), reset = sigmoid(gate(x, old.h, 1)), candidate;
  if (op.getLinearBeforeReset()) {
    Value recurrent = product(old.h, matrixRows(op.getR(), 2, hidden), biasOf(3));
    candidate = tanh(s.addf(gate(x, Value(), 2), s.mulf(reset, recurrent)));
  } else {
    candidate = tanh(gate(x, s.mulf(reset, old.h), 2));
  }
  Value keep = s.mulf(z, old.h), change = s.mulf(s.subf(s.f(1, compute), z), candidate);
  return {s.addf(change, keep), old.c};
}

RnnBuilder::State RnnBuilder::step(Value t, State old) {
  KernelText &k = *text;
  AffineExpr one = k.constant(1), in = k.constant(input), out = k.constant(hidden);
  Value xs = k.view(
      {*args.operand(op.getX()), {steps, batch, in}, {graph::product(k.context, {batch, in}), in, one}, k.constant(0)});
  Value x = fromStorage(k, k.load(xs, {t, k.offset(grid), k.index(0)}, {BB, input}, {}, "x"), element);
  State next = op.getKind() == RnnKind::lstm  ? lstm(x, old)
               : op.getKind() == RnnKind::gru ? gru(x, old)
                                              : State{tanh(gate(x, old.h, 0)), old.c};
  Value y = next.h;
  if (op.getLengths()) { // steps beyond a sequence's end keep the state and give 0
    ScalarBuilder s(k, next.h);
    Type i32 = k.b.getI32Type();
    Value lengths = k.view({*args.operand(op.getLengths()), {batch}, {one}, k.constant(0)});
    Value length = k.reshape(k.load(lengths, k.offset(grid), {BB}), {BB, 1});
    Value runs = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::slt, k.splatIndex({BB, 1}, t, i32), length);
    runs = k.broadcast(runs, {BB, hidden});
    y = s.select(runs, next.h, s.f(0, compute));
    next.h = s.select(runs, next.h, old.h);
    next.c = s.select(runs, next.c, old.c);
  }
  if (std::optional<unsigned> argument = args.resultOf(op.getYs()[0])) {
    Value ys =
        k.view({*argument, {steps, batch, out}, {graph::product(k.context, {batch, out}), out, one}, k.constant(0)});
    k.store(toStorage(k, y, element), ys, {t, k.offset(grid), k.index(0)});
  }
  return next;
}

Value RnnBuilder::initial(Value v) {
  KernelText &k = *text;
  if (!v)
    return k.zeros({BB, hidden}, compute);
  Value view =
      k.view({*args.operand(v), {batch, k.constant(hidden)}, {k.constant(hidden), k.constant(1)}, k.constant(0)});
  return fromStorage(k, k.load(view, {k.offset(grid), k.index(0)}, {BB, hidden}), element);
}

BuildResult RnnBuilder::build() {
  Problem p;
  p.family = "rnn";
  p.extents["R"] = extentOf(batch, r.symbols);
  p.extents["M"] = extentOf(steps, r.symbols);
  p.extents["N"] = extentOf(constantExpr(r.region.getContext(), hidden), r.symbols);
  p.types["x"] = element;
  Plan plan = planFor(r, p);
  BB = tileSize(plan, "BM", 16, batch);
  text = std::make_unique<KernelText>(r.region->getParentOfType<ModuleOp>(), r.region.getLoc(), "rnn",
                                      stringifyRnnKind(op.getKind()), r.symbols);
  KernelText &k = *text;
  args.declare(k);
  grid = k.addGrid(batch, BB);
  k.beginBody();
  Value count = k.dim(steps);
  Value init[] = {initial(op.getH0()), initial(op.getC0())};
  auto last = k.loop("time", tile::LoopKind::serial, k.index(0), count, 1, init,
                     [&](Value i, ValueRange carried) -> SmallVector<Value> {
                       Value t = op.getReverse() ? k.sub(k.sub(count, k.index(1)), i) : i;
                       State next = step(t, {carried[0], carried[1]});
                       return {next.h, next.c};
                     });
  for (unsigned i = 0; i + 1 < op.getYs().size(); ++i)
    if (std::optional<unsigned> argument = args.resultOf(op.getYs()[1 + i]))
      k.store(toStorage(k, last[i], element), stateView(*argument), {k.offset(grid), k.index(0)});
  k.yield();
  return finish(r, k, plan, compute);
}
} // namespace

BuildResult buildRnn(KernelRequest &r) { return RnnBuilder(r).build(); }

} // namespace adze::kernels
