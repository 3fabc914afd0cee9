// Host operations and control flow. Expected values are the examples of the ONNX operator specification.
#include "TestPackage.h"

using namespace adze;
using namespace adze::test;

namespace {

/// One host operation between package inputs and outputs.
class HostPackage : public TestPackage {
public:
  explicit HostPackage(const std::string &op) { host.op = op; }

  uint32_t product(const std::vector<uint32_t> &dims, size_t elementBytes) {
    uint32_t out = constant(int64_t(elementBytes));
    for (uint32_t dim : dims)
      out = expr(fb::ExprOp::mul, out, dim);
    return out;
  }
  void operand(adze_dtype_t dtype, const std::vector<uint32_t> &dims) {
    host.dtypes.push_back(uint8_t(dtype));
    host.shapes.push_back(constant(int64_t(dims.size())));
    host.shapes.insert(host.shapes.end(), dims.begin(), dims.end());
  }
  void hostInput(adze_dtype_t dtype, std::vector<int64_t> dims) {
    std::vector<uint32_t> exprs;
    for (int64_t dim : dims)
      exprs.push_back(constant(dim));
    uint32_t index = input("in" + std::to_string(host.inputs.size()), dtype, exprs);
    host.inputs.push_back(buffer(fb::BufferKind::input, index, product(exprs, adze_dtype_bits(dtype) / 8)));
    operand(dtype, exprs);
  }
  void hostOutput(adze_dtype_t dtype, const std::vector<uint32_t> &dims) {
    uint32_t index = output("out" + std::to_string(host.outputs.size()), dtype, dims);
    host.outputs.push_back(buffer(fb::BufferKind::output, index, product(dims, adze_dtype_bits(dtype) / 8)));
    operand(dtype, dims);
  }
  /// Returns an expression of the symbol that the operation defines.
  uint32_t defines(const std::string &name, int64_t max) {
    uint32_t out = data(name, max);
    host.defines.push_back(lastSymbol());
    return out;
  }
  std::vector<adze_tensor_t> run(std::vector<adze_tensor_t> inputs) {
    command(host);
    return runOnly(std::move(inputs));
  }
  std::vector<adze_tensor_t> runOnly(std::vector<adze_tensor_t> inputs) {
    TempFile file("host.adze");
    write(file.path());
    package = openPackage(file.path());
    if (!package)
      return {};
    session = createSession(package);
    std::vector<adze_tensor_t> outputs(metadata.outputs.size());
    EXPECT_EQ(adze_session_run(session.get(), inputs.data(), inputs.size(), outputs.data(), outputs.size()), ADZE_OK)
        << adze_last_error();
    return outputs;
  }

  fb::HostT host;
  PackagePtr package;
  SessionPtr session;
};

using Dims = std::vector<int64_t>;
using Ints = std::vector<int64_t>;

TEST(HostOps, NonZero) {
  HostPackage p("nonzero");
  p.hostInput(ADZE_F32, {2, 2});
  p.hostOutput(ADZE_I64, {p.constant(2), p.defines("count", 4)});
  std::vector<float> x{1, -0.0f, 1, 1};
  adze_tensor_t in = tensor(x, {2, 2});
  auto out = p.run({in});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(dims(out[0]), (Dims{2, 3}));
  EXPECT_EQ(values<int64_t>(out[0]), (Ints{0, 1, 1, 0, 0, 1}));
  // Before the run only the bound is known.
  adze_tensor_t shape{};
  ASSERT_EQ(adze_session_output_shapes(p.session.get(), &in, 1, &shape, 1), ADZE_OK);
  EXPECT_EQ(dims(shape), (Dims{2, -1}));
  EXPECT_EQ(shape.size_bytes, 64u);
  // All zero.
  std::fill(x.begin(), x.end(), 0.0f);
  ASSERT_EQ(adze_session_run(p.session.get(), &in, 1, out.data(), 1), ADZE_OK) << adze_last_error();
  EXPECT_EQ(dims(out[0]), (Dims{2, 0}));
}

TEST(HostOps, CompressAlongAnAxis) {
  for (bool hasAxis : {true, false}) {
    HostPackage p("compress");
    p.hostInput(ADZE_F32, {3, 2});
    p.hostInput(ADZE_BOOL, {hasAxis ? 3 : 5});
    p.host.attrs = {hasAxis, 0};
    uint32_t count = p.defines("count", 6);
    p.hostOutput(ADZE_F32, hasAxis ? std::vector<uint32_t>{count, p.constant(2)} : std::vector<uint32_t>{count});
    std::vector<float> x{1, 2, 3, 4, 5, 6};
    std::vector<uint8_t> condition = hasAxis ? std::vector<uint8_t>{0, 1, 1} : std::vector<uint8_t>{0, 1, 0, 0, 1};
    auto out = p.run({tensor(x, {3, 2}), tensor(condition, ADZE_BOOL, {int64_t(condition.size())})});
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(dims(out[0]), hasAxis ? (Dims{2, 2}) : (Dims{2}));
    EXPECT_EQ(values<float>(out[0]), hasAxis ? (std::vector<float>{3, 4, 5, 6}) : (std::vector<float>{2, 5}));
  }
}

TEST(HostOps, Unique) {
  std::vector<float> x{2, 1, 1, 3, 4, 3};
  for (bool sorted : {true, false}) {
    HostPackage p("unique");
    p.hostInput(ADZE_F32, {6});
    p.host.attrs = {sorted, 0, 0, 7};
    uint32_t count = p.defines("count", 6);
    p.hostOutput(ADZE_F32, {count});
    p.hostOutput(ADZE_I64, {count});
    p.hostOutput(ADZE_I64, {p.constant(6)});
    p.hostOutput(ADZE_I64, {count});
    auto out = p.run({tensor(x, {6})});
    ASSERT_EQ(out.size(), 4u);
    EXPECT_EQ(values<float>(out[0]), sorted ? (std::vector<float>{1, 2, 3, 4}) : (std::vector<float>{2, 1, 3, 4}));
    EXPECT_EQ(values<int64_t>(out[1]), sorted ? (Ints{1, 0, 3, 4}) : (Ints{0, 1, 3, 4}));
    EXPECT_EQ(values<int64_t>(out[2]), sorted ? (Ints{1, 0, 0, 2, 3, 2}) : (Ints{0, 1, 1, 2, 3, 2}));
    EXPECT_EQ(values<int64_t>(out[3]), sorted ? (Ints{2, 1, 2, 1}) : (Ints{1, 2, 2, 1}));
  }
}

TEST(HostOps, UniqueRows) {
  std::vector<float> x{1, 0, 0, 1, 0, 0, 2, 3, 4};
  HostPackage p("unique");
  p.hostInput(ADZE_F32, {3, 3});
  p.host.attrs = {1, 1, 0, 2};
  p.hostOutput(ADZE_F32, {p.defines("count", 3), p.constant(3)});
  p.hostOutput(ADZE_I64, {p.constant(3)});
  auto out = p.run({tensor(x, {3, 3})});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(dims(out[0]), (Dims{2, 3}));
  EXPECT_EQ(values<float>(out[0]), (std::vector<float>{1, 0, 0, 2, 3, 4}));
  EXPECT_EQ(values<int64_t>(out[1]), (Ints{0, 0, 1}));
}

TEST(HostOps, NonMaxSuppression) {
  std::vector<float> corners{0, 0,  1, 1,  0, 0.1f,  1, 1.1f,  0, -0.1f, 1, 0.9f,
                             0, 10, 1, 11, 0, 10.1f, 1, 11.1f, 0, 100,   1, 101};
  std::vector<float> centers{0.5f, 0.5f,  1, 1, 0.5f, 0.6f,  1, 1, 0.5f, 0.4f,   1, 1,
                             0.5f, 10.5f, 1, 1, 0.5f, 10.6f, 1, 1, 0.5f, 100.5f, 1, 1};
  std::vector<float> scores{0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.3f};
  for (bool center : {false, true})
    for (bool limitsAsInputs : {false, true}) {
      HostPackage p("nms");
      p.hostInput(ADZE_F32, {1, 6, 4});
      p.hostInput(ADZE_F32, {1, 1, 6});
      p.host.attrs = {center, 3, limitsAsInputs ? 7 : 8};
      p.host.fattrs = {0.5, 0.0};
      std::vector<adze_tensor_t> inputs{tensor(center ? centers : corners, {1, 6, 4}), tensor(scores, {1, 1, 6})};
      std::vector<int64_t> max{3};
      std::vector<float> iou{0.5f}, score{0.0f};
      if (limitsAsInputs) {
        p.hostInput(ADZE_I64, {1});
        p.hostInput(ADZE_F32, {1});
        p.hostInput(ADZE_F32, {1});
        inputs.push_back(tensor(max, ADZE_I64, {1}));
        inputs.push_back(tensor(iou, {1}));
        inputs.push_back(tensor(score, {1}));
      }
      p.hostOutput(ADZE_I64, {p.defines("boxes", 6), p.constant(3)});
      auto out = p.run(inputs);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_EQ(values<int64_t>(out[0]), (Ints{0, 0, 3, 0, 0, 0, 0, 0, 5}));
    }
}

TEST(HostOps, TopK) {
  // The specification's test cases: along the last axis, the smallest, and ties by index.
  std::vector<float> x{0, 1, 2, 3, 4, 5, 6, 7, 11, 10, 9, 8};
  for (bool largest : {true, false}) {
    HostPackage p("topk");
    p.hostInput(ADZE_F32, {3, 4});
    p.host.attrs = {1, largest};
    p.hostOutput(ADZE_F32, {p.constant(3), p.constant(3)});
    p.hostOutput(ADZE_I64, {p.constant(3), p.constant(3)});
    auto out = p.run({tensor(x, {3, 4})});
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(values<float>(out[0]), largest ? (std::vector<float>{3, 2, 1, 7, 6, 5, 11, 10, 9})
                                             : (std::vector<float>{0, 1, 2, 4, 5, 6, 8, 9, 10}));
    EXPECT_EQ(values<int64_t>(out[1]), largest ? (Ints{3, 2, 1, 3, 2, 1, 0, 1, 2}) : (Ints{0, 1, 2, 0, 1, 2, 3, 2, 1}));
  }
  std::vector<uint16_t> halves{0x3c00, 0xbc00, 0x3c00, 0x4000, 0x3800, 0x4000}; // 1 -1; 1 2; 0.5 2, along axis 0
  HostPackage p("topk");
  p.hostInput(ADZE_F16, {3, 2});
  p.host.attrs = {0, 1};
  p.hostOutput(ADZE_F16, {p.constant(2), p.constant(2)});
  p.hostOutput(ADZE_I64, {p.constant(2), p.constant(2)});
  auto out = p.run({tensor(halves, ADZE_F16, {3, 2})});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(values<uint16_t>(out[0]), (std::vector<uint16_t>{0x3c00, 0x4000, 0x3c00, 0x4000}));
  EXPECT_EQ(values<int64_t>(out[1]), (Ints{0, 1, 1, 2}));
}

/// A value computed from data steers a loop; its last turn and the trip count come out.
TEST(HostOps, ReadIntsSteersALoop) {
  HostPackage p("read_ints");
  p.hostInput(ADZE_I32, {1});
  uint32_t trip = p.defines("trip", 1000), eight = p.constant(8), zero = p.constant(0);
  p.command(p.host);
  p.arena(p.constant(128));
  uint32_t iteration = p.buffer(fb::BufferKind::arena, 0, eight, zero);
  uint32_t condition = p.buffer(fb::BufferKind::arena, 0, eight, p.constant(64));
  uint32_t last = p.buffer(fb::BufferKind::output, p.output("last", ADZE_I64, {p.constant(1)}), eight);
  uint32_t trips = p.buffer(fb::BufferKind::output, p.output("trips", ADZE_U8, {p.constant(1)}), p.constant(1));
  fb::FillT fill;
  fill.to = condition;
  fill.pattern = 1;
  fill.pattern_bytes = 1;
  fill.bytes = p.constant(1);
  p.command(fill);
  fb::LoopT loop;
  loop.trip = trip;
  loop.has_iteration = true;
  loop.iteration = iteration;
  loop.has_condition = true;
  loop.condition = condition;
  loop.body = uint32_t(p.block());
  p.copy(last, iteration, eight, loop.body);
  p.command(loop);
  fb::StoreExprsT store;
  store.to = trips;
  store.dtype = ADZE_U8;
  store.exprs = {trip};
  p.command(store);
  std::vector<int32_t> x{7};
  adze_tensor_t in = tensor(x, ADZE_I32, {1});
  auto out = p.runOnly({in});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(values<int64_t>(out[0]), Ints{6});
  EXPECT_EQ(values<uint8_t>(out[1]), std::vector<uint8_t>{7});
  x[0] = 1001;
  expectError(adze_session_run(p.session.get(), &in, 1, out.data(), 2), ADZE_BAD_INPUT, "'trip'");
  x[0] = 300; // does not fit uint8
  expectError(adze_session_run(p.session.get(), &in, 1, out.data(), 2), ADZE_BAD_INPUT, "uint8");
}

/// In a loop a symbol is defined again: its earlier, smaller value does not bound the new one.
TEST(HostOps, LoopsDefineSymbolsAgain) {
  HostPackage p("nonzero");
  uint32_t four = p.constant(4), sixteen = p.constant(16);
  uint32_t x = p.buffer(fb::BufferKind::input, p.input("x", ADZE_F32, {four}), sixteen);
  p.arena(p.constant(64));
  uint32_t state = p.buffer(fb::BufferKind::arena, 0, sixteen, p.constant(0));
  p.host.inputs = {state};
  p.operand(ADZE_F32, {four});
  p.hostOutput(ADZE_I64, {p.constant(1), p.defines("count", 4)});
  fb::FillT fill;
  fill.to = state;
  fill.pattern_bytes = 1;
  fill.bytes = sixteen;
  p.command(fill);
  fb::LoopT loop;
  loop.trip = p.constant(2);
  loop.body = uint32_t(p.block());
  p.command(p.host, loop.body);
  p.copy(state, x, sixteen, loop.body);
  p.command(loop);
  std::vector<float> values4{0, 1, 0, 2};
  auto out = p.runOnly({tensor(values4, {4})});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(values<int64_t>(out[0]), (Ints{1, 3}));
}

TEST(HostOps, SymbolsMayNotBeUsedBeforeTheyAreDefined) {
  HostPackage p("read_ints");
  p.hostInput(ADZE_I32, {1});
  uint32_t trip = p.defines("trip", 1000);
  uint32_t out = p.buffer(fb::BufferKind::output, p.output("y", ADZE_I64, {p.constant(1)}), p.constant(8));
  fb::StoreExprsT store;
  store.to = out;
  store.dtype = ADZE_I64;
  store.exprs = {trip};
  p.command(store);
  p.command(p.host);
  TempFile file("early.adze");
  p.write(file.path());
  PackagePtr package = openPackage(file.path());
  SessionPtr session = createSession(package);
  std::vector<int32_t> x{7};
  adze_tensor_t in = tensor(x, ADZE_I32, {1}), result{};
  expectError(adze_session_run(session.get(), &in, 1, &result, 1), ADZE_BAD_PACKAGE, "before");
}

TEST(HostOps, WrongOperandsAreRefused) {
  auto refused = [](const std::string &text, const std::string &op, auto &&change) {
    HostPackage p(op);
    p.hostInput(ADZE_F32, {2, 2});
    p.hostOutput(ADZE_I64, {p.constant(2), p.defines("count", 4)});
    change(p);
    p.command(p.host);
    TempFile file("refused.adze");
    p.write(file.path());
    adze_package_t *package = nullptr;
    SCOPED_TRACE(text);
    expectError(adze_package_open(file.path().c_str(), &package), ADZE_BAD_PACKAGE, text);
  };
  refused("defines 0", "nonzero", [](HostPackage &p) { p.host.defines.clear(); });
  refused("int64", "nonzero", [](HostPackage &p) { p.host.dtypes[1] = ADZE_I32; });
  refused("has 0 inputs", "nonzero", [](HostPackage &p) {
    p.host.inputs.clear();
    p.host.dtypes.erase(p.host.dtypes.begin());
    p.host.shapes.erase(p.host.shapes.begin(), p.host.shapes.begin() + 3);
  });
  refused("incomplete", "nonzero", [](HostPackage &p) { p.host.shapes.pop_back(); });
  refused("one dtype", "nonzero", [](HostPackage &p) { p.host.dtypes.pop_back(); });
  refused("inputs", "compress", [](HostPackage &) {});
  refused("attributes", "unique", [](HostPackage &) {});
  refused("integer", "read_ints", [](HostPackage &p) {
    p.host.outputs.clear();
    p.host.dtypes.pop_back();
    p.host.shapes.resize(3);
  });
}

/// An input that steers a shape.
TEST(HostOps, InputValuesAreSymbols) {
  HostPackage p("");
  uint32_t index = p.input("length", ADZE_I64, {p.constant(1)});
  uint32_t n = p.inputValue("length", index, 0, 0, 10), bytes = p.expr(fb::ExprOp::mul, n, p.constant(8));
  uint32_t y = p.buffer(fb::BufferKind::output, p.output("y", ADZE_I64, {n}), bytes);
  fb::FillT fill;
  fill.to = y;
  fill.pattern = 42;
  fill.pattern_bytes = 8;
  fill.bytes = bytes;
  p.command(fill);
  std::vector<int64_t> length{3};
  adze_tensor_t in = tensor(length, ADZE_I64, {1});
  auto out = p.runOnly({in});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(values<int64_t>(out[0]), (Ints{42, 42, 42}));
  length[0] = 11;
  expectError(adze_session_run(p.session.get(), &in, 1, out.data(), 1), ADZE_BAD_INPUT, "element 0 ('length')");
  in.data = nullptr;
  expectError(adze_session_output_shapes(p.session.get(), &in, 1, out.data(), 1), ADZE_INVALID_ARGUMENT, "'length'");
}

} // namespace
