// Compiled with exceptions: the simulator reports by them.
#include "test/unit/cuda/ElementKernel.h"
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/State.h"

namespace adze::test {

struct SimModule::State {
  sim::Architecture device;
  sim::SimulatedMemory memory;
  sim::LoadResult loaded;
};

SimModule::SimModule(const std::string &ptx, const std::string &arch) : state(std::make_unique<State>()) {
  TargetArch target = *cuda::archNamed(arch);
  state->device.number = cuda::smOf(target);
  state->device.suffix = cuda::isArchSpecific(target) ? 'a' : 0;
  state->loaded = sim::loadModule(ptx, state->device, state->memory);
  EXPECT_EQ(state->loaded.code, 0) << state->loaded.text;
}
SimModule::~SimModule() = default;

std::vector<uint8_t> SimModule::run(const std::vector<std::vector<uint8_t>> &inputs, size_t resultBytes, int64_t count,
                                    sim::Accuracy accuracy) {
  if (state->loaded.code)
    return {};
  std::string error;
  std::vector<uint64_t> arguments;
  sim::GlobalMemory &global = state->memory.global;
  for (const std::vector<uint8_t> &in : inputs) {
    arguments.push_back(global.allocate(in.size()));
    EXPECT_TRUE(global.write(arguments.back(), in.data(), in.size(), error)) << error;
  }
  uint64_t result = global.allocate(resultBytes);
  arguments.push_back(result);
  arguments.push_back(static_cast<uint64_t>(count));
  std::vector<uint8_t> params(arguments.size() * 8);
  std::memcpy(params.data(), arguments.data(), params.size());
  sim::LaunchOptions options;
  options.accuracy = accuracy;
  options.checkRaces = false;
  sim::Dim3 grid{static_cast<uint32_t>((count + 127) / 128), 1, 1}, block{128, 1, 1}, cluster{1, 1, 1};
  sim::LaunchResult launched = sim::launch(*state->loaded.program, *state->loaded.program->find("f"), grid, block,
                                           cluster, 0, params, state->memory, state->device, options);
  EXPECT_EQ(launched.code, 0) << launched.text;
  std::vector<uint8_t> out(resultBytes);
  uint64_t poison = 0;
  EXPECT_TRUE(global.read(out.data(), result, resultBytes, error, poison)) << error;
  for (size_t i = 0; i + 1 < arguments.size(); ++i)
    global.free(arguments[i]);
  return out;
}

} // namespace adze::test
