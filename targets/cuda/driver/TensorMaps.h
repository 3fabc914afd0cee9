// Tensor maps built from recipes (Recipe.h), shared by all who ask with the same words.
#ifndef ADZE_TARGETS_CUDA_DRIVER_TENSORMAPS_H
#define ADZE_TARGETS_CUDA_DRIVER_TENSORMAPS_H

#include "targets/cuda/driver/Api.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace adze::cuda {

/// Why the words are no valid recipe, naming the limit; "" if they are. NVIDIA's functions answer "invalid value" to
/// all of it.
std::string checkRecipe(const std::vector<int64_t> &words);

class TensorMaps {
public:
  /// The map for these words; each get() needs a release(). Throws Error.
  CUtensorMap *get(const Api &api, const std::vector<int64_t> &words);
  void release(const CUtensorMap *map);
  void clear();

private:
  struct Entry {
    std::unique_ptr<CUtensorMap> map;
    size_t users = 0;
  };
  std::mutex mutex_;
  std::map<std::vector<int64_t>, Entry> entries_;
  std::map<const CUtensorMap *, std::map<std::vector<int64_t>, Entry>::iterator> byMap_;
};

} // namespace adze::cuda

#endif
