// wgmma: layouts of shared operands by the canonical definitions, fragments, modifiers; and every breach of its
// protocol.
#include "test/unit/sim/KernelHarness.h"
#include "tools/sim/cuda/number/Format.h"

#include <random>

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

struct Case {
  const char *type = "bf16", *typeB = nullptr, *to = "f32";
  int columns = 64;
  int aSwizzle = 128, bSwizzle = 128; ///< bytes; 0 none; -1: A in registers
  bool transposeA = false, transposeB = false;
  int scaleA = 1, scaleB = 1;
  bool accumulate = true;
  int steps = 2; ///< of K, each 32 bytes
};

const Format *formatNamed(const std::string &name) {
  return name == "f16"    ? &f16Format
         : name == "bf16" ? &bf16Format
         : name == "tf32" ? &tf32Format
         : name == "e4m3" ? &e4m3Format
         : name == "e5m2" ? &e5m2Format
                          : nullptr;
}
uint32_t encode(const std::string &name, int value) {
  const Format *format = formatNamed(name);
  return format ? static_cast<uint32_t>(roundTo(*format, fromDouble(value))) : static_cast<uint32_t>(value) & 0xff;
}

/// A tile in shared memory: `lines` rows of A or columns of B, `depth` elements of K.
struct Tile {
  int elementBytes, lines, depth, swizzle;
  bool mnMajor;
  std::vector<uint8_t> bytes;

  /// The offset of an element by the canonical layouts; the swizzle as an exchange of 16-byte units within a span.
  int offset(int line, int k) const {
    int span = swizzle ? swizzle : 16;
    auto inSpan = [&](int row, int byte) { // `row` of 8 in an atom
      int unit = byte / 16;
      if (swizzle == 128)
        unit ^= row & 7;
      if (swizzle == 64)
        unit ^= (row >> 1) & 3;
      if (swizzle == 32)
        unit ^= (row >> 2) & 1;
      return (row & 7) * span + unit * 16 + byte % 16;
    };
    if (!mnMajor) {
      int byte = k * elementBytes;
      return byte / span * (lines * span) + line / 8 * (8 * span) + inSpan(line % 8, byte % span);
    }
    int byte = line * elementBytes;
    return byte / span * (depth * span) + k / 8 * (8 * span) + inSpan(k % 8, byte % span);
  }
  int stepOffset(int step) const {
    int span = swizzle ? swizzle : 16, elements = 32 / elementBytes;
    if (mnMajor)
      return step * elements / 8 * 8 * span;
    int byte = step * 32;
    return byte / span * (lines * span) + byte % span;
  }
  uint64_t descriptor() const {
    int span = swizzle ? swizzle : 16;
    int nextSpan = (mnMajor ? depth : lines) * span; // along K (K-major) or M, N (MN-major)
    int eight = 8 * span;
    int leading = nextSpan, stride = eight;
    if (mnMajor && !swizzle)
      std::swap(leading, stride);
    uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return static_cast<uint64_t>(leading >> 4) << 16 | static_cast<uint64_t>(stride >> 4) << 32 | mode << 62;
  }
  void fill(const std::string &type, const std::vector<int> &values) { // [line][k]
    int span = swizzle ? swizzle : 16, across = (mnMajor ? lines : depth) * elementBytes;
    bytes.assign(static_cast<size_t>((across + span - 1) / span * span * (mnMajor ? depth : lines)), 0);
    for (int line = 0; line < lines; ++line)
      for (int k = 0; k < depth; ++k) {
        uint32_t bits = encode(type, values[static_cast<size_t>(line * depth + k)]);
        std::memcpy(&bytes[static_cast<size_t>(offset(line, k))], &bits, static_cast<size_t>(elementBytes));
      }
  }
};

std::string vectorOf(const char *prefix, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i)
    text += (i ? ", %" : "%") + std::string(prefix) + std::to_string(i);
  return text + "}";
}

/// Fills shared memory with `words` words from %rd1, by all 128 threads, and makes them visible to the async proxy.
std::string fillShared(int words) {
  std::string text =
      "  mov.u32 %r2, buf;\n  mov.u32 %r3, %r1;\nFILL:\n  setp.ge.u32 %p1, %r3, " + std::to_string(words) +
      ";\n  @%p1 bra FILLED;\n  mul.wide.u32 %rd4, %r3, 4;\n  add.s64 %rd5, %rd1, %rd4;\n  ld.global.u32 %r4, [%rd5];\n"
      "  shl.b32 %r5, %r3, 2;\n  add.s32 %r5, %r5, %r2;\n  st.shared.u32 [%r5], %r4;\n  add.s32 %r3, %r3, 128;\n  bra "
      "FILL;\nFILLED:\n"
      "  fence.proxy.async.shared::cta;\n  bar.sync 0;\n";
  return text;
}

void check(const Case &c, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << c.type << " -> " << c.to << " N " << c.columns << " swizzles " << c.aSwizzle << " "
                                  << c.bSwizzle << " trans " << c.transposeA << c.transposeB << " seed " << seed);
  std::string type = c.type, typeB = c.typeB ? c.typeB : c.type, to = c.to;
  int elementBytes = type == "tf32"                                                                               ? 4
                     : formatNamed(type) && formatNamed(type)->exponentBits + formatNamed(type)->mantissaBits > 8 ? 2
                                                                                                                  : 1;
  int perStep = 32 / elementBytes, depth = perStep * c.steps;
  std::mt19937 random(static_cast<uint32_t>(seed + 11));
  auto pick = [&](const std::string &t) { return static_cast<int>(random() % 5) - (t == "u8" ? 0 : 2); };
  std::vector<int> a(static_cast<size_t>(64 * depth)), b(static_cast<size_t>(c.columns * depth)),
      start(static_cast<size_t>(64 * c.columns));
  for (int &value : a)
    value = pick(type);
  for (int &value : b)
    value = pick(typeB);
  for (int &value : start)
    value = static_cast<int>(random() % 30) - 15;
  bool inRegisters = c.aSwizzle < 0, half = to == "f16", integer = to == "s32";
  Tile tileA{elementBytes, 64, depth, std::max(c.aSwizzle, 0), c.transposeA, {}},
      tileB{elementBytes, c.columns, depth, c.bSwizzle, c.transposeB, {}};
  tileA.fill(type, a);
  tileB.fill(typeB, b);
  size_t bBase = (tileA.bytes.size() + 1023) / 1024 * 1024;
  std::vector<uint8_t> memory(bBase + tileB.bytes.size());
  std::copy(tileA.bytes.begin(), tileA.bytes.end(), memory.begin());
  std::copy(tileB.bytes.begin(), tileB.bytes.end(), memory.begin() + static_cast<std::ptrdiff_t>(bBase));

  // Accumulators and register operands: [register][128 threads].
  int registers = half ? c.columns / 4 : c.columns / 2;
  auto accumulator = [&](int value) {
    return integer ? static_cast<uint32_t>(value)
           : half  ? static_cast<uint32_t>(roundTo(f16Format, fromDouble(value)))
                   : fromFloat(static_cast<float>(value));
  };
  std::vector<uint32_t> words(static_cast<size_t>(128 * (registers + 4 * c.steps)));
  for (int thread = 0; thread < 128; ++thread) {
    int warp = thread / 32, group = thread % 32 / 4, t = thread % 4;
    for (int i = 0; i < c.columns / 2; ++i) {
      int row = 16 * warp + group + 8 * ((i / 2) % 2), column = 8 * (i / 4) + 2 * t + i % 2;
      words[static_cast<size_t>(128 * (half ? i / 2 : i) + thread)] |=
          accumulator(start[static_cast<size_t>(row * c.columns + column)]) << (half ? 16 * (i % 2) : 0);
    }
    int each = 4 / elementBytes;
    for (int step = 0; step < c.steps; ++step)
      for (int reg = 0; reg < 4; ++reg)
        for (int e = 0; e < each; ++e) {
          int row = 16 * warp + group + 8 * (reg % 2), k = step * perStep + each * t + e + 4 * each * (reg / 2);
          words[static_cast<size_t>(128 * (registers + 4 * step + reg) + thread)] |=
              encode(type, a[static_cast<size_t>(row * depth + k)]) << (8 * elementBytes * e % 32);
        }
  }

  std::string text = ".visible .entry k(.param .u64 in, .param .u64 regs, .param .u64 out) {\n  .reg .b32 %d<129>, "
                     "%a<17>, %r<16>; .reg .b64 %rd<32>; .reg .pred %p<4>;\n"
                     "  .shared .align 1024 .b8 buf[" +
                     std::to_string(memory.size()) +
                     "];\n"
                     "  ld.param.u64 %rd1, [in];\n  ld.param.u64 %rd2, [regs];\n  ld.param.u64 %rd3, [out];\n  mov.u32 "
                     "%r1, %tid.x;\n" +
                     fillShared(static_cast<int>(memory.size() / 4)) +
                     "  mul.wide.u32 %rd6, %r1, 4;\n  add.s64 %rd2, %rd2, %rd6;\n  add.s64 %rd3, %rd3, %rd6;\n";
  for (int i = 0; i < registers; ++i)
    text += "  ld.global.u32 %d" + std::to_string(i) + ", [%rd2+" + std::to_string(512 * i) + "];\n";
  for (int i = 0; inRegisters && i < 4 * c.steps; ++i)
    text += "  ld.global.u32 %a" + std::to_string(i) + ", [%rd2+" + std::to_string(512 * (registers + i)) + "];\n";
  text += "  shr.u32 %r6, %r2, 4;\n  cvt.u64.u32 %rd7, %r6;\n  wgmma.fence.sync.aligned;\n";
  for (int step = 0; step < c.steps; ++step) {
    std::string s = std::to_string(step);
    text +=
        "  add.s64 %rd8, %rd7, " +
        std::to_string(static_cast<int64_t>(tileA.descriptor() + static_cast<uint64_t>(tileA.stepOffset(step) >> 4))) +
        ";\n";
    text +=
        "  add.s64 %rd9, %rd7, " +
        std::to_string(static_cast<int64_t>(
            tileB.descriptor() + static_cast<uint64_t>((bBase + static_cast<size_t>(tileB.stepOffset(step))) >> 4))) +
        ";\n";
    text += std::string("  setp.ne.b32 %p2, ") + (c.accumulate || step > 0 ? "1" : "0") + ", 0;\n";
    text += "  wgmma.mma_async.sync.aligned.m64n" + std::to_string(c.columns) + "k" + std::to_string(perStep) + "." +
            to + "." + type + "." + typeB + " " + vectorOf("d", registers) + ", ";
    if (inRegisters) {
      text += "{";
      for (int reg = 0; reg < 4; ++reg)
        text += (reg ? ", %a" : "%a") + std::to_string(4 * step + reg);
      text += "}";
    } else {
      text += "%rd8";
    }
    text += ", %rd9, %p2";
    if (!integer)
      text += ", " + std::to_string(c.scaleA) + ", " + std::to_string(c.scaleB);
    if (elementBytes == 2)
      text += (inRegisters ? std::string() : std::string(", ") + (c.transposeA ? "1" : "0")) + ", " +
              (c.transposeB ? "1" : "0");
    text += ";\n";
  }
  text += "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n";
  for (int i = 0; i < registers; ++i)
    text += "  st.global.u32 [%rd3+" + std::to_string(512 * i) + "], %d" + std::to_string(i) + ";\n";
  text += "  ret;\n}\n";

  Kernels kernels;
  kernels.options.seed = seed;
  kernels.param(kernels.buffer(memory));
  kernels.param(kernels.buffer(words));
  uint64_t out = kernels.fresh(static_cast<uint64_t>(512 * registers));
  kernels.param(out);
  LaunchResult result = kernels.run(text, "k", "8.4");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, static_cast<size_t>(128 * registers));
  for (int row = 0; row < 64; ++row)
    for (int column = 0; column < c.columns; ++column) {
      int expected = c.accumulate ? start[static_cast<size_t>(row * c.columns + column)] : 0;
      for (int k = 0; k < depth; ++k)
        expected +=
            c.scaleA * c.scaleB * a[static_cast<size_t>(row * depth + k)] * b[static_cast<size_t>(column * depth + k)];
      // Row 16w + g (+8), column 8j + 2t (+1): value 4j + 2 * (lower half) + (column odd) of thread 32w + 4g + t.
      int warp = row / 16, group = row % 8, below = row % 16 / 8, t = column % 8 / 2;
      int index = 4 * (column / 8) + 2 * below + column % 2, thread = 32 * warp + 4 * group + t;
      uint32_t word = values[static_cast<size_t>(128 * (half ? index / 2 : index) + thread)];
      if (half)
        word = word >> (16 * (index % 2)) & 0xffff;
      ASSERT_EQ(accumulator(expected), word) << row << " " << column;
    }
}

TEST(TensorWarpgroup, LayoutsTypesAndModifiers) {
  std::vector<Case> cases;
  auto add = [&](auto change) {
    Case c;
    change(c);
    cases.push_back(c);
  };
  for (int swizzle : {0, 32, 64, 128}) {
    add([&](Case &c) {
      c.aSwizzle = c.bSwizzle = swizzle;
      c.steps = 4;
    });
    add([&](Case &c) {
      c.aSwizzle = swizzle;
      c.bSwizzle = 128 - swizzle == 128 ? 128 : 32;
      c.transposeA = true;
    });
    add([&](Case &c) {
      c.bSwizzle = swizzle;
      c.transposeB = true;
      c.columns = 128;
    });
    add([&](Case &c) {
      c.type = "e4m3";
      c.aSwizzle = c.bSwizzle = swizzle;
    });
    add([&](Case &c) {
      c.type = "tf32";
      c.aSwizzle = c.bSwizzle = swizzle;
    });
    add([&](Case &c) {
      c.type = "s8";
      c.to = "s32";
      c.aSwizzle = c.bSwizzle = swizzle;
    });
  }
  for (int columns : {8, 24, 96, 256})
    add([&](Case &c) { c.columns = columns; });
  add([](Case &c) { c.type = "f16"; });
  add([](Case &c) {
    c.type = "f16";
    c.to = "f16";
  });
  add([](Case &c) {
    c.type = "f16";
    c.to = "f16";
    c.aSwizzle = -1;
    c.transposeB = true;
  });
  add([](Case &c) { c.aSwizzle = -1; });
  add([](Case &c) {
    c.aSwizzle = -1;
    c.type = "e5m2";
    c.typeB = "e4m3";
  });
  add([](Case &c) {
    c.aSwizzle = -1;
    c.type = "tf32";
  });
  add([](Case &c) {
    c.aSwizzle = -1;
    c.type = "u8";
    c.to = "s32";
  });
  add([](Case &c) {
    c.type = "e4m3";
    c.typeB = "e5m2";
    c.to = "f16";
  });
  add([](Case &c) {
    c.type = "s8";
    c.typeB = "u8";
    c.to = "s32";
    c.columns = 48;
  });
  add([](Case &c) { c.accumulate = false; });
  add([](Case &c) { c.scaleA = -1; });
  add([](Case &c) {
    c.scaleB = -1;
    c.aSwizzle = -1;
  });
  for (size_t i = 0; i < cases.size(); ++i)
    check(cases[i], i % 3);
}

// --- protocol ---

// 64 rows of A at buf, 8 columns of B behind it, both without a swizzle, all ones; %d0..%d3 are the accumulators.
const char *const head = R"(
.visible .entry k(.param .u64 out) {
  .reg .b32 %r<16>; .reg .b64 %rd<16>; .reg .pred %p<6>; .reg .f32 %d<8>; .reg .b32 %a<8>;
  .shared .align 1024 .b8 buf[4096];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 16;
  add.s64 %rd1, %rd1, %rd2;
  mov.u32 %r2, buf;
  shl.b32 %r3, %r1, 5;
  add.s32 %r3, %r3, %r2;
  mov.u32 %r4, 0x3f803f80;
  st.shared.v4.b32 [%r3], {%r4, %r4, %r4, %r4};
  st.shared.v4.b32 [%r3+16], {%r4, %r4, %r4, %r4};
  shr.u32 %r5, %r2, 4;
  cvt.u64.u32 %rd3, %r5;
  add.s64 %rd4, %rd3, 0x1000080000;
  add.s64 %rd5, %rd4, 0x80;
  mov.f32 %d0, 0f00000000;
  mov.f32 %d1, %d0; mov.f32 %d2, %d0; mov.f32 %d3, %d0;
  mov.f32 %d4, %d0; mov.f32 %d5, %d0; mov.f32 %d6, %d0; mov.f32 %d7, %d0;
  mov.u32 %a0, %r4; mov.u32 %a1, %r4; mov.u32 %a2, %r4; mov.u32 %a3, %r4;
  setp.eq.u32 %p1, %r1, %r1;
)";
const char *const ready = "  fence.proxy.async.shared::cta;\n  bar.sync 0;\n";
const char *const multiply =
    "  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p1, 1, 1, 0, 0;\n";
const char *const registersA = "  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, {%a0, %a1, "
                               "%a2, %a3}, %rd5, %p1, 1, 1, 0;\n";
const char *const fence = "  wgmma.fence.sync.aligned;\n", *const commit = "  wgmma.commit_group.sync.aligned;\n",
                  *const wait = "  wgmma.wait_group.sync.aligned 0;\n";
const char *const tail = "  st.global.v4.f32 [%rd1], {%d0, %d1, %d2, %d3};\n  ret;\n}\n";

/// The line as one of the corrected ("+") or the wrong ("-") kernel.
std::string only(char which, std::string line) {
  line[0] = which;
  return line;
}
std::string right(const std::string &line) { return only('+', line); }
std::string wrong(const std::string &line) { return only('-', line); }

void expectBug(const std::string &body, const std::string &report, float result = 16) {
  uint64_t out = 0;
  bugAndFix(
      body, report,
      [&](Kernels &kernels) {
        out = kernels.fresh(2048);
        kernels.param(out);
      },
      [&](Kernels &kernels) {
        for (float value : kernels.read<float>(out, 512))
          ASSERT_EQ(value, result);
      });
}

TEST(TensorWarpgroupProtocol, MissingFenceBeforeTheFirst) {
  expectBug(std::string(head) + ready + right(fence) + multiply + commit + wait + tail, "missing wgmma.fence");
}
TEST(TensorWarpgroupProtocol, AccumulatorWrittenAfterTheFence) {
  std::string write = "  mov.f32 %d2, 0f00000000;\n";
  expectBug(std::string(head) + ready + right(write) + fence + wrong(write) + multiply + commit + wait + tail,
            "missing wgmma.fence");
}
TEST(TensorWarpgroupProtocol, AccumulatorReadBetweenTwoWithoutAFence) {
  std::string read = "  add.f32 %d4, %d1, %d1;\n";
  expectBug(std::string(head) + ready + fence + multiply + commit + wait + read + right(fence) + multiply + commit +
                wait + tail,
            "missing wgmma.fence", 32);
}
TEST(TensorWarpgroupProtocol, TwoOfTheSameShapeNeedNoFence) {
  // Control: the wrong variant reads D between them.
  expectBug(std::string(head) + ready + fence + multiply + multiply + wrong("  mov.f32 %d4, %d0;\n") + commit + wait +
                tail,
            "wgmma.wait_group must come first", 32);
}
TEST(TensorWarpgroupProtocol, ReadBeforeTheWait) {
  expectBug(std::string(head) + ready + fence + multiply + commit + right(wait) + tail,
            "wgmma.wait_group must come first");
}
TEST(TensorWarpgroupProtocol, MissingCommit) {
  expectBug(std::string(head) + ready + fence + multiply + right(commit) + wait + tail,
            "wgmma.wait_group must come first");
}
TEST(TensorWarpgroupProtocol, WaitForTheWrongNumberOfGroups) {
  std::string one = "  wgmma.wait_group.sync.aligned 1;\n";
  expectBug(std::string(head) + ready + fence + multiply + commit + wrong(one) + right(wait) + tail,
            "wgmma.wait_group must come first");
}
TEST(TensorWarpgroupProtocol, RegisterOperandOverwritten) {
  std::string write = "  mov.u32 %a1, 0;\n";
  expectBug(std::string(head) + ready + fence + registersA + wrong(write) + commit + wait + right(write) + tail,
            "wgmma.wait_group must come first");
}
TEST(TensorWarpgroupProtocol, RegisterOperandWrittenAfterTheFence) {
  std::string write = "  mov.u32 %a1, %r4;\n";
  expectBug(std::string(head) + ready + right(write) + fence + wrong(write) + registersA + commit + wait + tail,
            "missing wgmma.fence");
}
TEST(TensorWarpgroupProtocol, RegisterOperandMayBeReadInFlight) {
  expectBug(std::string(head) + ready + fence + registersA + "  mov.u32 %a5, %a1;\n" + commit + right(wait) + tail,
            "wgmma.wait_group must come first");
}
TEST(TensorWarpgroupProtocol, MissingProxyFence) {
  expectBug(std::string(head) + right("  fence.proxy.async.shared::cta;\n") + "  bar.sync 0;\n" + fence + multiply +
                commit + wait + tail,
            "proxy fence");
}
TEST(TensorWarpgroupProtocol, MissingBarrier) {
  expectBug(std::string(head) + "  fence.proxy.async.shared::cta;\n" + right("  bar.sync 0;\n") + fence + multiply +
                commit + wait + tail,
            "shared");
}
TEST(TensorWarpgroupProtocol, SharedOperandOverwrittenInFlight) {
  std::string write = "  st.shared.b32 [%r3], %r5;\n", barrier = "  bar.sync 0;\n";
  expectBug(std::string(head) + ready + fence + multiply + commit + wrong(write) + wait + barrier + right(write) + tail,
            "still reads");
}
TEST(TensorWarpgroupProtocol, DescriptorsDiffer) {
  std::string bad = "  setp.ge.u32 %p2, %r1, 96;\n", move = "  @%p2 add.s64 %rd5, %rd5, 16;\n";
  expectBug(std::string(head) + ready + bad + wrong(move) + fence + multiply + commit + wait + tail,
            "descriptors differ");
}
TEST(TensorWarpgroupProtocol, DescriptorsDifferBetweenLanes) {
  expectBug(std::string(head) + ready + "  setp.eq.u32 %p2, %r1, 5;\n" + wrong("  @%p2 add.s64 %rd5, %rd5, 16;\n") +
                fence + multiply + commit + wait + tail,
            "differs between the lanes");
}
TEST(TensorWarpgroupProtocol, DivergedWarp) {
  expectBug(std::string(head) + ready + fence + "  setp.ne.u32 %p2, %r1, 7;\n" + wrong("  @!%p2 bra SKIP;\n") +
                multiply + "SKIP:\n" + commit + wait + tail,
            "together");
}
TEST(TensorWarpgroupProtocol, OneWarpDoesNotTakePart) {
  expectBug(std::string(head) + ready + fence + "  setp.lt.u32 %p2, %r1, 96;\n" + wrong("  @!%p2 bra SKIP;\n") +
                multiply + "SKIP:\n" + commit + wait + tail,
            "wait");
}
TEST(TensorWarpgroupProtocol, ReservedBitsOfTheDescriptor) {
  expectBug(std::string(head) + ready + fence + wrong("  add.s64 %rd5, %rd5, 0x4000;\n") + multiply + commit + wait +
                tail,
            "reserved bits");
}
TEST(TensorWarpgroupProtocol, OutOfSharedMemory) {
  expectBug(std::string(head) + ready + fence + wrong("  add.s64 %rd5, %rd5, 0x80;\n") + multiply + commit + wait +
                tail,
            "4096 bytes of shared memory");
}
TEST(TensorWarpgroupProtocol, UnwrittenOperandPoisonsTheResult) {
  // The last 32 bytes of A's rows stay unwritten by thread 63.
  std::string body = head;
  size_t at = body.find("  st.shared.v4.b32 [%r3+16]");
  std::string store = body.substr(at, body.find('\n', at) + 1 - at);
  body.replace(at, store.size(), "  setp.ne.u32 %p3, %r1, 63;\n" + wrong("  @%p3 " + store.substr(2)) + right(store));
  expectBug(body + ready + fence + multiply + commit + wait +
                "  setp.gt.f32 %p2, %d0, 0f00000000;\n  @%p2 bra NEXT;\nNEXT:\n  setp.gt.f32 %p2, %d2, 0f00000000;\n  "
                "@%p2 bra NEXT2;\nNEXT2:\n" +
                tail,
            "uninitialised");
}
TEST(TensorWarpgroupProtocol, ExitInFlight) {
  expectBug(std::string(head) + ready + fence + multiply + commit + wait +
                std::string(tail).substr(0, std::string(tail).find("  ret")) + wrong(fence) + wrong(multiply) +
                wrong(commit) + "  ret;\n}\n",
            "in flight");
}

TEST(TensorWarpgroupProtocol, RefusedByTheLoader) {
  auto refuse = [](const std::string &line, const std::string &part, unsigned architecture = 90, char suffix = 'a') {
    Kernels kernels(architecture, suffix);
    kernels.param(kernels.fresh(2048));
    LaunchResult result = kernels.run(std::string(head) + line + "  ret;\n}\n");
    EXPECT_NE(result.code, 0);
    EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
  };
  refuse(multiply, "sm_90a", 90, 0);
  refuse(fence, "sm_90a", 80, 0);
  refuse("  wgmma.mma_async.sync.aligned.m64n8k8.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p1, 1, 1, 0, 0;\n",
         "K must be 16");
  refuse("  wgmma.mma_async.sync.aligned.m64n40k32.s32.s8.s8 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p1;\n", "N = 40");
  refuse("  wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p1, 1, 1, 0, 0;\n",
         "operand");
  refuse("  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, %rd4, %rd5, %p1, 2, 1, 0, 0;\n",
         "must be 1 or -1");
  refuse("  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2}, %rd4, %rd5, %p1, 1, 1, 0, 0;\n",
         "expected 4");
  refuse("  wgmma.mma_async.sync.aligned.m64n8k16.f16.bf16.bf16 {%r2, %r3}, %rd4, %rd5, %p1, 1, 1, 0, 0;\n", "bf16");
}

} // namespace
