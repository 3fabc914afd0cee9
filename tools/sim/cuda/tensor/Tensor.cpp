#include "tools/sim/cuda/tensor/Tensor.h"

namespace adze::sim {

TensorBlock &TensorBlock::of(Block &block) {
  if (!block.tensor)
    block.tensor = std::make_unique<TensorBlock>();
  return static_cast<TensorBlock &>(*block.tensor);
}

void requireWholeWarp(const Warp &warp, Mask active, const char *what) {
  requireConverged(warp, active, what);
  if (active == fullMask)
    return;
  unsigned lane = firstLane(~active);
  fault(lane, FaultCode::LaunchFailed,
        std::string(what) + " needs all 32 lanes of the warp, but lane " + std::to_string(lane) +
            (warp.exists >> lane & 1 ? " has exited" : " does not exist (the block's size is no multiple of 32)"));
}

TensorMode tensorMode(const LaunchContext &launch) {
  return launch.options.promisedSums ? TensorMode::PromiseOnly : TensorMode::Measured;
}

TensorType tensorTypeNamed(const Decoder &decoder, const std::string &name) {
  static const std::pair<const char *, TensorType> types[] = {
      {"f16", TensorType::F16},   {"bf16", TensorType::BF16}, {"tf32", TensorType::TF32}, {"e4m3", TensorType::E4M3},
      {"e5m2", TensorType::E5M2}, {"s8", TensorType::S8},     {"u8", TensorType::U8}};
  for (auto &[text, type] : types)
    if (name == text)
      return type;
  decoder.fail("operands of type ." + name + " are not supported");
}

AccumulatorType accumulatorTypeNamed(const Decoder &decoder, const std::string &name) {
  if (name == "f32")
    return AccumulatorType::F32;
  if (name == "f16")
    return AccumulatorType::F16;
  if (name == "s32")
    return AccumulatorType::S32;
  decoder.fail("accumulators of type ." + name + " are not supported");
}

void registerTensor(DecodeTable &table) {
  registerMma(table);
  registerMatrix(table);
  registerWarpgroup(table);
}

} // namespace adze::sim
