// The inputs of a run: files named on the command line, random values for the rest.
#include "tools/adze/Engine.h"
#include <cmath>
#include <cstring>
#include <map>

using namespace adze;
using namespace adze::cli;

llvm::ArrayRef<FlagSpec> adze::cli::inputFlags() {
  static const FlagSpec flags[] = {
      {"--input", "NAME=FILE", "the value of an input: .npy, .npz (its member NAME, or its only one) or .pb", true},
      {"--random-seed", "N", "fill the inputs that are not given with random values"},
  };
  return flags;
}

static constexpr uint64_t kMaxInventedBytes = uint64_t(4) << 30;

namespace {
/// SplitMix64 (Steele, Lea, Flood 2014): small, the same on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Nearly normal: the sum of four uniform numbers, scaled to variance 1. Bounded, and exact on every libm.
  double normal() { return (uniform() + uniform() + uniform() + uniform() - 2.0) * 1.7320508075688772; }

private:
  uint64_t state;
};

uint16_t toHalf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude < 0x38800000) // below the smallest normal half: these inputs may as well be zero
    return static_cast<uint16_t>(sign);
  magnitude += 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000) >> 13));
}

uint16_t toBFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

template <typename T>
void store(char *at, T value) {
  std::memcpy(at, &value, sizeof value);
}
} // namespace

HostTensor adze::cli::randomTensor(DType dtype, llvm::ArrayRef<int64_t> dims, uint64_t seed) {
  HostTensor tensor;
  tensor.dtype = dtype;
  tensor.dims.assign(dims.begin(), dims.end());
  unsigned size = unpackedBytes(dtype);
  uint64_t count = numElements(dims).value_or(0);
  tensor.bytes.resize(count * size);
  Random random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    char *at = tensor.bytes.data() + i * size;
    switch (dtype) {
    case DType::F32:
      store(at, static_cast<float>(random.normal()));
      break;
    case DType::F64:
      store(at, random.normal());
      break;
    case DType::F16:
      store(at, toHalf(static_cast<float>(random.normal())));
      break;
    case DType::BF16:
      store(at, toBFloat(static_cast<float>(random.normal())));
      break;
    default: // integers and bools: 0 or 1; the narrow float types: their bit patterns 0 and 1
      at[0] = static_cast<char>(random.next() >> 63);
    }
  }
  return tensor;
}

/// Splits NAME=FILE. A name may itself hold '=', so the longest input name that fits wins.
static int findInput(llvm::StringRef text, const std::vector<Port> &inputs, llvm::StringRef &file) {
  int best = -1;
  for (auto [index, port] : llvm::enumerate(inputs)) {
    llvm::StringRef rest = text;
    if (rest.consume_front(port.name) && rest.consume_front("=") &&
        (best < 0 || port.name.size() > inputs[static_cast<size_t>(best)].name.size())) {
      best = static_cast<int>(index);
      file = rest;
    }
  }
  return best;
}

static int unknownInput(llvm::StringRef text, const std::vector<Port> &inputs, Console &console) {
  llvm::StringRef name = text.take_front(text.find('='));
  std::vector<std::string> names;
  std::string list;
  for (const Port &port : inputs) {
    names.push_back(port.name);
    list += (list.empty() ? "" : ", ") + printable(port.name);
  }
  std::string near = nearest(name, names);
  if (!text.contains('='))
    return console.usage("--input " + printable(text), "it is not NAME=FILE", "the inputs are: " + list);
  return console.usage("unknown input '" + printable(name) + "'", "the model's inputs are: " + list,
                       near.empty() ? "use one of these names" : "did you mean '" + printable(near) + "'?");
}

/// Dims for an input that is made up: --input-shape, --dim by name, otherwise the smallest size above zero.
static llvm::SmallVector<int64_t> inventedDims(const Port &port, const ImportOptions &import) {
  llvm::SmallVector<int64_t> dims(port.dims.begin(), port.dims.end());
  auto shape = import.inputShapes.find(port.name);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] >= 0)
      continue;
    auto named = import.dims.find(port.dimNames[i]);
    if (shape != import.inputShapes.end() && i < shape->second.size() && shape->second[i] >= 0)
      dims[i] = shape->second[i];
    else if (named != import.dims.end())
      dims[i] = named->second.optimum ? named->second.optimum : named->second.min;
    else
      dims[i] = std::min(std::max<int64_t>(port.min[i], 1), port.max[i]);
  }
  return dims;
}

/// The file's dtype must be the input's, stand-ins aside; shapes are the runtime's business.
static bool fitType(HostTensor &tensor, const Port &port, llvm::StringRef file, Console &console, int &exit) {
  if (retype(tensor, port.dtype))
    return true;
  exit = console.fail(kMalformed, "input '" + printable(port.name) + "' has the wrong element type", file,
                      "the model takes " + dtypeName(port.dtype).str() + ", the file holds " +
                          dtypeName(tensor.dtype).str(),
                      "convert the array first");
  return false;
}

bool adze::cli::readInputs(const Flags &flags, const Engine &engine, const CompileOptions &compile, FillPolicy policy,
                           std::vector<HostTensor> &tensors, Console &console, int &exit) {
  const std::vector<Port> &inputs = engine.inputs();
  std::vector<std::optional<HostTensor>> given(inputs.size());
  for (llvm::StringRef text : flags.values("--input")) {
    llvm::StringRef file;
    int index = findInput(text, inputs, file);
    if (index < 0) {
      exit = unknownInput(text, inputs, console);
      return false;
    }
    const Port &port = inputs[static_cast<size_t>(index)];
    if (given[static_cast<size_t>(index)]) {
      exit = console.usage("input '" + printable(port.name) + "' is given twice", "each input has one value",
                           "leave one out");
      return false;
    }
    ErrorSink errors;
    std::optional<HostTensor> tensor = readTensorFile(file, port.name, errors);
    if (!tensor) {
      exit = console.fail(errors);
      return false;
    }
    if (!fitType(*tensor, port, file, console, exit))
      return false;
    given[static_cast<size_t>(index)] = std::move(tensor);
  }
  tensors.clear();
  for (auto [index, port] : llvm::enumerate(inputs)) {
    if (!given[index] && !policy.fill) {
      exit = console.usage("no value for input '" + printable(port.name) + "'",
                           "the model needs " + dtypeName(port.dtype).str() + " " + port.shapeText(),
                           "--input " + printable(port.name) + "=FILE.npy, or --random-seed=N for random values");
      return false;
    }
    if (given[index]) {
      tensors.push_back(std::move(*given[index]));
      continue;
    }
    llvm::SmallVector<int64_t> dims = inventedDims(port, compile.import);
    std::optional<uint64_t> count = numElements(dims);
    if (!count || *count > kMaxInventedBytes / std::max(1u, unpackedBytes(port.dtype))) {
      exit = console.fail(kResource, "the made-up value of input '" + printable(port.name) + "' would be too large",
                          shapeText(dims), "the cap is " + std::to_string(kMaxInventedBytes) + " bytes",
                          "choose smaller sizes with --dim or --input-shape");
      return false;
    }
    tensors.push_back(randomTensor(port.dtype, dims, policy.seed * 1000003 + index));
  }
  return true;
}
