// Storage of every element width, and rows with strides.
#include "compiler/oracle/HostBuffer.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze::oracle;
using namespace mlir;

namespace {

TEST(HostBuffer, IntegersOfEveryWidthSurvive) {
  MLIRContext context;
  for (unsigned width : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
    auto storage = Storage::of(IntegerType::get(&context, width));
    ASSERT_TRUE(storage);
    std::vector<int64_t> values;
    for (int64_t v : {0ll, 1ll, -1ll, 5ll, -6ll, 1ll << 40})
      values.push_back(wrapInt(v, width));
    std::vector<char> memory((values.size() + 1) * 8, 0x55);
    storage->write(memory.data(), 1, 1, values.size(), values.data());
    std::vector<int64_t> back(values.size());
    storage->read(memory.data(), 1, 1, values.size(), back.data());
    EXPECT_EQ(back, values) << width << " bits";
    storage->read(memory.data(), values.size(), -1, values.size(), back.data());
    EXPECT_EQ(back.front(), values.back()) << "backwards";
  }
  EXPECT_FALSE(Storage::of(IntegerType::get(&context, 3)));
  EXPECT_FALSE(Storage::of(NoneType::get(&context)));
}

TEST(HostBuffer, NarrowElementsTakeAByte) {
  MLIRContext context;
  auto storage = Storage::of(IntegerType::get(&context, 4));
  EXPECT_EQ(storage->bytes(), 1u);
  char bytes[3] = {};
  int64_t values[3] = {1, -1, 7}, back[3] = {};
  storage->write(bytes, 0, 1, 3, values);
  EXPECT_EQ(static_cast<uint8_t>(bytes[1]), 0x0f) << "zero extended";
  storage->read(bytes, 0, 1, 3, back);
  EXPECT_EQ(back[1], -1) << "read as signed";
  EXPECT_EQ(Storage::of(Float64Type::get(&context))->bytes(), 8u);
}

TEST(HostBuffer, FloatsRoundWhenStored) {
  MLIRContext context;
  const double third = 1.0 / 3;
  std::pair<Type, double> cases[] = {
      {Float64Type::get(&context), third},          {Float32Type::get(&context), static_cast<float>(third)},
      {Float16Type::get(&context), 0.333251953125}, {BFloat16Type::get(&context), 0.333984375},
      {Float8E4M3FNType::get(&context), 0.34375},   {Float8E5M2Type::get(&context), 0.3125},
      {Float4E2M1FNType::get(&context), 0.5},       {Float8E8M0FNUType::get(&context), 0.25},
  };
  for (auto [type, expected] : cases) {
    auto storage = Storage::of(type);
    ASSERT_TRUE(storage);
    char memory[64] = {};
    double in[2] = {third, third}, out[2] = {};
    storage->write(memory, 1, 2, 2, in);
    storage->read(memory, 1, 2, 2, out);
    std::string name;
    llvm::raw_string_ostream(name) << type;
    EXPECT_EQ(out[0], expected) << name;
    EXPECT_EQ(out[1], expected) << name;
    storage->read(memory, 0, 1, 1, out);
    EXPECT_EQ(out[0], storage->format->nan == NanStyle::ExponentOnly ? 0x1p-127 : 0) << name << ", beside";
  }
}

} // namespace
