// tile.dot on simulated GPUs: every kind of product, orientation and odd size, on small integers, which every order of
// summation adds up exactly. The simulator fails a test for a missing wait, a race or a read of what nobody wrote.
#include "test/unit/cpu/KernelImage.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace adze::test;

namespace {

std::string str(int64_t v) { return std::to_string(v); }

/// One element of a type, from a small integer.
void append(std::vector<uint8_t> &bytes, const std::string &type, int v) {
  auto put = [&](auto x) {
    const uint8_t *p = reinterpret_cast<const uint8_t *>(&x);
    bytes.insert(bytes.end(), p, p + sizeof(x));
  };
  if (type == "f64")
    return put(double(v));
  if (type == "f32")
    return put(float(v));
  if (type == "f16")
    return put(_Float16(v));
  if (type == "bf16") {
    float f = float(v);
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    return put(uint16_t(bits >> 16));
  }
  if (type == "i8")
    return put(int8_t(v));
  bool e4m3 = type == "f8E4M3FN"; // bias 7 with 3 fraction bits, or 15 with 2
  uint8_t code = 0;
  if (v) {
    int exponent = std::ilogb(double(std::abs(v))), fraction = e4m3 ? 3 : 2;
    int rest = (std::abs(v) << fraction >> exponent) & ((1 << fraction) - 1);
    code = uint8_t((v < 0) << 7 | (exponent + (e4m3 ? 7 : 15)) << fraction | rest);
  }
  put(code);
}

struct Case {
  std::string a = "f16", b = "f16", acc = "f32", attrs;
  bool transA = false, transB = false, loop = true;
  int64_t batch = 0; // 0: rank 2
  int64_t bm = 64, bn = 64, bk = 32, warps = 4;
  int64_t m = 64, n = 64, k = 96;
  int low = -3; // least element; the largest is 3
};

std::string tensor(const Case &c, int64_t r, int64_t s, const std::string &e) {
  return "tensor<" + (c.batch ? str(c.batch) + "x" : "") + str(r) + "x" + str(s) + "x" + e + ">";
}

/// y[b, M, N] = sum over K, one program a tile of the result.
std::string textOf(const Case &c) {
  std::string lead = c.batch ? str(c.batch) + "x" : "", zero = c.batch ? "%c0, " : "";
  auto ref = [](const std::string &e, const char *effect) { return "!tile.ref<" + e + ", " + effect + ">"; };
  auto view = [&](const std::string &e, const char *effect) {
    return "!tile.view<" + lead + "?x?x" + e + ", " + effect + ">";
  };
  std::string at = c.transA ? tensor(c, c.bk, c.bm, c.a) : tensor(c, c.bm, c.bk, c.a),
              bt = c.transB ? tensor(c, c.bn, c.bk, c.b) : tensor(c, c.bk, c.bn, c.b),
              yt = tensor(c, c.bm, c.bn, c.acc);
  std::string attrs = c.attrs;
  for (auto [on, name] : {std::pair<bool, const char *>{c.transA, "trans_a"}, {c.transB, "trans_b"}})
    if (on)
      attrs += (attrs.empty() ? "" : ", ") + std::string(name);
  std::string zeroValue = c.acc[0] == 'f' ? "0.0" : "0";
  std::string text = "tile.kernel @dot attributes {key = \"dot\", dims = [\"M\", \"N\", \"K\"], arg_types = [" +
                     ref(c.a, "in") + ", " + ref(c.b, "in") + ", " + ref(c.acc, "out") +
                     "], grid_extents = affine_map<(m, n, k) -> (m, n)>, grid_steps = array<i64: " + str(c.bm) + ", " +
                     str(c.bn) + ">, plan = {warps = " + str(c.warps) + " : i64, stages = 3 : i64}} body {\n";
  text += "^bb0(%m: index, %n: index, %k: index, %x: " + ref(c.a, "in") + ", %w: " + ref(c.b, "in") +
          ", %y: " + ref(c.acc, "out") + ", %i: index, %j: index):\n";
  text += "  %vx = tile.view %x[" + std::string(c.transA ? "%k, %m" : "%m, %k") + "] : " + ref(c.a, "in") + " -> " +
          view(c.a, "in") + "\n";
  text += "  %vw = tile.view %w[" + std::string(c.transB ? "%n, %k" : "%k, %n") + "] : " + ref(c.b, "in") + " -> " +
          view(c.b, "in") + "\n";
  text += "  %vy = tile.view %y[%m, %n] : " + ref(c.acc, "out") + " -> " + view(c.acc, "out") + "\n";
  text += "  %z = arith.constant dense<" + zeroValue + "> : " + yt +
          "\n  %c0 = arith.constant 0 : index\n  %bk = arith.constant " + str(c.bk) + " : index\n";
  std::string dot = "    %a = tile.load %vx[" + zero + (c.transA ? "%kk, %i" : "%i, %kk") + "] : " + view(c.a, "in") +
                    " -> " + at + "\n    %b = tile.load %vw[" + zero + (c.transB ? "%j, %kk" : "%kk, %j") +
                    "] : " + view(c.b, "in") + " -> " + bt + "\n    %d = tile.dot %a, %b, " + (c.loop ? "%c" : "%z") +
                    " {" + attrs + "} : " + at + ", " + bt + " -> " + yt + "\n";
  if (c.loop)
    text += "  %acc = scf.for %kk = %c0 to %k step %bk iter_args(%c = %z) -> (" + yt + ") {\n" + dot +
            "    scf.yield %d : " + yt + "\n  } {tile.loop = #tile.loop<\"k\", reduce>}\n  tile.store %acc, %vy[" +
            zero + "%i, %j] : " + yt + ", " + view(c.acc, "out") + "\n";
  else
    text += "  %kk = arith.constant 0 : index\n" + dot + "  tile.store %d, %vy[" + zero + "%i, %j] : " + yt + ", " +
            view(c.acc, "out") + "\n";
  return text + "  tile.yield\n}\n";
}

class Dots : public testing::TestWithParam<std::string> {
protected:
  void check(const Case &c) {
    SCOPED_TRACE(c.a + " x " + c.b + " {" + c.attrs + "} " + (c.transA ? "transA " : "") + (c.transB ? "transB " : "") +
                 "tile " + str(c.bm) + "x" + str(c.bn) + "x" + str(c.bk) + " of " + str(c.m) + "x" + str(c.n) + "x" +
                 str(c.k) + " batch " + str(c.batch) + " warps " + str(c.warps));
    auto image = compileKernels(textOf(c), GetParam());
    ASSERT_TRUE(image->ok()) << image->errors() << textOf(c);
    int64_t batch = std::max<int64_t>(c.batch, 1);
    std::mt19937 g(c.m + 7 * c.n + 31 * c.k);
    std::uniform_int_distribution<int> values(c.low, 3);
    std::vector<int> a(batch * c.m * c.k), b(batch * c.k * c.n); // as stored
    std::vector<uint8_t> bytesA, bytesB, y;
    for (int &v : a)
      append(bytesA, c.a, v = values(g));
    for (int &v : b)
      append(bytesB, c.b, v = values(g));
    for (std::vector<uint8_t> *bytes : {&bytesA, &bytesB}) // no buffer is empty
      bytes->resize(std::max<size_t>(bytes->size(), 16));
    size_t element = c.acc == "f64" ? 8 : 4;
    y.assign(batch * c.m * c.n * element, 0xA5);
    image->run("dot", {bytesA, bytesB, y}, {c.m, c.n, c.k}, ((c.m + c.bm - 1) / c.bm) * ((c.n + c.bn - 1) / c.bn));
    if (HasFatalFailure())
      return;
    int64_t depth = c.loop ? c.k : std::min(c.k, c.bk);
    for (int64_t p = 0; p < batch; ++p)
      for (int64_t i = 0; i < c.m; ++i)
        for (int64_t j = 0; j < c.n; ++j) {
          int64_t sum = 0;
          for (int64_t k = 0; k < depth; ++k)
            sum += int64_t(a[p * c.m * c.k + (c.transA ? k * c.m + i : i * c.k + k)]) *
                   b[p * c.k * c.n + (c.transB ? j * c.k + k : k * c.n + j)];
          const uint8_t *got = &y[((p * c.m + i) * c.n + j) * element];
          double value;
          if (c.acc == "f64") {
            std::memcpy(&value, got, 8);
          } else if (c.acc == "f32") {
            float f;
            std::memcpy(&f, got, 4);
            value = f;
          } else {
            int32_t v;
            std::memcpy(&v, got, 4);
            value = v;
          }
          ASSERT_EQ(value, double(sum)) << "at " << p << ", " << i << ", " << j;
        }
  }
};
INSTANTIATE_TEST_SUITE_P(Levels, Dots, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return nameOfLevel(info.param); });

TEST_P(Dots, TypesAndOrientations) {
  struct Types {
    const char *a, *b, *acc, *attrs;
    int low;
  };
  std::vector<Types> types = {{"f16", "f16", "f32", "", -3},
                              {"bf16", "bf16", "f32", "", -3},
                              {"f32", "f32", "f32", "", -3},
                              {"f32", "f32", "f32", "precision = #tile<precision tf32>", -3},
                              {"f64", "f64", "f64", "", -3},
                              {"i8", "i8", "i32", "", -3},
                              {"i8", "i8", "i32", "unsigned_a", 0},
                              {"i8", "i8", "i32", "unsigned_a, unsigned_b", 0},
                              {"f8E4M3FN", "f8E5M2", "f32", "promote = 64 : i64", -3}};
  for (const Types &t : types)
    for (bool transA : {false, true})
      for (bool transB : {false, true}) {
        Case c;
        c.a = t.a;
        c.b = t.b;
        c.acc = t.acc;
        c.attrs = t.attrs;
        c.low = t.low;
        c.transA = transA;
        c.transB = transB;
        c.bm = c.bn = 32;
        c.m = 48; // aligned, and ragged against the tile
        c.n = 32;
        c.k = 112;
        check(c);
        c.m = 37; // nothing is aligned: operands go through registers
        c.n = 29;
        c.k = 75;
        check(c);
        if (HasFatalFailure())
          return;
      }
}

TEST_P(Dots, Shapes) {
  struct Sizes {
    int64_t bm, bn, bk, warps, m, n, k;
  };
  // Few rows, few columns, sizes that are not powers of two, more warps than work, deep and shallow steps.
  for (Sizes s :
       {Sizes{1, 64, 64, 4, 1, 64, 128}, Sizes{16, 32, 128, 4, 16, 64, 256}, Sizes{24, 40, 48, 4, 50, 41, 100},
        Sizes{64, 8, 16, 2, 64, 8, 40}, Sizes{16, 8, 16, 4, 16, 8, 32}, Sizes{128, 128, 32, 4, 128, 128, 64},
        Sizes{128, 256, 32, 8, 130, 260, 33}, Sizes{8, 8, 8, 1, 9, 9, 9}, Sizes{32, 32, 32, 1, 32, 32, 0}})
    for (const char *type : {"f16", "f32"}) {
      Case c;
      c.a = c.b = type;
      c.bm = s.bm, c.bn = s.bn, c.bk = s.bk, c.warps = s.warps, c.m = s.m, c.n = s.n, c.k = s.k;
      if (c.a == "f32" && c.bm * c.bn > 64 * 256)
        c.warps = 16;
      check(c);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Dots, WithoutLoop) {
  for (const char *type : {"f16", "f32"})
    for (int64_t bk : {16, 40, 512}) {
      Case c;
      c.a = c.b = type;
      c.loop = false;
      c.bm = c.bn = 32;
      c.bk = bk;
      c.m = c.n = 32;
      c.k = bk;
      check(c);
      c.k = bk - 3;
      check(c);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(Dots, Batches) {
  for (const char *type : {"f16", "f32"})
    for (bool trans : {false, true}) {
      Case c;
      c.a = c.b = type;
      c.batch = 3;
      c.transA = c.transB = trans;
      c.bm = 16;
      c.bn = 24;
      c.bk = 32;
      c.m = 32;
      c.n = 40;
      c.k = 80;
      check(c);
      if (HasFatalFailure())
        return;
    }
}

/// (x w) v with the inner product narrowed: the accumulators are the second dot's operand.
TEST_P(Dots, AccumulatorsAsOperand) {
  for (int64_t rows : {64, 16}) { // all warps along the rows; side by side
    std::string r = str(rows);
    std::string text = R"(
tile.kernel @chain attributes {key = "chain", dims = ["T"], arg_types = [!tile.ref<f16, in>, !tile.ref<f16, in>, !tile.ref<f16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(t) -> (1)>, grid_steps = array<i64: 1>, plan = {warps = 4 : i64, stages = 2 : i64}} body {
^bb0(%t: index, %x: !tile.ref<f16, in>, %w: !tile.ref<f16, in>, %v: !tile.ref<f16, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %vx = tile.view %x[] : !tile.ref<f16, in> -> !tile.view<ROWSx64xf16, in>
  %vw = tile.view %w[%t] : !tile.ref<f16, in> -> !tile.view<?x64xf16, in>
  %vv = tile.view %v[%t] : !tile.ref<f16, in> -> !tile.view<?x48xf16, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<ROWSx48xf32, out>
  %zs = arith.constant dense<0.0> : tensor<ROWSx32xf32>
  %zo = arith.constant dense<0.0> : tensor<ROWSx48xf32>
  %a = tile.load %vx[%c0, %c0] : !tile.view<ROWSx64xf16, in> -> tensor<ROWSx64xf16>
  %acc = scf.for %k = %c0 to %t step %c32 iter_args(%o = %zo) -> (tensor<ROWSx48xf32>) {
    %b = tile.load %vw[%k, %c0] : !tile.view<?x64xf16, in> -> tensor<32x64xf16>
    %c = tile.load %vv[%k, %c0] : !tile.view<?x48xf16, in> -> tensor<32x48xf16>
    %s = tile.dot %a, %b, %zs {trans_b} : tensor<ROWSx64xf16>, tensor<32x64xf16> -> tensor<ROWSx32xf32>
    %p = tile.cast %s : tensor<ROWSx32xf32> -> tensor<ROWSx32xf16>
    %d = tile.dot %p, %c, %zo : tensor<ROWSx32xf16>, tensor<32x48xf16> -> tensor<ROWSx48xf32>
    %n = arith.addf %o, %d : tensor<ROWSx48xf32>
    scf.yield %n : tensor<ROWSx48xf32>
  } {tile.loop = #tile.loop<"kv", reduce>}
  tile.store %acc, %vy[%c0, %c0] : tensor<ROWSx48xf32>, !tile.view<ROWSx48xf32, out>
  tile.yield
}
)";
    for (size_t at; (at = text.find("ROWS")) != std::string::npos;)
      text.replace(at, 4, r);
    auto image = compileKernels(text, GetParam());
    ASSERT_TRUE(image->ok()) << image->errors();
    for (int64_t t : {32, 75, 160}) {
      std::mt19937 g(t);
      std::uniform_int_distribution<int> values(-1, 1);
      std::vector<int> x(rows * 64), w(t * 64), v(t * 48);
      std::vector<uint8_t> bx, bw, bv;
      for (auto [ints, bytes] : {std::pair{&x, &bx}, std::pair{&w, &bw}, std::pair{&v, &bv}})
        for (int &e : *ints)
          append(*bytes, "f16", e = values(g));
      std::vector<float> y(rows * 48, -7.0f);
      image->run("chain", {bx, bw, bv, y}, {t}, 1);
      ASSERT_FALSE(HasFatalFailure());
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < 48; ++j) {
          int sum = 0;
          for (int64_t k = 0; k < t; ++k) {
            int s = 0;
            for (int64_t d = 0; d < 64; ++d)
              s += x[i * 64 + d] * w[k * 64 + d];
            sum += s * v[k * 48 + j];
          }
          ASSERT_EQ(y[i * 48 + j], float(sum)) << "rows " << rows << " t " << t << " at " << i << ", " << j;
        }
    }
  }
}

/// A weight that is computed from what is loaded: (q - 8) * scale.
TEST_P(Dots, ComputedOperand) {
  const char *text = R"(
tile.kernel @dequant attributes {key = "dequant", dims = ["K"], arg_types = [!tile.ref<f16, in>, !tile.ref<i8, in>, !tile.ref<f16, in>, !tile.ref<f32, out>],
    grid_extents = affine_map<(k) -> (1)>, grid_steps = array<i64: 1>, plan = {warps = 4 : i64, stages = 3 : i64}} body {
^bb0(%k: index, %x: !tile.ref<f16, in>, %q: !tile.ref<i8, in>, %s: !tile.ref<f16, in>, %y: !tile.ref<f32, out>, %i: index):
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %vx = tile.view %x[%k] : !tile.ref<f16, in> -> !tile.view<32x?xf16, in>
  %vq = tile.view %q[%k] : !tile.ref<i8, in> -> !tile.view<?x64xi8, in>
  %vs = tile.view %s[] : !tile.ref<f16, in> -> !tile.view<64xf16, in>
  %vy = tile.view %y[] : !tile.ref<f32, out> -> !tile.view<32x64xf32, out>
  %z = arith.constant dense<0.0> : tensor<32x64xf32>
  %eight = arith.constant dense<8> : tensor<32x64xi8>
  %sc = tile.load %vs[%c0] : !tile.view<64xf16, in> -> tensor<64xf16>
  %s1 = tile.reshape %sc : tensor<64xf16> -> tensor<1x64xf16>
  %sb = tile.broadcast %s1 : tensor<1x64xf16> -> tensor<32x64xf16>
  %acc = scf.for %kk = %c0 to %k step %c32 iter_args(%o = %z) -> (tensor<32x64xf32>) {
    %a = tile.load %vx[%c0, %kk] : !tile.view<32x?xf16, in> -> tensor<32x32xf16>
    %b = tile.load %vq[%kk, %c0] : !tile.view<?x64xi8, in> -> tensor<32x64xi8>
    %b1 = arith.subi %b, %eight : tensor<32x64xi8>
    %b2 = tile.cast %b1 : tensor<32x64xi8> -> tensor<32x64xf16>
    %b3 = arith.mulf %b2, %sb : tensor<32x64xf16>
    %d = tile.dot %a, %b3, %o : tensor<32x32xf16>, tensor<32x64xf16> -> tensor<32x64xf32>
    scf.yield %d : tensor<32x64xf32>
  } {tile.loop = #tile.loop<"k", reduce>}
  tile.store %acc, %vy[%c0, %c0] : tensor<32x64xf32>, !tile.view<32x64xf32, out>
  tile.yield
}
)";
  auto image = compileKernels(text, GetParam());
  ASSERT_TRUE(image->ok()) << image->errors();
  for (int64_t k : {32, 96, 61}) {
    std::mt19937 g(k);
    std::uniform_int_distribution<int> values(-2, 2), codes(6, 10);
    std::vector<int> x(32 * k), q(k * 64), s(64);
    std::vector<uint8_t> bx, bq, bs;
    for (int &e : x)
      append(bx, "f16", e = values(g));
    for (int &e : q)
      append(bq, "i8", e = codes(g));
    for (int &e : s)
      append(bs, "f16", e = values(g));
    std::vector<float> y(32 * 64, -7.0f);
    image->run("dequant", {bx, bq, bs, y}, {k}, 1);
    ASSERT_FALSE(HasFatalFailure());
    for (int64_t i = 0; i < 32; ++i)
      for (int64_t j = 0; j < 64; ++j) {
        int sum = 0;
        for (int64_t d = 0; d < k; ++d)
          sum += x[i * k + d] * (q[d * 64 + j] - 8) * s[j];
        ASSERT_EQ(y[i * 64 + j], float(sum)) << "k " << k << " at " << i << ", " << j;
      }
  }
}

} // namespace
