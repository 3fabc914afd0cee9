#include "compiler/weights/Sums.h"
#include "compiler/support/ElementTypes.h"
#include <cstring>

namespace adze {

static WeightStore::Compute sumsAlong(WeightStore::Id source, unsigned axis) {
  return [=](const WeightStore &store, llvm::MutableArrayRef<char> out) {
    std::vector<char> bytes(store.byteSize(source));
    if (!store.read(source, bytes))
      return false;
    llvm::ArrayRef<int64_t> dims = store.dims(source);
    DType type = store.dtype(source);
    size_t inner = 1, length = dims[axis];
    for (int64_t d : dims.drop_front(axis + 1))
      inner *= d;
    std::vector<uint32_t> sums(out.size() / sizeof(uint32_t), 0); // wraps, as i32 does in kernels
    for (size_t i = 0; i < bytes.size(); ++i)
      sums[i / (inner * length) * inner + i % inner] += static_cast<uint32_t>(elementToInt(type, &bytes[i]));
    if (!sums.empty())
      std::memcpy(out.data(), sums.data(), out.size());
    return true;
  };
}

std::optional<WeightStore::Id> addSums(WeightStore &store, WeightStore::Id source, unsigned axis) {
  DType type = store.dtype(source);
  if (!isInteger(type) || bitWidth(type) != 8 || axis >= store.dims(source).size())
    return std::nullopt;
  llvm::SmallVector<int64_t> dims(store.dims(source));
  dims[axis] = 1;
  return store.addComputed(DType::I32, dims, sumsAlong(source, axis), (store.name(source) + " (sums)").str());
}

} // namespace adze
