// Compiles the graphs of IntegerGateCases.cpp for both levels of the CPU, fused and unfused, with dynamic and with
// static shapes, and compares every run on one thread and on two, twice each, with the interpreter: all bits must be
// equal.
#include "test/unit/cpu/IntegerGate.h"
#include "adze/adze.h"
#include "compiler/oracle/GraphOracle.h"
#include "compiler/pipeline/Pipeline.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "test/unit/cpu/GateDevice.h"
#include "test/unit/cpu/KernelImage.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace adze;
using namespace adze::test;
using namespace mlir;
using llvm::StringRef;

namespace {

struct Range {
  int low = -3, high = 3;
};

HostTensor integerTensor(DType type, llvm::ArrayRef<int64_t> dims, Range range, unsigned seed) {
  HostTensor t;
  t.dtype = type;
  t.dims.assign(dims.begin(), dims.end());
  size_t size = unpackedBytes(type), count = numElements(t.dims).value_or(0);
  t.bytes.resize(count * size);
  std::mt19937 engine(seed);
  for (size_t i = 0; i < count; ++i) {
    int value = range.low + static_cast<int>(engine() % static_cast<unsigned>(range.high - range.low + 1));
    if (type == DType::Bool)
      t.bytes[i] = static_cast<char>(value & 1);
    else if (isFloat(type))
      elementFromDouble(type, value, &t.bytes[i * size]);
    else
      elementFromInt(type, value, &t.bytes[i * size]);
  }
  return t;
}

/// A case as a module, with its weights. `fixed`: sizes of the symbols, for static shapes.
class GateGraph {
public:
  GateGraph(MLIRContext &context, const GateCase &gate, const Sizes *fixed)
      : context(context), gate(gate), fixed(fixed) {
    model.weights = std::make_unique<WeightStore>();
    std::string body = translate(gate.text);
    std::string text = "func.func @main(" + llvm::join(arguments, ", ") + ") -> (" + results + ") {\n" + body + "}\n";
    model.module = parseSourceString<ModuleOp>("module attributes {} {\n" + text + "}", &context);
    if (!model.module) {
      ADD_FAILURE() << text;
      return;
    }
    symbols.writeTo(*model.module);
  }
  bool ok() const { return static_cast<bool>(model.module) && succeeded(mlir::verify(*model.module)); }

  /// Inputs for these sizes, in the order of the arguments.
  std::vector<HostTensor> inputs(const Sizes &sizes) const {
    std::vector<HostTensor> out;
    for (auto [index, argument] : llvm::enumerate(inputMaps)) {
      llvm::SmallVector<int64_t> dims = evaluate(argument, sizes);
      out.push_back(integerTensor(inputTypes[index], dims, ranges[index], 7 * static_cast<unsigned>(index) + 1));
    }
    return out;
  }

  ImportedModel model;
  unsigned numOps = 0;

private:
  llvm::SmallVector<int64_t> evaluate(AffineMap map, const Sizes &sizes) const {
    llvm::SmallVector<int64_t> out;
    llvm::SmallVector<AffineExpr> values;
    for (int64_t v : sizes)
      values.push_back(getAffineConstantExpr(v, &context));
    for (AffineExpr e : map.getResults())
      out.push_back(cast<AffineConstantExpr>(e.replaceSymbols(values)).getValue());
    return out;
  }

  /// The dims of "[n,2*m+3]f32" over three symbols.
  AffineMap mapOf(StringRef type) {
    std::string text =
        "affine_map<()[n, m, k] -> (" + type.take_until([](char c) { return c == ']'; }).drop_front().str() + ")>";
    return cast<AffineMapAttr>(parseAttribute(text, &context)).getValue();
  }
  RankedTensorType typeOf(StringRef text) {
    AffineMap map = mapOf(text);
    Type element = parseType(text.split(']').second, &context);
    if (fixed)
      return graph::makeTensorType(&context, evaluate(map, *fixed), element);
    llvm::SmallVector<AffineExpr> numbers;
    for (int number : symbolNumber)
      numbers.push_back(getAffineSymbolExpr(static_cast<unsigned>(std::max(number, 0)), &context));
    graph::Dims dims;
    for (AffineExpr e : map.getResults())
      dims.push_back(e.replaceSymbols(numbers));
    return graph::makeTensorType(dims, element);
  }
  static std::string print(Type type) {
    std::string out;
    llvm::raw_string_ostream(out) << type;
    return out;
  }
  static Range rangeOf(StringRef text) {
    Range range;
    if (auto [low, high] = text.trim().split(".."); !high.empty())
      low.getAsInteger(10, range.low), high.getAsInteger(10, range.high);
    return range;
  }
  /// Splits at commas outside of brackets.
  static llvm::SmallVector<StringRef> declarations(StringRef text) {
    llvm::SmallVector<StringRef> out;
    int depth = 0;
    size_t start = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
      if (i == text.size() || (text[i] == ',' && depth == 0)) {
        out.push_back(text.slice(start, i).trim());
        start = i + 1;
      } else {
        depth += text[i] == '[' ? 1 : text[i] == ']' ? -1 : 0;
      }
    }
    return out;
  }
  /// "[n,(n - 1) floordiv 2]f32 REST": the type, and what follows it.
  static std::pair<StringRef, StringRef> splitType(StringRef text) {
    size_t end = text.find(' ', text.find(']'));
    return {text.take_front(end).trim(), end == StringRef::npos ? StringRef() : text.drop_front(end).trim()};
  }

  void argument(StringRef line) {
    auto [name, rest] = line.split(' ');
    auto [type, range] = splitType(rest);
    AffineMap map = mapOf(type);
    for (unsigned axis = 0; axis < map.getNumResults() && !fixed; ++axis)
      if (auto s = dyn_cast<AffineSymbolExpr>(map.getResult(axis)); s && symbolNumber[s.getPosition()] < 0) {
        symbolNumber[s.getPosition()] = static_cast<int>(symbols.size());
        graph::Symbol symbol;
        symbol.name = std::string(1, "nmk"[s.getPosition()]);
        symbol.min = symbol.max = gate.sizes[0][s.getPosition()];
        symbol.input = static_cast<unsigned>(arguments.size());
        symbol.axis = axis;
        for (const Sizes &sizes : gate.sizes) {
          symbol.min = std::min(symbol.min, sizes[s.getPosition()]);
          symbol.max = std::max(symbol.max, sizes[s.getPosition()]);
        }
        symbols.add(&context, symbol);
      }
    pending.push_back({name.str(), type.str()});
    arguments.push_back("");
    inputMaps.push_back(map);
    ranges.push_back(rangeOf(range));
  }
  /// Types of arguments are known once all symbols are: a dim may be an expression of a symbol that comes later.
  void finishArguments() {
    for (auto [index, item] : llvm::enumerate(pending)) {
      RankedTensorType type = typeOf(item.second);
      types[item.first] = print(type);
      arguments[index] = "%" + item.first + ": " + types[item.first];
      inputTypes.push_back(*dtypeOf(type));
    }
    pending.clear();
  }
  static std::optional<DType> dtypeOf(RankedTensorType type);

  std::string weight(StringRef name, StringRef type, StringRef range) {
    RankedTensorType t = typeOf(type);
    HostTensor data =
        integerTensor(*dtypeOf(t), t.getShape(), rangeOf(range), 100 + static_cast<unsigned>(types.size()));
    std::optional<uint32_t> id = model.weights->addInline(data.dtype, t.getShape(), data.bytes, name);
    types[name.str()] = print(t);
    return llvm::formatv("  %{0} = graph.weight {{id = {1}, name = \"{0}\"} : () -> {2}\n", name, *id, print(t));
  }

  std::string operation(StringRef left, StringRef right) {
    auto [head, attrs] = right.split('{');
    llvm::SmallVector<StringRef> words;
    head.trim().split(words, ' ', -1, false);
    StringRef op = words.front();
    if (op == "weight")
      return weight(left.split(' ').first, left.split(' ').second, head.trim().drop_front(op.size()));
    std::string operands, operandTypes, names, resultTypes;
    for (StringRef word : llvm::drop_begin(words)) {
      if (op == "layer_norm" && (word == "scale" || word == "bias")) {
        operands += " " + word.str() + " ";
        continue;
      }
      operands += (operands.empty() || operands.back() == ' ' ? "%" : ", %") + word.str();
      operandTypes += (operandTypes.empty() ? "" : ", ") + types[word.str()];
    }
    for (StringRef result : declarations(left)) {
      auto [name, type] = result.split(' ');
      types[name.str()] = print(typeOf(type));
      names += (names.empty() ? "%" : ", %") + name.str();
      resultTypes += (resultTypes.empty() ? "" : ", ") + types[name.str()];
    }
    numOps += op != "constant";
    return "  " + names + " = graph." + op.str() + " " + operands + " {" + attrs.str() + " : (" + operandTypes +
           ") -> (" + resultTypes + ")\n";
  }

  std::string translate(StringRef text) {
    std::string body;
    llvm::SmallVector<StringRef> lines;
    text.split(lines, '\n', -1, false);
    for (StringRef line : lines) {
      if (line.consume_front("in ")) {
        argument(line);
        continue;
      }
      finishArguments();
      if (line.consume_front("out ")) {
        llvm::SmallVector<StringRef> names;
        line.split(names, ' ', -1, false);
        for (StringRef name : names)
          results += (results.empty() ? "" : ", ") + types[name.str()];
        body += "  return %" + llvm::join(names, ", %") + " : " + results + "\n";
        continue;
      }
      auto [left, right] = line.split(" = ");
      body += operation(left, right);
    }
    return body;
  }

  MLIRContext &context;
  const GateCase &gate;
  const Sizes *fixed;
  graph::SymbolTable symbols;
  std::array<int, 3> symbolNumber = {-1, -1, -1};
  std::vector<std::pair<std::string, std::string>> pending;
  std::vector<std::string> arguments;
  std::vector<AffineMap> inputMaps;
  std::vector<DType> inputTypes;
  std::vector<Range> ranges;
  std::map<std::string, std::string> types;
  std::string results;
};

std::optional<DType> GateGraph::dtypeOf(RankedTensorType type) {
  Type e = type.getElementType();
  if (e.isInteger(1))
    return DType::Bool;
  if (e.isUnsignedInteger(8))
    return DType::U8;
  for (auto [width, dtype] : {std::pair{8u, DType::I8}, {32u, DType::I32}, {64u, DType::I64}})
    if (e.isInteger(width))
      return dtype;
  return e.isF16() ? DType::F16 : e.isBF16() ? DType::BF16 : DType::F32;
}

/// A package opened with a number of threads.
class GateSession {
public:
  GateSession(const std::string &file, int threads, const std::string &device) {
    adze_options_t options{};
    options.struct_size = sizeof options;
    options.device = device.c_str();
    options.num_threads = threads;
    if (adze_package_open(file.c_str(), &package) == ADZE_OK)
      adze_session_create(package, &options, &session);
    if (!session)
      ADD_FAILURE() << adze_last_error();
  }
  ~GateSession() {
    if (session)
      adze_session_destroy(session);
    if (package)
      adze_package_close(package);
  }
  bool run(llvm::ArrayRef<HostTensor> tensors, std::vector<HostTensor> &results) {
    if (!session)
      return false;
    std::vector<adze_tensor_t> inputs(tensors.size()), outputs(adze_package_num_outputs(package));
    for (auto [tensor, native] : llvm::zip(tensors, inputs)) {
      native.data = const_cast<char *>(tensor.bytes.data()); // read only: it is an input
      native.size_bytes = tensor.bytes.size();
      native.dtype = static_cast<adze_dtype_t>(tensor.dtype);
      native.rank = static_cast<int32_t>(tensor.dims.size());
      std::copy(tensor.dims.begin(), tensor.dims.end(), native.dims);
    }
    if (adze_session_run(session, inputs.data(), inputs.size(), outputs.data(), outputs.size()) != ADZE_OK) {
      ADD_FAILURE() << adze_last_error();
      return false;
    }
    results.clear();
    for (const adze_tensor_t &native : outputs) {
      HostTensor t;
      t.dtype = static_cast<DType>(native.dtype);
      t.dims.assign(native.dims, native.dims + native.rank);
      t.bytes.resize(numElements(t.dims).value_or(0) * unpackedBytes(t.dtype));
      if (!t.bytes.empty())
        std::memcpy(t.bytes.data(), native.data, t.bytes.size());
      results.push_back(std::move(t));
    }
    return true;
  }

private:
  adze_package_t *package = nullptr;
  adze_session_t *session = nullptr;
};

/// "", or the first element whose bits differ, and how many do. NaNs are equal.
std::string difference(const HostTensor &got, const HostTensor &want) {
  if (got.dtype != want.dtype || got.dims != want.dims)
    return "another type or shape";
  size_t size = unpackedBytes(want.dtype), wrong = 0;
  std::string first;
  for (size_t i = 0; i * size < want.bytes.size(); ++i) {
    double a = elementToDouble(got.dtype, &got.bytes[i * size]), b = elementToDouble(want.dtype, &want.bytes[i * size]);
    if ((a == b && std::signbit(a) == std::signbit(b)) || (std::isnan(a) && std::isnan(b)))
      continue;
    if (wrong++ == 0)
      first = llvm::formatv("element {0} is {1}, expected {2}", i, a, b).str();
  }
  return wrong ? first + " (" + std::to_string(wrong) + " of " + std::to_string(want.bytes.size() / size) + " differ)"
               : "";
}

struct GateParam {
  const GateCase *gate;
  std::string level;
};
std::ostream &operator<<(std::ostream &os, const GateParam &p) { return os << p.gate->name << " on " << p.level; }
std::vector<GateParam> gateParams() {
  std::vector<GateParam> out;
  for (const GateCase &gate : gateCases())
    for (const std::string &level : runnableLevels())
      out.push_back({&gate, level});
  return out;
}

class IntegerGate : public testing::TestWithParam<GateParam> {
protected:
  IntegerGate() {
    targets.add(gateTarget());
    device = prepareDevice(GetParam().level);
    DialectRegistry dialects;
    registerCompilerDialects(dialects);
    targets.find(gateTarget()->name())->registerDialects(dialects);
    context = std::make_unique<MLIRContext>(dialects, MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
    context->printOpOnDiagnostic(false);
    handler = std::make_unique<ScopedDiagnosticHandler>(context.get(), [this](Diagnostic &d) {
      message += d.str() + "\n";
      return success();
    });
  }

  /// What the interpreter computes; typed and wide mode must agree, or the data is not exact and the case is wrong.
  std::vector<HostTensor> expected(ModuleOp kernels, const WeightStore &weights, llvm::ArrayRef<HostTensor> inputs) {
    std::vector<HostTensor> out;
    oracle::GraphRunOptions options;
    options.interpreter.mode = oracle::Mode::Typed;
    auto typed = oracle::runGraph(kernels, weights, inputs, options);
    options.interpreter.mode = oracle::Mode::Wide;
    auto wide = oracle::runGraph(kernels, weights, inputs, options);
    if (failed(typed) || failed(wide)) {
      ADD_FAILURE() << message;
      return out;
    }
    for (auto [t, w] : llvm::zip(typed->outputs, wide->outputs)) {
      EXPECT_EQ(t.doubles(), w.doubles()) << "the case's data is not exact";
      out.push_back(t.toHost());
    }
    return out;
  }

  void check(bool fuse, const Sizes *fixed) {
    const GateCase &gate = *GetParam().gate;
    GateGraph graph(*context, gate, fixed);
    ASSERT_TRUE(graph.ok()) << message;
    if (!fuse && graph.numOps < 2)
      return; // the fused run is the same
    auto kernels = oracle::toOracleKernels(*graph.model.module, /*integerData=*/true);
    ASSERT_TRUE(succeeded(kernels)) << message;
    llvm::SmallString<128> file;
    ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("adze-gate", "adze", file));
    CompileOptions options;
    options.targets = {gateTarget()->name().str() + ":" + GetParam().level};
    options.integerData = true;
    options.tf32 = gate.tf32;
    options.fuse = fuse;
    options.threads = 1;
    options.stripDebug = true;
    CompileReport report;
    ErrorSink errors;
    bool compiled = compileGraph(graph.model, file.str().str(), targets, options, report, errors);
    EXPECT_TRUE(compiled) << errors.text() << message;
    if (compiled) {
      GateSession one(file.str().str(), 1, device), two(file.str().str(), 2, device);
      for (const Sizes &sizes : fixed ? std::vector<Sizes>{*fixed} : gate.sizes) {
        SCOPED_TRACE(llvm::formatv("{0} {1} n={2} m={3} k={4}", fuse ? "fused" : "unfused",
                                   fixed ? "static" : "dynamic", sizes[0], sizes[1], sizes[2])
                         .str());
        std::vector<HostTensor> inputs = graph.inputs(sizes), want = expected(**kernels, *graph.model.weights, inputs);
        for (auto [session, name] : {std::pair{&one, "1 thread"}, {&two, "2 threads"}, {&two, "2 threads again"}}) {
          std::vector<HostTensor> got;
          if (!session->run(inputs, got))
            break;
          ASSERT_EQ(got.size(), want.size());
          for (size_t i = 0; i < got.size(); ++i)
            EXPECT_EQ(difference(got[i], want[i]), "") << "output " << i << ", " << name;
        }
      }
    }
    llvm::sys::fs::remove(file);
  }

  TargetRegistry targets;
  std::unique_ptr<MLIRContext> context;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
  std::string message, device;
};

TEST_P(IntegerGate, Dynamic) { check(true, nullptr); }
TEST_P(IntegerGate, Unfused) { check(false, nullptr); }
TEST_P(IntegerGate, StaticDivisible) { check(true, &GetParam().gate->sizes[0]); }
TEST_P(IntegerGate, StaticRagged) { check(true, &GetParam().gate->sizes[1]); }

TEST(IntegerGateSelf, SeesOneWrongElement) {
  HostTensor a = integerTensor(DType::F32, {3, 5}, Range(), 1), b = a;
  EXPECT_EQ(difference(a, b), "");
  elementFromDouble(DType::F32, 17, &b.bytes[7 * 4]);
  EXPECT_NE(difference(a, b).find("element 7 is"), std::string::npos) << difference(a, b);
  b = a, b.dims = {5, 3};
  EXPECT_NE(difference(a, b), "");
}

INSTANTIATE_TEST_SUITE_P(Levels, IntegerGate, testing::ValuesIn(gateParams()), [](const auto &info) {
  return std::string(info.param.gate->name) + "_" + nameOfLevel(info.param.level);
});

} // namespace
