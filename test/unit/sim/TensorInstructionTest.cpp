// mma.sync, ldmatrix, stmatrix and movmatrix as instructions: fragments by the formulas of the ISA manual, element by
// element, with values whose products and sums are exact in every type.
#include "test/unit/sim/KernelHarness.h"
#include "tools/sim/cuda/number/Format.h"

#include <functional>
#include <random>

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

/// A kernel that loads `inputs` words a lane from `in` (word i of lane l at 128 * i + 4 * l), runs `body` on %i<inputs>
/// and stores `outputs` words %o<outputs> the same way.
std::string wordKernel(int inputs, int outputs, const std::string &body, const std::string &declarations = "") {
  std::string text = ".visible .entry k(.param .u64 in, .param .u64 out) {\n"
                     "  .reg .b32 %i<" +
                     std::to_string(inputs + 1) + ">, %o<" + std::to_string(outputs + 1) +
                     ">, %r<16>; .reg .b64 %rd<16>; .reg .pred %p<4>;\n" + declarations +
                     "  ld.param.u64 %rd1, [in];\n  ld.param.u64 %rd2, [out];\n"
                     "  mov.u32 %r1, %tid.x;\n  mul.wide.u32 %rd3, %r1, 4;\n"
                     "  add.s64 %rd1, %rd1, %rd3;\n  add.s64 %rd2, %rd2, %rd3;\n";
  for (int i = 0; i < inputs; ++i)
    text += "  ld.global.u32 %i" + std::to_string(i) + ", [%rd1+" + std::to_string(128 * i) + "];\n";
  text += body;
  for (int i = 0; i < outputs; ++i)
    text += "  st.global.u32 [%rd2+" + std::to_string(128 * i) + "], %o" + std::to_string(i) + ";\n";
  return text + "  ret;\n}\n";
}
std::string registers(const char *prefix, int first, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i)
    text += (i ? ", %" : "%") + std::string(prefix) + std::to_string(first + i);
  return text + "}";
}

/// Where element `i` of a lane's fragment is. PTX ISA, the row and col formulas under the figures of each shape.
using Formula = std::function<std::pair<int, int>(int i, int group, int thread)>;

struct Shape {
  const char *name;
  int depth;
  int width;
  int aElements, bElements; ///< a lane
  Formula a, b;             ///< (row, k), (k, column)
};
const Shape shapes[] = {
    {"m16n8k16", 16, 16, 8, 4,
     [](int i, int g, int t) {
       return std::pair{(i < 2 || (i >= 4 && i < 6)) ? g : g + 8, t * 2 + (i & 1) + (i < 4 ? 0 : 8)};
     },
     [](int i, int g, int t) { return std::pair{t * 2 + (i & 1) + (i < 2 ? 0 : 8), g}; }},
    {"m16n8k8", 8, 16, 4, 2, [](int i, int g, int t) { return std::pair{i < 2 ? g : g + 8, t * 2 + (i & 1)}; },
     [](int i, int g, int t) { return std::pair{t * 2 + i, g}; }},
    {"m16n8k8", 8, 32, 4, 2,
     [](int i, int g, int t) { return std::pair{(i == 0 || i == 2) ? g : g + 8, (i == 0 || i == 1) ? t : t + 4}; },
     [](int i, int g, int t) { return std::pair{i == 0 ? t : t + 4, g}; }},
    {"m16n8k4", 4, 32, 2, 1, [](int i, int g, int t) { return std::pair{i == 0 ? g : g + 8, t}; },
     [](int, int g, int t) { return std::pair{t, g}; }},
    {"m16n8k32", 32, 8, 16, 8,
     [](int i, int g, int t) {
       return std::pair{(i < 4 || (i >= 8 && i < 12)) ? g : g + 8, t * 4 + (i & 3) + (i < 8 ? 0 : 16)};
     },
     [](int i, int g, int t) { return std::pair{t * 4 + (i & 3) + (i < 4 ? 0 : 16), g}; }},
    {"m16n8k16", 16, 8, 8, 4, [](int i, int g, int t) { return std::pair{i < 4 ? g : g + 8, t * 4 + (i & 3)}; },
     [](int i, int g, int t) { return std::pair{t * 4 + (i & 3), g}; }},
};
std::pair<int, int> cPosition(int i, int g, int t) { return {i < 2 ? g : g + 8, t * 2 + (i & 1)}; }

struct ElementName {
  const char *name;
  int width;
  const Format *format; ///< null: integer
  bool isSigned;
};
const ElementName f16{"f16", 16, &f16Format, true}, bf16{"bf16", 16, &bf16Format, true},
    tf32{"tf32", 32, &tf32Format, true}, e4m3{"e4m3", 8, &e4m3Format, true}, e5m2{"e5m2", 8, &e5m2Format, true},
    s8{"s8", 8, nullptr, true}, u8{"u8", 8, nullptr, false};

uint32_t encode(const ElementName &type, int value) {
  return type.format ? static_cast<uint32_t>(roundTo(*type.format, fromDouble(value)))
                     : static_cast<uint32_t>(value) & ((1u << type.width) - 1);
}

struct MmaCase {
  const Shape &shape;
  ElementName a, b;
  const char *to;
  unsigned architecture;
  const char *version;
};

void checkMma(const MmaCase &c) {
  SCOPED_TRACE(std::string(c.shape.name) + " " + c.to + " " + c.a.name + " " + c.b.name);
  std::mt19937 random(3);
  auto pick = [&](const ElementName &type) { return static_cast<int>(random() % 4) - (type.isSigned ? 2 : 0); };
  int depth = c.shape.depth;
  std::vector<int> a(16 * depth), b(depth * 8), sum(16 * 8);
  for (int &value : a)
    value = pick(c.a);
  for (int &value : b)
    value = pick(c.b);
  for (int &value : sum)
    value = static_cast<int>(random() % 40) - 20;
  bool half = std::string(c.to) == "f16", integer = std::string(c.to) == "s32";
  int each = 32 / c.shape.width, aWords = c.shape.aElements / each, bWords = c.shape.bElements / each,
      cWords = half ? 2 : 4;
  std::vector<uint32_t> words(static_cast<size_t>(32 * (aWords + bWords + cWords)));
  auto accumulator = [&](int value) {
    return integer ? static_cast<uint32_t>(value)
           : half  ? static_cast<uint32_t>(roundTo(f16Format, fromDouble(value)))
                   : fromFloat(static_cast<float>(value));
  };
  for (int lane = 0; lane < 32; ++lane) {
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < c.shape.aElements; ++i) {
      auto [row, k] = c.shape.a(i, g, t);
      words[32 * (i / each) + lane] |= encode(c.a, a[row * depth + k]) << (i % each * c.shape.width % 32);
    }
    for (int i = 0; i < c.shape.bElements; ++i) {
      auto [k, column] = c.shape.b(i, g, t);
      words[32 * (aWords + i / each) + lane] |= encode(c.b, b[k * 8 + column]) << (i % each * c.shape.width % 32);
    }
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = cPosition(i, g, t);
      words[32 * (aWords + bWords + (half ? i / 2 : i)) + lane] |= accumulator(sum[row * 8 + column])
                                                                   << (half ? 16 * (i & 1) : 0);
    }
  }
  Kernels kernels(c.architecture, c.architecture == 90 ? 'a' : 0);
  kernels.block = {32, 1, 1};
  kernels.param(kernels.buffer(words));
  uint64_t out = kernels.fresh(static_cast<uint64_t>(128 * cWords));
  kernels.param(out);
  std::string body = "  mma.sync.aligned." + std::string(c.shape.name) + ".row.col." + c.to + "." + c.a.name + "." +
                     c.b.name + "." + c.to + " " + registers("o", 0, cWords) + ", " + registers("i", 0, aWords) + ", " +
                     registers("i", aWords, bWords) + ", " + registers("i", aWords + bWords, cWords) + ";\n";
  LaunchResult result = kernels.run(wordKernel(aWords + bWords + cWords, cWords, body), "k", c.version);
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, static_cast<size_t>(32 * cWords));
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      auto [row, column] = cPosition(i, lane / 4, lane % 4);
      int expected = sum[row * 8 + column];
      for (int k = 0; k < depth; ++k)
        expected += a[row * depth + k] * b[k * 8 + column];
      uint32_t word = values[32 * (half ? i / 2 : i) + lane];
      if (half)
        word = word >> (16 * (i & 1)) & 0xffff;
      ASSERT_EQ(accumulator(expected), word) << "row " << row << " column " << column;
    }
}

TEST(TensorInstruction, MmaFragments) {
  for (const MmaCase &c :
       {MmaCase{shapes[0], f16, f16, "f32", 80, "7.0"},   MmaCase{shapes[0], f16, f16, "f16", 80, "7.0"},
        MmaCase{shapes[0], bf16, bf16, "f32", 80, "7.0"}, MmaCase{shapes[0], bf16, bf16, "f32", 90, "8.0"},
        MmaCase{shapes[1], f16, f16, "f32", 80, "7.0"},   MmaCase{shapes[1], f16, f16, "f16", 90, "8.0"},
        MmaCase{shapes[1], bf16, bf16, "f32", 80, "7.0"}, MmaCase{shapes[2], tf32, tf32, "f32", 80, "7.0"},
        MmaCase{shapes[2], tf32, tf32, "f32", 90, "8.0"}, MmaCase{shapes[3], tf32, tf32, "f32", 80, "7.0"},
        MmaCase{shapes[4], s8, s8, "s32", 80, "7.0"},     MmaCase{shapes[4], u8, u8, "s32", 80, "7.0"},
        MmaCase{shapes[4], s8, u8, "s32", 80, "7.0"},     MmaCase{shapes[4], u8, s8, "s32", 90, "8.0"},
        MmaCase{shapes[5], s8, s8, "s32", 80, "7.0"},     MmaCase{shapes[4], e4m3, e4m3, "f32", 89, "8.4"},
        MmaCase{shapes[4], e4m3, e5m2, "f32", 89, "8.4"}, MmaCase{shapes[4], e5m2, e5m2, "f32", 90, "8.4"},
        MmaCase{shapes[4], e5m2, e4m3, "f16", 89, "8.7"}, MmaCase{shapes[5], e4m3, e4m3, "f32", 89, "8.7"}})
    checkMma(c);
}

TEST(TensorInstruction, MmaDouble) {
  // A (row g, k t), B (k t, column g), C and D (row g, columns 2t and 2t + 1), each one f64 register.
  const char *text = R"(
.visible .entry k(.param .u64 in, .param .u64 out) {
  .reg .f64 %f<8>; .reg .b64 %rd<8>; .reg .b32 %r<4>;
  ld.param.u64 %rd1, [in];
  ld.param.u64 %rd2, [out];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd3, %r1, 8;
  add.s64 %rd1, %rd1, %rd3;
  add.s64 %rd2, %rd2, %rd3;
  ld.global.f64 %f1, [%rd1];
  ld.global.f64 %f2, [%rd1+256];
  ld.global.f64 %f3, [%rd1+512];
  ld.global.f64 %f4, [%rd1+768];
  mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%f5, %f6}, {%f1}, {%f2}, {%f3, %f4};
  st.global.f64 [%rd2], %f5;
  st.global.f64 [%rd2+256], %f6;
  ret;
})";
  Kernels kernels(80, 0);
  kernels.block = {32, 1, 1};
  std::vector<double> in(128);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<double>((i * 7) % 11) - 5 + (i == 3 ? 0x1p-40 : 0);
  kernels.param(kernels.buffer(in));
  uint64_t out = kernels.fresh(512);
  kernels.param(out);
  LaunchResult result = kernels.run(text, "k", "7.0");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<double> values = kernels.read<double>(out, 64);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column) {
      int lane = 4 * row + column / 2;
      double expected = in[static_cast<size_t>(64 + 32 * (column & 1) + lane)];
      for (int k = 0; k < 4; ++k)
        expected += in[static_cast<size_t>(4 * row + k)] * in[static_cast<size_t>(32 + 4 * column + k)];
      EXPECT_EQ(values[static_cast<size_t>(32 * (column & 1) + lane)], expected) << row << " " << column;
    }
}

TEST(TensorInstruction, SumsFollowTheDevice) {
  // C = 1 and eight products of 2^-25: cut off by an A100, kept by an H100 (1 + 2^-22); one rounding of the exact sum
  // gives the latter too. Eight of 2^-26 are lost on both, and 2^-23 by exact sums.
  struct {
    unsigned number;
    char suffix;
    bool promised;
    float large, small;
  } devices[] = {{80, 0, false, 1, 1},
                 {86, 0, false, 1, 1},
                 {90, 'a', false, 1 + 0x1p-22f, 1},
                 {80, 0, true, 1 + 0x1p-22f, 1 + 0x1p-23f}};
  for (auto &device : devices)
    for (bool large : {true, false}) {
      Kernels kernels(device.number, device.suffix);
      kernels.options.promisedSums = device.promised;
      kernels.block = {32, 1, 1};
      uint32_t a = large ? 0x0c000c00 : 0x08000800, b = 0x08000800, c = 0x3f800000; // pairs of 2^-12 or 2^-13, of 2^-13
      std::vector<uint32_t> words;
      for (uint32_t word : {a, a, b, c, c, c, c})
        words.insert(words.end(), 32, word);
      kernels.param(kernels.buffer(words));
      uint64_t out = kernels.fresh(512);
      kernels.param(out);
      LaunchResult result = kernels.run(wordKernel(7, 4,
                                                   "  mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%o0, %o1, %o2, "
                                                   "%o3}, {%i0, %i1}, {%i2}, {%i3, %i4, %i5, %i6};\n"));
      ASSERT_EQ(result.code, 0) << result.text;
      for (float value : kernels.read<float>(out, 128))
        EXPECT_EQ(value, large ? device.large : device.small) << device.number << device.promised;
    }
}

TEST(TensorInstruction, MmaPoisonStaysInItsRowAndColumn) {
  // A register of A that was never written poisons rows 8..15 of D (the registers %o2, %o3), not rows 0..7.
  std::string body = "  mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%o0, %o1, %o2, %o3}, {%i0, %r9}, {%i1}, "
                     "{%i2, %i3, %i4, %i5};\n";
  std::string use = "  setp.eq.s32 %p1, %o0, 0;\n  @%p1 bra NEXT;\nNEXT:\n",
              bad = "  setp.eq.s32 %p1, %o2, 0;\n  @%p1 bra NEXT;\nNEXT:\n";
  for (bool wrong : {false, true}) {
    Kernels kernels(80, 0);
    kernels.block = {32, 1, 1};
    kernels.param(kernels.buffer(std::vector<uint32_t>(32 * 6, 0)));
    kernels.param(kernels.fresh(512));
    LaunchResult result = kernels.run(wordKernel(6, 4, body + (wrong ? bad : use)), "k", "7.0");
    EXPECT_EQ(result.code != 0, wrong) << result.text;
    if (wrong) {
      EXPECT_NE(result.text.find("uninitialised"), std::string::npos) << result.text;
    }
  }
}

// --- ldmatrix, stmatrix, movmatrix ---

/// Shared memory of 1 KB that every lane fills with 8 words from `in`, word w of the memory being in[w].
const char *const fillShared = "  .shared .align 128 .b8 buf[1024];\n";
std::string filling() {
  std::string text = "  mov.u32 %r2, buf;\n  shl.b32 %r3, %r1, 2;\n  add.s32 %r4, %r2, %r3;\n";
  for (int i = 0; i < 8; ++i)
    text += "  st.shared.u32 [%r4+" + std::to_string(128 * i) + "], %i" + std::to_string(i) + ";\n";
  return text + "  bar.sync 0;\n";
}

class Matrices : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(Matrices, LoadPlacesRowsOfEightHalves) {
  auto [count, transposed] = GetParam();
  // Lane l names row 7 * l % 32: rows of 16 bytes at 32 * that row.
  std::string body =
      filling() +
      "  mul.lo.s32 %r5, %r1, 7;\n  and.b32 %r5, %r5, 31;\n  shl.b32 %r5, %r5, 5;\n  add.s32 %r6, %r2, %r5;\n"
      "  ldmatrix.sync.aligned.m8n8.x" +
      std::to_string(count) + (transposed ? ".trans" : "") + ".shared.b16 " + registers("o", 0, count) + ", [%r6];\n";
  Kernels kernels(80, 0);
  kernels.block = {32, 1, 1};
  std::vector<uint16_t> memory(512);
  for (size_t i = 0; i < memory.size(); ++i)
    memory[i] = static_cast<uint16_t>(i * 3 + 1);
  kernels.param(kernels.buffer(memory));
  uint64_t out = kernels.fresh(512);
  kernels.param(out);
  LaunchResult result = kernels.run(wordKernel(8, count, body, fillShared), "k", "7.0");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> values = kernels.read<uint16_t>(out, static_cast<size_t>(64 * count));
  for (int matrix = 0; matrix < count; ++matrix)
    for (int row = 0; row < 8; ++row)
      for (int column = 0; column < 8; ++column) {
        uint16_t stored = memory[static_cast<size_t>(16 * ((8 * matrix + row) * 7 % 32) + column)];
        // Lane 4r + c/2, half c & 1 holds (r, c); with .trans that lane holds (c, r).
        int lane = transposed ? 4 * column + row / 2 : 4 * row + column / 2, half = transposed ? row & 1 : column & 1;
        EXPECT_EQ(values[static_cast<size_t>(2 * (32 * matrix + lane) + half)], stored)
            << matrix << " " << row << " " << column;
      }
}

TEST_P(Matrices, StoreIsTheInverse) {
  auto [count, transposed] = GetParam();
  std::string form = ".sync.aligned.m8n8.x" + std::to_string(count) + (transposed ? ".trans" : "") + ".shared.b16 ";
  std::string body = "  mov.u32 %r2, buf;\n  xor.b32 %r5, %r1, 5;\n  shl.b32 %r5, %r5, 4;\n  add.s32 %r6, %r2, %r5;\n"
                     "  stmatrix" +
                     form + "[%r6], " + registers("i", 0, count) +
                     ";\n  bar.sync 0;\n"
                     "  ldmatrix" +
                     form + registers("o", 0, count) + ", [%r6];\n";
  // And as rows, by ordinary loads.
  for (int i = 0; i < count; ++i)
    body += "  shl.b32 %r7, %r1, 2;\n  add.s32 %r8, %r2, %r7;\n  ld.shared.u32 %o" + std::to_string(count + i) +
            ", [%r8+" + std::to_string(128 * i) + "];\n";
  Kernels kernels(90, 'a');
  kernels.block = {32, 1, 1};
  std::vector<uint16_t> in(static_cast<size_t>(64 * count));
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<uint16_t>(i * 5 + 2);
  kernels.param(kernels.buffer(in));
  uint64_t out = kernels.fresh(1024);
  kernels.param(out);
  LaunchResult result = kernels.run(wordKernel(count, 2 * count, body, fillShared), "k", "7.8");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> values = kernels.read<uint16_t>(out, static_cast<size_t>(128 * count));
  EXPECT_EQ(std::vector<uint16_t>(values.begin(), values.begin() + 64 * count), in);
  for (int matrix = 0; matrix < count; ++matrix)
    for (int row = 0; row < 8; ++row)
      for (int column = 0; column < 8; ++column) {
        int lane = transposed ? 4 * column + row / 2 : 4 * row + column / 2, half = transposed ? row & 1 : column & 1;
        size_t at = static_cast<size_t>(64 * count + 8 * ((8 * matrix + row) ^ 5) + column);
        EXPECT_EQ(values[at], in[static_cast<size_t>(2 * (32 * matrix + lane) + half)])
            << matrix << " " << row << " " << column;
      }
}
INSTANTIATE_TEST_SUITE_P(Counts, Matrices, ::testing::Combine(::testing::Values(1, 2, 4), ::testing::Bool()));

TEST(TensorInstruction, MovmatrixTransposes) {
  Kernels kernels(80, 0);
  kernels.block = {32, 1, 1};
  std::vector<uint16_t> in(64);
  for (size_t i = 0; i < 64; ++i)
    in[i] = static_cast<uint16_t>(1000 + i);
  kernels.param(kernels.buffer(in));
  uint64_t out = kernels.fresh(128);
  kernels.param(out);
  LaunchResult result =
      kernels.run(wordKernel(1, 1, "  movmatrix.sync.aligned.m8n8.trans.b16 %o0, %i0;\n"), "k", "7.8");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint16_t> values = kernels.read<uint16_t>(out, 64);
  for (size_t row = 0; row < 8; ++row)
    for (size_t column = 0; column < 8; ++column)
      EXPECT_EQ(values[8 * row + column], in[8 * column + row]);
}

/// Expects an error with `part` in its text.
void expectError(const std::string &body, const std::string &part, const char *version = "7.8",
                 unsigned architecture = 80, uint32_t threads = 32) {
  Kernels kernels(architecture, architecture == 90 ? 'a' : 0);
  kernels.block = {threads, 1, 1};
  kernels.param(kernels.buffer(std::vector<uint32_t>(256, 0)));
  kernels.param(kernels.fresh(1024));
  LaunchResult result = kernels.run(wordKernel(8, 1, "  mov.u32 %o0, 0;\n" + body, fillShared), "k", version);
  EXPECT_NE(result.code, 0) << body;
  EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
}

TEST(TensorInstruction, Errors) {
  std::string mma = "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r2, %r3, %r4, %r5}, {%i0, %i1}, {%i2}, {%i3, "
                    "%i4, %i5, %i6};\n";
  expectError("  setp.lt.u32 %p1, %r1, 16;\n  @%p1 " + mma, "together");
  expectError("  setp.lt.u32 %p1, %r1, 16;\n  @%p1 ret;\n  " + mma, "has exited");
  expectError("  " + mma, "does not exist", "7.0", 80, 16);
  expectError(filling() + "  add.s32 %r6, %r2, 8;\n  ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r7}, [%r6];\n",
              "multiples of 16");
  expectError(filling() + "  add.s32 %r6, %r2, 1024;\n  ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r7}, [%r6];\n",
              "1024");
  expectError("  ldmatrix.sync.aligned.m8n8.x1.b16 {%r7}, [%rd1];\n", "shared memory");
  expectError("  mov.u32 %r2, buf;\n  stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r2], {%i0};\n", "sm_90");
  expectError("  mma.sync.aligned.m16n8k8.row.col.f16.bf16.bf16.f16 {%r2, %r3}, {%i0, %i1}, {%i2}, {%i3, %i4};\n",
              "bf16");
  expectError("  mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%r2, %r3, %r4, %r5}, {%i0, %i1, %i2, %i3}, {%i4, "
              "%i5}, {%i0, %i1, %i2, %i3};\n",
              "sm_89", "8.4");
  expectError("  mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32 {%r2, %r3, %r4, %r5}, {%i0, %i1, %i2, %i3}, {%i4, "
              "%i5}, {%i0, %i1, %i2, %i3};\n",
              "shape");
}

} // namespace
