#include "targets/cuda/driver/TensorMaps.h"

#include "targets/cuda/driver/Error.h"
#include "targets/cuda/driver/Recipe.h"

#include <algorithm>

namespace adze::cuda {

namespace {

/// A recipe's words under their names. The length has been checked.
struct Recipe {
  RecipeKind kind;
  int64_t type, interleave, swizzle, promotion, fill;
  uint64_t address;
  unsigned rank;
  std::vector<uint64_t> dims, strides;
  std::vector<uint32_t> box, elementStrides;
  std::vector<int> lower, upper;
  uint32_t channels = 0, pixels = 0;

  explicit Recipe(const std::vector<int64_t> &words);
  int64_t elementBytes() const {
    static constexpr int64_t bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4}; // by CUtensorMapDataType
    return bytes[type];
  }
  int64_t innermost() const { return kind == RecipeKind::tiled ? int64_t(box[0]) : int64_t(channels); }
};

Recipe::Recipe(const std::vector<int64_t> &words)
    : kind(RecipeKind(words[kKind])), type(words[kElementType]), interleave(words[kInterleave]),
      swizzle(words[kSwizzle]), promotion(words[kL2Promotion]), fill(words[kFill]), address(uint64_t(words[kAddress])),
      rank(unsigned(words[kRank])) {
  const int64_t *next = words.data() + kFixedWords;
  auto take = [&next](auto &list, size_t count) {
    list.assign(next, next + count);
    next += count;
  };
  take(dims, rank);
  take(strides, rank - 1);
  if (kind == RecipeKind::tiled) {
    take(box, rank);
  } else {
    take(lower, rank - 2);
    take(upper, rank - 2);
    channels = uint32_t(*next++);
    pixels = uint32_t(*next++);
  }
  take(elementStrides, rank);
}

std::string outside(const char *what, size_t dim, int64_t value, const char *limit) {
  return std::string(what) + " of dim " + std::to_string(dim) + " is " + std::to_string(value) + ", it must be " +
         limit;
}

std::string checkFixed(const std::vector<int64_t> &words) {
  auto in = [](int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; };
  if (words.size() < kFixedWords)
    return "it has " + std::to_string(words.size()) + " words";
  if (!in(words[kKind], 1, 2))
    return "its kind is " + std::to_string(words[kKind]);
  auto kind = RecipeKind(words[kKind]);
  if (!in(words[kRank], kind == RecipeKind::tiled ? 1 : 3, 5))
    return "its rank is " + std::to_string(words[kRank]);
  unsigned expected = recipeWords(kind, unsigned(words[kRank]));
  if (words.size() != expected)
    return "it has " + std::to_string(words.size()) + " words, its kind and rank need " + std::to_string(expected);
  if (!in(words[kElementType], 0, 12) || !in(words[kInterleave], 0, 2) || !in(words[kSwizzle], 0, 3) ||
      !in(words[kL2Promotion], 0, 3) || !in(words[kFill], 0, 1))
    return "one of its enumerations is out of range";
  // What becomes 32 bits wide must fit.
  unsigned strideEnd = kFixedWords + 2 * unsigned(words[kRank]) - 1;
  for (size_t i = strideEnd; i < words.size(); ++i)
    if (!in(words[i], -32768, 65536))
      return "word " + std::to_string(i) + " is " + std::to_string(words[i]);
  return {};
}

std::string checkDims(const Recipe &recipe) {
  int64_t alignment = recipe.interleave == 2 ? 32 : 16;
  if (recipe.address == 0 || recipe.address % uint64_t(alignment))
    return "the address is not a multiple of " + std::to_string(alignment);
  for (size_t i = 0; i < recipe.rank; ++i)
    if (recipe.dims[i] < 1 || recipe.dims[i] > uint64_t(1) << 32)
      return outside("the extent", i, int64_t(recipe.dims[i]), "1 to 2^32");
  for (size_t i = 0; i + 1 < recipe.rank; ++i)
    if (recipe.strides[i] % uint64_t(alignment) || recipe.strides[i] >= uint64_t(1) << 40)
      return outside("the stride", i + 1, int64_t(recipe.strides[i]),
                     "a multiple of 16 (32 with 32-byte interleave) "
                     "below 2^40");
  for (size_t i = 0; i < recipe.rank; ++i)
    if (recipe.elementStrides[i] < 1 || recipe.elementStrides[i] > 8)
      return outside("the element stride", i, recipe.elementStrides[i], "1 to 8");
  return {};
}

std::string checkBox(const Recipe &recipe) {
  int64_t row = recipe.innermost() * recipe.elementBytes();
  for (size_t i = 0; i < recipe.box.size(); ++i)
    if (recipe.box[i] < 1 || recipe.box[i] > 256)
      return outside("the box", i, recipe.box[i], "1 to 256");
  if (recipe.kind == RecipeKind::im2col) {
    if (recipe.channels < 1 || recipe.channels > 256 || recipe.pixels < 1 || recipe.pixels > 1024)
      return "channels per pixel must be 1 to 256, pixels per column 1 to 1024";
    static constexpr int limits[] = {32768, 128, 16}; // signed: 16, 8, 5 bits by rank
    for (size_t i = 0; i < recipe.lower.size(); ++i)
      for (int corner : {recipe.lower[i], recipe.upper[i]})
        if (int limit = limits[recipe.rank - 3]; corner < -limit || corner >= limit)
          return outside("a corner", i, corner, "within the width that the rank allows");
  }
  if (recipe.interleave == 0 && row % 16)
    return "a row of the box has " + std::to_string(row) + " bytes, not a multiple of 16";
  int64_t span = recipe.swizzle ? int64_t(16) << recipe.swizzle : 0;
  if (span && recipe.interleave == 0 && row > span)
    return "a row of the box has " + std::to_string(row) + " bytes, its swizzle allows " + std::to_string(span);
  if (recipe.interleave == 2 && recipe.swizzle != 1)
    return "32-byte interleave needs 32-byte swizzle";
  bool isFloat = recipe.type >= 6;
  if (recipe.fill == 1 && !isFloat)
    return "only float types are filled with NaN";
  return {};
}

CUresult encode(const Api &api, const Recipe &recipe, CUtensorMap *map) {
  void *address = reinterpret_cast<void *>(uintptr_t(recipe.address));
  auto type = int(recipe.type), interleave = int(recipe.interleave), swizzle = int(recipe.swizzle),
       promotion = int(recipe.promotion), fill = int(recipe.fill);
  if (recipe.kind == RecipeKind::tiled)
    return api.tensorMapEncodeTiled(map, type, recipe.rank, address, recipe.dims.data(), recipe.strides.data(),
                                    recipe.box.data(), recipe.elementStrides.data(), interleave, swizzle, promotion,
                                    fill);
  return api.tensorMapEncodeIm2col(map, type, recipe.rank, address, recipe.dims.data(), recipe.strides.data(),
                                   recipe.lower.data(), recipe.upper.data(), recipe.channels, recipe.pixels,
                                   recipe.elementStrides.data(), interleave, swizzle, promotion, fill);
}

} // namespace

std::string checkRecipe(const std::vector<int64_t> &words) {
  if (std::string why = checkFixed(words); !why.empty())
    return why;
  Recipe recipe(words);
  std::string why = checkDims(recipe);
  return why.empty() ? checkBox(recipe) : why;
}

CUtensorMap *TensorMaps::get(const Api &api, const std::vector<int64_t> &words) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto [found, isNew] = entries_.try_emplace(words);
  Entry &entry = found->second;
  if (isNew) {
    try {
      if (std::string why = checkRecipe(words); !why.empty())
        fail(ADZE_BAD_PACKAGE, "a tensor map cannot be built", "its recipe in the package", why,
             "report this with the package");
      if (!api.tensorMapEncodeTiled || !api.tensorMapEncodeIm2col)
        fail(ADZE_UNSUPPORTED, "the NVIDIA driver has no tensor maps", api.library, "it is older than CUDA 12.0",
             "install a newer driver");
      entry.map = std::make_unique<CUtensorMap>();
      if (CUresult result = encode(api, Recipe(words), entry.map.get()); result != kSuccess)
        fail(ADZE_INTERNAL, "a tensor map cannot be built", "its recipe in the package", api.text(result),
             "report this with the package");
      byMap_.emplace(entry.map.get(), found);
    } catch (...) {
      entries_.erase(found);
      throw;
    }
  }
  ++entry.users;
  return entry.map.get();
}

void TensorMaps::release(const CUtensorMap *map) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = byMap_.find(map);
  if (found == byMap_.end() || --found->second->second.users)
    return;
  entries_.erase(found->second);
  byMap_.erase(found);
}

void TensorMaps::clear() {
  std::lock_guard<std::mutex> lock(mutex_);
  byMap_.clear();
  entries_.clear();
}

} // namespace adze::cuda
