#include "compiler/support/NumericContract.h"
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
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
