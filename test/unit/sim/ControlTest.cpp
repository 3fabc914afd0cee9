// Divergence, reconvergence, loops, calls, exits, and the instructions in which lanes meet.
#include "InstructionTable.h"

using namespace adze::sim;
using namespace adze::sim::test;

namespace {

/// Runs `body` with `threads` threads, one 32-bit result each at out[thread] from %r0.
std::vector<uint32_t> results(const std::string &body, unsigned threads = 32, uint64_t seed = 0,
                              const std::string &before = "") {
  Kernels kernels;
  kernels.block = {threads, 1, 1};
  kernels.options.seed = seed;
  kernels.options.threads = 1;
  kernels.options.maxInstructions = 1000000;
  uint64_t out = kernels.buffer(std::vector<uint32_t>(threads, 0xdead));
  kernels.param(out);
  std::string text = before +
                     ".visible .entry k(.param .b64 po) { .reg .pred %p<9>; .reg .b32 %r<40>; .reg .b64 %o<9>;\n"
                     "mov.u32 %r30, %tid.x; mov.u32 %r31, %laneid;\n" +
                     body +
                     "\nEND: ld.param.b64 %o0, [po]; mul.wide.u32 %o1, %r30, 4; add.s64 %o0, %o0, %o1;\n"
                     "st.global.b32 [%o0], %r0; ret; }";
  LaunchResult result = kernels.run(text, "k", "8.0");
  EXPECT_EQ(result.code, 0) << result.text;
  return result.code ? std::vector<uint32_t>(threads) : kernels.read<uint32_t>(out, threads);
}

/// The error text of a kernel that must fail.
std::string failure(const std::string &body, unsigned threads = 32, int code = 719) {
  Kernels kernels;
  kernels.block = {threads, 1, 1};
  kernels.options.threads = 1;
  kernels.options.maxInstructions = 100000;
  LaunchResult result = kernels.run(".visible .entry k() { .reg .pred %p<9>; .reg .b32 %r<40>; .reg .b64 %o<9>;\n"
                                    "mov.u32 %r30, %tid.x; mov.u32 %r31, %laneid;\n" +
                                    body + "\nret; }");
  EXPECT_EQ(result.code, code) << result.text;
  return result.text;
}

template <typename Function>
void expectLanes(const std::vector<uint32_t> &values, Function expected) {
  for (uint32_t i = 0; i != values.size(); ++i)
    EXPECT_EQ(values[i], uint32_t(expected(i))) << "thread " << i;
}

} // namespace

TEST(Control, IfElseMeetsAgain) {
  // activemask after the join must be complete again.
  expectLanes(results("setp.lt.u32 %p0, %r31, 10; @%p0 bra A; mov.u32 %r0, 100; bra B; A: mov.u32 %r0, 200;\n"
                      "B: activemask.b32 %r1; popc.b32 %r1, %r1; add.u32 %r0, %r0, %r1;"),
              [](uint32_t i) { return (i < 10 ? 200 : 100) + 32; });
}

TEST(Control, LoopsOfDifferentLength) {
  // Lane i goes round i times; inside, a nested condition; all meet behind the loop.
  const char *body = "mov.u32 %r0, 0; mov.u32 %r1, 0;\n"
                     "LOOP: setp.ge.u32 %p0, %r1, %r31; @%p0 bra DONE;\n"
                     "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 0; @%p1 bra EVEN; add.u32 %r0, %r0, 10; bra NEXT;\n"
                     "EVEN: add.u32 %r0, %r0, 1;\n"
                     "NEXT: add.u32 %r1, %r1, 1; bra LOOP;\n"
                     "DONE: activemask.b32 %r3; setp.eq.u32 %p2, %r3, -1; @!%p2 mov.u32 %r0, 9999;";
  for (uint64_t seed : {0, 1, 2, 7})
    expectLanes(results(body, 32, seed), [](uint32_t i) { return (i + 1) / 2 + i / 2 * 10; });
}

TEST(Control, EarlyExitInsideALoop) {
  // Odd lanes return after two rounds; the rest reconverge without them.
  Kernels kernels;
  kernels.block = {32, 1, 1};
  uint64_t out = kernels.buffer(std::vector<uint32_t>(32, 7));
  kernels.param(out);
  LaunchResult result = kernels.run(
      ".visible .entry k(.param .b64 po) { .reg .pred %p<9>; .reg .b32 %r<9>; .reg .b64 %o<9>;\n"
      "mov.u32 %r1, %laneid; mov.u32 %r2, 0; and.b32 %r3, %r1, 1; setp.eq.u32 %p1, %r3, 1;\n"
      "L: add.u32 %r2, %r2, 1; setp.eq.u32 %p0, %r2, 2; and.pred %p2, %p0, %p1; @%p2 ret;\n"
      "setp.lt.u32 %p3, %r2, %r1; @%p3 bra L;\n"
      "bar.sync 0; activemask.b32 %r4; ld.param.b64 %o0, [po]; mul.wide.u32 %o1, %r1, 4; add.s64 %o0, %o0, %o1;\n"
      "st.global.b32 [%o0], %r4; exit; }");
  ASSERT_EQ(result.code, 0) << result.text;
  // Lane 1 leaves the loop in its first round.
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, 32);
  for (uint32_t i = 0; i != 32; ++i)
    EXPECT_EQ(values[i], (i & 1) && i != 1 ? 7u : 0x55555557u) << i;
}

TEST(Control, IndexedBranch) {
  expectLanes(results("rem.u32 %r1, %r31, 3;\nT: .branchtargets A, B, C;\nbrx.idx %r1, T;\n"
                      "A: mov.u32 %r0, 5; bra Z; B: mov.u32 %r0, 6; bra Z; C: mov.u32 %r0, 7;\n"
                      "Z: activemask.b32 %r2; popc.b32 %r2, %r2; mul.lo.u32 %r0, %r0, %r2;"),
              [](uint32_t i) { return (5 + i % 3) * 32; });
  EXPECT_NE(failure("T: .branchtargets A, B;\nbrx.idx %r31, T; A: B:").find("index 2 of brx.idx, the list has 2"),
            std::string::npos);
}

TEST(Control, Calls) {
  const char *functions =
      ".func (.param .b32 res) twice(.param .b32 x, .param .align 8 .b8 s[16])\n"
      "{ .reg .b32 %r<9>; .reg .b64 %d<3>; .reg .pred %p; ld.param.b32 %r1, [x]; ld.param.b64 %d1, [s+8]; cvt.u32.u64 "
      "%r2, %d1;\n"
      "setp.gt.u32 %p, %r1, 20; @%p bra BIG; add.u32 %r3, %r1, %r1; add.u32 %r3, %r3, %r2; st.param.b32 [res], %r3; "
      "ret;\n"
      "BIG: st.param.b32 [res+0], 1000; ret; }\n"
      ".func (.param .b32 res) fac(.param .b32 n)\n"
      "{ .reg .b32 %r<9>; .reg .pred %p; .local .b32 keep; ld.param.b32 %r1, [n]; setp.le.u32 %p, %r1, 1; @%p bra "
      "ONE;\n"
      "st.local.b32 [keep], %r1; sub.u32 %r2, %r1, 1; { .param .b32 a; .param .b32 b; st.param.b32 [a], %r2;\n"
      "call.uni (b), fac, (a); ld.param.b32 %r3, [b]; } ld.local.b32 %r1, [keep]; mul.lo.u32 %r3, %r3, %r1;\n"
      "st.param.b32 [res], %r3; ret; ONE: st.param.b32 [res], 1; ret; }\n";
  expectLanes(results("mov.u64 %o3, 5; { .param .b32 a; .param .align 8 .b8 s[16]; .param .b32 b;\n"
                      "st.param.b32 [a], %r31; st.param.v2.b64 [s], {%o3, %o3}; call (b), twice, (a, s);\n"
                      "ld.param.b32 %r0, [b]; } activemask.b32 %r1; popc.b32 %r1, %r1; add.u32 %r0, %r0, %r1;",
                      32, 0, functions),
              [](uint32_t i) { return (i > 20 ? 1000 : 2 * i + 5) + 32; });
  expectLanes(results("and.b32 %r1, %r31, 7; { .param .b32 a; .param .b32 b; st.param.b32 [a], %r1;\n"
                      "call.uni (b), fac, (a); ld.param.b32 %r0, [b]; }",
                      32, 0, functions),
              [](uint32_t i) {
                uint32_t f = 1;
                for (uint32_t k = 2; k <= (i & 7); ++k)
                  f *= k;
                return f;
              });
  // Only some lanes call.
  expectLanes(results("mov.u32 %r0, 3; setp.lt.u32 %p0, %r31, 4; { .param .b32 a; .param .b32 b; st.param.b32 [a], 4;\n"
                      "@%p0 call (b), fac, (a); @%p0 ld.param.b32 %r0, [b]; } activemask.b32 %r1; popc.b32 %r1, %r1;\n"
                      "add.u32 %r0, %r0, %r1;",
                      32, 0, functions),
              [](uint32_t i) { return (i < 4 ? 24 : 3) + 32; });
}

TEST(Control, FramesAreUsedAgain) {
  // The second call's frame lies where registers of the first one were uninitialised.
  const char *functions =
      ".func (.param .b32 res) big(.param .b32 x) { .reg .b32 %r<9>, %u; .reg .b16 %h<9>; ld.param.b32 %r1, [x];\n"
      "add.u32 %r2, %r1, %u; mov.b16 %h1, 1; add.u16 %h2, %h1, %h3; add.u32 %r3, %r1, 1; st.param.b32 [res], %r3; ret; "
      "}\n"
      ".func (.param .b32 res) inner(.param .b32 x) { .reg .b32 %r<9>; .reg .pred %p; ld.param.b32 %r1, [x];\n"
      "setp.eq.u32 %p, %r1, 3; @%p bra Z; Z: add.u32 %r2, %r1, 1; st.param.b32 [res], %r2; ret; }\n"
      ".func (.param .b32 res) outer(.param .b32 x) { .reg .b32 %r<9>; { .param .b32 a; .param .b32 b; ld.param.b32 "
      "%r1, [x];\n"
      "st.param.b32 [a], %r1; call (b), inner, (a); ld.param.b32 %r2, [b]; } st.param.b32 [res], %r2; ret; }\n";
  expectLanes(
      results("{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r31; call (b), big, (a); ld.param.b32 %r1, [b]; }\n"
              "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r1; call (b), outer, (a); ld.param.b32 %r0, [b]; }",
              32, 0, functions),
      [](uint32_t i) { return i + 2; });
}

TEST(Control, DivergedLanesInDifferentFunctions) {
  // The functions keep registers of different widths alive while the other branch's lanes run.
  const char *functions = ".func (.param .b64 res) wide(.param .b64 x) { .reg .b64 %d<9>; ld.param.b64 %d1, [x]; "
                          "mov.b64 %d2, 0; mov.b64 %d3, 1;\n"
                          "nanosleep.u32 1; add.u64 %d4, %d1, %d3; nanosleep.u32 1; add.u64 %d4, %d4, %d2; "
                          "nanosleep.u32 1; st.param.b64 [res], %d4; ret; }\n"
                          ".func (.param .b32 res) narrow(.param .b32 x) { .reg .b32 %r<9>; ld.param.b32 %r1, [x]; "
                          "mov.b32 %r2, 7; mov.b32 %r3, 9;\n"
                          "nanosleep.u32 1; add.u32 %r4, %r1, %r2; nanosleep.u32 1; add.u32 %r4, %r4, %r3; "
                          "nanosleep.u32 1; st.param.b32 [res], %r4; ret; }\n";
  for (uint64_t seed : {0, 1, 2, 3, 4, 5})
    expectLanes(
        results(
            "and.b32 %r1, %r31, 1; setp.eq.u32 %p0, %r1, 0; cvt.u64.u32 %o3, %r31; @%p0 bra W;\n"
            "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r31; call (b), narrow, (a); ld.param.b32 %r0, [b]; }\n"
            "bra Z; W: { .param .b64 a; .param .b64 b; st.param.b64 [a], %o3; call (b), wide, (a);\n"
            "ld.param.b64 %o4, [b]; cvt.u32.u64 %r0, %o4; }\nZ:",
            32, seed, functions),
        [](uint32_t i) { return i & 1 ? i + 16 : i + 1; });
}

TEST(Control, Shuffles) {
  expectLanes(results("shfl.sync.bfly.b32 %r0, %r31, 5, 31, -1;"), [](uint32_t i) { return i ^ 5; });
  expectLanes(results("shfl.sync.up.b32 %r0|%p0, %r31, 3, 0, -1; @!%p0 mov.u32 %r0, 77;"),
              [](uint32_t i) { return i < 3 ? 77 : i - 3; });
  expectLanes(results("shfl.sync.down.b32 %r0|%p0, %r31, 3, 31, -1; @!%p0 add.u32 %r0, %r0, 100;"),
              [](uint32_t i) { return i > 28 ? i + 100 : i + 3; });
  expectLanes(results("shfl.sync.idx.b32 %r0, %r31, 2, 0x181f, -1;"),
              [](uint32_t i) { return (i & 24) + 2; }); // 8 lanes
  expectLanes(results("shfl.sync.down.b32 %r0|%p0, %r31, 1, 0x1807, -1; @!%p0 mov.u32 %r0, 77;"),
              [](uint32_t i) { return i % 8 == 7 ? 77 : i + 1; });
  // Lanes of two masks at one instruction, and one mask over two branches.
  expectLanes(results("setp.lt.u32 %p0, %r31, 16; selp.b32 %r1, 0xffff, 0xffff0000, %p0;\n"
                      "shfl.sync.bfly.b32 %r0, %r31, 1, 31, %r1;"),
              [](uint32_t i) { return i ^ 1; });
}

TEST(Control, VotesAndMatches) {
  expectLanes(results("setp.lt.u32 %p0, %r31, 5; vote.sync.ballot.b32 %r0, %p0, -1;"), [](uint32_t) { return 31; });
  expectLanes(results("setp.lt.u32 %p0, %r31, 5; vote.sync.ballot.b32 %r0, !%p0, -1;"), [](uint32_t) { return ~31u; });
  expectLanes(results("setp.lt.u32 %p0, %r31, 5; vote.sync.any.pred %p1, %p0, -1; vote.sync.all.pred %p2, %p0, -1;\n"
                      "vote.sync.uni.pred %p3, %p0, -1; selp.b32 %r0, 1, 0, %p1; selp.b32 %r1, 2, 0, %p2;\n"
                      "selp.b32 %r2, 4, 0, %p3; or.b32 %r0, %r0, %r1; or.b32 %r0, %r0, %r2;"),
              [](uint32_t) { return 1; });
  expectLanes(results("shr.u32 %r1, %r31, 4; match.any.sync.b32 %r0, %r1, -1;"),
              [](uint32_t i) { return i < 16 ? 0xffffu : 0xffff0000u; });
  expectLanes(results("shr.u32 %r1, %r31, 5; match.all.sync.b32 %r0|%p0, %r1, -1; @!%p0 mov.u32 %r0, 1;"),
              [](uint32_t) { return ~0u; });
  expectLanes(results("redux.sync.add.s32 %r0, %r31, -1;"), [](uint32_t) { return 31 * 16; });
  expectLanes(results("sub.s32 %r1, %r31, 9; redux.sync.min.s32 %r0, %r1, -1; redux.sync.max.u32 %r2, %r1, -1;\n"
                      "sub.u32 %r0, %r0, %r2;"),
              [](uint32_t) { return uint32_t(-9) - uint32_t(-1); });
  expectLanes(results("redux.sync.or.b32 %r0, %r31, -1;"), [](uint32_t) { return 31; });
  expectLanes(results("elect.sync %r1|%p0, -1; selp.b32 %r2, 1, 0, %p0; redux.sync.add.u32 %r2, %r2, -1;\n"
                      "shl.b32 %r1, %r1, 8; or.b32 %r0, %r1, %r2;"),
              [](uint32_t) { return 1; });
  expectLanes(results("elect.sync %r1|%p0, -1; mov.u32 %r0, %r1;", 32, 5), [](uint32_t) { return 5; });
}

TEST(Control, LanesOfTwoBranchesMeet) {
  // Both branches execute the same bar.warp.sync through a call-free jump; the member mask names all lanes.
  expectLanes(results("mov.u32 %r0, 1; setp.lt.u32 %p0, %r31, 16; @%p0 bra A; mov.u32 %r0, 2; nanosleep.u32 5;\n"
                      "A: bar.warp.sync -1; redux.sync.add.u32 %r0, %r0, -1;"),
              [](uint32_t) { return 48; });
}

TEST(Control, SpecialRegisters) {
  Kernels kernels;
  kernels.block = {4, 3, 5};
  kernels.grid = {2, 3, 2};
  kernels.options.threads = 2;
  uint64_t out = kernels.buffer(std::vector<uint32_t>(12 * 60, 0));
  kernels.param(out);
  LaunchResult result = kernels.run(
      ".visible .entry k(.param .b64 po) { .reg .b32 %r<40>; .reg .b64 %o<9>;\n"
      "mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y;\n"
      "mad.lo.u32 %r6, %r3, %r5, %r2; mad.lo.u32 %r6, %r6, %r4, %r1;\n" // thread
      "mov.u32 %r7, %ctaid.x; mov.u32 %r8, %ctaid.y; mov.u32 %r9, %ctaid.z; mov.u32 %r10, %nctaid.x; mov.u32 %r11, "
      "%nctaid.y;\n"
      "mad.lo.u32 %r12, %r9, %r11, %r8; mad.lo.u32 %r12, %r12, %r10, %r7; mad.lo.u32 %r13, %r12, 60, %r6;\n"
      "mov.u32 %r14, %warpid; mov.u32 %r15, %laneid; mad.lo.u32 %r16, %r14, 32, %r15; sub.u32 %r16, %r16, %r6;\n"
      "mov.u32 %r17, %lanemask_lt; popc.b32 %r17, %r17; sub.u32 %r17, %r17, %r15; add.u32 %r16, %r16, %r17;\n"
      "add.u32 %r18, %ntid.z, 0; mad.lo.u32 %r19, %r18, 1000, %r16; add.u32 %r19, %r19, %r13;\n"
      "ld.param.b64 %o0, [po]; mul.wide.u32 %o1, %r13, 4; add.s64 %o0, %o0, %o1; st.global.b32 [%o0], %r19; ret; }");
  ASSERT_EQ(result.code, 0) << result.text;
  std::vector<uint32_t> values = kernels.read<uint32_t>(out, 12 * 60);
  for (uint32_t i = 0; i != values.size(); ++i)
    EXPECT_EQ(values[i], 5000 + i);
}

TEST(Control, BlocksThatWaitForEachOther) {
  // Every block waits until the one with the next number has spoken: all must be going at once.
  Kernels kernels;
  kernels.block = {32, 1, 1};
  kernels.grid = {6, 1, 1};
  kernels.options.threads = 2;
  uint64_t flags = kernels.buffer(std::vector<uint32_t>(7, 0));
  kernels.param(flags);
  const char *text =
      ".visible .entry k(.param .b64 pf) { .reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %o<9>;\n"
      "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; setp.ne.u32 %p0, %r2, 0; @%p0 bra Z; ld.param.b64 %o0, [pf];\n"
      "mul.wide.u32 %o1, %r1, 4; add.s64 %o0, %o0, %o1; setp.eq.u32 %p1, %r1, 5; @%p1 bra S;\n"
      "W: ld.acquire.gpu.global.b32 %r3, [%o0+4]; setp.eq.u32 %p2, %r3, 0; @%p2 bra W;\n"
      "S: st.release.gpu.global.b32 [%o0], 1;\nZ: ret; }";
  LaunchResult result = kernels.run(text);
  ASSERT_EQ(result.code, 0) << result.text;
  EXPECT_EQ(kernels.read<uint32_t>(flags, 6), std::vector<uint32_t>(6, 1));
}

TEST(Control, ThreadsThatPollGetOutOfTheWay) {
  // Warp 0 (seeds: in whatever order) polls a flag that the last warp sets; lane 1 polls one that lane 2 sets.
  const char *text = ".visible .entry k(.param .b64 pf) { .reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %o<9>;\n"
                     "mov.u32 %r1, %tid.x; ld.param.b64 %o0, [pf]; setp.eq.u32 %p0, %r1, 127; @%p0 bra LAST; "
                     "setp.eq.u32 %p0, %r1, 0; @%p0 bra FIRST;\n"
                     "setp.eq.u32 %p0, %r1, 33; @%p0 bra ONE; setp.eq.u32 %p0, %r1, 34; @%p0 bra TWO; ret;\n"
                     "FIRST: ld.relaxed.gpu.global.b32 %r3, [%o0]; setp.eq.u32 %p2, %r3, 0; @%p2 bra FIRST; ret;\n"
                     "LAST: st.relaxed.gpu.global.b32 [%o0], 1; ret;\n"
                     "ONE: ld.relaxed.gpu.global.b32 %r3, [%o0+4]; setp.eq.u32 %p2, %r3, 0; @%p2 bra ONE; ret;\n"
                     "TWO: st.relaxed.gpu.global.b32 [%o0+4], 1; ret; }";
  for (uint64_t seed = 0; seed != 16; ++seed) {
    Kernels kernels;
    kernels.options.seed = seed;
    kernels.options.maxInstructions = 10000000;
    kernels.param(kernels.buffer(std::vector<uint32_t>(2, 0)));
    LaunchResult result = kernels.run(text);
    EXPECT_EQ(result.code, 0) << "seed " << seed << ": " << result.text;
  }
}

TEST(Control, Errors) {
  EXPECT_NE(failure("trap;").find("the kernel executed trap"), std::string::npos);
  EXPECT_NE(
      failure("setp.eq.u32 %p0, %r1, 0; @%p0 bra Z; Z:").find("the guard predicate derives from an uninitialised"),
      std::string::npos);
  EXPECT_NE(failure("ld.global.b32 %r0, [%o1];").find("the address derives from an uninitialised value"),
            std::string::npos);
  std::string text = failure("setp.lt.u32 %p0, %r31, 4; @%p0 bra.uni Z; mov.u32 %r0, 0; Z:");
  EXPECT_NE(text.find("marked .uni, but only some lanes take it"), std::string::npos) << text;
  EXPECT_NE(text.find("kernel k, PTX line 3, block (0,0,0), thread (4,0,0)"), std::string::npos) << text;
  EXPECT_NE(text.find("@%p0 bra.uni Z"), std::string::npos) << text;
  EXPECT_NE(failure("setp.lt.u32 %p0, %r31, 4; @%p0 shfl.sync.bfly.b32 %r0, %r31, 1, 31, 0xf0;")
                .find("not in its own member mask"),
            std::string::npos);
  text = failure("setp.lt.u32 %p0, %r31, 4; @%p0 shfl.sync.bfly.b32 %r0, %r31, 1, 31, -1;", 32, 702);
  EXPECT_NE(text.find("deadlock"), std::string::npos) << text;
  EXPECT_NE(text.find("waits for the other lanes of its member mask"), std::string::npos) << text;
  EXPECT_NE(failure("L: bra L;", 32, 702).find("endless loop"), std::string::npos);
  // Reading a lane that is not there gives an undefined value, which matters when it is used.
  EXPECT_NE(failure("shfl.sync.down.b32 %r0, %r31, 4, 31, 0xffff; setp.eq.u32 %p0, %r0, 99; @%p0 bra Z; Z:", 16)
                .find("uninitialised"),
            std::string::npos);
}

TEST(Control, HalvesOfARegisterArePoisonedApart) {
  // %u is never written. What derives from the known half may decide a branch, what derives from the other may not.
  std::string begin = ".reg .b16 %h<9>, %u; .shared .align 4 .b16 s[2]; mov.b16 %h1, 0x3c00; mov.b32 %r1, {%h1, %u};\n";
  std::string end = "\nsetp.eq.u32 %p0, %r9, 0; @%p0 bra Z; Z:";
  const char *known[] = {
      "and.b32 %r9, %r1, 0xffff;",
      "shl.b32 %r2, %r1, 16; shr.u32 %r9, %r2, 16;",
      "cvt.u16.u32 %h2, %r1; cvt.u32.u16 %r9, %h2;",
      "mul.f16x2 %r2, %r1, %r1; mov.b32 {%h2, _}, %r2; cvt.u32.u16 %r9, %h2;",
      "prmt.b32 %r9, %r1, 0, 0x1010;",
      "mov.b32 %r2, %r1; or.b32 %r3, %r2, 5; and.b32 %r9, %r3, 255;",
      "st.shared.b32 [s], %r1; ld.shared.b16 %h2, [s]; cvt.u32.u16 %r9, %h2;",
      "st.shared.b32 [s], %r1; bar.warp.sync -1; ld.shared.b32 %r2, [s]; and.b32 %r9, %r2, 0xff00;",
      "setp.eq.u32 %p1, %r31, 99; selp.b32 %r2, 0, %r1, %p1; and.b32 %r9, %r2, 0xffff;",
  };
  const char *unknown[] = {
      "and.b32 %r9, %r1, 0x10000;",
      "shr.u32 %r9, %r1, 16;",
      "shl.b32 %r2, %r1, 15; and.b32 %r9, %r2, 0xffff;",
      "add.u32 %r2, %r1, 1; and.b32 %r9, %r2, 0xffff;",
      "mul.f16x2 %r2, %r1, %r1; mov.b32 {_, %h2}, %r2; cvt.u32.u16 %r9, %h2;",
      "prmt.b32 %r9, %r1, 0, 0x1012;",
      "st.shared.b32 [s], %r1; ld.shared.b16 %h2, [s+2]; cvt.u32.u16 %r9, %h2;",
  };
  for (const char *text : known)
    EXPECT_EQ(failure(begin + text + end, 1, 0), "") << text;
  for (const char *text : unknown)
    EXPECT_NE(failure(begin + text + end, 1).find("the guard predicate derives from an uninitialised value"),
              std::string::npos)
        << text;
}

TEST(Control, LaunchLimits) {
  auto refusal = [](unsigned threads, Dim3 cluster, uint32_t shared, const std::string &directives,
                    unsigned number = 90) {
    Kernels kernels(number, number == 90 ? 'a' : 0);
    kernels.block = {threads, 1, 1};
    kernels.grid = {6, 1, 1};
    kernels.cluster = cluster;
    kernels.dynamicShared = shared;
    LaunchResult result = kernels.run(".visible .entry k() " + directives + " { ret; }", "k", "7.8");
    return result.text;
  };
  EXPECT_EQ(refusal(1024, {1, 1, 1}, 49152, ""), "");
  EXPECT_NE(refusal(1025, {1, 1, 1}, 0, "").find("above 1024 threads"), std::string::npos);
  EXPECT_NE(refusal(64, {1, 1, 1}, 0, ".reqntid 32").find("is not the .reqntid 32x1x1"), std::string::npos);
  EXPECT_NE(refusal(64, {1, 1, 1}, 0, ".maxntid 32, 1, 1").find("above the .maxntid"), std::string::npos);
  EXPECT_NE(refusal(64, {1, 1, 1}, 49153, "").find("allowed are 49152"), std::string::npos);
  EXPECT_NE(refusal(64, {4, 1, 1}, 0, "").find("no multiple of the cluster"), std::string::npos);
  EXPECT_NE(refusal(64, {16, 1, 1}, 0, "").find("above the limit of 8 blocks"), std::string::npos);
  EXPECT_NE(refusal(64, {2, 1, 1}, 0, "", 80).find("clusters need sm_90"), std::string::npos);
  EXPECT_EQ(refusal(64, {2, 1, 1}, 0, ""), "");
  EXPECT_NE(refusal(64, {3, 1, 1}, 0, ".reqnctapercluster 2, 1, 1").find("not the .reqnctapercluster"),
            std::string::npos);
}
