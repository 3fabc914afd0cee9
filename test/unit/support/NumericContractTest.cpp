#include "compiler/support/NumericContract.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace adze;

template <typename T>
static std::vector<char> bytes(std::initializer_list<T> values) {
  const char *first = reinterpret_cast<const char *>(values.begin());
  return {first, first + values.size() * sizeof(T)};
}

static Comparison compareF32(std::initializer_list<float> got, std::initializer_list<float> expected,
                             ContractClass row = ContractClass::elementwise) {
  return compareTensors(DType::F32, bytes(got), bytes(expected), tolerance(row, DType::F32));
}

TEST(NumericContract, PageIsUpToDate) {
  const std::string path = std::string(ADZE_SOURCE_DIR) + "/docs/numeric-contract.md";
  if (std::getenv("ADZE_UPDATE_DOCS"))
    std::ofstream(path) << numericContractPage();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), numericContractPage()) << "run this test once with ADZE_UPDATE_DOCS=1 and commit the page";
}

TEST(NumericContract, ClassesLoosenDownTheTable) {
  for (DType type : {DType::F64, DType::F32, DType::F16, DType::BF16}) {
    Tolerance last;
    for (size_t row = 0; row < kNumContractClasses; ++row) {
      Tolerance now = tolerance(static_cast<ContractClass>(row), type);
      EXPECT_GE(now.rtol, last.rtol);
      EXPECT_GE(now.atol, last.atol);
      EXPECT_GE(now.rms, last.rms);
      last = now;
    }
    EXPECT_GT(last.rtol, 0);
  }
  EXPECT_EQ(tolerance(ContractClass::network, DType::I32).rtol, 0);
}

TEST(NumericContract, AcceptsRoundingAndRefusesMore) {
  EXPECT_TRUE(compareF32({1.0f, 2.0f}, {1.0f, std::nextafter(2.0f, 3.0f)}).ok);
  Comparison wrong = compareF32({1.0f, 2.0f, 3.0f}, {1.0f, 2.001f, 3.0f});
  EXPECT_FALSE(wrong.ok);
  EXPECT_EQ(wrong.worstIndex, 1);
  EXPECT_FLOAT_EQ(static_cast<float>(wrong.expected), 2.001f);
}

TEST(NumericContract, RmsCatchesWhatElementsHide) {
  // Every element is within its own allowance, but all of them are off.
  const float off = 1.0f + 6.0f * 0x1p-23f;
  EXPECT_FALSE(compareF32({off, off, off, off}, {1, 1, 1, 1}).ok);
  EXPECT_TRUE(
      compareF32({off, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
          .ok);
}

TEST(NumericContract, SpecialValues) {
  const float nan = std::nanf(""), inf = INFINITY;
  EXPECT_TRUE(compareF32({nan, inf, -0.0f}, {-nan, inf, 0.0f}).ok);
  EXPECT_FALSE(compareF32({1, inf}, {1, -inf}).ok);
  EXPECT_FALSE(compareF32({1, 1}, {1, nan}).ok);
  EXPECT_FALSE(compareF32({nan, 1}, {1, 1}, ContractClass::network).ok);
}

TEST(NumericContract, ExactMeansBits) {
  Tolerance exact = tolerance(ContractClass::exact, DType::F32);
  EXPECT_TRUE(compareTensors(DType::F32, bytes({1.0f, NAN}), bytes({1.0f, -NAN}), exact).ok);
  EXPECT_FALSE(compareTensors(DType::F32, bytes({1.0f}), bytes({std::nextafter(1.0f, 2.0f)}), exact).ok);
  EXPECT_FALSE(
      compareTensors(DType::I32, bytes({1, 2}), bytes({1, 3}), tolerance(ContractClass::network, DType::I32)).ok);
  EXPECT_FALSE(compareTensors(DType::I32, bytes({1, 2}), bytes({1}), exact).ok) << "sizes differ";
}

//===-- the gate by the model's own rounding
//------------------------------------------------------------------------===//

namespace {

/// One row of attention over `keys` keys of `width` numbers, in T. `score` is applied to every score; keys are summed
/// from the last to the first when `backward`.
template <typename T, typename Score>
std::vector<T> attend(const std::vector<float> &q, const std::vector<float> &k, const std::vector<float> &v, int width,
                      bool backward, Score score) {
  int keys = static_cast<int>(k.size()) / width, rows = static_cast<int>(q.size()) / width;
  std::vector<T> out;
  for (int r = 0; r < rows; ++r) {
    std::vector<T> s(keys);
    for (int i = 0; i < keys; ++i) {
      T sum = 0;
      for (int j = 0; j < width; ++j) {
        int d = backward ? width - 1 - j : j;
        sum += static_cast<T>(q[r * width + d]) * static_cast<T>(k[i * width + d]);
      }
      s[i] = score(sum);
    }
    T most = *std::max_element(s.begin(), s.end()), total = 0;
    std::vector<T> row(width, T(0));
    for (int j = 0; j < keys; ++j) {
      int i = backward ? keys - 1 - j : j;
      T p = std::exp(s[i] - most);
      total += p;
      for (int d = 0; d < width; ++d)
        row[d] += p * static_cast<T>(v[i * width + d]);
    }
    for (T x : row)
      out.push_back(x / total);
  }
  return out;
}

float toBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

class TypedGate : public testing::Test {
protected:
  TypedGate() {
    std::mt19937 engine(7);
    std::normal_distribution<float> normal;
    for (auto [values, count, scale] :
         {std::tuple{&q, 8 * width, 4.0f}, {&k, 96 * width, 1.0f}, {&v, 96 * width, 1.0f}})
      for (int i = 0; i < count; ++i)
        values->push_back(scale * normal(engine)); // scores of some +-16: large logits
    wide = attend<double>(q, k, v, width, false, [](double s) { return s; });
    for (float x : attend<float>(q, k, v, width, false, [](float s) { return s; }))
      typed.push_back(x);
    for (double x : wide)
      rounded.push_back(static_cast<float>(x));
  }
  static llvm::ArrayRef<char> raw(const std::vector<float> &values) {
    return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)};
  }
  Comparison judge(const std::vector<float> &got) const {
    return compareToTyped(DType::F32, raw(got), {raw(rounded), wide, typed});
  }
  const int width = 16;
  std::vector<float> q, k, v, rounded;
  std::vector<double> wide, typed;
};

TEST_F(TypedGate, PassesOtherLegalRounding) {
  Comparison itself = judge(std::vector<float>(typed.begin(), typed.end()));
  EXPECT_TRUE(itself.ok) << itself.reason;
  EXPECT_DOUBLE_EQ(itself.rms, itself.typedRms);
  Comparison backward = judge(attend<float>(q, k, v, width, true, [](float s) { return s; }));
  EXPECT_TRUE(backward.ok) << backward.reason;
  EXPECT_GT(backward.rms, 0);
  EXPECT_TRUE(judge(rounded).ok) << "y* itself";
}

TEST_F(TypedGate, RefusesNarrowedScores) {
  Comparison narrow = judge(attend<float>(q, k, v, width, false, [](float s) { return toBf16(s); }));
  EXPECT_FALSE(narrow.ok);
  EXPECT_GT(narrow.rms, 2.7 * narrow.typedRms);
  // tf32-like scores, 11 bits, are refused too.
  EXPECT_FALSE(judge(attend<float>(q, k, v, width, false, [](float s) {
                 return std::ldexp(std::nearbyint(std::ldexp(s, 10 - std::ilogb(s))), std::ilogb(s) - 10);
               })).ok);
}

TEST_F(TypedGate, RefusesOneWrongElement) {
  std::vector<float> got = attend<float>(q, k, v, width, true, [](float s) { return s; });
  double most = 0;
  for (auto [a, b] : llvm::zip(typed, wide))
    most = std::max(most, std::abs(a - b));
  got[37] = rounded[37] + static_cast<float>(5 * most);
  Comparison wrong = judge(got);
  EXPECT_FALSE(wrong.ok);
  EXPECT_EQ(wrong.worstIndex, 37);
  got[37] = NAN;
  EXPECT_FALSE(judge(got).ok);
  EXPECT_FALSE(judge(std::vector<float>(got.begin(), got.end() - 1)).ok) << "sizes differ";
}

TEST_F(TypedGate, RefusesErrorsOfAllElements) {
  // Each is within 4 max|E|; together they are not noise.
  double most = 0;
  for (auto [a, b] : llvm::zip(typed, wide))
    most = std::max(most, std::abs(a - b));
  std::vector<float> got = rounded;
  for (float &x : got)
    x += static_cast<float>(3.5 * most);
  Comparison shifted = judge(got);
  EXPECT_FALSE(shifted.ok);
  EXPECT_NE(shifted.reason.find("rms"), std::string::npos) << shifted.reason;
}

TEST_F(TypedGate, SpecialValuesStandWhereEitherModeHasThem) {
  typed[3] = INFINITY; // overflows in the model's own type
  std::vector<float> got(rounded);
  EXPECT_TRUE(judge(got).ok) << "nearer to y* than the model itself";
  got[3] = INFINITY;
  EXPECT_TRUE(judge(got).ok);
  got[3] = -INFINITY;
  EXPECT_FALSE(judge(got).ok);
  got[3] = rounded[3], got[4] = INFINITY;
  EXPECT_FALSE(judge(got).ok);
}

} // namespace

TEST(NumericContract, TypedGateIsForFloats) {
  std::vector<double> values = {1, 2};
  EXPECT_FALSE(compareToTyped(DType::I32, bytes({1, 2}), {bytes({1, 2}), values, values}).ok);
  // Without any error of the model's own, half an ulp remains: y* halfway between two numbers may round either way.
  values = {1 + 0x1p-24, 2};
  EXPECT_TRUE(compareToTyped(DType::F32, bytes({1 + 0x1p-23f, 2.0f}), {bytes({1.0f, 2.0f}), values, values}).ok);
  EXPECT_FALSE(compareToTyped(DType::F32, bytes({1 + 0x1p-22f, 2.0f}), {bytes({1.0f, 2.0f}), values, values}).ok);
}

TEST(NumericContract, ReadsEveryFloatType) {
  auto value = [](DType type, unsigned bits) {
    char data[2] = {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)};
    return elementAsDouble(type, data, 0);
  };
  EXPECT_EQ(value(DType::F16, 0x3C00), 1);
  EXPECT_EQ(value(DType::F16, 0x0001), 0x1p-24);
  EXPECT_EQ(value(DType::F16, 0xFC00), -INFINITY);
  EXPECT_EQ(value(DType::BF16, 0xC040), -3);
  EXPECT_EQ(value(DType::F8E4M3FN, 0x38), 1);
  EXPECT_EQ(value(DType::F8E4M3FN, 0x7E), 448);
  EXPECT_TRUE(std::isnan(value(DType::F8E4M3FN, 0xFF)));
  EXPECT_EQ(value(DType::F8E4M3FNUZ, 0x40), 1);
  EXPECT_TRUE(std::isnan(value(DType::F8E4M3FNUZ, 0x80)));
  EXPECT_EQ(value(DType::F8E5M2, 0x3C), 1);
  EXPECT_EQ(value(DType::F8E5M2, 0xFC), -INFINITY);
  EXPECT_EQ(value(DType::F8E5M2FNUZ, 0x40), 1);
  EXPECT_EQ(value(DType::F4E2M1, 0x7), 6);
  EXPECT_EQ(value(DType::F8E8M0, 128), 2);
  EXPECT_EQ(value(DType::I4, 0xF), -1);
  EXPECT_EQ(value(DType::U4, 0xF), 15);
}
