// Accuracy of the elementary functions, in units in the last place against long double, on dense inputs.
#include "test/unit/cpu/CpuHarness.h"
#include <cmath>
#include <functional>

using namespace adze::test;

namespace {

using Reference = std::function<long double(long double)>;

template <typename T>
struct Traits;
template <>
struct Traits<float> {
  static constexpr const char *name = "f32";
  static constexpr int mantissa = 24, minExponent = -149;
};
template <>
struct Traits<double> {
  static constexpr const char *name = "f64";
  static constexpr int mantissa = 53, minExponent = -1074;
};

/// |y - exact| in units of the last place of exact, rounded to T.
template <typename T>
double ulps(T y, long double exact) {
  T rounded = static_cast<T>(exact);
  if (std::isnan(y) || std::isnan(rounded))
    return std::isnan(y) && std::isnan(rounded) ? 0 : INFINITY;
  if (std::isinf(y) || std::isinf(rounded))
    return y == rounded || std::abs(exact) >= 0.9999999L * std::numeric_limits<T>::max() ? 0 : INFINITY;
  int e;
  std::frexp(exact == 0 ? 0.0L : exact, &e);
  int unit = exact == 0 ? Traits<T>::minExponent : std::max(e - Traits<T>::mantissa, Traits<T>::minExponent);
  return static_cast<double>(std::abs(static_cast<long double>(y) - exact) / std::ldexp(1.0L, unit));
}

template <typename T>
std::string unaryText(const std::string &op) {
  std::string t = Traits<T>::name, ref = "!tile.ref<" + t + ", ", v = "!tile.view<?x" + t + ", ",
              tile = "tensor<64x" + t + ">";
  return "tile.kernel @f attributes {key = \"f\", dims = [\"N\"], arg_types = [" + ref + "in>, " + ref +
         "out>], grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 64>} body {\n^bb0(%n: index, %x: " +
         ref + "in>, %y: " + ref + "out>, %i: index):\n  %vx = tile.view %x[%n] : " + ref + "in> -> " + v +
         "in>\n  %vy = tile.view %y[%n] : " + ref + "out> -> " + v + "out>\n  %a = tile.load %vx[%i] : " + v +
         "in> -> " + tile + "\n  %r = math." + op + " %a : " + tile + "\n  tile.store %r, %vy[%i] : " + tile + ", " +
         v + "out>\n  tile.yield\n}\n";
}

struct Domain {
  double low, high;
};

template <typename T>
void checkUnary(const std::string &op, Reference f, double bound, std::vector<Domain> domains) {
  std::vector<T> x;
  for (double s : {0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, double(INFINITY), -double(INFINITY), double(NAN), 1e-30,
                   -1e-30, double(std::numeric_limits<T>::denorm_min()), double(std::numeric_limits<T>::min()),
                   double(std::numeric_limits<T>::max()), -double(std::numeric_limits<T>::max())})
    x.push_back(static_cast<T>(s));
  for (Domain d : domains)
    for (int i = 0; i <= 60000; ++i)
      x.push_back(static_cast<T>(d.low + (d.high - d.low) * (i + 0.37 * (i % 3)) / 60000));
  // and over the exponents
  for (int e = -60; e < 40; ++e)
    for (int i = 0; i < 60; ++i)
      for (double sign : {1.0, -1.0}) {
        double v = sign * std::ldexp(1 + i / 60.0, e);
        if (llvm::any_of(domains, [&](Domain d) { return v >= d.low && v <= d.high; }))
          x.push_back(static_cast<T>(v));
      }
  for (const std::string &level : runnableLevels()) {
    CpuImage image(unaryText<T>(op), level);
    ASSERT_TRUE(image.ok()) << op << image.errors();
    std::vector<T> y(x.size());
    int64_t n = x.size();
    image.run("f", {x, y}, {n}, (n + 63) / 64);
    double worst = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
      bool inside = i >= 16 || llvm::any_of(domains, [&](Domain d) { return x[i] >= d.low && x[i] <= d.high; }) ||
                    std::isnan(x[i]) || (std::isinf(x[i]));
      if (!inside)
        continue;
      double u = ulps(y[i], f(x[i]));
      if (!(u <= worst)) {
        worst = u;
        at = i;
      }
    }
    EXPECT_LE(worst, bound) << op << " " << Traits<T>::name << " " << level << " at " << x[at] << ": " << y[at]
                            << " want " << static_cast<T>(f(x[at]));
    printf("  %-10s %s %s %.2f ulp\n", op.c_str(), Traits<T>::name, level.c_str(), worst);
  }
}

struct Function {
  std::string op;
  Reference f;
  double bound32, bound64;
  std::vector<Domain> domains;
};

std::vector<Function> functions() {
  using L = long double;
  return {
      {"exp", [](L x) { return std::exp(x); }, 2, 3, {{-110, 92}, {-1, 1}}},
      {"exp2", [](L x) { return std::exp2(x); }, 2, 3, {{-155, 130}, {-1, 1}}},
      {"expm1", [](L x) { return std::expm1(x); }, 2, 4, {{-20, 85}, {-0.5, 0.5}}},
      {"log", [](L x) { return std::log(x); }, 2, 3, {{0, 1e6}, {0, 2}, {0.9, 1.1}}},
      {"log2", [](L x) { return std::log2(x); }, 3, 4, {{0, 1e6}, {0, 2}, {0.9, 1.1}}},
      {"log10", [](L x) { return std::log10(x); }, 2, 4, {{0, 1e6}, {0, 2}}},
      {"log1p", [](L x) { return std::log1p(x); }, 2, 4, {{-1, 1e6}, {-0.9, 1}}},
      {"tanh", [](L x) { return std::tanh(x); }, 4, 5, {{-12, 12}, {-0.7, 0.7}}},
      {"erf", [](L x) { return std::erf(x); }, 4, 12, {{-7, 7}, {-1.1, 1.1}}},
      {"sin", [](L x) { return std::sin(x); }, 4, 4, {{-1000, 1000}, {-4, 4}, {1e6, 1.01e6}}},
      {"cos", [](L x) { return std::cos(x); }, 4, 4, {{-1000, 1000}, {-4, 4}, {1e6, 1.01e6}}},
      {"tan", [](L x) { return std::tan(x); }, 4, 8, {{-100, 100}, {-1.5, 1.5}}},
      {"asin", [](L x) { return std::asin(x); }, 2, 8, {{-1, 1}}},
      {"acos", [](L x) { return std::acos(x); }, 2, 8, {{-1, 1}}},
      {"atan", [](L x) { return std::atan(x); }, 2, 4, {{-100, 100}, {-1, 1}}},
      {"sinh", [](L x) { return std::sinh(x); }, 2, 8, {{-88, 88}, {-1, 1}}},
      {"cosh", [](L x) { return std::cosh(x); }, 2, 8, {{-88, 88}, {-1, 1}}},
      {"asinh", [](L x) { return std::asinh(x); }, 2, 8, {{-1e6, 1e6}, {-2, 2}}},
      {"acosh", [](L x) { return std::acosh(x); }, 2, 8, {{1, 1e6}, {1, 2}}},
      {"atanh", [](L x) { return std::atanh(x); }, 2, 8, {{-1, 1}}},
      {"cbrt", [](L x) { return std::cbrt(x); }, 2, 4, {{-1000, 1000}}},
      {"rsqrt", [](L x) { return 1 / std::sqrt(x); }, 2, 2, {{0, 1000}}},
      {"round", [](L x) { return std::round(x); }, 0, 0, {{-100, 100}}},
  };
}

TEST(CpuMath, Float32) {
  for (const Function &f : functions())
    checkUnary<float>(f.op, f.f, f.bound32, f.domains);
}
TEST(CpuMath, Float64) {
  for (const Function &f : functions())
    checkUnary<double>(f.op, f.f, f.bound64, f.domains);
}

TEST(CpuMath, Power) {
  std::string text = R"(
tile.kernel @p attributes {key = "p", dims = ["N"], arg_types = [!tile.ref<f32, in>, !tile.ref<f32, in>, !tile.ref<f32, out>],
                grid_extents = affine_map<(d0) -> (d0)>, grid_steps = array<i64: 64>} body {
^bb0(%n: index, %x: !tile.ref<f32, in>, %w: !tile.ref<f32, in>, %y: !tile.ref<f32, out>, %i: index):
  %vx = tile.view %x[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vw = tile.view %w[%n] : !tile.ref<f32, in> -> !tile.view<?xf32, in>
  %vy = tile.view %y[%n] : !tile.ref<f32, out> -> !tile.view<?xf32, out>
  %a = tile.load %vx[%i] : !tile.view<?xf32, in> -> tensor<64xf32>
  %b = tile.load %vw[%i] : !tile.view<?xf32, in> -> tensor<64xf32>
  %r = math.powf %a, %b : tensor<64xf32>
  tile.store %r, %vy[%i] : tensor<64xf32>, !tile.view<?xf32, out>
  tile.yield
}
)";
  std::vector<float> bases{0,      -0.0f, 1,        -1,        2,   -2,     0.5f,      3,         -3, 10,
                           1e-20f, 1e20f, INFINITY, -INFINITY, NAN, 1e-40f, 0.999999f, 1.000001f, -8};
  std::vector<float> exponents{0,   -0.0f, 1,    2,        3,         -1,  -2,   -3, 0.5f,        -0.5f, 1.0f / 3,
                               100, -100,  1e6f, INFINITY, -INFINITY, NAN, 2.5f, 7,  16777217.0f, 127};
  std::vector<float> x, w;
  for (float b : bases)
    for (float e : exponents) {
      x.push_back(b);
      w.push_back(e);
    }
  for (int i = 0; i < 20000; ++i) {
    x.push_back(std::exp2(float(i % 200) / 10 - 10));
    w.push_back(float(i % 371) / 30 - 6);
  }
  for (const std::string &level : runnableLevels()) {
    CpuImage image(text, level);
    ASSERT_TRUE(image.ok()) << image.errors();
    std::vector<float> y(x.size());
    int64_t n = x.size();
    image.run("p", {x, w, y}, {n}, (n + 63) / 64);
    for (int64_t i = 0; i < n; ++i) {
      long double exact = std::pow(static_cast<long double>(x[i]), static_cast<long double>(w[i]));
      ASSERT_LE(ulps(y[i], exact), 1.0) << x[i] << "^" << w[i] << " = " << y[i] << " want " << float(exact);
      if (!std::isnan(y[i]))
        ASSERT_EQ(std::signbit(y[i]), std::signbit(float(exact))) << x[i] << "^" << w[i];
    }
  }
}

} // namespace
