// Speed of the simulator in warp instructions a second, and a check whether PTX files load.
//   adze-sim-bench                      the built-in kernels, with and without race checks
//   adze-sim-bench --load ARCH FILE...  loads PTX for a device such as sm_90a; prints what is refused
#include "tools/sim/cuda/exec/Launch.h"
#include "tools/sim/cuda/memory/State.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

using namespace adze::sim;

namespace {

const char *header = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// 256 rounds of 16 fma and some integer work: registers only.
std::string arithmetic() {
  std::string text = ".visible .entry k(.param .b64 po) { .reg .pred %p; .reg .b32 %r<40>; .reg .b64 %o<4>;\n"
                     "mov.u32 %r30, %tid.x; cvt.rn.f32.u32 %r1, %r30; mov.u32 %r31, 0;\n";
  for (int i = 2; i != 18; ++i)
    text += "mov.b32 %r" + std::to_string(i) + ", 0f3f800000;\n";
  text += "L:\n";
  for (int i = 2; i != 18; ++i)
    text += "fma.rn.f32 %r" + std::to_string(i) + ", %r" + std::to_string(i) + ", 0f3f000000, %r1;\n";
  text += "add.u32 %r31, %r31, 1; and.b32 %r20, %r31, 63; shl.b32 %r21, %r20, 2; xor.b32 %r22, %r21, %r30;\n"
          "setp.lt.u32 %p, %r31, 256; @%p bra L;\n"
          "ld.param.b64 %o0, [po]; mov.u32 %r23, %ctaid.x; mov.u32 %r24, %ntid.x; mad.lo.u32 %r25, %r23, %r24, %r30;\n"
          "mul.wide.u32 %o1, %r25, 4; add.s64 %o0, %o0, %o1; st.global.b32 [%o0], %r2; ret; }";
  return text;
}

/// A tiled product: 16-byte loads from global to shared memory, a barrier, a dot loop over shared memory, a barrier.
std::string tiled() {
  std::string text =
      ".shared .align 16 .b8 tile[8192];\n"
      ".visible .entry k(.param .b64 po) { .reg .pred %p; .reg .b32 %r<90>; .reg .b64 %o<6>;\n"
      "mov.u32 %r30, %tid.x; mov.u32 %r31, 0; ld.param.b64 %o0, [po]; shl.b32 %r32, %r30, 4; cvt.u64.u32 %o1, %r32;\n"
      "add.s64 %o2, %o0, %o1; mov.u32 %r33, tile; add.u32 %r34, %r33, %r32; and.b32 %r35, %r30, 15; shl.b32 %r35, "
      "%r35, 4;\n"
      "add.u32 %r36, %r33, %r35; mov.b32 %r1, 0; mov.b32 %r2, 0; mov.b32 %r3, 0; mov.b32 %r4, 0;\n"
      "L: ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%o2];\nst.shared.v4.b32 [%r34], {%r10, %r11, %r12, %r13};\n"
      "bar.sync 0;\n";
  for (int i = 0; i != 8; ++i) {
    std::string offset = std::to_string(i * 512);
    text += "ld.shared.v4.b32 {%r40, %r41, %r42, %r43}, [%r36+" + offset + "];\nld.shared.b32 %r44, [tile+" + offset +
            "];\n";
    for (int j = 0; j != 4; ++j)
      text += "fma.rn.f32 %r" + std::to_string(1 + j) + ", %r" + std::to_string(40 + j) + ", %r44, %r" +
              std::to_string(1 + j) + ";\n";
  }
  text += "bar.sync 0; add.u32 %r31, %r31, 1; setp.lt.u32 %p, %r31, 100; @%p bra L;\n"
          "mov.u32 %r50, %ctaid.x; mul.wide.u32 %o3, %r50, 8192; add.s64 %o4, %o2, 8192; add.s64 %o4, %o4, %o3;\n"
          "st.global.v4.b32 [%o4], {%r1, %r2, %r3, %r4}; ret; }";
  return text;
}

/// Streams: a 16-byte load and store of global memory each round.
std::string streaming() {
  return ".visible .entry k(.param .b64 po) { .reg .pred %p; .reg .b32 %r<20>; .reg .b64 %o<6>;\n"
         "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; ld.param.b64 %o0, [po]; mul.wide.u32 %o1, %r1, 16;\n"
         "mul.wide.u32 %o2, %r2, 409600; add.s64 %o0, %o0, %o1; add.s64 %o0, %o0, %o2; mov.u32 %r3, 0;\n"
         "L: ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%o0]; mul.f32 %r10, %r10, 0f40000000; mul.f32 %r11, %r11, "
         "0f40000000;\n"
         "mul.f32 %r12, %r12, 0f40000000; mul.f32 %r13, %r13, 0f40000000; st.global.v4.b32 [%o0], {%r10, %r11, %r12, "
         "%r13};\n"
         "add.s64 %o0, %o0, 4096; add.u32 %r3, %r3, 1; setp.lt.u32 %p, %r3, 100; @%p bra L; ret; }";
}

int measure(const char *name, const std::string &text, unsigned blocks) {
  for (bool races : {true, false})
    for (unsigned threads : {1u, 2u}) {
      SimulatedMemory memory;
      Architecture device{80, 0};
      LoadResult loaded = loadModule(header + text, device, memory);
      if (!loaded.program) {
        std::fprintf(stderr, "%s: %s\n", name, loaded.text.c_str());
        return 1;
      }
      std::vector<uint8_t> zeros(uint64_t(blocks + 1) * 409600, 0);
      uint64_t buffer = memory.global.allocate(zeros.size());
      std::string error;
      memory.global.write(buffer, zeros.data(), zeros.size(), error);
      std::vector<uint8_t> params(8);
      std::memcpy(params.data(), &buffer, 8);
      LaunchOptions options;
      options.checkRaces = races;
      options.threads = threads;
      auto start = std::chrono::steady_clock::now();
      std::clock_t processor = std::clock();
      LaunchResult result = launch(*loaded.program, *loaded.program->find("k"), {blocks, 1, 1}, {256, 1, 1}, {1, 1, 1},
                                   0, params, memory, device, options);
      std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (result.code) {
        std::fprintf(stderr, "%s: %s\n", name, result.text.c_str());
        return 1;
      }
      // The rate by processor time is that of one core, whatever else the machine does.
      double used = double(std::clock() - processor) / CLOCKS_PER_SEC, millions = double(result.warpInstructions) / 1e6;
      std::printf("%-12s races %-3s threads %u: %7.2f M warp instructions/s a core, %7.2f M/s by the clock (%.1f M)\n",
                  name, races ? "on" : "off", threads, millions / used, millions / seconds.count(), millions);
    }
  return 0;
}

int load(int argc, char **argv) {
  Architecture device;
  if (argc < 4 || !parseArchitecture(argv[2], device))
    return 2;
  int failed = 0;
  for (int i = 3; i != argc; ++i) {
    std::ifstream file(argv[i]);
    std::stringstream text;
    text << file.rdbuf();
    SimulatedMemory memory;
    LoadResult loaded = loadModule(text.str(), device, memory);
    if (!loaded.program) {
      std::printf("%s: %s\n", argv[i], loaded.text.c_str());
      ++failed;
      continue;
    }
    for (const auto &[name, code] : loaded.program->functions)
      std::printf("%s: %s %s, %zu instructions, %u bytes of registers a warp\n", argv[i],
                  code->entry ? ".entry" : ".func", name.c_str(), code->code.size(), code->frameBytes);
  }
  return failed ? 1 : 0;
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 1 && std::strcmp(argv[1], "--load") == 0)
    return load(argc, argv);
  return measure("arithmetic", arithmetic(), 64) | measure("tiled", tiled(), 64) |
         measure("streaming", streaming(), 64);
}
