// What the files of this folder share: scratch by block, checks, names of types.
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_TENSOR_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_TENSOR_H

#include "tools/sim/cuda/exec/Block.h"
#include "tools/sim/cuda/exec/Decode.h"
#include "tools/sim/cuda/tensor/Product.h"

#include <typeindex>
#include <unordered_map>

namespace adze::sim {

/// State of the tensor units by block. A block runs on one host thread at a time, so its scratch needs no lock.
class TensorBlock : public BlockExtension {
public:
  static TensorBlock &of(Block &block);
  /// The block's one object of type T, made at first use.
  template <typename T>
  T &scratch() {
    std::unique_ptr<BlockExtension> &slot = parts[std::type_index(typeid(T))];
    if (!slot)
      slot = std::make_unique<T>();
    return static_cast<T &>(*slot);
  }

private:
  std::unordered_map<std::type_index, std::unique_ptr<BlockExtension>> parts;
};

/// .sync.aligned of matrix instructions: all 32 lanes exist, live, and are here.
void requireWholeWarp(const Warp &warp, Mask active, const char *what);

TensorMode tensorMode(const LaunchContext &launch);

/// "f16" ... as written in an instruction; an error if the unit has no such type.
TensorType tensorTypeNamed(const Decoder &decoder, const std::string &name);
AccumulatorType accumulatorTypeNamed(const Decoder &decoder, const std::string &name);

void registerMma(DecodeTable &table);
void registerMatrix(DecodeTable &table);
void registerWarpgroup(DecodeTable &table);

} // namespace adze::sim

#endif
