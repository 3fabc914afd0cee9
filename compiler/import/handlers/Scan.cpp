// Scan over a short sequence of fixed length: its body, once a step.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include "compiler/import/OnnxProto.h"

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

constexpr int64_t kLongestUnrolled = 64;

class Scan {
public:
  explicit Scan(NodeContext &n) : n(n) {}
  void run();

private:
  bool read();
  Value entry(int64_t sequence, int64_t step);

  NodeContext &n;
  const onnx::GraphProto *body = nullptr;
  int64_t sequences = 0, states = 0, results = 0, length = 0;
  SmallVector<int64_t> inputAxes, inputReversed, outputAxes, outputReversed;
};

bool Scan::read() {
  body = n.attrGraph("body");
  sequences = n.requireInt("num_scan_inputs");
  states = static_cast<int64_t>(n.numInputs()) - sequences;
  results = static_cast<int64_t>(n.numOutputs()) - states;
  if (n.failed())
    return false;
  if (!body || sequences < 1 || states < 0 || results < 0 || body->output_size() < static_cast<int>(n.numOutputs()))
    return n.malformed("the body, num_scan_inputs, inputs and outputs do not fit together"), false;
  results = body->output_size() - states;
  SmallVector<int64_t> inputZeros(sequences, 0), outputZeros(results, 0);
  inputAxes = n.attrInts("scan_input_axes", inputZeros),
  inputReversed = n.attrInts("scan_input_directions", inputZeros);
  outputAxes = n.attrInts("scan_output_axes", outputZeros);
  outputReversed = n.attrInts("scan_output_directions", outputZeros);
  if (inputAxes.size() != inputZeros.size() || inputReversed.size() != inputZeros.size() ||
      outputAxes.size() != outputZeros.size() || outputReversed.size() != outputZeros.size())
    return n.malformed("axes and directions must have one entry a sequence"), false;
  AffineExpr steps;
  for (int64_t i = 0; i < sequences; ++i) {
    inputAxes[i] = n.normalizeAxis(inputAxes[i], n.rank(states + i));
    if (n.failed())
      return false;
    AffineExpr dim = n.dims(states + i)[inputAxes[i]];
    if (steps && !n.checkEqual(steps, dim, "the sequences must have equal lengths"))
      return false;
    steps = dim;
  }
  auto fixed = n.sym().constantOf(steps);
  if (!fixed || *fixed < 1 || *fixed > kLongestUnrolled)
    return n.unsupported("the sequence length must be fixed and from 1 to " + llvm::Twine(kLongestUnrolled),
                         "give it with --dim or --input-shape, or split the sequence"),
           false;
  length = *fixed;
  return !n.failed();
}

Value Scan::entry(int64_t sequence, int64_t step) {
  unsigned operand = static_cast<unsigned>(states + sequence);
  int64_t axis = inputAxes[sequence], rank = n.rank(operand);
  SmallVector<AffineExpr> starts(rank, n.expr(0));
  Dims sizes = n.dims(operand);
  starts[axis] = n.expr(inputReversed[sequence] ? length - 1 - step : step), sizes[axis] = n.expr(1);
  return n.squeeze(n.slice(n.value(operand), starts, sizes, SmallVector<int64_t>(rank, 1)), {axis});
}

void Scan::run() {
  if (!read())
    return;
  SmallVector<Value> state;
  for (int64_t i = 0; i < states; ++i)
    state.push_back(n.value(i));
  SmallVector<SmallVector<Value>> collected(results);
  for (int64_t step = 0; step < length; ++step) {
    SmallVector<Value> inputs = state;
    for (int64_t i = 0; i < sequences; ++i)
      inputs.push_back(entry(i, step));
    SmallVector<Value> outputs = n.callGraph(*body, inputs);
    if (n.failed() || static_cast<int64_t>(outputs.size()) < states + results)
      return;
    for (int64_t i = 0; i < states; ++i)
      state[i] = outputs[i];
    for (int64_t i = 0; i < results; ++i) {
      int64_t axis = n.normalizeAxis(outputAxes[i], NodeContext::rankOf(outputs[states + i]) + 1);
      if (n.failed())
        return;
      collected[i].push_back(n.unsqueeze(outputs[states + i], {axis}));
    }
  }
  for (int64_t i = 0; i < states; ++i)
    n.out(i, state[i]);
  for (int64_t i = 0; i < results; ++i) {
    if (outputReversed[i])
      std::reverse(collected[i].begin(), collected[i].end());
    int64_t axis = n.normalizeAxis(outputAxes[i], NodeContext::rankOf(collected[i][0]));
    n.out(states + i, n.concat(collected[i], axis));
  }
}

void scan(NodeContext &n) { Scan(n).run(); }

void batchedScan(NodeContext &n) {
  n.unsupported("version 8 of the operator, with a batch, is not supported", "export the model with opset 9 or later");
}

} // namespace

void adze::registerScanHandlers(HandlerTable &t) {
  // Its first operand may be absent, which a variadic one may not.
  t.add("", "Scan", 8, batchedScan, 0, kVariadic - 1, kVariadic);
  t.add("", "Scan", 9, scan, 1, kVariadic, kVariadic);
}
