// Every tile op and element type: compiled code of one target against the interpreter of the tile dialect.
#include "compiler/oracle/Interpreter.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "test/unit/cpu/KernelImage.h"
#include <cmath>
#include <random>

using namespace adze;
using namespace adze::test;
using namespace mlir;

namespace {

/// An argument of a test kernel: static row-major view %name.
struct Arg {
  std::string name, element, effect, shape; // shape "4x37"
  double low = -4, high = 4;                // range of the random values
  bool integral = false;                    // whole numbers only
  bool special = false;                     // mixes in NaN, infinities, zeros, halves
};

/// One program without a grid: the arguments are bound to views, then comes the body.
std::string kernelText(const std::vector<Arg> &args, const std::string &body, const std::string &attrs = "") {
  std::string types, params, views;
  for (const Arg &a : args) {
    std::string ref = "!tile.ref<" + a.element + ", " + a.effect + ">";
    types += (types.empty() ? "" : ", ") + ref;
    params += (params.empty() ? "" : ", ") + ("%ref_" + a.name) + ": " + ref;
    views += "  %" + a.name + " = tile.view %ref_" + a.name + "[] : " + ref + " -> !tile.view<" + a.shape + "x" +
             a.element + ", " + a.effect + ">\n";
  }
  return "tile.kernel @k attributes {key = \"k\", dims = [], arg_types = [" + types +
         "], grid_extents = affine_map<() -> (1)>, grid_steps = array<i64: 1>" + attrs + "} body {\n^bb0(" + params +
         ", %grid0: index):\n" + "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n" + views + body +
         "  tile.yield\n}\n";
}

int64_t elementsOf(const std::string &shape) {
  int64_t n = 1;
  size_t at = 0;
  while (at < shape.size()) {
    size_t x = shape.find('x', at);
    n *= std::stoll(shape.substr(at, x - at));
    if (x == std::string::npos)
      break;
    at = x + 1;
  }
  return n;
}

struct Memory {
  Type type;
  oracle::Storage storage;
  std::vector<char> bytes;
  int64_t elements;
};

void fill(Memory &m, const Arg &a, unsigned seed) {
  std::mt19937 g(seed);
  std::uniform_real_distribution<double> d(a.low, a.high);
  std::vector<double> v(m.elements);
  const double specials[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0,  0.5,   1.5,   -2.5, 1e30, -1e30,
                             448, 449,      464,       480, 57344, 61440, 65520, 1e-8, 1e-39};
  for (double &x : v) {
    x = d(g);
    if (a.integral)
      x = std::floor(x);
    if (a.special && g() % 3 == 0)
      x = specials[g() % std::size(specials)];
  }
  if (m.storage.isFloat()) {
    m.storage.write(m.bytes.data(), 0, 1, m.elements, v.data());
    return;
  }
  std::vector<int64_t> i(m.elements);
  unsigned w = m.type.getIntOrFloatBitWidth();
  for (int64_t k = 0; k < m.elements; ++k)
    i[k] = oracle::wrapInt(static_cast<int64_t>(std::floor(v[k])), w);
  m.storage.write(m.bytes.data(), 0, 1, m.elements, i.data());
}

/// Runs the kernel both ways on equal data; floats may differ by `tolerance` relative to the larger of |y| and 1.
void check(const std::string &text, const std::vector<Arg> &args, double tolerance, const std::string &what,
           std::vector<int64_t> dims = {}, int64_t programs = 1) {
  SCOPED_TRACE(what);
  DialectRegistry registry;
  registry.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    errors += d.str() + "\n";
    return success();
  });
  context.loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << errors << text;
  tile::KernelOp kernel = *module->getOps<tile::KernelOp>().begin();
  std::vector<Memory> start;
  for (auto [i, a] : llvm::enumerate(args)) {
    Memory m;
    m.type = parseType(a.element, &context);
    m.storage = *oracle::Storage::of(m.type);
    m.elements = elementsOf(a.shape);
    m.bytes.assign(m.elements * std::max(m.storage.bits, 8u) / 8 + 16, 0x5a);
    fill(m, a, 17 + i);
    start.push_back(m);
  }
  auto expected = start;
  std::vector<oracle::HostBuffer> hosts;
  for (Memory &m : expected)
    hosts.push_back({m.type, m.bytes.data(), m.bytes.size()});
  oracle::InterpreterOptions options;
  options.mode = oracle::Mode::Typed;
  ASSERT_TRUE(succeeded(oracle::runKernel(kernel, dims, hosts, {}, options))) << errors << text;
  for (const std::string &level : runnableLevels()) {
    SCOPED_TRACE(level);
    auto image = compileKernels(text, level);
    ASSERT_TRUE(image->ok()) << image->errors() << text;
    auto actual = start;
    std::vector<HostMemory> buffers;
    for (Memory &m : actual)
      buffers.push_back(m.bytes);
    image->run("k", buffers, dims, programs);
    for (auto [a, x, y] : llvm::zip(args, actual, expected)) {
      if (!x.storage.isFloat()) {
        std::vector<int64_t> got(x.elements), want(x.elements);
        x.storage.read(x.bytes.data(), 0, 1, x.elements, got.data());
        y.storage.read(y.bytes.data(), 0, 1, x.elements, want.data());
        for (int64_t i = 0; i < x.elements; ++i)
          ASSERT_EQ(got[i], want[i]) << a.name << "[" << i << "]\n" << text;
      } else {
        std::vector<double> got(x.elements), want(x.elements);
        x.storage.read(x.bytes.data(), 0, 1, x.elements, got.data());
        y.storage.read(y.bytes.data(), 0, 1, x.elements, want.data());
        for (int64_t i = 0; i < x.elements; ++i) {
          if (std::isnan(want[i]) || std::isinf(want[i]) || tolerance == 0) {
            ASSERT_TRUE((std::isnan(got[i]) && std::isnan(want[i])) ||
                        (got[i] == want[i] && std::signbit(got[i]) == std::signbit(want[i])))
                << a.name << "[" << i << "]: " << got[i] << " want " << want[i] << "\n"
                << text;
          } else {
            ASSERT_LE(std::abs(got[i] - want[i]), tolerance * std::max(1.0, std::abs(want[i])))
                << a.name << "[" << i << "]: " << got[i] << " want " << want[i] << "\n"
                << text;
          }
        }
      }
      ASSERT_EQ(0, memcmp(x.bytes.data() + x.bytes.size() - 15, y.bytes.data() + y.bytes.size() - 15, 15))
          << a.name << ": wrote beyond the end\n"
          << text;
    }
  }
}

std::string load(const std::string &r, const std::string &v, const std::string &offsets, const std::string &view,
                 const std::string &tile, const std::string &attrs = "") {
  return "  %" + r + " = tile.load %" + v + "[" + offsets + "] " + attrs + " : !tile.view<" + view +
         ", in> -> tensor<" + tile + ">\n";
}
std::string store(const std::string &t, const std::string &v, const std::string &offsets, const std::string &tile,
                  const std::string &view) {
  return "  tile.store %" + t + ", %" + v + "[" + offsets + "] : tensor<" + tile + ">, !tile.view<" + view + ", out>\n";
}

TEST(Ops, Reduce) {
  for (const char *shape : {"5x37", "3x64", "33x3", "2x129"}) {
    for (int dim : {0, 1}) {
      std::string s(shape), rows = s.substr(0, s.find('x')), cols = s.substr(s.find('x') + 1);
      std::string out = dim ? rows + "x1" : "1x" + cols;
      for (auto [type, kinds] : std::vector<std::pair<std::string, std::vector<std::string>>>{
               {"f32", {"add", "mul", "max", "min", "maxnum", "minnum"}},
               {"f64", {"add", "max"}},
               {"f16", {"max", "minnum"}},
               {"bf16", {"min", "maxnum"}},
               {"i32", {"add", "mul", "max", "min", "and", "or", "xor"}},
               {"i8", {"max", "min"}},
               {"i64", {"add", "max"}},
               {"i1", {"and", "or", "xor"}}})
        for (const std::string &kind : kinds) {
          bool order = kind.find("m") == 0 && kind != "mul";
          std::vector<Arg> args{{"x", type, "in", s, -2, 3, type[0] == 'i', order && type[0] != 'i'},
                                {"y", type, "out", out}};
          std::string body = load("a", "x", "%c0, %c0", s + "x" + type, s + "x" + type) + "  %r = tile.reduce " + kind +
                             " %a {dim = " + std::to_string(dim) + "} : tensor<" + s + "x" + type + "> -> tensor<" +
                             out + "x" + type + ">\n" + store("r", "y", "%c0, %c0", out + "x" + type, out + "x" + type);
          check(kernelText(args, body), args,
                type == "f32"   ? 2e-5
                : type == "f64" ? 1e-12
                                : 0,
                kind + " " + type + " " + s);
          if (HasFatalFailure())
            return;
        }
    }
  }
}

TEST(Ops, Casts) {
  std::vector<std::string> floats{"f16",    "bf16",       "f32",        "f64",     "f8E4M3FN",
                                  "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f4E2M1FN"};
  std::vector<std::string> ints{"i1", "i4", "i8", "i16", "i32", "i64"};
  std::vector<std::string> all(floats);
  all.insert(all.end(), ints.begin(), ints.end());
  auto isInt = [](const std::string &t) { return t[0] == 'i'; };
  for (const std::string &from : all)
    for (const std::string &to : all)
      for (const char *attrs : {"", "sat", "unsigned_src, unsigned_dst", "sat, unsigned_src, unsigned_dst",
                                "round = #tile<round_mode rtz>", "round = #tile<round_mode floor>, sat"}) {
        std::string a(attrs);
        if (from == to)
          continue;
        bool small = to == "f4E2M1FN";
        if (small && a.find("sat") == std::string::npos)
          continue;
        if (a.find("unsigned") != std::string::npos && !isInt(from) && !isInt(to))
          continue;
        if (size_t p = a.find("unsigned_src, "); p != std::string::npos && !isInt(from))
          a.erase(p, 14);
        if (size_t p = a.find(", unsigned_dst"); p != std::string::npos && !isInt(to))
          a.erase(p, 14);
        if (a.find("round") != std::string::npos && isInt(from) && isInt(to))
          continue;
        for (auto &[key, value] : {std::pair<std::string, std::string>{"#tile<round_mode rtz>", "rtz"},
                                   {"#tile<round_mode floor>", "floor"}})
          if (size_t p = a.find(key); p != std::string::npos)
            a.replace(p, key.size(), "#tile<round " + value + ">");
        std::vector<Arg> args{{"x", from, "in", "3x70", -300, 300, isInt(from), !isInt(from)},
                              {"y", to, "out", "3x70"}};
        if (!isInt(from) && bool(from == "f32" || from == "f64" || from == "f16" || from == "bf16"))
          args[0].low = -70, args[0].high = 70;
        if (from == "i32" || from == "i64")
          args[0].low = -3e9, args[0].high = 3e9;
        std::string body = load("a", "x", "%c0, %c0", "3x70x" + from, "3x70x" + from) + "  %r = tile.cast %a {" + a +
                           "} : tensor<3x70x" + from + "> -> tensor<3x70x" + to + ">\n" +
                           store("r", "y", "%c0, %c0", "3x70x" + to, "3x70x" + to);
        check(kernelText(args, body), args, 0, from + " -> " + to + " " + a);
        if (HasFatalFailure())
          return;
      }
}

TEST(Ops, Shapes) {
  auto one = [](const std::string &in, const std::string &op, const std::string &out, const std::string &what) {
    auto view = [](const std::string &s) { return s.substr(0, s.rfind('x')); };
    auto element = [](const std::string &s) { return s.substr(s.rfind('x') + 1); };
    auto zeros = [&](const std::string &s) {
      std::string r = "%c0";
      for (size_t i = 1; i < size_t(std::count(s.begin(), s.end(), 'x')); ++i)
        r += ", %c0";
      return r;
    };
    std::vector<Arg> args{{"x", element(in), "in", view(in), -100, 100, true}, {"y", element(out), "out", view(out)}};
    std::string body = load("a", "x", zeros(in), in, in) + "  %r = tile." + op + " : tensor<" + in + "> -> tensor<" +
                       out + ">\n" + store("r", "y", zeros(out), out, out);
    check(kernelText(args, body), args, 0, what);
  };
  for (std::string t : {"f32", "bf16", "i8", "i64", "i1", "f64", "f8E5M2"}) {
    one("6x35x" + t, "transpose %a {perm = array<i64: 1, 0>}", "35x6x" + t, "transpose");
    one("3x5x17x" + t, "transpose %a {perm = array<i64: 2, 0, 1>}", "17x3x5x" + t, "transpose 3");
    one("6x40x" + t, "slice %a {offsets = array<i64: 1, 3>, strides = array<i64: 2, 2>}", "2x18x" + t, "slice");
    one("6x40x" + t, "slice %a {offsets = array<i64: 0, 5>, strides = array<i64: 1, 1>}", "6x33x" + t, "slice plain");
    one("6x40x" + t, "reshape %a", "8x30x" + t, "reshape");
    one("6x40x" + t, "reshape %a", "6x1x40x" + t, "reshape unit");
    one("1x40x" + t, "broadcast %a", "5x40x" + t, "broadcast rows");
    one("7x1x" + t, "broadcast %a", "7x40x" + t, "broadcast columns");
    if (HasFatalFailure())
      return;
  }
  one("256x200xf32", "transpose %a {perm = array<i64: 1, 0>}", "200x256xf32", "transpose of a large tile");
  one("4x16xf32", "bitcast %a", "4x16xi32", "bitcast");
  one("4x16xi8", "bitcast %a", "4x4xi32", "bitcast wider");
  one("4x16xi32", "bitcast %a", "4x64xi8", "bitcast narrower");
  one("4x16xi8", "bitcast %a", "4x32xi4", "bitcast to nibbles");
  one("4x32xi4", "bitcast %a", "4x16xi8", "bitcast from nibbles");
  std::vector<Arg> args{{"x", "f32", "in", "4x10"}, {"y", "f32", "in", "4x23"}, {"z", "f32", "out", "4x33"}};
  check(kernelText(
            args, load("a", "x", "%c0, %c0", "4x10xf32", "4x10xf32") +
                      load("b", "y", "%c0, %c0", "4x23xf32", "4x23xf32") +
                      "  %r = tile.concat %a, %b {dim = 1} : tensor<4x10xf32>, tensor<4x23xf32> -> tensor<4x33xf32>\n" +
                      store("r", "z", "%c0, %c0", "4x33xf32", "4x33xf32")),
        args, 0, "concat");
  args = {{"y", "i32", "out", "5x37"}, {"z", "i64", "out", "5x37"}};
  check(kernelText(args, "  %s = arith.constant 7 : index\n  %a = tile.iota %s {dim = 1} : tensor<5x37xi32>\n"
                         "  %b = tile.iota {dim = 0} : tensor<5x37xi64>\n" +
                             store("a", "y", "%c0, %c0", "5x37xi32", "5x37xi32") +
                             store("b", "z", "%c0, %c0", "5x37xi64", "5x37xi64")),
        args, 0, "iota");
}

TEST(Ops, Memory) {
  for (std::string t : {"f32", "f16", "i8", "i64", "i4", "i1"}) {
    std::string pad = t[0] == 'f' ? "1.5" : t == "i1" ? "true" : "3";
    std::vector<Arg> args{
        {"x", t, "in", "9x50", -100, 100, true}, {"y", t, "out", "12x60"}, {"z", "i1", "out", "12x60"}};
    std::string attr = t == "i1" ? "{pad = true}" : "{pad = " + pad + " : " + t + "}";
    std::string body = "  %m2 = arith.constant -2 : index\n  %m5 = arith.constant -5 : index\n" +
                       load("a", "x", "%m2, %m5", "9x50x" + t, "12x60x" + t, attr) +
                       store("a", "y", "%c0, %c0", "12x60x" + t, "12x60x" + t) +
                       "  %v = tile.valid %x[%m2, %m5] : !tile.view<9x50x" + t + ", in> -> tensor<12x60xi1>\n" +
                       store("v", "z", "%c0, %c0", "12x60xi1", "12x60xi1");
    check(kernelText(args, body), args, 0, "padded load " + t);
    args = {{"x", t, "in", "12x60", -100, 100, true}, {"y", t, "out", "9x50"}};
    body = "  %m2 = arith.constant -2 : index\n  %m5 = arith.constant -5 : index\n" +
           load("a", "x", "%c0, %c0", "12x60x" + t, "12x60x" + t) +
           store("a", "y", "%m2, %m5", "12x60x" + t, "9x50x" + t);
    check(kernelText(args, body), args, 0, "clipped store " + t);
    if (HasFatalFailure())
      return;
  }
  std::vector<Arg> args{{"x", "f32", "in", "5x37"}, {"m", "i1", "in", "5x37"}, {"y", "f32", "inout", "5x37"}};
  check(kernelText(args, load("a", "x", "%c0, %c0", "5x37xf32", "5x37xf32") +
                             load("b", "m", "%c0, %c0", "5x37xi1", "5x37xi1") +
                             "  tile.store %a, %y[%c0, %c0] mask %b : tensor<5x37xi1> : tensor<5x37xf32>, "
                             "!tile.view<5x37xf32, inout>\n"),
        args, 0, "masked store");
}

TEST(Ops, GatherScatter) {
  std::vector<Arg> args{
      {"e", "f32", "in", "11x40"}, {"i", "i64", "in", "6", -2, 13, true}, {"y", "f32", "out", "6x40"}};
  check(kernelText(args, load("k", "i", "%c0", "6xi64", "6xi64") +
                             "  %g = tile.gather %e by %k[%c0, %c0] {dim = 0} : !tile.view<11x40xf32, in>, "
                             "tensor<6xi64> -> tensor<6x40xf32>\n" +
                             store("g", "y", "%c0, %c0", "6x40xf32", "6x40xf32")),
        args, 0, "row gather");
  args = {{"e", "f16", "in", "3x20"}, {"i", "i32", "in", "3x33", -2, 22, true}, {"y", "f16", "out", "3x33"}};
  check(kernelText(args, load("k", "i", "%c0, %c0", "3x33xi32", "3x33xi32") +
                             "  %g = tile.gather %e by %k[%c0, %c0] {dim = 1, pad = 9.0 : f16} : !tile.view<3x20xf16, "
                             "in>, tensor<3x33xi32> -> tensor<3x33xf16>\n" +
                             store("g", "y", "%c0, %c0", "3x33xf16", "3x33xf16")),
        args, 0, "element gather");
  for (std::string combine : {"set", "add", "max", "min", "mul"}) {
    args = {{"x", "f32", "in", "6x40", -4, 4, true},
            {"i", "i64", "in", "6", -2, 8, true},
            {"y", "f32", "inout", "7x40", -4, 4, true}};
    check(kernelText(args,
                     load("a", "x", "%c0, %c0", "6x40xf32", "6x40xf32") + load("k", "i", "%c0", "6xi64", "6xi64") +
                         "  tile.scatter %a, %y by %k[%c0, %c0] " + combine +
                         " {dim = 0} : tensor<6x40xf32>, !tile.view<7x40xf32, inout>, tensor<6xi64>\n",
                     ", numerics = #tile.numerics<acc = f32, order = \"any\", flush = false>"),
          args, 0, "row scatter " + combine);
    args = {{"x", "i32", "in", "3x33", -4, 4, true},
            {"i", "i32", "in", "3x33", -2, 22, true},
            {"y", "i32", "inout", "3x20", -4, 4, true}};
    check(kernelText(args, load("a", "x", "%c0, %c0", "3x33xi32", "3x33xi32") +
                               load("k", "i", "%c0, %c0", "3x33xi32", "3x33xi32") +
                               "  tile.scatter %a, %y by %k[%c0, %c0] " + combine +
                               " {dim = 1} : tensor<3x33xi32>, !tile.view<3x20xi32, inout>, tensor<3x33xi32>\n"),
          args, 0, "element scatter " + combine);
    if (HasFatalFailure())
      return;
  }
}

TEST(Ops, Order) {
  for (std::string t : {"f32", "i32", "f16", "i64"})
    for (std::string shape : {"4x37", "37x20"})
      for (int dim : {0, 1}) {
        std::string rows = shape.substr(0, shape.find('x')), cols = shape.substr(shape.find('x') + 1),
                    d = std::to_string(dim);
        std::string full = shape + "x" + t, out = dim ? rows + "x1" : "1x" + cols;
        for (std::string flags : {"", ", minimum", ", last", ", minimum, last"}) {
          std::vector<Arg> args{
              {"x", t, "in", shape, -3, 3, true, t[0] == 'f'}, {"v", t, "out", out}, {"i", "i64", "out", out}};
          check(kernelText(args, load("a", "x", "%c0, %c0", full, full) + "  %r, %k = tile.arg_reduce %a {dim = " + d +
                                     flags + "} : tensor<" + full + "> -> tensor<" + out + "x" + t + ">, tensor<" +
                                     out + "xi64>\n" + store("r", "v", "%c0, %c0", out + "x" + t, out + "x" + t) +
                                     store("k", "i", "%c0, %c0", out + "xi64", out + "xi64")),
                args, 0, "arg_reduce " + t + shape + d + flags);
        }
        for (std::string flags : {"", ", descending"}) {
          std::vector<Arg> args{
              {"x", t, "in", shape, -9, 9, true, t[0] == 'f'}, {"v", t, "out", shape}, {"i", "i64", "out", shape}};
          check(kernelText(args, load("a", "x", "%c0, %c0", full, full) + "  %n = tile.iota {dim = " + d +
                                     "} : tensor<" + shape + "xi64>\n" + "  %r, %k = tile.sort %a, %n {dim = " + d +
                                     flags + "} : tensor<" + full + ">, tensor<" + shape + "xi64>\n" +
                                     store("r", "v", "%c0, %c0", full, full) +
                                     store("k", "i", "%c0, %c0", shape + "xi64", shape + "xi64")),
                args, 0, "sort " + t + shape + d + flags);
        }
        std::string top = dim ? rows + "x3" : "3x" + cols;
        for (std::string flags : {"", ", largest"}) {
          std::vector<Arg> args{
              {"x", t, "in", shape, -9, 9, true, t[0] == 'f'}, {"v", t, "out", top}, {"i", "i32", "out", top}};
          check(kernelText(args, load("a", "x", "%c0, %c0", full, full) + "  %n = tile.iota {dim = " + d +
                                     "} : tensor<" + shape + "xi32>\n" + "  %r, %k = tile.topk %a, %n {dim = " + d +
                                     flags + "} : tensor<" + full + ">, tensor<" + shape + "xi32> -> tensor<" + top +
                                     "x" + t + ">, tensor<" + top + "xi32>\n" +
                                     store("r", "v", "%c0, %c0", top + "x" + t, top + "x" + t) +
                                     store("k", "i", "%c0, %c0", top + "xi32", top + "xi32")),
                args, 0, "topk " + t + shape + d + flags);
        }
        if (t != "f16")
          for (std::string flags : {"", ", exclusive", ", reverse", ", exclusive, reverse"})
            for (std::string kind : {"add", "max", "mul"}) {
              std::vector<Arg> args{{"x", t, "in", shape, -2, 3, true}, {"v", t, "out", shape}};
              check(kernelText(args, load("a", "x", "%c0, %c0", full, full) + "  %r = tile.scan " + kind +
                                         " %a {dim = " + d + flags + "} : tensor<" + full + "> -> tensor<" + full +
                                         ">\n" + store("r", "v", "%c0, %c0", full, full)),
                    args, kind == "mul" ? 1e-5 : 0, "scan " + t + shape + d + flags + kind);
            }
        if (HasFatalFailure())
          return;
      }
}

TEST(Ops, Dots) {
  struct Case {
    std::string a, b, acc, attrs;
    bool ta = false, tb = false;
  };
  std::vector<Case> cases{{"f32", "f32", "f32", ""},
                          {"f16", "f16", "f32", ""},
                          {"bf16", "bf16", "f32", ""},
                          {"f64", "f64", "f64", ""},
                          {"i8", "i8", "i32", ""},
                          {"i8", "i8", "i32", "unsigned_a"},
                          {"i8", "i8", "i32", "unsigned_a, unsigned_b"},
                          {"f8E4M3FN", "f8E5M2", "f32", ""},
                          {"f32", "f32", "f32", "trans_a", true},
                          {"bf16", "bf16", "f32", "trans_b", false, true},
                          {"f32", "f32", "f32", "trans_a, trans_b", true, true},
                          {"i8", "i8", "i32", "trans_b", false, true},
                          {"f64", "f64", "f64", "trans_b", false, true}};
  for (const Case &c : cases)
    for (auto [m, n, k] : {std::array<int, 3>{5, 37, 19}, {48, 64, 32}, {31, 48, 64}}) {
      auto s = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
      std::string as = c.ta ? s(k, m) : s(m, k), bs = c.tb ? s(n, k) : s(k, n), ys = s(m, n);
      std::vector<Arg> args{{"x", c.a, "in", as, -8, 8, true},
                            {"w", c.b, "in", bs, -8, 8, true},
                            {"z", c.acc, "in", ys, -8, 8, true},
                            {"y", c.acc, "out", ys}};
      check(kernelText(args, load("a", "x", "%c0, %c0", as + "x" + c.a, as + "x" + c.a) +
                                 load("b", "w", "%c0, %c0", bs + "x" + c.b, bs + "x" + c.b) +
                                 load("c", "z", "%c0, %c0", ys + "x" + c.acc, ys + "x" + c.acc) +
                                 "  %r = tile.dot %a, %b, %c {" + c.attrs + "} : tensor<" + as + "x" + c.a +
                                 ">, tensor<" + bs + "x" + c.b + "> -> tensor<" + ys + "x" + c.acc + ">\n" +
                                 store("r", "y", "%c0, %c0", ys + "x" + c.acc, ys + "x" + c.acc)),
            args, 0, "dot " + c.a + c.b + c.attrs + ys);
      if (HasFatalFailure())
        return;
    }
  for (bool tb : {false, true}) {
    std::string bs = tb ? "3x37x19" : "3x19x37";
    std::vector<Arg> args{{"x", "f32", "in", "3x20x19", -8, 8, true},
                          {"w", "f32", "in", bs, -8, 8, true},
                          {"y", "f32", "out", "3x20x37"}};
    check(kernelText(args, load("a", "x", "%c0, %c0, %c0", "3x20x19xf32", "3x20x19xf32") +
                               load("b", "w", "%c0, %c0, %c0", bs + "xf32", bs + "xf32") +
                               "  %c = arith.constant dense<0.0> : tensor<3x20x37xf32>\n  %r = tile.dot %a, %b, %c {" +
                               (tb ? "trans_b" : "") + "} : tensor<3x20x19xf32>, tensor<" + bs +
                               "xf32> -> tensor<3x20x37xf32>\n" +
                               store("r", "y", "%c0, %c0, %c0", "3x20x37xf32", "3x20x37xf32")),
          args, 0, "batched dot");
  }
}

TEST(Ops, Elementwise) {
  struct Case {
    std::string type, op;
    double tolerance = 0;
    double low = -4, high = 4;
    bool special = true;
  };
  std::vector<Case> cases;
  for (std::string t : {"f32", "f64", "f16", "bf16"}) {
    for (std::string op : {"arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maximumf", "arith.minimumf",
                           "arith.maxnumf", "arith.minnumf"})
      cases.push_back({t, op + " %a, %b"});
    for (std::string op :
         {"arith.negf", "math.absf", "math.floor", "math.ceil", "math.roundeven", "math.trunc", "math.sqrt"})
      cases.push_back({t, op + " %a"});
    cases.push_back({t, "arith.remf %a, %b"});
  }
  for (std::string t : {"i8", "i16", "i32", "i64"}) {
    for (std::string op :
         {"addi", "subi", "muli", "divsi", "divui", "remsi", "remui", "maxsi", "minui", "andi", "xori", "ori"})
      cases.push_back({t, "arith." + op + " %a, %b", 0, -20, 20, false});
  }
  for (const Case &c : cases) {
    bool isInt = c.type[0] == 'i';
    std::vector<Arg> args{{"x", c.type, "in", "4x45", c.low, c.high, isInt, c.special},
                          {"w", c.type, "in", "4x45", c.low, c.high, isInt, c.special},
                          {"y", c.type, "out", "4x45"}};
    std::string full = "4x45x" + c.type;
    check(kernelText(args, load("a", "x", "%c0, %c0", full, full) + load("b", "w", "%c0, %c0", full, full) + "  %r = " +
                               c.op + " : tensor<" + full + ">\n" + store("r", "y", "%c0, %c0", full, full)),
          args, c.tolerance, c.type + " " + c.op);
    if (HasFatalFailure())
      return;
  }
}

TEST(Ops, Windows) {
  // x [N, H, W, C] -> [(N, P, Q), R, S, C], one dot for each tap
  struct Case {
    int stride, dil, pad;
    bool transposed;
    int p, q;
  };
  for (Case c : {Case{1, 1, 1, false, 7, 9}, {2, 1, 1, false, 4, 5}, {1, 2, 2, false, 7, 9}, {2, 1, 1, true, 13, 17}}) {
    auto n = [](int v) { return std::to_string(v); };
    int pixels = 2 * c.p * c.q;
    std::vector<Arg> args{{"x", "f32", "in", "2x7x9x20", -8, 8, true},
                          {"w", "f32", "in", "9x20x24", -8, 8, true},
                          {"y", "f32", "out", n(pixels) + "x24"}};
    std::string tile = n(pixels + 3), vw = "!tile.view<" + n(pixels) + "x3x3x20xf32, in, #tile.windowed<2>>";
    std::string body = "  %p = arith.constant " + n(c.p) + " : index\n  %q = arith.constant " + n(c.q) +
                       " : index\n  %c9 = arith.constant 9 : index\n" +
                       "  %v = tile.window %x[%p, %q] {kernel = array<i64: 3, 3>, stride = array<i64: " + n(c.stride) +
                       ", " + n(c.stride) + ">, dilation = array<i64: " + n(c.dil) + ", " + n(c.dil) +
                       ">, pad = array<i64: " + n(c.pad) + ", " + n(c.pad) + ", " + n(c.pad) + ", " + n(c.pad) + ">" +
                       (c.transposed ? ", transposed" : "") + "} : !tile.view<2x7x9x20xf32, in> -> " + vw + "\n" +
                       "  %z = arith.constant dense<0.0> : tensor<" + tile + "x24xf32>\n" +
                       "  %acc = scf.for %t = %c0 to %c9 step %c1 iter_args(%c = %z) -> (tensor<" + tile +
                       "x24xf32>) {\n" + "    %r, %s = affine.delinearize_index %t into (3, 3) : index, index\n" +
                       "    %a = tile.load %v[%c0, %r, %s, %c0] : " + vw + " -> tensor<" + tile + "x1x1x20xf32>\n" +
                       "    %a2 = tile.reshape %a : tensor<" + tile + "x1x1x20xf32> -> tensor<" + tile + "x20xf32>\n" +
                       "    %b = tile.load %w[%t, %c0, %c0] : !tile.view<9x20x24xf32, in> -> tensor<20x24xf32>\n" +
                       "    %d = tile.dot %a2, %b, %c : tensor<" + tile + "x20xf32>, tensor<20x24xf32> -> tensor<" +
                       tile + "x24xf32>\n" + "    scf.yield %d : tensor<" + tile +
                       "x24xf32>\n  } {tile.loop = #tile.loop<\"rsc\", reduce>}\n" +
                       store("acc", "y", "%c0, %c0", tile + "x24xf32", n(pixels) + "x24xf32");
    check(kernelText(args, body), args, 0, "window");
    if (HasFatalFailure())
      return;
  }
}

// Softmax of rows in chunks with carried statistics, a uniform branch and a dot: the shape of attention.
TEST(Ops, CarriedTilesAndBranches) {
  std::vector<Arg> args{{"q", "f32", "in", "20x16", -1, 1},
                        {"k", "f32", "in", "70x16", -1, 1},
                        {"v", "f32", "in", "70x24", -1, 1},
                        {"o", "f32", "out", "20x24"}};
  std::string body = R"(
  %c70 = arith.constant 70 : index
  %c32 = arith.constant 32 : index
  %ninf = arith.constant dense<0xFF800000> : tensor<20x1xf32>
  %zero = arith.constant dense<0.0> : tensor<20x1xf32>
  %zo = arith.constant dense<0.0> : tensor<20x24xf32>
  %zs = arith.constant dense<0.0> : tensor<20x32xf32>
  %nn = arith.constant dense<0xFF800000> : tensor<20x32xf32>
  %qt = tile.load %q[%c0, %c0] : !tile.view<20x16xf32, in> -> tensor<20x16xf32>
  %m, %l, %oo = scf.for %i = %c0 to %c70 step %c32 iter_args(%m0 = %ninf, %l0 = %zero, %o0 = %zo) -> (tensor<20x1xf32>, tensor<20x1xf32>, tensor<20x24xf32>) {
    %kt = tile.load %k[%i, %c0] : !tile.view<70x16xf32, in> -> tensor<32x16xf32>
    %vt = tile.load %v[%i, %c0] : !tile.view<70x24xf32, in> -> tensor<32x24xf32>
    %s0 = tile.dot %qt, %kt, %zs {trans_b} : tensor<20x16xf32>, tensor<32x16xf32> -> tensor<20x32xf32>
    %hi = arith.addi %i, %c32 : index
    %edge = arith.cmpi sgt, %hi, %c70 : index
    %s = scf.if %edge -> (tensor<20x32xf32>) {
      %col = tile.iota %i {dim = 1} : tensor<20x32xi32>
      %lim = arith.constant dense<70> : tensor<20x32xi32>
      %ok = arith.cmpi slt, %col, %lim : tensor<20x32xi32>
      %r = arith.select %ok, %s0, %nn : tensor<20x32xi1>, tensor<20x32xf32>
      scf.yield %r : tensor<20x32xf32>
    } else {
      scf.yield %s0 : tensor<20x32xf32>
    }
    %mx = tile.reduce maxnum %s {dim = 1} : tensor<20x32xf32> -> tensor<20x1xf32>
    %mn = arith.maxnumf %m0, %mx : tensor<20x1xf32>
    %mb = tile.broadcast %mn : tensor<20x1xf32> -> tensor<20x32xf32>
    %df = arith.subf %s, %mb : tensor<20x32xf32>
    %p = math.exp2 %df : tensor<20x32xf32>
    %dm = arith.subf %m0, %mn : tensor<20x1xf32>
    %al = math.exp2 %dm : tensor<20x1xf32>
    %sum = tile.reduce add %p {dim = 1} : tensor<20x32xf32> -> tensor<20x1xf32>
    %ln = math.fma %l0, %al, %sum : tensor<20x1xf32>
    %pv = tile.dot %p, %vt, %zo : tensor<20x32xf32>, tensor<32x24xf32> -> tensor<20x24xf32>
    %alb = tile.broadcast %al : tensor<20x1xf32> -> tensor<20x24xf32>
    %on = math.fma %o0, %alb, %pv : tensor<20x24xf32>
    scf.yield %mn, %ln, %on : tensor<20x1xf32>, tensor<20x1xf32>, tensor<20x24xf32>
  } {tile.loop = #tile.loop<"kv", reduce>}
  %lb = tile.broadcast %l : tensor<20x1xf32> -> tensor<20x24xf32>
  %r = arith.divf %oo, %lb : tensor<20x24xf32>
  tile.store %r, %o[%c0, %c0] : tensor<20x24xf32>, !tile.view<20x24xf32, out>
)";
  check(kernelText(args, body), args, 2e-6, "attention");
  // Two carried tiles that trade places: neither may be overwritten before the other is read.
  args = {
      {"x", "f32", "in", "3x20"}, {"w", "f32", "in", "3x20"}, {"y", "f32", "out", "3x20"}, {"z", "f32", "out", "3x20"}};
  check(kernelText(args, load("a", "x", "%c0, %c0", "3x20xf32", "3x20xf32") +
                             load("b", "w", "%c0, %c0", "3x20xf32", "3x20xf32") + R"(
  %c5 = arith.constant 5 : index
  %p, %q = scf.for %i = %c0 to %c5 step %c1 iter_args(%u = %a, %v = %b) -> (tensor<3x20xf32>, tensor<3x20xf32>) {
    %s = arith.addf %u, %v : tensor<3x20xf32>
    scf.yield %v, %s : tensor<3x20xf32>, tensor<3x20xf32>
  } {tile.loop = #tile.loop<"k", serial>}
)" + store("p", "y", "%c0, %c0", "3x20xf32", "3x20xf32") +
                             store("q", "z", "%c0, %c0", "3x20xf32", "3x20xf32")),
        args, 0, "swap");
}

TEST(Ops, SplitAndFold) {
  std::vector<Arg> args{{"x", "f32", "in", "200x33", -8, 8, true}, {"y", "f32", "out", "1x33"}};
  std::string head = "%s: index, %ref_x: !tile.ref<f32, in>, %ref_y: !tile.ref<f32, out>";
  std::string text = R"(
tile.kernel @k attributes {key = "k", dims = ["S"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, out>],
                grid_extents = affine_map<(s) -> (33, s)>, grid_steps = array<i64: 16, 1>, split = 1} body {
^bb0()" + head + R"(, %j: index, %p: index):
  %c0 = arith.constant 0 : index
  %c200 = arith.constant 200 : index
  %c8 = arith.constant 8 : index
  %x = tile.view %ref_x[] : !tile.ref<f32, in> -> !tile.view<200x33xf32, in>
  %z = arith.constant dense<0.0> : tensor<1x16xf32>
  %lo, %hi = tile.part %p of %s in %c0 to %c200 step 8
  %acc = scf.for %k = %lo to %hi step %c8 iter_args(%c = %z) -> (tensor<1x16xf32>) {
    %a = tile.load %x[%k, %j] : !tile.view<200x33xf32, in> -> tensor<8x16xf32>
    %r = tile.reduce add %a {dim = 0} : tensor<8x16xf32> -> tensor<1x16xf32>
    %n = arith.addf %c, %r : tensor<1x16xf32>
    scf.yield %n : tensor<1x16xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.yield %acc : tensor<1x16xf32>
} fold {
^bb0()" + head + R"(, %j: index, %a: tensor<1x16xf32>, %b: tensor<1x16xf32>):
  %r = arith.addf %a, %b : tensor<1x16xf32>
  tile.yield %r : tensor<1x16xf32>
} finish {
^bb0()" + head + R"(, %j: index, %a: tensor<1x16xf32>):
  %c0 = arith.constant 0 : index
  %y = tile.view %ref_y[] : !tile.ref<f32, out> -> !tile.view<1x33xf32, out>
  tile.store %a, %y[%c0, %j] : tensor<1x16xf32>, !tile.view<1x33xf32, out>
  tile.yield
}
)";
  for (int64_t shares : {1, 3, 40})
    check(text, args, 0, "split " + std::to_string(shares), {shares}, 3);
}

} // namespace
