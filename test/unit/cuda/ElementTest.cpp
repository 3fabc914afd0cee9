// The element arithmetic of the CUDA target against the C library's long double: every 16-bit input, dense float32
// inputs, and the machine's approximations at both ends of the error that the PTX ISA allows them.
#include "test/unit/cuda/ElementKernel.h"
#include "test/unit/cuda/Ulp.h"
#include <functional>

using namespace adze::test;
using adze::sim::Accuracy;

namespace {

using Reference = std::function<long double(long double)>;

struct Function {
  const char *op;
  Reference reference;
  double low, high;       // where dense float32 inputs lie
  double bound;           // ulp, float32
  double most = INFINITY; // |x| up to which the bound holds
};

constexpr double kReduced = 0x1p50; // reduction of angles by a three-part pi/2

const Function kFunctions[] = {
    {"math.exp", [](long double x) { return std::exp(x); }, -110, 92, 2},
    {"math.exp2", [](long double x) { return std::exp2(x); }, -155, 130, 2},
    {"math.log", [](long double x) { return std::log(x); }, 0, 8, 2},
    {"math.log2", [](long double x) { return std::log2(x); }, 0, 8, 4},
    {"math.log10", [](long double x) { return std::log10(x); }, 0, 8, 4},
    {"math.log1p", [](long double x) { return std::log1p(x); }, -1, 8, 4},
    {"math.expm1", [](long double x) { return std::expm1(x); }, -20, 92, 4},
    {"math.tanh", [](long double x) { return std::tanh(x); }, -12, 12, 4},
    {"math.erf", [](long double x) { return std::erf(x); }, -5, 5, 4},
    {"math.sin", [](long double x) { return std::sin(x); }, -1000, 1000, 4, kReduced},
    {"math.cos", [](long double x) { return std::cos(x); }, -1000, 1000, 4, kReduced},
    {"math.tan", [](long double x) { return std::tan(x); }, -10, 10, 4, kReduced},
    {"math.asin", [](long double x) { return std::asin(x); }, -1, 1, 4},
    {"math.acos", [](long double x) { return std::acos(x); }, -1, 1, 4},
    {"math.atan", [](long double x) { return std::atan(x); }, -30, 30, 4},
    {"math.sinh", [](long double x) { return std::sinh(x); }, -92, 92, 4},
    {"math.cosh", [](long double x) { return std::cosh(x); }, -92, 92, 4},
    {"math.asinh", [](long double x) { return std::asinh(x); }, -100, 100, 4},
    {"math.acosh", [](long double x) { return std::acosh(x); }, 1, 100, 4},
    {"math.atanh", [](long double x) { return std::atanh(x); }, -1, 1, 4},
    {"math.sqrt", [](long double x) { return std::sqrt(x); }, 0, 100, 0.5},
    {"math.rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 0, 100, 2},
    {"math.cbrt", [](long double x) { return std::cbrt(x); }, -100, 100, 4},
    {"math.floor", [](long double x) { return std::floor(x); }, -100, 100, 0},
    {"math.ceil", [](long double x) { return std::ceil(x); }, -100, 100, 0},
    {"math.round", [](long double x) { return std::round(x); }, -100, 100, 0},
    {"math.roundeven", [](long double x) { return std::nearbyint(x); }, -100, 100, 0},
    {"math.trunc", [](long double x) { return std::trunc(x); }, -100, 100, 0},
    {"math.absf", [](long double x) { return std::fabs(x); }, -100, 100, 0},
};

std::string unary(const Function &f, const std::string &type) {
  return std::string(f.op) + " %a : tensor<1x" + type + ">";
}

/// ... and over the exponents, with the special values in front.
std::vector<float> denseInputs(double low, double high) {
  std::vector<float> x = {0.0f, -0.0f,  1.0f,    -1.0f,           INFINITY,      -INFINITY,
                          NAN,  1e-45f, -1e-45f, 1.17549435e-38f, 3.4028235e38f, -3.4028235e38f};
  constexpr int kDense = 40000;
  for (int i = 0; i <= kDense; ++i)
    x.push_back(static_cast<float>(low + (high - low) * (i + 0.37 * (i % 3)) / kDense));
  for (int e = -149; e < 128; ++e)
    for (int i = 0; i < 24; ++i)
      for (double sign : {1.0, -1.0})
        if (double v = sign * std::ldexp(1 + i / 24.0, e); v >= low && v <= high)
          x.push_back(static_cast<float>(v));
  return x;
}

class Elements : public testing::TestWithParam<Function> {};

TEST_P(Elements, Float32) {
  const Function &f = GetParam();
  SimModule module(elementPtx(unary(f, "f32"), {"f32"}, "f32", "sm_80"), "sm_80");
  std::vector<float> x = denseInputs(f.low, f.high);
  for (Accuracy accuracy : {Accuracy::Exact, Accuracy::Largest, Accuracy::Smallest}) {
    std::vector<float> y = runElements<float, float>(module, {x}, accuracy);
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isfinite(x[i]) && std::fabs(x[i]) > f.most)
        continue;
      double d = ulpDistance(y[i], f.reference(x[i]), 24, -149, std::numeric_limits<float>::max());
      if (d > worst) {
        worst = d;
        at = x[i];
      }
    }
    EXPECT_LE(worst, f.bound + 1e-3) << f.op << "(" << at << "), accuracy " << int(accuracy);
    RecordProperty(std::string(f.op) + ".ulp" + std::to_string(int(accuracy)), std::to_string(worst));
  }
}

/// All 65536 inputs. The function is computed in float32 and rounded once, so that it is within 1 ulp of the exact
/// value (0.5 for the rounding, the rest for a result that lies close to the middle between two values).
void checkSixteenBits(const Function &f, const std::string &type, const std::string &arch) {
  bool bf16 = type == "bf16";
  SimModule module(elementPtx(unary(f, type), {type}, type, arch), arch);
  std::vector<uint16_t> x(65536);
  for (unsigned i = 0; i < 65536; ++i)
    x[i] = static_cast<uint16_t>(i);
  std::vector<uint16_t> y = runElements<uint16_t, uint16_t>(module, {x}, Accuracy::Largest);
  auto value = [&](uint16_t bits) -> long double { return bf16 ? (long double)fromBf16(bits) : fromF16(bits); };
  double worst = 0;
  unsigned at = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    if (std::isfinite(value(x[i])) && std::fabs(value(x[i])) > f.most)
      continue;
    double d = ulpDistance(value(y[i]), f.reference(value(x[i])), bf16 ? 8 : 11, bf16 ? -133 : -24,
                           bf16 ? 3.38953138925153547590e38L : 65504.0L);
    if (d > worst) {
      worst = d;
      at = i;
    }
  }
  EXPECT_LE(worst, f.bound == 0 ? 0 : 0.51) << f.op << " " << type << " at " << (double)value(at);
}

TEST_P(Elements, Float16) { checkSixteenBits(GetParam(), "f16", "sm_80"); }
TEST_P(Elements, BFloat16) { checkSixteenBits(GetParam(), "bf16", "sm_80"); }

INSTANTIATE_TEST_SUITE_P(Math, Elements, testing::ValuesIn(kFunctions),
                         [](const auto &info) { return std::string(info.param.op).substr(5); });

TEST(ElementPairs, Power) {
  SimModule module(elementPtx("math.powf %a, %b : tensor<1xf32>", {"f32", "f32"}, "f32", "sm_80"), "sm_80");
  std::vector<float> x, y;
  for (float base : {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, -2.0f, 3.7f, -3.0f, 1e-20f, 1e20f, INFINITY, -INFINITY, NAN})
    for (float power = -130; power <= 130; power += 0.5f) {
      x.push_back(base);
      y.push_back(power);
    }
  for (int i = 0; i < 20000; ++i) {
    x.push_back(static_cast<float>(0.01 + i * 0.013));
    y.push_back(static_cast<float>(-20 + (i * 7919 % 20000) * 0.002));
  }
  std::vector<float> r = runElements<float, float>(module, {x, y});
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulpDistance(r[i], std::pow((long double)x[i], (long double)y[i]), 24, -149,
                                        std::numeric_limits<float>::max()));
  EXPECT_LE(worst, 1.0);
}

TEST(ElementPairs, Arctangent2) {
  SimModule module(elementPtx("math.atan2 %a, %b : tensor<1xf32>", {"f32", "f32"}, "f32", "sm_80"), "sm_80");
  std::vector<float> y, x;
  const float values[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.3f, -7.0f, 1e-30f, -1e30f, INFINITY, -INFINITY, NAN};
  for (float a : values)
    for (float b : values) {
      y.push_back(a);
      x.push_back(b);
    }
  std::vector<float> r = runElements<float, float>(module, {y, x});
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_LE(ulpDistance(r[i], std::atan2((long double)y[i], (long double)x[i]), 24, -149,
                          std::numeric_limits<float>::max()),
              1.0)
        << y[i] << ", " << x[i];
}

} // namespace
