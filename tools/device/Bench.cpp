#include "tools/device/Bench.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

namespace adze::device {
namespace {

constexpr size_t kPattern = size_t(1) << 22; // elements of random data, repeated over larger tensors

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

/// Round to nearest even, for the narrow types that benchmarks use.
void encode(adze_dtype_t dtype, float value, char *to) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  switch (dtype) {
  case ADZE_F32:
    std::memcpy(to, &value, 4);
    return;
  case ADZE_BF16: {
    auto half = uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    std::memcpy(to, &half, 2);
    return;
  }
  case ADZE_F16: { // normal numbers of moderate size: below 2^-14 becomes zero
    int exponent = int(bits >> 23 & 255) - 112;
    uint32_t rounded = (bits & 0x7fffff) + 0xfff + (bits >> 13 & 1);
    uint32_t half = exponent > 0 ? (uint32_t(exponent) << 10) + (rounded >> 13) : 0;
    auto out = uint16_t(half | (bits >> 16 & 0x8000));
    std::memcpy(to, &out, 2);
    return;
  }
  case ADZE_I64: {
    auto out = int64_t(std::abs(value) * 8);
    std::memcpy(to, &out, 8);
    return;
  }
  case ADZE_I32: {
    auto out = int32_t(std::abs(value) * 8);
    std::memcpy(to, &out, 4);
    return;
  }
  case ADZE_I8: {
    auto out = int8_t(value * 16);
    std::memcpy(to, &out, 1);
    return;
  }
  default:
    throw std::runtime_error(std::string("no random data for ") + adze_dtype_name(dtype));
  }
}

class Buffers {
public:
  explicit Buffers(Gpu &gpu) : gpu(gpu) {}
  ~Buffers() {
    for (Gpu::Address a : addresses)
      gpu.release(a);
  }
  adze_tensor_t make(const adze_tensor_info_t &info, bool random) {
    adze_tensor_t out{};
    size_t width = adze_dtype_bits(info.dtype) / 8, n = 1;
    out.dtype = info.dtype;
    out.rank = info.rank;
    for (int i = 0; i < info.rank; ++i) {
      if (info.dims[i] < 0)
        throw std::runtime_error("benchmark packages have static shapes");
      out.dims[i] = info.dims[i];
      n *= size_t(info.dims[i]);
    }
    out.size_bytes = n * width;
    addresses.push_back(gpu.allocate(std::max<size_t>(out.size_bytes, 1)));
    out.data = reinterpret_cast<void *>(uintptr_t(addresses.back()));
    if (random)
      fill(addresses.back(), info.dtype, n, width);
    return out;
  }

private:
  void fill(Gpu::Address to, adze_dtype_t dtype, size_t n, size_t width) {
    std::mt19937 engine(unsigned(addresses.size()));
    std::normal_distribution<float> normal;
    size_t some = std::min(n, kPattern);
    std::vector<char> bytes(some * width);
    for (size_t i = 0; i < some; ++i)
      encode(dtype, normal(engine), &bytes[i * width]);
    for (size_t at = 0; at < n; at += some)
      gpu.upload(to + at * width, bytes.data(), std::min(some, n - at) * width);
  }
  Gpu &gpu;
  std::vector<Gpu::Address> addresses;
};

/// Device time of the kernels of the session's last run, in microseconds.
double kernelTime(adze_session_t *session) {
  double total = 0;
  for (size_t i = 0; i < adze_session_num_events(session); ++i) {
    adze_event_t event;
    check(adze_session_event(session, i, &event));
    total += double(event.end_ns - event.start_ns) / 1000;
  }
  return total;
}

struct Bench {
  const Case &c;
  Loaded loaded;
  Buffers buffers;
  Gpu &gpu;
  Cublas *cublas;
  std::vector<adze_tensor_t> inputs, outputs;
  std::vector<uint8_t> inDevice, outDevice;

  Bench(const Case &c, const std::string &file, const std::string &device, Gpu &gpu, Cublas *cublas)
      : c(c), loaded(file, device), buffers(gpu), gpu(gpu), cublas(cublas) {
    adze_tensor_info_t info;
    for (size_t i = 0; i < adze_package_num_inputs(loaded.package.get()); ++i) {
      check(adze_package_input(loaded.package.get(), i, &info));
      inputs.push_back(buffers.make(info, true));
    }
    for (size_t i = 0; i < adze_package_num_outputs(loaded.package.get()); ++i) {
      check(adze_package_output(loaded.package.get(), i, &info));
      outputs.push_back(buffers.make(info, false));
    }
    inDevice.assign(inputs.size(), ADZE_IN_DEVICE_MEMORY);
    outDevice.assign(outputs.size(), ADZE_IN_DEVICE_MEMORY);
  }

  void run() {
    adze_run_options_t options{};
    options.struct_size = sizeof options;
    options.queue = gpu.stream();
    options.input_locations = inDevice.data();
    options.output_locations = outDevice.data();
    check(adze_session_run_with(loaded.session.get(), inputs.data(), inputs.size(), outputs.data(), outputs.size(),
                                &options));
  }

  void peer() {
    auto address = [](const adze_tensor_t &t) { return uint64_t(reinterpret_cast<uintptr_t>(t.data)); };
    cublas->matmul(inputs[0].dtype, c.text("tf32") == "1", int64_t(c.number("m")), int64_t(c.number("n")),
                   int64_t(c.number("k")), address(inputs[0]), address(inputs[1]), address(outputs[0]));
  }

  double peerTime(Gpu::Event from, Gpu::Event to, int repeats) {
    gpu.record(from);
    for (int i = 0; i < repeats; ++i)
      peer();
    gpu.record(to);
    return gpu.between(from, to) / repeats;
  }
};

} // namespace

double copyBandwidth(Gpu &gpu) {
  constexpr size_t kBytes = size_t(1) << 30;
  Gpu::Address a = gpu.allocate(kBytes), b = gpu.allocate(kBytes);
  Gpu::Event from = gpu.event(), to = gpu.event();
  std::vector<double> times;
  for (int i = 0; i < 12; ++i) {
    gpu.record(from);
    gpu.copy(b, a, kBytes);
    gpu.record(to);
    times.push_back(gpu.between(from, to));
  }
  gpu.destroy(from);
  gpu.destroy(to);
  gpu.release(a);
  gpu.release(b);
  return 2 * double(kBytes) / median(times) / 1000;
}

Timing measure(const Case &c, const std::string &folder, const std::string &device, Gpu &gpu, Cublas *cublas,
               int rounds) {
  constexpr int kWarmUp = 3, kRuns = 3;
  Timing t;
  try {
    bool hasPeer = cublas && c.text("peer") == "cublas";
    Bench bench(c, folder + "/bench/" + c.name + ".adze", device, gpu, hasPeer ? cublas : nullptr);
    Gpu::Event from = gpu.event(), to = gpu.event();
    for (int i = 0; i < kWarmUp; ++i) {
      bench.run();
      if (hasPeer)
        bench.peer();
    }
    std::vector<double> kernels, latencies, peers, ratios;
    for (int round = 0; round < rounds; ++round) {
      std::vector<double> times;
      check(adze_session_set_profiling(bench.loaded.session.get(), 1));
      for (int i = 0; i < kRuns; ++i) {
        bench.run();
        times.push_back(kernelTime(bench.loaded.session.get()));
      }
      check(adze_session_set_profiling(bench.loaded.session.get(), 0));
      kernels.push_back(median(times));
      auto started = std::chrono::steady_clock::now();
      for (int i = 0; i < kRuns; ++i)
        bench.run();
      latencies.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started).count() / kRuns);
      if (hasPeer) {
        peers.push_back(bench.peerTime(from, to, kRuns));
        ratios.push_back(peers.back() / kernels.back());
      }
    }
    gpu.destroy(from);
    gpu.destroy(to);
    t.kernelUs = median(kernels);
    t.latencyUs = median(latencies);
    t.peerUs = median(peers);
    t.ratio = median(ratios);
    t.flops = c.number("flops");
    t.bytes = c.number("bytes");
  } catch (const std::exception &e) {
    t.error = e.what();
  }
  return t;
}

} // namespace adze::device
