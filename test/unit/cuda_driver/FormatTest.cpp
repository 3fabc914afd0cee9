// Code sections and tensor map recipes: what the driver reads from a package, and what it refuses.
#include "Harness.h"

#include "targets/cuda/driver/Image.h"
#include "targets/cuda/driver/Recipe.h"
#include "targets/cuda/driver/TensorMaps.h"

#include <cstring>

using namespace adze;
using namespace adze::test;
using cuda::ImageKind;

namespace {

std::vector<std::string> names(const std::vector<cuda::ImageCode> &codes) {
  std::vector<std::string> out;
  for (const cuda::ImageCode &code : codes)
    out.push_back(code.name());
  return out;
}

std::string whyRefused(const std::string &section) {
  std::vector<cuda::ImageCode> codes;
  return cuda::readImage(section.data(), section.size(), codes);
}

TEST(CudaImage, TakesTheBestThatTheDeviceRuns) {
  std::string section = codeSection({{ImageKind::ptx, 80, 0, "a"},
                                     {ImageKind::cubin, 80, 0, "b"},
                                     {ImageKind::ptx, 89, 0, "c"},
                                     {ImageKind::cubin, 86, 0, "d"},
                                     {ImageKind::ptx, 90, cuda::kArchSpecific, "e"},
                                     {ImageKind::cubin, 90, cuda::kArchSpecific, "f"}});
  std::vector<cuda::ImageCode> all;
  ASSERT_EQ(cuda::readImage(section.data(), section.size(), all), "");
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(candidates(all, 8, 0)), (Names{"cubin for sm_80", "PTX for sm_80"}));
  EXPECT_EQ(names(candidates(all, 8, 6)), (Names{"cubin for sm_86", "cubin for sm_80", "PTX for sm_80"}));
  EXPECT_EQ(names(candidates(all, 9, 0)),
            (Names{"cubin for sm_90a", "PTX for sm_90a", "PTX for sm_89", "PTX for sm_80"}));
  // Code for the features of one architecture runs on no later one.
  EXPECT_EQ(names(candidates(all, 10, 0)), (Names{"PTX for sm_89", "PTX for sm_80"}));
  EXPECT_EQ(names(candidates(all, 7, 5)), Names{});
}

TEST(CudaImage, RefusesWhatIsNotOne) {
  std::string good = codeSection({{ImageKind::ptx, 80, 0, "text"}});
  EXPECT_EQ(whyRefused(good), "");
  auto changed = [&](size_t at, uint32_t value) {
    std::string bytes = good;
    std::memcpy(&bytes[at], &value, sizeof(value));
    return whyRefused(bytes);
  };
  EXPECT_NE(whyRefused(good.substr(0, 10)), "");
  EXPECT_NE(whyRefused(good.substr(0, 40)), "");
  EXPECT_NE(changed(0, 7), ""); // magic
  EXPECT_NE(changed(8, 2).find("version"), std::string::npos);
  EXPECT_NE(changed(12, 0), ""); // count
  EXPECT_NE(changed(12, 65), "");
  EXPECT_NE(changed(16, 3).find("kind"), std::string::npos);
  EXPECT_NE(changed(20, 7), ""); // architecture
  EXPECT_NE(changed(24, 2).find("flags"), std::string::npos);
  EXPECT_NE(changed(32, 1 << 20).find("outside"), std::string::npos);
  EXPECT_NE(changed(32, 16).find("outside"), std::string::npos); // the table itself
  EXPECT_NE(changed(32, 65).find("aligned"), std::string::npos);
  EXPECT_NE(changed(40, 1 << 20).find("outside"), std::string::npos);
  EXPECT_NE(changed(40, 4).find("zero byte"), std::string::npos);
  EXPECT_NE(changed(40, 6).find("zero byte"), std::string::npos);
}

/// A valid recipe: f16 [64, 128, 2] by rows of 256 bytes, boxes of 64 x 8 x 1, 128-byte swizzle.
std::vector<int64_t> tiled() { return {1, 6, 3, 4096, 0, 3, 2, 0, 64, 128, 2, 256, 32768, 64, 8, 1, 1, 1, 1}; }
std::vector<int64_t> im2col() {
  return {2, 6, 4, 4096, 0, 3, 2, 0, 64, 14, 14, 8, 128, 1792, 25088, -1, -1, -1, -1, 64, 128, 1, 1, 1, 1};
}

TEST(CudaRecipe, NamesTheLimitThatIsBroken) {
  ASSERT_EQ(tiled().size(), cuda::recipeWords(cuda::RecipeKind::tiled, 3));
  ASSERT_EQ(im2col().size(), cuda::recipeWords(cuda::RecipeKind::im2col, 4));
  EXPECT_EQ(cuda::checkRecipe(tiled()), "");
  EXPECT_EQ(cuda::checkRecipe(im2col()), "");
  auto expect = [](std::vector<int64_t> words, size_t at, int64_t value, const char *text) {
    words[at] = value;
    std::string why = cuda::checkRecipe(words);
    EXPECT_NE(why.find(text), std::string::npos) << "word " << at << " = " << value << ": '" << why << "'";
  };
  expect(tiled(), cuda::kKind, 3, "kind");
  expect(tiled(), cuda::kRank, 6, "rank");
  expect(tiled(), cuda::kRank, 2, "words");
  expect(tiled(), cuda::kElementType, 13, "enumerations");
  expect(tiled(), cuda::kSwizzle, 4, "enumerations");
  expect(tiled(), cuda::kAddress, 4104, "address");
  expect(tiled(), cuda::kAddress, 0, "address");
  expect(tiled(), 8, 0, "extent of dim 0");
  expect(tiled(), 11, 264, "stride of dim 1");
  expect(tiled(), 13, 128, "swizzle");      // 256 bytes in a span of 128
  expect(tiled(), 13, 7, "multiple of 16"); // 14 bytes
  expect(tiled(), 14, 257, "box of dim 1");
  expect(tiled(), 16, 9, "element stride");
  expect(tiled(), 16, int64_t(1) << 32, "word 16"); // would be 0 in 32 bits
  expect(im2col(), 15, -200, "corner");
  expect(im2col(), 20, 1025, "pixels");
  expect(im2col(), cuda::kRank, 2, "rank");
  std::vector<int64_t> integer = tiled();
  integer[cuda::kElementType] = 1;
  expect(integer, cuda::kFill, 1, "NaN");
  EXPECT_NE(cuda::checkRecipe({}), "");
  EXPECT_NE(cuda::checkRecipe({1, 2}), "");
}

} // namespace
