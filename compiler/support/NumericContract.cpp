#include "compiler/support/NumericContract.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace adze;

namespace {
struct Row {
  const char *name, *about;
  // In units of u, the unit roundoff of f32 (2^-24), for f32 results; f64 results use the same numbers times 2^-53.
  Tolerance wide;
  // In units of u of the result's own type, for results that were computed in f32 and rounded at the end.
  Tolerance narrow;
};
} // namespace

// Where the numbers come from. A fused kernel rounds once at its end, so for narrow types half a unit (one u) is the
// floor and the rest is for inputs that were rounded on the way. Contractions: sqrt(K) growth with K up to 4608
// (ResNet-50's largest) gives 68 u at unit scale. Attention: two contractions and a softmax between them.
// Networks: measured against another implementation of ONNX, whose own order of summation is as free as ours; 50 layers
// of f32 convolutions differ by some 1e-5 of the output's scale.
static constexpr Row kRows[kNumContractClasses] = {
    {"exact", "data movement, integers, comparisons, casts", {0, 0, 0}, {0, 0, 0}},
    {"elementwise", "arithmetic per element: each operation rounds once", {8, 8, 4}, {2, 2, 1}},
    {"transcendental",
     "exp, log, tanh, erf, sin, ...: within the ulp of the tile dialect's table",
     {64, 16, 16},
     {2, 2, 1}},
    {"reduction", "sums, means, softmax, normalisation", {128, 64, 32}, {4, 4, 2}},
    {"contraction", "matmul, convolution", {256, 256, 64}, {4, 4, 2}},
    {"attention", "fused attention", {1024, 512, 128}, {8, 8, 3}},
    {"network", "a whole model", {16384, 8192, 2048}, {32, 32, 8}},
    // The same as for f16 results: tf32 operands have f16's eleven bits, sums are f32 in both.
    {"network_tf32", "a whole model compiled with --tf32", {262144, 262144, 65536}, {32, 32, 8}},
};

llvm::StringRef adze::contractClassName(ContractClass row) { return kRows[static_cast<size_t>(row)].name; }
llvm::StringRef adze::contractClassAbout(ContractClass row) { return kRows[static_cast<size_t>(row)].about; }

/// Half the distance from 1 to the next number.
static double unitRoundoff(DType type) {
  switch (type) {
  case DType::F64:
  case DType::C128:
    return 0x1p-53;
  case DType::F32:
  case DType::C64:
    return 0x1p-24;
  case DType::F16:
    return 0x1p-11;
  case DType::BF16:
    return 0x1p-8;
  case DType::F8E4M3FN:
  case DType::F8E4M3FNUZ:
  case DType::F6E2M3:
    return 0x1p-4;
  case DType::F8E5M2:
  case DType::F8E5M2FNUZ:
  case DType::F6E3M2:
    return 0x1p-3;
  case DType::F4E2M1:
    return 0x1p-2;
  default:
    return 0;
  }
}

Tolerance adze::tolerance(ContractClass row, DType type) {
  double u = unitRoundoff(type);
  if (u == 0)
    return {};
  bool wide = type == DType::F32 || type == DType::F64 || type == DType::C64 || type == DType::C128;
  const Tolerance &units = wide ? kRows[static_cast<size_t>(row)].wide : kRows[static_cast<size_t>(row)].narrow;
  return {units.rtol * u, units.atol * u, units.rms * u};
}

/// A float of at most 8 bits with `e` exponent and `m` mantissa bits, bias 2^(e-1)-1 (one more for FNUZ).
static double smallFloat(unsigned bits, unsigned e, unsigned m, bool fnuz) {
  double sign = (bits >> (e + m)) & 1 ? -1 : 1;
  auto exponent = static_cast<int>((bits >> m) & ((1u << e) - 1));
  unsigned mantissa = bits & ((1u << m) - 1);
  int bias = (1 << (e - 1)) - 1 + (fnuz ? 1 : 0);
  double fraction = static_cast<double>(mantissa) / static_cast<double>(1u << m);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

static double float8(DType type, unsigned bits) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double inf = std::numeric_limits<double>::infinity();
  switch (type) {
  case DType::F8E4M3FN:
    return (bits & 0x7F) == 0x7F ? nan : smallFloat(bits, 4, 3, false);
  case DType::F8E4M3FNUZ:
    return bits == 0x80 ? nan : smallFloat(bits, 4, 3, true);
  case DType::F8E5M2:
    if ((bits & 0x7F) > 0x7C)
      return nan;
    return (bits & 0x7F) == 0x7C ? (bits & 0x80 ? -inf : inf) : smallFloat(bits, 5, 2, false);
  case DType::F8E5M2FNUZ:
    return bits == 0x80 ? nan : smallFloat(bits, 5, 2, true);
  case DType::F8E8M0:
    return bits == 0xFF ? nan : std::ldexp(1.0, static_cast<int>(bits) - 127);
  case DType::F4E2M1:
    return smallFloat(bits & 15, 2, 1, false);
  case DType::F6E2M3:
    return smallFloat(bits & 63, 2, 3, false);
  default:
    return smallFloat(bits & 63, 3, 2, false);
  }
}

static double halfToDouble(uint16_t bits) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  double sign = bits & 0x8000 ? -1 : 1;
  int exponent = (bits >> 10) & 31;
  double fraction = (bits & 0x3FF) / 1024.0;
  if (exponent == 31)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * inf;
  return sign * (exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15));
}

template <typename T>
static T load(const char *data, size_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

static int64_t signExtend(unsigned bits, unsigned width) {
  auto value = static_cast<int64_t>(bits & ((1u << width) - 1));
  return value >> (width - 1) & 1 ? value - (int64_t(1) << width) : value;
}

double adze::elementAsDouble(DType type, const char *data, size_t index) {
  switch (type) {
  case DType::F32:
    return load<float>(data, index);
  case DType::F64:
    return load<double>(data, index);
  case DType::F16:
    return halfToDouble(load<uint16_t>(data, index));
  case DType::BF16: {
    uint32_t bits = static_cast<uint32_t>(load<uint16_t>(data, index)) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  case DType::I8:
    return load<int8_t>(data, index);
  case DType::I16:
    return load<int16_t>(data, index);
  case DType::I32:
    return load<int32_t>(data, index);
  case DType::I64:
    return static_cast<double>(load<int64_t>(data, index));
  case DType::U16:
    return load<uint16_t>(data, index);
  case DType::U32:
    return load<uint32_t>(data, index);
  case DType::U64:
    return static_cast<double>(load<uint64_t>(data, index));
  case DType::I4:
    return static_cast<double>(signExtend(load<uint8_t>(data, index), 4));
  case DType::I2:
    return static_cast<double>(signExtend(load<uint8_t>(data, index), 2));
  case DType::U8:
  case DType::U4:
  case DType::U2:
  case DType::Bool:
    return load<uint8_t>(data, index);
  default:
    return float8(type, load<uint8_t>(data, index));
  }
}

/// Complex numbers are compared as pairs of their parts.
static DType partType(DType type) { return type == DType::C64 ? DType::F32 : type == DType::C128 ? DType::F64 : type; }

static Comparison compareExact(DType type, llvm::ArrayRef<char> got, llvm::ArrayRef<char> expected, size_t count) {
  Comparison out;
  out.ok = true;
  unsigned size = unpackedBytes(type);
  for (size_t i = 0; i < count; ++i) {
    if (std::memcmp(got.data() + i * size, expected.data() + i * size, size) == 0)
      continue;
    double a = elementAsDouble(type, got.data(), i), b = elementAsDouble(type, expected.data(), i);
    if ((std::isnan(a) && std::isnan(b)) || (a == 0 && b == 0 && isFloat(type)))
      continue;
    if (out.ok)
      out.worstIndex = static_cast<int64_t>(i), out.got = a, out.expected = b;
    out.ok = false;
    out.maxAbs = std::max(out.maxAbs, std::abs(a - b));
  }
  if (!out.ok)
    out.reason = "the values must be equal";
  return out;
}

/// Root mean square of the finite elements.
static double rmsOfFinite(DType type, llvm::ArrayRef<char> data, size_t count) {
  double sum = 0;
  size_t n = 0;
  for (size_t i = 0; i < count; ++i)
    if (double v = elementAsDouble(type, data.data(), i); std::isfinite(v))
      sum += v * v, ++n;
  return n ? std::sqrt(sum / static_cast<double>(n)) : 0;
}

Comparison adze::compareTensors(DType type, llvm::ArrayRef<char> got, llvm::ArrayRef<char> expected,
                                const Tolerance &limits) {
  type = partType(type);
  Comparison out;
  if (got.size() != expected.size()) {
    out.reason = "the sizes differ";
    return out;
  }
  size_t count = unpackedBytes(type) ? got.size() / unpackedBytes(type) : 0;
  if (limits.rtol == 0 && limits.atol == 0)
    return compareExact(type, got, expected, count);
  out.scale = std::max(rmsOfFinite(type, expected, count), 0x1p-10);
  double squares = 0, worst = -1;
  bool special = false;
  for (size_t i = 0; i < count; ++i) {
    double a = elementAsDouble(type, got.data(), i), b = elementAsDouble(type, expected.data(), i);
    if ((std::isnan(a) && std::isnan(b)) || a == b)
      continue;
    double difference = std::abs(a - b), allowed = limits.rtol * std::abs(b) + limits.atol * out.scale;
    bool odd = !std::isfinite(a) || !std::isfinite(b);
    double share = odd ? std::numeric_limits<double>::infinity() : difference / allowed;
    special |= odd;
    if (share > worst)
      worst = share, out.worstIndex = static_cast<int64_t>(i), out.got = a, out.expected = b;
    if (odd)
      continue;
    squares += difference * difference;
    out.maxAbs = std::max(out.maxAbs, difference);
    out.maxRel = std::max(out.maxRel, difference / std::max(std::abs(b), out.scale));
  }
  out.rms = count ? std::sqrt(squares / static_cast<double>(count)) / out.scale : 0;
  if (special)
    out.reason = "a NaN or an infinity stands where there should be none, or is missing";
  else if (worst > 1)
    out.reason = llvm::formatv("an element is {0:f1} times its allowance away", worst).str();
  else if (out.rms > limits.rms)
    out.reason = llvm::formatv("the rms error is {0:f1} times the limit", out.rms / limits.rms).str();
  out.ok = out.reason.empty();
  return out;
}

/// Exponent of the smallest normal number.
static int minExponent(DType type) {
  switch (type) {
  case DType::F64:
    return -1022;
  case DType::F16:
  case DType::F8E5M2:
    return -14;
  case DType::F8E5M2FNUZ:
    return -15;
  case DType::F8E4M3FN:
    return -6;
  case DType::F8E4M3FNUZ:
    return -7;
  case DType::F4E2M1:
  case DType::F6E2M3:
    return 0;
  case DType::F6E3M2:
    return -2;
  default:
    return -126;
  }
}

/// Half the distance between the numbers of `type` around `value`.
static double halfUlp(DType type, double value) {
  int exponent = value == 0 || !std::isfinite(value) ? minExponent(type) : std::ilogb(value);
  return std::ldexp(unitRoundoff(type), std::max(exponent, minExponent(type)));
}

static bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

static double rootMeanSquare(llvm::ArrayRef<double> values) {
  double sum = 0;
  for (double v : values)
    sum += v * v;
  return values.empty() ? 0 : std::sqrt(sum / static_cast<double>(values.size()));
}

Comparison adze::compareToTyped(DType type, llvm::ArrayRef<char> got, const TypedReference &reference) {
  Comparison out;
  size_t count = reference.exact.size(), size = unpackedBytes(type);
  if (unitRoundoff(type) == 0 || type != partType(type)) {
    out.reason = "the values must be equal";
    return out;
  }
  if (got.size() != count * size || reference.rounded.size() != got.size() || reference.typed.size() != count) {
    out.reason = "the sizes differ";
    return out;
  }
  // Elements that are finite on both sides of a difference; the others are compared on the spot.
  std::vector<double> exact, errors, allowed, halves;
  double largest = 0, worst = -1;
  auto consider = [&](size_t i, double share) {
    if (share > worst)
      worst = share, out.worstIndex = static_cast<int64_t>(i), out.got = elementAsDouble(type, got.data(), i),
      out.expected = elementAsDouble(type, reference.rounded.data(), i);
  };
  std::vector<std::pair<size_t, double>> differences;
  for (size_t i = 0; i < count; ++i) {
    double y = elementAsDouble(type, got.data(), i), want = elementAsDouble(type, reference.rounded.data(), i);
    if (std::isfinite(want))
      exact.push_back(reference.exact[i]), halves.push_back(halfUlp(type, reference.exact[i]));
    if (std::isfinite(want) && std::isfinite(reference.typed[i])) {
      allowed.push_back(reference.typed[i] - reference.exact[i]);
      largest = std::max(largest, std::abs(allowed.back()));
    }
    if (!std::isfinite(y) || !std::isfinite(want)) {
      if (!same(y, want) && !same(y, reference.typed[i])) {
        out.reason = "a NaN or an infinity stands where there should be none, or is missing";
        consider(i, std::numeric_limits<double>::infinity());
      }
      continue;
    }
    differences.push_back({i, std::abs(y - reference.exact[i])});
    errors.push_back(differences.back().second);
  }
  for (auto [i, difference] : differences) {
    out.maxAbs = std::max(out.maxAbs, difference);
    consider(i, difference / (4 * largest + halfUlp(type, reference.exact[i])));
  }
  out.scale = std::max(rootMeanSquare(exact), 0x1p-10);
  for (auto [i, difference] : differences)
    out.maxRel = std::max(out.maxRel, difference / std::max(std::abs(reference.exact[i]), out.scale));
  double typedRms = rootMeanSquare(allowed), rms = rootMeanSquare(errors),
         limit = 2 * typedRms + rootMeanSquare(halves);
  out.rms = rms / out.scale;
  out.typedRms = typedRms / out.scale;
  if (out.reason.empty() && worst > 1)
    out.reason =
        llvm::formatv("an element is {0:f1} times as far away as the model's own rounding allows", worst).str();
  else if (out.reason.empty() && rms > limit)
    out.reason = llvm::formatv("the rms error is {0:f1} times what the model's own rounding allows", rms / limit).str();
  out.ok = out.reason.empty();
  return out;
}

std::string adze::numericContractPage() {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << "# The numeric contract\n\n"
        "Printed from `compiler/support/NumericContract.cpp` by `adze_numeric_contract`; a test compares. Every test "
        "and\n"
        "`adze verify` use this table; changing a number is a commit of its own with the measurement.\n\n"
        "A result y is judged against the reference y*. With s = max(rms(y*), 2^-10):\n\n"
        "- every element: |y - y*| <= rtol |y*| + atol s;\n"
        "- the tensor: rms(y - y*) <= rms s;\n"
        "- NaN matches NaN, an infinity only itself.\n\n"
        "f32 means IEEE f32: no tf32, no bf16, no flushing of subnormals. Where a fused edge keeps f32 instead of "
        "rounding\n"
        "to a narrower type, the result is nearer to y*, and the same limits hold. Integer, bool and string results "
        "are\n"
        "exact in every class. One exception: attention on narrower floats may count softmax weights below 2^-126 as "
        "0, "
        "and may\n"
        "round the weights to the type of its operands, beside whose largest of 1 neither shows.\n\n"
        "| class | dtype | rtol | atol | rms |\n|---|---|---|---|---|\n";
  const DType types[] = {DType::F64, DType::F32, DType::F16, DType::BF16, DType::F8E4M3FN, DType::F8E5M2};
  for (size_t row = 0; row < kNumContractClasses; ++row)
    for (DType type : types) {
      Tolerance t = tolerance(static_cast<ContractClass>(row), type);
      os << llvm::formatv("| {0} | {1} | {2:e2} | {3:e2} | {4:e2} |\n", kRows[row].name, dtypeName(type), t.rtol,
                          t.atol, t.rms);
    }
  os << "\nThe classes:\n\n";
  for (const Row &row : kRows)
    os << "- **" << row.name << "**: " << row.about << "\n";
  os << "\nWhere the numbers come from: u is half the distance from 1 to the next number of a type (f32: 2^-24). "
        "Results of\n"
        "f32 and f64 count in u of their own type. Narrower results are computed in f32 and rounded once, so one u is "
        "the\n"
        "floor, and the rest allows for inputs that were rounded on the way. Contractions grow with the square root of "
        "the\n"
        "reduction's length (4608 in ResNet-50: 68 u). A whole network is compared with another implementation whose "
        "order\n"
        "of summation is as free as ours.\n\n"
        "## Ill-conditioned models\n\n"
        "No table fits a node that magnifies the rounding of its inputs: a layer normalisation of nearly constant "
        "rows, "
        "the\n"
        "reciprocal of a small variance, a difference of nearly equal numbers. There two right implementations differ "
        "by more\n"
        "than any row above. `adze verify --against=oracle` therefore asks how large the error of the model's own "
        "arithmetic\n"
        "is. The oracle runs twice on the unfused graph: wide (f64, y*) and typed (every operation rounded to its "
        "type,\n"
        "y_typed); E = y_typed - y*. A float result that misses the row `network` still passes when\n\n"
        "- the tensor: rms(y - y*) <= 2 rms(E) + rms(h), with h half an ulp of the result's type at y*;\n"
        "- every element: |y - y*| <= 4 max|E| + h;\n"
        "- a NaN or an infinity stands only where y* or y_typed has the same.\n\n"
        "E is one sample of legal rounding. Other orders of summation, fused multiply-adds and fused edges give "
        "samples "
        "of\n"
        "the same size, measured at up to 1.2 rms(E); an attention whose scores were narrowed to bf16 gives 2.7 rms(E) "
        "and\n"
        "more. 2 lies between. The largest of n errors of one size scatters more than their rms, hence 4 for single\n"
        "elements. Where the model is well conditioned E is a few units of roundoff, this gate is tighter than the "
        "table, and\n"
        "the table decides: the gate widens a limit only as far as the model's own operations are uncertain. It is "
        "never "
        "used\n"
        "for test data, whose authors state one result, nor for integers. `--per-op` judges every node in the same "
        "way, "
        "with\n"
        "the errors of the nodes before it in y and in y_typed alike.\n";
  return out;
}
